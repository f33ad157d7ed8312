"""Lists and maps that an expression writes out: all their items have one static type, as a real server demands.

The engine would take `['', object.metadata.name]` as a list of anything; an API server compiles no such expression,
because the one is a string and the other is dynamic. What is compared are the types that the engine found: it hands
them out in a compiled expression's serialized form, the message `cel.expr.CheckedExpr`.

Only what is known is compared. A dynamic type is known where it comes from an object that is admitted; it is not where
a real server has more to tell than the sandbox (the parts of a request, what the added functions give back).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from slipway_sandbox.apiserver.protobuf import Wire, last, numbers, read_wire

_PRIMITIVES: Final = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_WELL_KNOWN: Final = {1: "any", 2: "timestamp", 3: "duration"}
OBJECTS: Final = "slipway.rules"
"""How the names of the types begin that stand for the objects of a schema."""
_OPEN: Final = re.compile(rf"\b(dyn|any)\b|{OBJECTS}")
"""Types that say little: what is dynamic, and the objects of a schema, whose names are made up."""
_TAKES_ANYTHING: Final = b"format"
"""The function whose arguments may be of any type, and so may the lists in them."""
_ADDED: Final = b"k8s_"
"""How the overloads of the sandbox's own functions begin; they say `dyn` where a real server has a type."""

# Numbers of the fields of cel.expr.Expr, CheckedExpr and Type.
_SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 5, 6, 7, 8, 9


def mixed_literal(serialized: bytes, text: str, unknown: frozenset[str]) -> str | None:
    """What a real server says of the first list or map in a compiled expression whose items have two types, if any.

    `unknown` are the names of variables that are declared dynamic only because their types are not known here.
    """
    tree = _Tree(serialized)
    first = next(tree.mismatches(tree.root, unknown), None)
    if first is None:
        return None
    item, wanted, found = first
    return _complaint(text, tree.positions.get(item) or 0, f"expected type '{wanted}' but found '{found}'")


def is_known(serialized: bytes, unknown: frozenset[str]) -> bool:
    """Whether the type of a whole expression is what a real server would say, too."""
    tree = _Tree(serialized)
    return tree.known(tree.root, unknown)


def _complaint(text: str, offset: int, detail: str) -> str:
    before = text[:offset]
    line, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1)
    return f"ERROR: <input>:{line}:{column + 1}: {detail}\n | {text.splitlines()[line - 1]}\n | {'.' * column}^"


