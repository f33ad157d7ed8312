"""As much of SPDY/3.1 as a port-forward is made of: frames to events, and the frames that a server sends.

No I/O, and no flow control: neither end of a port-forward has ever used it. Source: the SPDY protocol draft 3, chapter
2.6 for the frames and 2.6.10.1 for the compression of headers and the text that it begins with.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

SYN_STREAM: Final = 1
SYN_REPLY: Final = 2
RST_STREAM: Final = 3
PING: Final = 6
GOAWAY: Final = 7
FLAG_FIN: Final = 1
LARGEST_FRAME: Final = 2**24 - 1
HEADER_BYTES: Final = 8

_NAMES = """
options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length content-location
content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match
if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range
referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get
status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin
"""
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _counted(text: str) -> bytes:
    return struct.pack(">I", len(text)) + text.encode()


DICTIONARY: Final = b"".join(_counted(name.replace("_", " ")) for name in _NAMES.split()) + _TEXT.encode()
"""What both ends assume to have compressed already."""


class SpdyError(Exception):
    """The other side does not speak this protocol."""


@dataclass(frozen=True)
class Opened:
    """The client opened a stream."""

    stream: int
    headers: Mapping[str, str]
    ended: bool


@dataclass(frozen=True)
class Data:
    """Data of a stream; `ended` when the client sends no more on it."""

    stream: int
    data: bytes
    ended: bool


@dataclass(frozen=True)
class Reset:
    """The client wants to hear no more of a stream."""

    stream: int


@dataclass(frozen=True)
class Ping:
    """To be answered by `ping` with the same number."""

    number: int


Event = Opened | Data | Reset | Ping


class Connection:
    """The server's side of one connection. Headers are compressed over its whole length, so order matters."""

    def __init__(self) -> None:
        self._rest = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> Iterator[Event]:
        """What the bytes that arrived say; an unfinished frame waits for its end. Raises `SpdyError`."""
        self._rest += data
        while len(self._rest) >= HEADER_BYTES:
            head, second = struct.unpack(">II", self._rest[:HEADER_BYTES])
            end = HEADER_BYTES + (second & LARGEST_FRAME)
            if len(self._rest) < end:
                return
            payload, self._rest = self._rest[HEADER_BYTES:end], self._rest[end:]
            event = self._event(head, bool(second >> 24 & FLAG_FIN), payload)
            if event is not None:
                yield event

    def _event(self, head: int, ended: bool, payload: bytes) -> Event | None:
        if not head >> 31:
            return Data(head, payload, ended)
        if head >> 16 != 0x8003:
            raise SpdyError(f"version {head >> 16 & 0x7FFF} of SPDY is not spoken here")
        try:
            match head & 0xFFFF:
                case 1:
                    return Opened(_number(payload) & 0x7FFFFFFF, self._headers(payload[10:]), ended)
                case 3:
                    return Reset(_number(payload) & 0x7FFFFFFF)
                case 6:
                    return Ping(_number(payload))
        except (struct.error, zlib.error, UnicodeDecodeError) as problem:
            raise SpdyError(f"a frame that cannot be read: {problem}") from problem
        return None  # settings, windows and farewells change nothing here

    def _headers(self, block: bytes) -> dict[str, str]:
        text = self._inflate.decompress(block)
        count, position, words = _number(text), 4, list[str]()
        for _ in range(2 * count):
            end = position + 4 + _number(text[position : position + 4])
            words.append(text[position + 4 : end].decode())
            position = end
        return dict(zip(words[::2], words[1::2], strict=True))

    def accept(self, stream: int) -> bytes:
        """Take a stream that was opened."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, struct.pack(">I", stream) + block)

    @staticmethod
    def data(stream: int, data: bytes, *, ended: bool = False) -> bytes:
        """Data for a stream; `ended` when there will be no more."""
        return struct.pack(">II", stream, int(ended) << 24 | len(data)) + data

    @staticmethod
    def ping(number: int) -> bytes:
        """The answer to a ping."""
        return _control(PING, struct.pack(">I", number))


def _control(kind: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, len(payload)) + payload


def _number(data: bytes) -> int:
    return int(struct.unpack(">I", data[:4])[0])
