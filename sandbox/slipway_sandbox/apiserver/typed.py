"""Values seen through their types: the field set of a value, what differs between two values, merging and removing.

The rules are those of the structured merge that server-side apply is defined by: lists with keys and granular maps
are containers whose members are owned one by one; atomic lists and maps, and everything scalar, are leaves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from slipway_sandbox.apiserver import nodes
from slipway_sandbox.apiserver.fieldsets import HERE, FieldSet, leaf
from slipway_sandbox.apiserver.nodes import ANY_NODE, Node

ABSENT: Any = object()


class TypedError(ValueError):
    """A value does not have the form that its type needs to be merged by."""


def item_element(node: Node, item: Any) -> str:
    """The path element of a list's item.

    Raises:
        TypedError: a key is missing.
    """
    if node.list_type == "set":
        return "v:" + json.dumps(item, separators=(",", ":"), sort_keys=True)
    if not isinstance(item, dict):
        raise TypedError("associative list with keys may not have non-map elements")
    keys = {}
    for name in sorted(node.keys):
        value = item.get(name)
        if value is None:
            below = node.item.fields.get(name)
            if below is None or below.default is nodes.NO_DEFAULT:
                raise TypedError(
                    f"associative list with keys has an element that omits key field "
                    f"{json.dumps(name)} (and doesn't have default value)"
                )
            value = below.default
        keys[name] = value
    return "k:" + json.dumps(keys, separators=(",", ":"))


def _container(node: Node, value: Any) -> str:
    """Whether a value is walked into as a map ("map") or keyed list ("list"), or is a leaf ("")."""
    if isinstance(value, dict):
        if node.kind in (nodes.LIST, nodes.SCALAR):
            return ""
        return "" if node.atomic else "map"
    if isinstance(value, list):
        return "list" if node.kind == nodes.LIST and node.list_type != "atomic" else ""
    return ""


def _child(node: Node, name: str) -> Node:
    return node.child(name) or ANY_NODE


_WORDS = {"string": str, "bytes": str, "bool": bool}
_LOOSE = {"IntOrString", "Quantity", "Time", "MicroTime", "Duration"}


def check(node: Node, value: Any, path: str = "") -> None:
    """Whether a value has the form of its type: known fields, lists and maps where they belong, scalars of the kind.

    Raises:
        TypedError: it has not.
    """
    if value is None or node.kind == nodes.ANY:
        return
    if node.kind == nodes.LIST:
        if not isinstance(value, list):
            raise TypedError(f"{path}: expected list, got {value!r}")
        for index, item in enumerate(value):
            check(node.item, item, f"{path}[{index}]")
    elif node.kind == nodes.SCALAR:
        _check_scalar(node.scalar, value, path)
    elif not isinstance(value, dict):
        raise TypedError(f"{path}: expected map, got {value!r}")
    elif node.kind == nodes.MAP or node.fields:
        for name, below in value.items():
            child = node.child(name)
            if child is None:
                raise TypedError(f"{path}.{name}: field not declared in schema")
            check(child, below, f"{path}.{name}")


def _check_scalar(scalar: str, value: Any, path: str) -> None:
    if isinstance(value, dict | list):
        raise TypedError(f"{path}: expected scalar, got {value!r}")
    if scalar in _LOOSE:
        return
    wanted = _WORDS.get(scalar)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not (isinstance(value, wanted) if wanted is not None else numeric):
        word = {str: "string", bool: "boolean"}[wanted] if wanted else "numeric (int or float)"
        raise TypedError(f"{path}: expected {word}, got {value!r}")


def field_set(node: Node, value: Any) -> FieldSet:
    """The paths that a value sets.

    Raises:
        TypedError: a keyed list is malformed or has duplicates.
    """
    container = _container(node, value)
    if container == "map":
        found: FieldSet = {}
        for name, below in value.items():
            child = _child(node, name)
            inner = field_set(child, below)
            if below is None or below == {} or not (node.kind == nodes.STRUCT and name in node.fields):
                inner = {**inner, HERE: {}}
            if inner:
                found["f:" + name] = inner
        return found
    if container == "list":
        found = {}
        for item in value:
            element = item_element(node, item)
            if element in found:
                raise TypedError(f"duplicate entries for key [{element[2:]}]")
            found[element] = {**field_set(node.item, item), HERE: {}}
        return found
    if isinstance(value, list) and node.kind == nodes.LIST and node.list_type != "atomic":
        return {}
    return leaf()


@dataclass
class Comparison:
    """What differs between an old and a new value."""

    added: FieldSet = field(default_factory=dict)
    modified: FieldSet = field(default_factory=dict)
    removed: FieldSet = field(default_factory=dict)

    def changed(self) -> bool:
        return bool(self.added or self.modified or self.removed)


def compare(node: Node, old: Any, new: Any) -> Comparison:
    """The difference between two values of a type."""
    found = Comparison()
    found.added, found.modified, found.removed = _compare(node, old, new)
    for part in (found.added, found.modified, found.removed):
        part.pop(HERE, None)
    return found


_Triple = tuple[FieldSet, FieldSet, FieldSet]


def _leaf_difference(old: Any, new: Any) -> _Triple:
    if old is ABSENT:
        return leaf(), {}, {}
    if new is ABSENT:
        return {}, {}, leaf()
    return ({}, {}, {}) if _same(old, new) else ({}, leaf(), {})


def _same(a: Any, b: Any) -> bool:
    """JSON equality: 1 equals 1.0, but not true."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(below, b[name]) for name, below in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def _compare(node: Node, old: Any, new: Any) -> _Triple:
    if old is new:
        return {}, {}, {}
    shapes = {_container(node, value) for value in (old, new) if value is not ABSENT and value is not None}
    empty = all(value is ABSENT or value is None or value in ({}, []) for value in (old, new))
    if len(shapes) != 1 or shapes == {""} or empty:
        if len(shapes) > 1:
            return _compare_mismatched(node, old, new)
        return _leaf_difference(old, new)
    members = _members_of_map if shapes == {"map"} else _members_of_list
    olds, news = members(node, old), members(node, new)
    added: FieldSet = {}
    modified: FieldSet = {}
    removed: FieldSet = {}
    for key in olds | news:
        a, b = olds.get(key, ABSENT), news.get(key, ABSENT)
        below = _child(node, key[2:]) if key[0] == "f" and shapes == {"map"} else node.item
        for total, part in zip((added, modified, removed), _compare(below, a, b), strict=True):
            if part:
                total[key] = part
    if old is ABSENT:
        added[HERE] = {}
    elif new is ABSENT:
        removed[HERE] = {}
    return added, modified, removed


