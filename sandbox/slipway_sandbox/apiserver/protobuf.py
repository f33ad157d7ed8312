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

_Wire = dict[int, list[Any]]


class ProtobufError(ValueError):
    """The bytes are no message of the expected type."""


def unwrap(data: bytes) -> tuple[str, str, bytes]:
    """The envelope: apiVersion, kind and the message itself.

    Raises:
        ProtobufError: it is no such envelope.
    """
    if not data.startswith(MAGIC):
        raise ProtobufError("the body does not start with the protobuf prefix")
    outer = _fields(data[len(MAGIC) :])
    meta = _fields(_one(outer, 1, b""))
    return _text(_one(meta, 1, b"")), _text(_one(meta, 2, b"")), _one(outer, 2, b"")


def decode(data: bytes, type_name: str) -> dict[str, Any]:
    """A message of a built-in type as the JSON object that it stands for.

    Raises:
        ProtobufError: it cannot be read.
    """
    try:
        return _message(type_node(type_name), _fields(data))
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


def _fields(data: bytes) -> _Wire:
    found: _Wire = {}
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


def _one(fields: _Wire, number: int, default: Any) -> Any:
    return fields[number][-1] if number in fields else default


def _text(value: bytes) -> str:
    return value.decode("utf-8")


def _message(node: Node, fields: _Wire) -> dict[str, Any]:
    result: dict[str, Any] = {}
    inlined: dict[int, _Wire] = {}
    for name, below in node.fields.items():
        if not below.number:
            continue
        outer, _, inner = below.number.partition(".")
        source, number = fields, int(outer)
        if inner:
            source = inlined.setdefault(number, _fields(_one(fields, number, b"")))
            number = int(inner.partition(".")[0])
        if number in source:
            result[name] = _field(below, source[number])
    return result


def _field(node: Node, values: list[Any]) -> Any:
    if node.kind == nodes.LIST:
        return _list(node.item, values)
    if node.kind == nodes.MAP:
        entries = [_fields(value) for value in values]
        return {_text(_one(entry, 1, b"")): _map_value(node.item, entry) for entry in entries}
    return _value(node, values[-1])


def _map_value(node: Node, entry: _Wire) -> Any:
    if node.kind == nodes.LIST:  # a list cannot be a map's value in protobuf: it travels in a message of its own
        return _list(node.item, _fields(_one(entry, 2, b"")).get(1, []))
    if 2 not in entry:
        return _value(node, b"") if node.scalar not in {"int32", "int64", "bool"} else _value(node, 0)
    return _value(node, entry[2][-1])


def _list(node: Node, values: list[Any]) -> list[Any]:
    if node.kind == nodes.SCALAR and node.scalar in {"int32", "int64", "bool"}:
        found: list[Any] = []
        for value in values:
            if isinstance(value, int):
                found.append(_value(node, value))
                continue
            at = 0
            while at < len(value):  # packed
                number, at = _varint(value, at)
                found.append(_value(node, number))
        return found
    return [_value(node, value) for value in values]


def _value(node: Node, value: Any) -> Any:
    if node.kind == nodes.STRUCT:
        return _message(node, _fields(value))
    if node.kind == nodes.ANY:
        raw = _one(_fields(value), 1, b"")
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
    return _wrapped(kind, _fields(value))


def _wrapped(kind: str, fields: _Wire) -> Any:
    """Scalars of JSON that are messages in protobuf."""
    if kind == "Quantity":
        return _text(_one(fields, 1, b"")) or "0"
    if kind == "IntOrString":
        return _text(_one(fields, 3, b"")) if _one(fields, 1, 0) == 1 else _signed(_one(fields, 2, 0))
    if kind == "Duration":
        return f"{_signed(_one(fields, 1, 0)) / 1e9:g}s"
    if not fields:
        return None
    moment = datetime.fromtimestamp(_signed(_one(fields, 1, 0)), UTC)
    if kind == "MicroTime":
        moment = moment.replace(microsecond=_one(fields, 2, 0) // 1000)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
