"""Golden sets: labelled inputs as JSON Lines, read strictly.

A line is ``{"id": "g0001", "inputs": [<V2 tensors>], "expected": [1]}``. A set with one bad line is refused as a
whole: a set that was quietly shortened would still give a verdict, of something that nobody asked for. Every refusal
says where and how to correct it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slipway.probes.schema import ItemSchema, SchemaError

MAX_ITEMS: Final = 10_000
"""Most items of a golden set: what fits a ConfigMap, and what a replay inside the operator can take."""

MAX_ID: Final = 64
"""Longest id, in characters: ids are shown in messages."""

_TENSOR: Final = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "shape": {"type": "array", "maxItems": 16, "items": {"type": "integer", "minimum": 0, "maximum": 1 << 31}},
        "datatype": {
            "enum": ["BOOL", "BYTES", "FP16", "FP32", "FP64"]
            + [f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]
        },
        "parameters": {"type": "object"},
        "data": {"type": "array"},
    },
}
_ITEM: Final = {
    "type": "object",
    "required": ["id", "inputs", "expected"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
        "inputs": {"type": "array", "minItems": 1, "maxItems": 64, "items": _TENSOR},
        "expected": {"type": "array", "minItems": 1, "items": {"type": ["number", "string", "boolean"]}},
    },
}
_BUILT_IN: Final = Draft202012Validator(_ITEM)

Scalar = str | int | float | bool


class GoldenSetError(ValueError):
    """A golden set or its schema cannot be used. The message says where, what is wrong and how to correct it."""


@dataclass(frozen=True, slots=True)
class GoldenItem:
    """One labelled input."""

    id: str
    inputs: tuple[Mapping[str, Any], ...]
    """V2 tensors as they are sent."""
    expected: tuple[Scalar, ...]
    """The output tensor's values in row-major order."""


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """A whole golden set, in the order of its file."""

    items: tuple[GoldenItem, ...]
    digest: str
    """``sha256:`` and the digest of the text as it was read."""


def read_golden_set(text: str, *, schema: str | None, where: str) -> GoldenSet:
    """Reads JSON Lines. `schema` is the text of a JSON Schema that every item has to match as well; `where` names the
    ConfigMap and the key.

    Raises GoldenSetError. Takes seconds for the largest set with a schema, so call it in a thread.
    """
    try:
        users = None if schema is None else ItemSchema(schema)
    except SchemaError as error:
        raise GoldenSetError(f"{where}: {error}") from None
    lines = [
        (number, line)
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1)
        if line.strip(" \t\r")
    ]
    if not lines:
        raise GoldenSetError(
            f'{where} is empty: give it one item a line, such as {{"id":"g1","inputs":[…],"expected":[1]}}'
        )
    if len(lines) > MAX_ITEMS:
        raise GoldenSetError(f"{where} has {len(lines)} items: keep at most {MAX_ITEMS}, chosen at random")
    items: list[GoldenItem] = []
    seen: dict[str, int] = {}
    for number, line in lines:
        try:
            item = _item(line, users)
            if item.id in seen:
                raise ValueError(f"id {item.id!r} is that of line {seen[item.id]} too: give each item an id of its own")
            if items and _kind(item) != _kind(items[0]):
                raise ValueError(
                    f"expected holds {_kind(item)} where the first item holds {_kind(items[0])}: label all items alike"
                )
        except ValueError as error:
            raise GoldenSetError(f"{where}, line {number}: {error}") from None
        seen[item.id] = number
        items.append(item)
    return GoldenSet(tuple(items), "sha256:" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


def shuffled(golden: GoldenSet, seed: str) -> tuple[GoldenItem, ...]:
    """The items in an order that depends on the seed and their ids alone: not on the file's order, results or
    Python's version.

    A sequential test needs an order that knows nothing of the outcomes, and files are often sorted by class.
    """
    return tuple(sorted(golden.items, key=lambda item: sha256(f"{seed}\n{item.id}".encode()).digest()))


def _item(line: str, users: ItemSchema | None) -> GoldenItem:
    raw = _json(line)
    error = best_match(_BUILT_IN.iter_errors(raw))
    if error is not None:
        raise ValueError(_explained(error.json_path, error.message))
    if not raw["id"].isprintable():
        raise ValueError("id has characters that cannot be shown: use letters, digits and signs")
    for index, tensor in enumerate(raw["inputs"]):
        _check_tensor(tensor, f"inputs[{index}]")
    if users is not None:
        users.check(raw)
    return GoldenItem(id=raw["id"], inputs=tuple(raw["inputs"]), expected=tuple(raw["expected"]))


def _json(line: str) -> Any:
    try:
        value = json.loads(line, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_duplicates)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at column {error.colno} ({error.msg}): write one JSON object a line") from None
    except UnicodeEncodeError:
        raise ValueError("it has an escape that is half of a character: write text as UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply: write tensors flat, in row-major order") from None
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON, nor a value to judge by: remove the item or give a number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is too large for a number")
    return number


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:40]!r} is given twice in one object: keep one")
        found[name] = value
    return found


def _check_tensor(tensor: Mapping[str, Any], path: str) -> None:
    values, shape, datatype = flattened(tensor["data"]), tensor["shape"], tensor["datatype"]
    if len(values) != math.prod(shape):
        raise ValueError(
            f"{path}.data has {len(values)} values, shape {shape} needs {math.prod(shape)}: correct data or shape"
        )
    if not all(_fits(value, datatype) for value in values):
        raise ValueError(f"{path}.data has values that are not {datatype}: correct the data or the datatype")


def flattened(data: Any) -> list[Any]:
    """The values of a tensor's data, which may be nested or flat, in row-major order."""
    values, pending = [], [data]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(reversed(value))
        else:
            values.append(value)
    return values


def _fits(value: Any, datatype: str) -> bool:
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL":
        return isinstance(value, bool)
    if datatype.startswith("FP"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(item: GoldenItem) -> str:
    texts = sum(isinstance(value, str) for value in item.expected)
    if not texts:
        return "numbers"
    return "text" if texts == len(item.expected) else "both text and numbers"


def _explained(path: str, message: str) -> str:
    place = path.removeprefix("$").removeprefix(".") or "the item"
    return f"{place}: {message if len(message) <= 200 else message[:80] + ' … ' + message[-117:]}"
