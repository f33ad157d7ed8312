"""What is known about the shape of values: one tree of `Node`s for built-in types and custom resources alike.

Pruning, defaulting, canonical decoding, strategic merge, server-side apply and the published OpenAPI all walk the
same tree, so a fact about a field is stated once. Built-in types come from `types/<group>.<version>.json`, one line
a type, one string a field:

    "selector *@meta.v1.LabelSelector #2 !"

name, type (`*` pointer, `[]` list, `{}` map with string keys, `@` another type of the same file unless qualified),
then marks: `#n` protobuf field number (`#a.n` inside an inlined message a), `?` left out when empty, `z` left out when
zero, `!` required, `map=k1,k2` / `set` / `atomic` list or map semantics of server-side apply, `patch=` and `key=` the
strategic merge directives, `default=` a JSON value.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_TYPES = Path(__file__).parent / "types"

STRUCT = "struct"
MAP = "map"
LIST = "list"
SCALAR = "scalar"
ANY = "any"

NO_DEFAULT: Any = object()


class Node:
    """The type of one value in its place (so a field's marks are part of it)."""

    __slots__ = (
        "_fields", "_type", "atomic", "default", "elem", "embedded", "int_or_string", "keys", "kind", "list_type",
        "merge_key", "nullable", "number", "omit_empty", "omit_zero", "pointer", "preserve", "required", "scalar",
        "schema", "strategy", "type_name",
    )  # fmt: skip

    def __init__(self, kind: str, **marks: Any) -> None:
        self.kind = kind
        self.scalar: str = ""
        self.elem: Node | None = None
        self.list_type = "atomic"
        self.keys: tuple[str, ...] = ()
        self.atomic = False
        self.default: Any = NO_DEFAULT
        self.required = False
        self.nullable = False
        self.pointer = False
        self.omit_empty = False
        self.omit_zero = False
        self.strategy: tuple[str, ...] = ()
        self.merge_key = ""
        self.preserve = False
        self.embedded = False
        self.int_or_string = False
        self.number = ""
        self.type_name = ""
        self.schema: dict[str, Any] | None = None
        self._fields: dict[str, Node] | None = None
        for name, value in marks.items():
            setattr(self, name, value)

    @property
    def fields(self) -> dict[str, Node]:
        """The fields of a struct; those of a built-in type are read when first asked for (types may contain themselves)."""  # noqa: E501
        if self._fields is None:
            self._fields = type_fields(self.type_name) if self.type_name else {}
        return self._fields

    @fields.setter
    def fields(self, value: dict[str, Node]) -> None:
        self._fields = value

    def child(self, name: str) -> Node | None:
        """The node of a named member: a declared field, a map's value, or anything below a preserved part."""
        if self.kind == STRUCT:
            found = self.fields.get(name)
            if found is not None:
                return found
            return self.elem or (ANY_NODE if self.preserve else None)
        if self.kind == MAP:
            return self.elem
        return ANY_NODE if self.kind == ANY else None

    @property
    def item(self) -> Node:
        """The node of a list's items."""
        return self.elem if self.elem is not None else ANY_NODE


ANY_NODE = Node(ANY)
SCALARS = frozenset(
    {"string", "int32", "int64", "uint32", "uint64", "float64", "float32", "bool", "bytes", "Quantity", "IntOrString",
     "Time", "MicroTime", "Duration"}
)  # fmt: skip


@cache
def _file(group_version: str) -> dict[str, list[str]]:
    path = _TYPES / f"{group_version}.json"
    loaded: dict[str, list[str]] = json.loads(path.read_text()) if path.exists() else {}
    return loaded


def type_names(group_version: str) -> list[str]:
    """The names of all types in a file, qualified (`apps.v1.Deployment`)."""
    return [f"{group_version}.{name}" for name in _file(group_version)]


def type_exists(name: str) -> bool:
    package, _, short = name.rpartition(".")
    return short in _file(package)


@cache
def type_fields(name: str) -> dict[str, Node]:
    """The fields of a built-in type, by JSON name."""
    package, _, short = name.rpartition(".")
    lines = _file(package)[short]
    return {line.split(" ", 1)[0]: _parse_field(package, line) for line in lines if line != "atomic"}


@cache
def _type_is_atomic(name: str) -> bool:
    package, _, short = name.rpartition(".")
    lines = _file(package).get(short, [])
    return bool(lines) and lines[0] == "atomic"


@cache
def type_node(name: str) -> Node:
    """The node of a whole built-in type, e.g. `apps.v1.Deployment`; apiVersion and kind are fields of it."""
    node = Node(STRUCT, type_name=name)
    text = Node(SCALAR, scalar="string", omit_empty=True)
    node.fields = {"apiVersion": text, "kind": text, **type_fields(name)}
    return node


def _parse_field(package: str, line: str) -> Node:
    _, shape, *marks = line.split(" ")
    node = _parse_shape(package, shape)
    for mark in marks:
        _apply_mark(node, mark)
    return node


def _parse_shape(package: str, shape: str) -> Node:
    if shape.startswith("*"):
        node = _parse_shape(package, shape[1:])
        node.pointer = True
        return node
    if shape.startswith("[]"):
        return Node(LIST, elem=_parse_shape(package, shape[2:]))
    if shape.startswith("{}"):
        return Node(MAP, elem=_parse_shape(package, shape[2:]))
    if shape.startswith("@"):
        name = shape[1:] if "." in shape else f"{package}.{shape[1:]}"
        return Node(STRUCT, type_name=name, atomic=_type_is_atomic(name))
    if shape in SCALARS:
        return Node(SCALAR, scalar=shape)
    if shape in {"JSON", "RawObject", "RawExtension"}:
        return Node(ANY, scalar=shape, atomic=shape == "JSON")
    raise ValueError(f"unknown type {shape!r} in {package}")


def _apply_mark(node: Node, mark: str) -> None:
    name, _, value = mark.partition("=")
    if mark == "?":
        node.omit_empty = True
    elif mark == "z":
        node.omit_zero = True
    elif mark == "!":
        node.required = True
    elif mark[0] == "#":
        node.number = mark[1:]
    elif name == "map":
        node.list_type, node.keys = "map", tuple(value.split(","))
    elif name == "set":
        node.list_type = "set"
    elif name == "atomic":
        node.list_type, node.atomic = "atomic", node.kind != LIST
    elif name == "patch":
        node.strategy = tuple(value.split(","))
    elif name == "key":
        node.merge_key = value
    elif name == "default":
        node.default = json.loads(value)
    else:
        raise ValueError(f"unknown mark {mark!r}")
