"""SPDY frames without a connection: what a client sends, in whatever pieces it arrives."""

import struct
import zlib

import pytest

from slipway_sandbox.node import spdy


class AClient:
    """The other side: compresses its headers over the whole connection, as SPDY wants."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=spdy.DICTIONARY)

    def opens(self, stream: int, **headers: str) -> bytes:
        words = [word for pair in headers.items() for word in pair]
        block = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(w)) + w.encode() for w in words)
        packed = self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        payload = struct.pack(">IIH", stream, 0, 0) + packed
        return struct.pack(">HHI", 0x8003, spdy.SYN_STREAM, len(payload)) + payload


def test_the_text_that_compression_begins_with_is_the_protocols() -> None:
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_frames_are_read_in_whatever_pieces_they_arrive() -> None:
    client, connection = AClient(), spdy.Connection()
    sent = client.opens(1, streamtype="error", port="80") + client.opens(3, streamtype="data", port="80")
    sent += connection.data(3, b"hello", ended=True) + struct.pack(">HHIII", 0x8003, spdy.RST_STREAM, 8, 3, 5)
    heard = [event for byte in sent for event in connection.receive(bytes([byte]))]
    assert heard == [
        spdy.Opened(1, {"streamtype": "error", "port": "80"}, ended=False),
        spdy.Opened(3, {"streamtype": "data", "port": "80"}, ended=False),
        spdy.Data(3, b"hello", ended=True),
        spdy.Reset(3),
    ]


def test_a_ping_is_answered_with_its_number() -> None:
    connection = spdy.Connection()
    ping = connection.ping(7)
    assert list(connection.receive(ping)) == [spdy.Ping(7)]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x80\x02\0\x01\0\0\0\0",  # another version
        b"\x80\x03\0\x01\0\0\0\x02\0\0",  # too short for a stream's number
        b"\x80\x03\0\x01\0\0\0\x0e\0\0\0\x01\0\0\0\0\0\0abcd",  # headers that are not compressed
    ],
)
def test_what_is_not_the_protocol_is_refused(nonsense: bytes) -> None:
    with pytest.raises(spdy.SpdyError):
        list(spdy.Connection().receive(nonsense))
