"""Sets of field paths, the currency of server-side apply.

A set is a tree of dicts, keyed by path element in the notation of `fieldsV1` (`f:name` a field, `k:{...}` a list item
by its keys, `v:...` a list item by value). A path that is itself in the set has the key "." in its dict. The notation
of the API differs in one point: there a leaf is an empty dict, without the dot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

FieldSet = dict[str, Any]

HERE = "."


def leaf() -> FieldSet:
    return {HERE: {}}


def from_fields_v1(fields: dict[str, Any]) -> FieldSet:
    """The set that a `fieldsV1` document denotes."""
    found: FieldSet = {}
    for key, below in fields.items():
        if key == HERE:
            found[HERE] = {}
        elif not below:
            found[key] = leaf()
        else:
            found[key] = from_fields_v1(below)
    return found


def to_fields_v1(fields: FieldSet) -> dict[str, Any]:
    """The set as a `fieldsV1` document."""
    found: dict[str, Any] = {}
    for key in sorted(fields):
        below = fields[key]
        if key == HERE:
            found[HERE] = {}
        elif len(below) == 1 and HERE in below:
            found[key] = {}
        else:
            found[key] = to_fields_v1(below)
    return found


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    if not a:
        return b
    if not b:
        return a
    found = dict(a)
    for key, below in b.items():
        found[key] = {} if key == HERE else union(found[key], below) if key in found else below
    return found


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """The paths of `a` that are not in `b`."""
    if not b:
        return a
    found: FieldSet = {}
    for key, below in a.items():
        if key not in b:
            found[key] = below
        elif key != HERE:
            rest = difference(below, b[key])
            if rest:
                found[key] = rest
    return found


def subtract_trees(a: FieldSet, b: FieldSet) -> FieldSet:
    """The paths of `a` that are neither in `b` nor below a path in `b`."""
    found: FieldSet = {}
    for key, below in a.items():
        other = b.get(key)
        if other is None or key == HERE:
            found[key] = below
        elif HERE not in other:
            rest = subtract_trees(below, other)
            if rest:
                found[key] = rest
    return found


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    found: FieldSet = {}
    for key, below in a.items():
        if key not in b:
            continue
        if key == HERE:
            found[HERE] = {}
            continue
        shared = intersection(below, b[key])
        if shared:
            found[key] = shared
    return found


def with_named_parents(fields: FieldSet, declared: Any) -> FieldSet:
    """The set plus every declared struct field on the way to its paths. `declared` is the node of the value."""
    found: FieldSet = {}
    for key, below in fields.items():
        if key == HERE:
            found[HERE] = {}
            continue
        child = _descend(declared, key)
        deeper = with_named_parents(below, child)
        if key.startswith("f:") and _is_declared(declared, key[2:]):
            deeper = {**deeper, HERE: {}}
        found[key] = deeper
    return found


def _descend(node: Any, key: str) -> Any:
    if node is None:
        return None
    if key.startswith("f:"):
        return node.child(key[2:])
    return node.elem if node.kind == "list" else None


def _is_declared(node: Any, name: str) -> bool:
    return node is not None and node.kind == "struct" and name in node.fields


def paths(fields: FieldSet, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All member paths."""
    for key in sorted(fields):
        if key == HERE:
            yield prefix
        else:
            yield from paths(fields[key], (*prefix, key))


def show(path: tuple[str, ...]) -> str:
    """A path as conflict messages write it: `.spec.ports[port=80].name`."""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            keys = json.loads(rest)
            text += "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(keys.items())) + "]"
        elif kind == "v":
            text += f"[={rest}]"
        else:
            text += f"[{rest}]"
    return text


def insert(fields: FieldSet, path: tuple[str, ...]) -> None:
    """Add a path, in place."""
    for element in path:
        fields = fields.setdefault(element, {})
    fields[HERE] = {}
