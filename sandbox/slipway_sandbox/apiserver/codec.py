"""Built-in types in the form the real server stores them in.

A genuine server decodes a built-in object into a struct and encodes it again. Clients see the effects: unknown fields
vanish (with a warning or an error), nulls and empty optional fields vanish, quantities and times are rewritten,
required fields appear with their zero value. `canonicalise` has the same effects on dicts.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from slipway_sandbox.apiserver import nodes, quantity
from slipway_sandbox.apiserver.errors import bad_request
from slipway_sandbox.apiserver.nodes import Node

_TIME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_INTS = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


class DecodeError(Exception):
    """A value has the wrong JSON type for its field."""


@dataclass
class Report:
    """What strict validation has to say of a body: unknown and duplicate fields, as warnings or as one error."""

    problems: list[str] = field(default_factory=list)

    def unknown(self, path: str) -> None:
        self.problems.append(f'unknown field "{path}"')

    def duplicate(self, path: str) -> None:
        self.problems.append(f'duplicate field "{path}"')


def canonicalise(node: Node, value: dict[str, Any], report: Report | None = None) -> dict[str, Any]:
    """A built-in object as the server keeps it (a new dict; the input is not changed).

    Raises:
        DecodeError: a value has the wrong type.
    """
    return _struct(node, value, "", report)


def _struct(node: Node, value: Any, path: str, report: Report | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError(f"json: cannot unmarshal {_kind(value)} into Go struct field {path} of type {node.type_name}")
    fields = node.fields
    result: dict[str, Any] = {}
    for name, raw in value.items():
        below = fields.get(name)
        if below is None:
            if report is not None:
                report.unknown(f"{path}.{name}" if path else name)
            continue
        if raw is None and below.kind != nodes.ANY:
            continue
        read = _value(below, raw, f"{path}.{name}" if path else name, report)
        if not read and isinstance(read, list | dict) and below.kind in {nodes.LIST, nodes.MAP}:
            read = None  # storage does not tell empty from absent
        if below.omit_empty and _empty(below, read):
            continue
        if below.omit_zero and read in (None, {}, ""):
            continue
        result[name] = read
    for name, below in _always_present(node):
        if name not in result:
            result[name] = _zero(below)
    return result


def _always_present(node: Node) -> list[tuple[str, Node]]:
    cached = _PRESENT.get(node.type_name)
    if cached is None:
        cached = [(name, below) for name, below in node.fields.items() if _written_when_zero(below)]
        _PRESENT[node.type_name] = cached
    return cached


_PRESENT: dict[str, list[tuple[str, Node]]] = {}


def _written_when_zero(node: Node) -> bool:
    if node.omit_zero:
        return False
    if not node.pointer and (node.kind == nodes.STRUCT or node.scalar in {"Time", "MicroTime"}):
        return True  # a struct in the original, which knows no empty struct
    return not node.omit_empty


def _zero(node: Node) -> Any:
    if node.pointer or node.kind in {nodes.LIST, nodes.MAP, nodes.ANY}:
        return None
    if node.kind == nodes.STRUCT:
        return {name: _zero(below) for name, below in _always_present(node)}
    if node.scalar in {"Time", "MicroTime"}:
        return None
    if node.scalar == "bool":
        return False
    if node.scalar in {"string", "Quantity", "Duration"}:
        return "0" if node.scalar == "Quantity" else ""
    return None if node.scalar == "bytes" else 0


def _empty(node: Node, value: Any) -> bool:
    """Whether an `omitempty` field with this value is left out. A struct never is; a pointer only when null."""
    if value is None:
        return node.pointer or node.scalar not in {"Time", "MicroTime"}
    if node.pointer or node.kind == nodes.STRUCT:
        return False
    if node.kind in {nodes.LIST, nodes.MAP}:
        return not value
    if node.kind == nodes.SCALAR and node.scalar != "IntOrString":
        return value in ("", 0, False) and value is not None
    return False


def _value(node: Node, raw: Any, path: str, report: Report | None) -> Any:
    kind = node.kind
    if kind == nodes.STRUCT:
        return _struct(node, raw, path, report)
    if kind == nodes.LIST:
        if not isinstance(raw, list):
            raise DecodeError(
                f"json: cannot unmarshal {_kind(raw)} into Go struct field {path} of type []{_go(node.item)}"
            )
        return [_element(node.item, item, f"{path}[{index}]", report) for index, item in enumerate(raw)]
    if kind == nodes.MAP:
        if not isinstance(raw, dict):
            raise DecodeError(
                f"json: cannot unmarshal {_kind(raw)} into Go struct field {path} of type map[string]{_go(node.item)}"
            )
        return {key: _element(node.item, item, f"{path}.{key}", report) for key, item in raw.items()}
    if kind == nodes.ANY:
        if node.scalar != "JSON" and raw is not None and not isinstance(raw, dict) and node.scalar == "RawObject":
            raise DecodeError(f"json: cannot unmarshal {_kind(raw)} into Go struct field {path} of type object")
        return raw
    return _scalar(node, raw, path)


def _element(node: Node, raw: Any, path: str, report: Report | None) -> Any:
    return _zero(node) if raw is None and node.kind != nodes.ANY else _value(node, raw, path, report)


def _scalar(node: Node, raw: Any, path: str) -> Any:
    reader = _READERS.get(node.scalar)
    if reader is not None:
        return reader(raw, path)
    return _integer(node.scalar, raw, path)


def _mismatch(raw: Any, path: str, go_type: str) -> DecodeError:
    return DecodeError(f"json: cannot unmarshal {_kind(raw)} into Go struct field {path} of type {go_type}")


def _text(raw: Any, path: str) -> str:
    if not isinstance(raw, str):
        raise _mismatch(raw, path, "string")
    return raw


def _boolean(raw: Any, path: str) -> bool:
    if not isinstance(raw, bool):
        raise _mismatch(raw, path, "bool")
    return raw


def _float(raw: Any, path: str) -> float | int:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _mismatch(raw, path, "float64")
    return raw


def _integer(scalar: str, raw: Any, path: str) -> int:
    if isinstance(raw, float) and raw.is_integer() and math.isfinite(raw):
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise _mismatch(raw, path, scalar)
    low, high = _INTS[scalar]
    if not low <= raw <= high:
        raise DecodeError(f"json: cannot unmarshal number {raw} into Go struct field {path} of type {scalar}")
    return raw


def _int_or_string(raw: Any, path: str) -> int | str:
    if isinstance(raw, str):
        return raw
    return _integer("int32", raw, path)


def _quantity(raw: Any, path: str) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise DecodeError(f"{path}: quantities must be strings or numbers")
    try:
        return quantity.canonical(raw if isinstance(raw, str) else json.dumps(raw))
    except quantity.QuantityError as error:
        raise DecodeError(str(error)) from error


def _bytes(raw: Any, path: str) -> str:
    if isinstance(raw, list):
        raw = base64.b64encode(bytes(raw)).decode() if all(isinstance(x, int) and 0 <= x <= 255 for x in raw) else raw
    if not isinstance(raw, str):
        raise _mismatch(raw, path, "[]uint8")
    try:
        base64.b64decode(raw.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("illegal base64 data at input byte 0") from error
    return raw


def _time(raw: Any, path: str) -> str:
    return _moment(raw, path, "%Y-%m-%dT%H:%M:%SZ")


def _micro_time(raw: Any, path: str) -> str:
    if isinstance(raw, str) and not re.search(r":\d\d\.\d{6}(Z|[+-])", raw):
        raise DecodeError(f'parsing time "{raw}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "{raw}"')
    return _moment(raw, path, "%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(raw: Any, path: str, form: str) -> str:
    if not isinstance(raw, str):
        raise _mismatch(raw, path, "string")
    match = _TIME.match(raw)
    if match is None:
        raise DecodeError(f'parsing time "{raw}" as "2006-01-02T15:04:05Z07:00": cannot parse "{raw}"')
    fraction = (match.group(2) or "")[:7]
    try:
        moment = datetime.fromisoformat(match.group(1) + fraction + match.group(3).replace("Z", "+00:00"))
    except ValueError as error:
        raise DecodeError(f'parsing time "{raw}": {error}') from error
    return moment.astimezone(UTC).strftime(form)


def _duration(raw: Any, path: str) -> str:
    return _text(raw, path)


_READERS: dict[str, Any] = {
    "string": _text,
    "bool": _boolean,
    "float64": _float,
    "float32": _float,
    "IntOrString": _int_or_string,
    "Quantity": _quantity,
    "bytes": _bytes,
    "Time": _time,
    "MicroTime": _micro_time,
    "Duration": _duration,
}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _go(node: Node) -> str:
    return node.scalar or node.type_name or node.kind


def now(micro: bool = False) -> str:
    """The present moment as the API writes it, in whole seconds or in microseconds."""
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ"
    return datetime.now(UTC).strftime(form)


def require_object(value: Any) -> dict[str, Any]:
    """The body as an object.

    Raises:
        ApiError: 400 when it is something else.
    """
    if not isinstance(value, dict):
        raise bad_request(f"json: cannot unmarshal {_kind(value)} into Go value of type map[string]interface {{}}")
    return value


def read_value(node: Node, raw: Any, path: str, report: Report | None) -> Any:
    """One value in canonical form.

    Raises:
        DecodeError: it has the wrong type.
    """
    return _value(node, raw, path, report)
