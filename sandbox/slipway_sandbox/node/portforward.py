"""Port-forward: connections to the pod's address, carried as SPDY streams inside the messages of a WebSocket.

For every connection the client opens a pair of streams that share a request number: one for what went wrong, one for
the data. An error stream that ends empty says that all is well.
"""

import asyncio
import contextlib
from typing import Final

from aiohttp import WSMsgType, web

from slipway_sandbox.node import spdy
from slipway_sandbox.node.remote import CUT_OFF, LARGEST_MESSAGE

PROTOCOL: Final = "SPDY/3.1+portforward.k8s.io"
BLOCK_BYTES: Final = 64 * 1024


async def forward(request: web.Request, address: str) -> web.WebSocketResponse:
    """Serve one client until it goes away; every connection that it opened is closed then."""
    socket = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=LARGEST_MESSAGE)
    await socket.prepare(request)
    forwarder = _Forwarder(socket, request.match_info["pod"], address)
    try:
        with contextlib.suppress(*CUT_OFF, spdy.SpdyError):
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    await forwarder.receive(message.data)
    finally:
        await forwarder.end()
    await socket.close()
    return socket


class _Forwarder:
    """The streams of one client, and the connections that belong to them."""

    def __init__(self, socket: web.WebSocketResponse, pod: str, address: str) -> None:
        self._socket = socket
        self._pod = pod
        self._address = address
        self._connection = spdy.Connection()
        self._error_streams: dict[str, int] = {}
        self._inputs: dict[int, asyncio.Queue[bytes | None]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def receive(self, data: bytes) -> None:
        for event in self._connection.receive(data):
            match event:
                case spdy.Opened():
                    await self._open(event)
                case spdy.Data():
                    await self._take(event)
                case spdy.Reset(stream):
                    if stream in self._tasks:
                        self._tasks[stream].cancel()
                case spdy.Ping(number):
                    await self._socket.send_bytes(self._connection.ping(number))

    async def end(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _open(self, opened: spdy.Opened) -> None:
        headers = opened.headers
        await self._socket.send_bytes(self._connection.accept(opened.stream))
        if headers.get("streamtype") == "error":
            self._error_streams[headers.get("requestid", "")] = opened.stream
            return
        errors = self._error_streams.pop(headers.get("requestid", ""), 0)
        self._inputs[opened.stream] = asyncio.Queue(maxsize=16)  # a slow pod makes the client wait
        work = asyncio.create_task(self._serve(opened.stream, errors, headers.get("port", "")))
        self._tasks[opened.stream] = work
        work.add_done_callback(lambda _: self._forget(opened.stream))

    async def _take(self, event: spdy.Data) -> None:
        """Hand data to its connection; one that has ended takes no more, also while it is waited for."""
        task, queue = self._tasks.get(event.stream), self._inputs.get(event.stream)
        if task is None or queue is None:
            return
        for block in [event.data] * bool(event.data) + [None] * event.ended:
            putting = asyncio.ensure_future(queue.put(block))
            await asyncio.wait([putting, task], return_when=asyncio.FIRST_COMPLETED)
            putting.cancel()

    def _forget(self, stream: int) -> None:
        self._inputs.pop(stream, None)
        self._tasks.pop(stream, None)

    async def _serve(self, stream: int, errors: int, port: str) -> None:
        problem = ""
        try:
            await self._carry(stream, int(port))
        except (OSError, ValueError, OverflowError) as failure:
            problem = f"error forwarding port {port} to pod {self._pod}: {failure}"
        with contextlib.suppress(*CUT_OFF):
            await self._socket.send_bytes(self._connection.data(stream, b"", ended=True))
            await self._socket.send_bytes(self._connection.data(errors, problem.encode(), ended=True))

    async def _carry(self, stream: int, port: int) -> None:
        reader, writer = await asyncio.open_connection(self._address, port)
        sending = asyncio.create_task(self._send(self._inputs[stream], writer))
        try:
            while block := await reader.read(BLOCK_BYTES):
                await self._socket.send_bytes(self._connection.data(stream, block))
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()

    @staticmethod
    async def _send(blocks: "asyncio.Queue[bytes | None]", writer: asyncio.StreamWriter) -> None:
        while (block := await blocks.get()) is not None:
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
