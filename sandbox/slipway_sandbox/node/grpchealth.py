"""One call of the gRPC health protocol (`grpc.health.v1.Health/Check`) over HTTP/2 without TLS, as a kubelet makes it.

A probe needs one request on a fresh connection and of the answer only one number, so this speaks just that much of
HTTP/2 (RFC 9113): headers are sent without compression's tables, and those of the answer are not looked at. An answer
without a health status is a failure whatever its headers say.
"""

import asyncio
import struct
from enum import IntEnum, IntFlag
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_FRAME: Final = 16 * 1024
STREAM: Final = 1
STATUS_FIELD: Final = 0x08
"""`status`, the first field of the answer, a number: its tag in the encoding of protocol buffers."""


class GrpcHealthError(Exception):
    """The server gave no health status; the message says what happened instead."""


class ServingStatus(IntEnum):
    """What a server says of a service."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class _Frame(IntEnum):
    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7


class _Flag(IntFlag):
    NONE = 0
    END_STREAM = 1
    ACK = 1
    END_HEADERS = 4


async def check(host: str, port: int, service: str, *, user_agent: str) -> ServingStatus:
    """Ask for the health of a service, the whole server for an empty name.

    Raises `OSError` when nobody listens, `GrpcHealthError` when what answers does not tell.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(_request(f"{host}:{port}", service, user_agent))
        return await _answer(reader, writer)
    except asyncio.IncompleteReadError as cut:
        raise GrpcHealthError("the connection was closed before an answer came") from cut
    finally:
        writer.close()


def _request(authority: str, service: str, user_agent: str) -> bytes:
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    headers = b"".join(
        [
            b"\x83\x86",  # :method POST and :scheme http, which every HTTP/2 implementation knows by number
            _header(":path", "/grpc.health.v1.Health/Check"),
            _header(":authority", authority),
            _header("content-type", "application/grpc"),
            _header("te", "trailers"),
            _header("user-agent", user_agent),
        ]
    )
    return b"".join(
        [
            PREFACE,
            _frame(_Frame.SETTINGS, _Flag.NONE, 0, b""),
            _frame(_Frame.HEADERS, _Flag.END_HEADERS, STREAM, headers),
            _frame(_Frame.DATA, _Flag.END_STREAM, STREAM, struct.pack(">?I", False, len(message)) + message),
        ]
    )


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> ServingStatus:
    body = b""
    while True:
        high, low, kind, flags, stream = struct.unpack(">BHBBI", await reader.readexactly(9))
        length = high << 16 | low
        if length > LARGEST_FRAME:
            raise GrpcHealthError("the answer is not HTTP/2")
        payload = await reader.readexactly(length)
        if kind in {_Frame.SETTINGS, _Frame.PING} and not flags & _Flag.ACK:
            echo = payload if kind == _Frame.PING else b""
            writer.write(_frame(_Frame(kind), _Flag.ACK, 0, echo))
        elif kind in {_Frame.GOAWAY, _Frame.RST_STREAM}:
            raise GrpcHealthError("the server refused the call")
        elif stream == STREAM and kind in {_Frame.DATA, _Frame.HEADERS}:
            body += payload if kind == _Frame.DATA else b""
            if flags & _Flag.END_STREAM:
                return _status(body)


def _status(body: bytes) -> ServingStatus:
    if len(body) < 5:
        raise GrpcHealthError("this server does not implement the grpc health protocol (grpc.health.v1.Health)")
    message = body[5:]
    if not message:
        return ServingStatus.UNKNOWN  # a number that is 0 is not sent
    if message[0] != STATUS_FIELD or len(message) != 2 or message[1] not in list(ServingStatus):
        raise GrpcHealthError("the answer is not one of the grpc health protocol")
    return ServingStatus(message[1])


def _frame(kind: _Frame, flags: _Flag, stream: int, payload: bytes) -> bytes:
    return struct.pack(">BHBBI", len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


def _header(name: str, value: str) -> bytes:
    """A header written out in full, which no table is needed to read."""
    return b"\x00" + _text(name.encode()) + _text(value.encode())


def _text(text: bytes) -> bytes:
    """A length in seven bits, continued where it does not fit, and the text (RFC 7541, 5.1 and 5.2)."""
    if len(text) < 127:
        return bytes([len(text)]) + text
    return b"\x7f" + _varint(len(text) - 127) + text


def _varint(number: int) -> bytes:
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])