class _Tree:
    """A compiled expression: its nodes, with their types and what they refer to."""

    def __init__(self, serialized: bytes) -> None:
        checked = read_wire(last(read_wire(serialized), 2, b""))
        self.root = read_wire(last(checked, 4, b""))
        self._types = {key: read_wire(value) for key, value in _entries(checked.get(3, []))}
        self._references = {key: read_wire(value) for key, value in _entries(checked.get(2, []))}
        source = read_wire(last(checked, 5, b""))
        self.positions: dict[int, int] = dict(_entries(source.get(4, [])))

    def mismatches(self, node: Wire, unknown: frozenset[str]) -> Iterator[tuple[int, str, str]]:
        """Items (by their number) that have another type than the first of their literal, with both types."""
        if _CALL in node and last(read_wire(node[_CALL][-1]), 2, b"") == _TAKES_ANYTHING:
            return
        for below, names in self._below(node, unknown):
            yield from self.mismatches(below, names)
        if _LIST in node:
            made = read_wire(node[_LIST][-1])
            yield from self._uneven(
                [read_wire(item) for item in made.get(1, ())], unknown, set(numbers(made.get(2, [])))
            )
        elif _STRUCT in node:
            entries = [read_wire(entry) for entry in read_wire(node[_STRUCT][-1]).get(2, ())]
            optional = {at for at, entry in enumerate(entries) if last(entry, 5, 0)}
            yield from self._uneven([read_wire(entry[3][-1]) for entry in entries if 3 in entry], unknown, set())
            yield from self._uneven([read_wire(last(entry, 4, b"")) for entry in entries], unknown, optional)

    def _uneven(self, items: list[Wire], unknown: frozenset[str], optional: set[int]) -> Iterator[tuple[int, str, str]]:
        wanted: str | None = None
        for at, item in enumerate(items):
            found = self._type(item)
            if at in optional:
                found = found.removeprefix("optional_type(").removesuffix(")")
            if not self.known(item, unknown):
                return
            if wanted is not None and found != wanted:
                yield last(item, 2, 0), wanted, found
                return
            wanted = found

    def known(self, node: Wire, unknown: frozenset[str]) -> bool:
        """Whether the type of a node is what a real server would say, too."""
        return not _OPEN.search(self._type(node)) or not self._rests_on(node, unknown)

    def _rests_on(self, node: Wire, unknown: frozenset[str]) -> bool:
        reference = self._references.get(last(node, 2, 0))
        if reference is not None:
            if any(overload.startswith(_ADDED) for overload in reference.get(3, ())):
                return True
            if 1 in reference and 3 not in reference:  # a variable, also one whose name has dots
                return last(reference, 1, b"").decode() in unknown
        return any(self._rests_on(below, names) for below, names in self._below(node, unknown))

    def _below(self, node: Wire, unknown: frozenset[str]) -> Iterator[tuple[Wire, frozenset[str]]]:
        """The nodes right below one, each with the names that are unknown there."""
        parts: list[bytes] = []
        if _SELECT in node:
            parts = [last(read_wire(node[_SELECT][-1]), 1, b"")]
        elif _CALL in node:
            call = read_wire(node[_CALL][-1])
            parts = [*call.get(1, ()), *call.get(3, ())]
        elif _LIST in node:
            parts = read_wire(node[_LIST][-1]).get(1, [])
        elif _STRUCT in node:
            entries = [read_wire(entry) for entry in read_wire(node[_STRUCT][-1]).get(2, ())]
            parts = [part for entry in entries for part in (*entry.get(3, ()), *entry.get(4, ()))]
        elif _COMPREHENSION in node:
            yield from self._loop(read_wire(node[_COMPREHENSION][-1]), unknown)
        for part in parts:
            yield read_wire(part), unknown

    def _loop(self, loop: Wire, unknown: frozenset[str]) -> Iterator[tuple[Wire, frozenset[str]]]:
        over = read_wire(last(loop, 2, b""))
        yield over, unknown
        yield read_wire(last(loop, 4, b"")), unknown
        variables = {last(loop, number, b"").decode() for number in (1, 8)} - {""}
        inside = unknown - variables if self.known(over, unknown) else unknown | variables
        for number in (5, 6, 7):
            yield read_wire(last(loop, number, b"")), inside

    def _type(self, node: Wire) -> str:
        return _type_name(self._types.get(last(node, 2, 0), {1: [b""]}))


def _entries(encoded: list[Any]) -> Iterator[tuple[int, Any]]:
    for entry in encoded:
        parts = read_wire(entry)
        yield last(parts, 1, 0), last(parts, 2, None)


def _type_name(kind: Wire) -> str:
    """A type as a real server's messages write it."""
    if 2 in kind:
        return "null"
    if 3 in kind:
        return _PRIMITIVES.get(kind[3][-1], "dyn")
    if 4 in kind:
        return f"wrapper({_PRIMITIVES.get(kind[4][-1], 'dyn')})"
    if 5 in kind:
        return _WELL_KNOWN.get(kind[5][-1], "dyn")
    if 6 in kind:
        return f"list({_type_name(read_wire(last(read_wire(kind[6][-1]), 1, b'')))})"
    if 7 in kind:
        parts = read_wire(kind[7][-1])
        return f"map({_type_name(read_wire(last(parts, 1, b'')))}, {_type_name(read_wire(last(parts, 2, b'')))})"
    if 9 in kind:
        return str(kind[9][-1].decode())
    if 11 in kind:
        return f"type({_type_name(read_wire(kind[11][-1]))})"
    if 14 in kind:
        parts = read_wire(kind[14][-1])
        inner = ", ".join(_type_name(read_wire(part)) for part in parts.get(2, ()))
        return f"{last(parts, 1, b'').decode()}({inner})"
    return "dyn"