def _compare_mismatched(node: Node, old: Any, new: Any) -> _Triple:
    """A container became a leaf or the other way round: everything of the old is gone, everything of the new came."""
    _, _, removed = _compare(node, old, ABSENT)
    added, _, _ = _compare(node, ABSENT, new)
    removed.pop(HERE, None)
    added.pop(HERE, None)
    return added, leaf(), removed


def _members_of_map(_node: Node, value: Any) -> dict[str, Any]:
    return {"f:" + name: below for name, below in value.items()} if isinstance(value, dict) else {}


def _members_of_list(node: Node, value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in value if isinstance(value, list) else ():
        found.setdefault(item_element(node, item), item)
    return found


def merge(node: Node, live: Any, config: Any) -> Any:
    """The live value with what the configuration says laid over it."""
    if config is ABSENT:
        return live
    container = _container(node, config)
    if live is ABSENT or container == "" or _container(node, live) != container:
        return config
    if container == "map":
        result = dict(live)
        for name, below in config.items():
            result[name] = merge(_child(node, name), live.get(name, ABSENT), below)
        return result
    return _merge_lists(node, live, config)


def _merge_lists(node: Node, live: list[Any], config: list[Any]) -> list[Any]:
    """Members of both, the configuration's order winning among shared ones, live-only ones staying where they were."""
    left = [item_element(node, item) for item in live]
    right = [item_element(node, item) for item in config]
    lefts: dict[str, Any] = {}
    for key, item in zip(left, live, strict=True):
        lefts.setdefault(key, item)
    rights = dict(zip(right, config, strict=True))
    shared = [key for key in right if key in lefts]
    shared.append("")
    merged: set[str] = set()
    out: list[Any] = []
    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right) and left[i] != right[j]:  # noqa: SIM102
            if left[i] in rights and shared[0] and shared[0] != left[i]:
                i += 1  # shared, but the configuration wants another one first
                continue
        if i < len(left) and left[i] not in rights:
            out.append(live[i])
            i += 1
            continue
        if i < len(left) and (left[i] in merged or (j < len(right) and left[i] == right[j])):
            i += 1
        if j < len(right):
            key = right[j]
            merged.add(key)
            out.append(merge(node.item, lefts.get(key, ABSENT), rights[key]))
            j += 1
            if shared[0] == key:
                shared.pop(0)
    return out


def remove(node: Node, value: Any, fields: FieldSet) -> Any:
    """The value without the members in the set; a container that loses its last member becomes null."""
    container = _container(node, value)
    if container == "map":
        result: dict[str, Any] = {}
        for name, below in value.items():
            part = fields.get("f:" + name)
            if part is None:
                result[name] = below
            elif HERE not in part:
                result[name] = remove(_child(node, name), below, part)
        return result or None
    if container == "list":
        kept = []
        for item in value:
            part = fields.get(item_element(node, item))
            if part is None:
                kept.append(item)
            elif HERE not in part:
                kept.append(remove(node.item, item, part))
        return kept or None
    return value
