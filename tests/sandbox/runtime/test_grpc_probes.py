"""gRPC probes: one call of the health protocol, on a connection that is otherwise spoken by the book.

The frames that the server sends here are those of a genuine one (grpcio), which understands the probe just as well.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from sandbox.runtime.kit import Space, a_pod, eventually

from slipway_sandbox.client import PODS
from slipway_sandbox.node.grpchealth import GrpcHealthError, ServingStatus, check

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">BHBBI", 0, len(payload), kind, flags, stream) + payload


HELLO = frame(SETTINGS, 0, 0, b"") + frame(SETTINGS, ACK, 0, b"") + frame(PING, 0, 0, b"8 octets")
HEAD = frame(HEADERS, END_HEADERS, 1, b"\x88")  # :status 200
END = frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x0bgrpc-status\x010")


def says(message: bytes) -> bytes:
    return HELLO + HEAD + frame(DATA, 0, 1, struct.pack(">?I", False, len(message)) + message) + END


@contextlib.asynccontextmanager
async def server(answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    """Answers what was asked, once it has all of it."""

    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"SM\r\n\r\n")
        while True:
            head = await reader.readexactly(9)
            body = await reader.readexactly(int.from_bytes(head[:3]))
            asked += head + body
            if head[3] == DATA:
                break
        writer.write(answer(asked))
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        served.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        await served.wait()
        listening.close()


async def asked_for(service: str, answer: Callable[[bytes], bytes]) -> ServingStatus:
    async with server(answer) as port, asyncio.timeout(30):
        return await check("127.0.0.1", port, service, user_agent="kube-probe/1.36")


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (b"\x08\x01", ServingStatus.SERVING),
        (b"\x08\x02", ServingStatus.NOT_SERVING),
        (b"", ServingStatus.UNKNOWN),
    ],
)
async def test_the_health_of_a_server_is_what_it_says(message: bytes, status: ServingStatus) -> None:
    assert await asked_for("", lambda _: says(message)) is status


@pytest.mark.parametrize("service", ["ready", "a.service.of.a.long.name" * 12])
async def test_a_service_is_asked_for_by_its_name(service: str) -> None:
    def answer(asked: bytes) -> bytes:
        return says(b"\x08\x01" if service.encode() in asked and b"/grpc.health.v1.Health/Check" in asked else b"")

    assert await asked_for(service, answer) is ServingStatus.SERVING


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (HELLO + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x88"), "does not implement the grpc health protocol"),
        (HELLO + frame(RST_STREAM, 0, 1, b"\0\0\0\x07"), "refused"),
        (HELLO + frame(GOAWAY, 0, 0, b"\0" * 8), "refused"),
        (says(b"\x12\x05hello"), "not one of the grpc health protocol"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not HTTP/2"),
    ],
    ids=["another protocol", "reset", "goaway", "another message", "HTTP/1.1"],
)
async def test_any_other_answer_is_a_failure_that_says_what_came(answer: bytes, complaint: str) -> None:
    with pytest.raises(GrpcHealthError, match=complaint):
        await asked_for("", lambda _: answer)


SERVING, NOT_SERVING = says(b"\x08\x01"), says(b"\x08\x02")
PROGRAM = f"""
import os, socket, time
server = socket.create_server((os.environ["POD_IP"], 9000))
while True:
    client, _ = server.accept()
    serving = os.path.exists("warm")
    open("asked", "w").close()
    client.recv(1000)
    time.sleep(0.05)
    client.sendall({SERVING!r} if serving else {NOT_SERVING!r})
    client.close()
"""


@pytest.mark.e2e
@pytest.mark.asyncio(loop_scope="session")
async def test_a_pod_is_ready_when_its_grpc_server_says_so(space: Space) -> None:
    probe = {"grpc": {"port": 9000, "service": "model"}, "periodSeconds": 1, "failureThreshold": 1}
    await space.apply(a_pod("p", args=["-S", "-c", PROGRAM], readinessProbe=probe))
    uid = (await space.get(PODS, "p"))["metadata"]["uid"]
    folder = space.sandbox.state_dir / "pods" / uid / "containers" / "main"

    async def asked() -> bool:
        return (folder / "asked").exists()

    async def ready() -> bool:
        return bool((await space.get(PODS, "p"))["status"]["containerStatuses"][0]["ready"])

    await eventually(asked)
    assert not await ready()
    (folder / "warm").touch()
    await eventually(ready)
