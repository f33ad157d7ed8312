"""Strategic merge patch: a merge patch that knows which lists are keyed, for built-in kinds.

Directives in the patch: `$patch: delete|replace|merge` in maps and items, `$deleteFromPrimitiveList/<field>`,
`$setElementOrder/<field>`, `$retainKeys`.
"""

from __future__ import annotations

from typing import Any

from slipway_sandbox.apiserver import nodes
from slipway_sandbox.apiserver.errors import bad_request, bare_500
from slipway_sandbox.apiserver.nodes import ANY_NODE, Node

_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"
_PATCH = "$patch"


def strategic_merge(node: Node, target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The target with the patch merged in (new values where something changed).

    Raises:
        ApiError: 400 for a directive that makes no sense, 500 for an item without its merge key.
    """
    if _PATCH in patch:
        directive = patch[_PATCH]
        rest = {name: value for name, value in patch.items() if name != _PATCH}
        if directive == "replace":
            replaced: dict[str, Any] = _clean(rest)
            return replaced
        if directive == "delete":
            return {}
        if directive != "merge":
            raise bad_request(f"Unknown patch type found: {directive}")
        patch = rest
    result = dict(target)
    _retain_keys(result, patch)
    for name, value in patch.items():
        if name.startswith((_DELETE_FROM, _ORDER)) or name == _RETAIN:
            continue
        below = node.child(name) or ANY_NODE
        order = patch.get(_ORDER + name)
        removed = patch.get(_DELETE_FROM + name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and name not in result and value.get(_PATCH) in ("replace", "delete"):
            result[name] = {}  # nothing to replace or delete: the directive takes its map with it
        elif isinstance(value, dict):
            current = result.get(name)
            base = current if isinstance(current, dict) and "replace" not in below.strategy else {}
            result[name] = strategic_merge(below, base, value)
        elif isinstance(value, list) and "merge" in below.strategy:
            result[name] = _merge_list(below, result.get(name) or [], value, order, removed)
        else:
            result[name] = _clean(value)
    _lists_without_values(node, result, patch)
    return result


def _lists_without_values(node: Node, result: dict[str, Any], patch: dict[str, Any]) -> None:
    """Directives may stand alone: an order or a deletion for a list that the patch does not otherwise name."""
    for name, value in patch.items():
        for prefix in (_DELETE_FROM, _ORDER):
            field = name.removeprefix(prefix)
            if field == name or field in patch or not isinstance(result.get(field), list):
                continue
            below = node.child(field) or ANY_NODE
            order = value if prefix == _ORDER else patch.get(_ORDER + field)
            removed = value if prefix == _DELETE_FROM else patch.get(_DELETE_FROM + field)
            result[field] = _merge_list(below, result[field], [], order, removed)


def _retain_keys(result: dict[str, Any], patch: dict[str, Any]) -> None:
    keep = patch.get(_RETAIN)
    if keep is None:
        return
    if not isinstance(keep, list):
        raise bad_request("bad patch: $retainKeys must be a list")
    for name in patch:  # noqa: PLC0206
        if not name.startswith("$") and patch[name] is not None and name not in keep:
            raise bad_request("bad patch: $retainKeys does not contain all keys of the patch")
    for name in list(result):
        if name not in keep:
            del result[name]


def _clean(value: Any) -> Any:
    """A value from a patch as data: without directives, and without nulls in maps."""
    if isinstance(value, dict):
        return {
            name: _clean(below)
            for name, below in value.items()
            if below is not None and name not in {_PATCH, _RETAIN} and not name.startswith((_DELETE_FROM, _ORDER))
        }
    if isinstance(value, list):
        return [_clean(item) for item in value if not (isinstance(item, dict) and item.get(_PATCH) == "delete")]
    return value


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _check_directives(patch: list[Any], order: Any, removed: Any, *, primitive: bool) -> None:
    for directive in (order, removed):
        if directive is not None and not isinstance(directive, list):
            raise bad_request(f"bad patch: a directive for a list must be a list, not {directive}")
    if primitive and not all(_is_scalar(item) for item in [*patch, *(order or ()), *(removed or ())]):
        raise bad_request("bad patch: a list of plain values cannot hold objects or lists")


def _merge_list(node: Node, current: list[Any], patch: list[Any], order: Any, removed: Any) -> list[Any]:
    _check_directives(patch, order, removed, primitive=node.item.kind == nodes.SCALAR)
    if node.item.kind == nodes.SCALAR:
        return _merge_primitives(current, patch, order, removed)
    key = node.merge_key
    if any(isinstance(item, dict) and item.get(_PATCH) == "replace" for item in patch):
        return [_clean(item) for item in patch if item != {_PATCH: "replace"}]
    result = list(current)
    for item in patch:
        if not isinstance(item, dict) or key not in item or not _is_scalar(item[key]):
            raise bare_500(f"map: {item} does not contain declared merge key: {key}")
        directive = item.get(_PATCH)
        at = next((i for i, found in enumerate(result) if found.get(key) == item[key]), None)
        if directive == "delete":
            result = [found for found in result if found.get(key) != item[key]]
        elif at is None:
            result.append(strategic_merge(node.item, {}, item))
        else:
            result[at] = strategic_merge(node.item, result[at], item)
    named = patch if order is None else order
    wanted = [entry.get(key) for entry in named if isinstance(entry, dict) and _is_scalar(entry.get(key))]
    return _sorted(result, [found.get(key) for found in result], wanted, [found.get(key) for found in current])


def _merge_primitives(current: list[Any], patch: list[Any], order: Any, removed: Any) -> list[Any]:
    result = [item for item in current if item not in (removed or [])]
    result += [item for item in patch if item not in result]
    return _sorted(result, result, list(patch if order is None else order), current)


def _sorted(items: list[Any], keys: list[Any], wanted: list[Any], live: list[Any]) -> list[Any]:
    """Items that the patch names in its order; the others keep their order, and their place before a named item that
    followed them in the live list."""
    found = dict(zip(keys, items, strict=True))
    named = [key for key in dict.fromkeys(wanted) if key in found]
    others = [key for key in keys if key not in named]
    rank = {key: index for index, key in enumerate(live)}
    result: list[Any] = []
    while named and others:
        before = others[0] in rank and named[0] in rank and rank[others[0]] < rank[named[0]]
        result.append(found[(others if before else named).pop(0)])
    return result + [found[key] for key in named or others]
