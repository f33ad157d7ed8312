"""Protobuf bodies of built-in kinds, as typed clients (kubectl create, helm) send them.

Only decoding: answers are JSON, which every such client accepts. The message layout follows from the type tables: the
field numbers are there, and each kind of value has one encoding.
"""

from __future__ import annotations

import base64
import json
import struct
from datetime import UTC, datetime
from typing import Any

from slipway_sandbox.apiserver import nodes
from slipway_sandbox.apiserver.nodes import Node, type_node

MAGIC = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

Wire = dict[int, list[Any]]
"""A message whose layout is not known: what stands at each field number, in order."""


class ProtobufError(ValueError):
    """The bytes are no message of the expected type."""


def unwrap(data: bytes) -> tuple[str, str, bytes]:
    """The envelope: apiVersion, kind and the message itself.

    Raises:
        ProtobufError: it is no such envelope.
    """
    if not data.startswith(MAGIC):
        raise ProtobufError("the body does not start with the protobuf prefix")
    outer = read_wire(data[len(MAGIC) :])
    meta = read_wire(last(outer, 1, b""))
    return _text(last(meta, 1, b"")), _text(last(meta, 2, b"")), last(outer, 2, b"")


def decode(data: bytes, type_name: str) -> dict[str, Any]:
    """A message of a built-in type as the JSON object that it stands for.

    Raises:
        ProtobufError: it cannot be read.
    """
    try:
        return _message(type_node(type_name), read_wire(data))
    except (struct.error, IndexError, UnicodeDecodeError, TypeError) as error:
        raise ProtobufError(f"malformed protobuf message: {error}") from error


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ProtobufError("truncated varint")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def read_wire(data: bytes) -> Wire:
    """The fields of a message: whole numbers, and bytes for all that has a length.

    Raises:
        ProtobufError: it cannot be read.
    """
    found: Wire = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 1:
            value, at = data[at : at + 8], at + 8
        elif wire == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        elif wire == 5:
            value, at = data[at : at + 4], at + 4
        else:
            raise ProtobufError(f"unknown wire type {wire}")
        if at > len(data):
            raise ProtobufError("truncated message")
        found.setdefault(number, []).append(value)
    return found


def last(fields: Wire, number: int, default: Any) -> Any:
    """What stands at a number, the last of it where it stands there more than once."""
    return fields[number][-1] if number in fields else default


def numbers(values: list[Any]) -> list[int]:
    """The whole numbers of a repeated field, which may be packed."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(value)
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            found.append(number)
    return found


def _text(value: bytes) -> str:
    return value.decode("utf-8")


def _message(node: Node, fields: Wire) -> dict[str, Any]:
    result: dict[str, Any] = {}
    inlined: dict[int, Wire] = {}
    for name, below in node.fields.items():
        if not below.number:
            continue
        outer, _, inner = below.number.partition(".")
        source, number = fields, int(outer)
        if inner:
            source = inlined.setdefault(number, read_wire(last(fields, number, b"")))
            number = int(inner.partition(".")[0])
        if number in source:
            result[name] = _field(below, source[number])
    return result


def _field(node: Node, values: list[Any]) -> Any:
    if node.kind == nodes.LIST:
        return _list(node.item, values)
    if node.kind == nodes.MAP:
        entries = [read_wire(value) for value in values]
        return {_text(last(entry, 1, b"")): _map_value(node.item, entry) for entry in entries}
    return _value(node, values[-1])


def _map_value(node: Node, entry: Wire) -> Any:
    if node.kind == nodes.LIST:  # a list cannot be a map's value in protobuf: it travels in a message of its own
        return _list(node.item, read_wire(last(entry, 2, b"")).get(1, []))
    if 2 not in entry:
        return _value(node, b"") if node.scalar not in {"int32", "int64", "bool"} else _value(node, 0)
    return _value(node, entry[2][-1])


def _list(node: Node, values: list[Any]) -> list[Any]:
    if node.kind == nodes.SCALAR and node.scalar in {"int32", "int64", "bool"}:
        return [_value(node, number) for number in numbers(values)]
    return [_value(node, value) for value in values]


def _value(node: Node, value: Any) -> Any:
    if node.kind == nodes.STRUCT:
        return _message(node, read_wire(value))
    if node.kind == nodes.ANY:
        raw = last(read_wire(value), 1, b"")
        return json.loads(raw) if raw else None
    return _scalar(node.scalar, value)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _scalar(kind: str, value: Any) -> Any:
    if kind == "string":
        return _text(value)
    if kind == "bytes":
        return base64.b64encode(value).decode()
    if kind == "bool":
        return bool(value)
    if kind in {"int32", "int64"}:
        return _signed(value)
    if kind in {"uint32", "uint64"}:
        return value
    if kind == "float64":
        return struct.unpack("<d", value)[0]
    return _wrapped(kind, read_wire(value))


def _wrapped(kind: str, fields: Wire) -> Any:
    """Scalars of JSON that are messages in protobuf."""
    if kind == "Quantity":
        return _text(last(fields, 1, b"")) or "0"
    if kind == "IntOrString":
        return _text(last(fields, 3, b"")) if last(fields, 1, 0) == 1 else _signed(last(fields, 2, 0))
    if kind == "Duration":
        return f"{_signed(last(fields, 1, 0)) / 1e9:g}s"
    if not fields:
        return None
    moment = datetime.fromtimestamp(_signed(last(fields, 1, 0)), UTC)
    if kind == "MicroTime":
        moment = moment.replace(microsecond=last(fields, 2, 0) // 1000)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
