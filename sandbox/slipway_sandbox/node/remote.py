"""`exec` and `attach`: streams over a WebSocket, one channel each, as kubectl's `vN.channel.k8s.io` protocols say.

A message is one byte that names the channel, and the data. Version 5 adds one message to version 4: channel 255 with
the number of a channel that the client has finished writing to, which is how standard input ends.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable
from enum import IntEnum
from typing import Any, Final

from aiohttp import ClientConnectionError, WSMsgType, web

from slipway_sandbox.node.container import Container
from slipway_sandbox.processes import AttachedProcess

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
LARGEST_MESSAGE: Final = 32 * 1024 * 1024
LAST_WORDS_SECONDS: Final = 5.0
CUT_OFF: Final = (ConnectionError, ClientConnectionError)
"""The other side has gone; nobody is left to be told."""


class Channel(IntEnum):
    """What a message belongs to."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


async def execute(request: web.Request, container: Container) -> web.WebSocketResponse:
    """Run a command beside the container's process for whoever sent the request; the last message is its outcome."""
    terminal = request.query.get("tty") in {"true", "1"}
    command = request.query.getall("command", [])
    socket = await _accept(request)
    with contextlib.suppress(*CUT_OFF):
        if not container.is_running:
            await _say_outcome(socket, _internal(f'container not found ("{container.spec["name"]}")'))
            return socket
        try:
            async with container.session(command, terminal=terminal) as process:
                if not terminal and request.query.get("stdin") not in {"true", "1"}:
                    await process.end_input()
                await _say_outcome(socket, await _serve(socket, process))
        except OSError as problem:
            if isinstance(problem, ConnectionError):
                raise
            await _say_outcome(socket, _internal(f"error executing command in container: {problem}"))
    return socket


async def attach(request: web.Request, container: Container) -> web.WebSocketResponse:
    """Send what the container's process writes from now on, until it ends."""
    socket = await _accept(request)
    with contextlib.suppress(*CUT_OFF):
        if not container.is_running:
            await _say_outcome(socket, _internal(f'container not found ("{container.spec["name"]}")'))
            return socket
        async with container.sessions.listening() as heard:
            await _first_done(_pass_on(socket, Channel.STDOUT, _until_none(heard)), _ignore(socket))
        await _say_outcome(socket, _SUCCESS)
    return socket


_SUCCESS: Final[dict[str, Any]] = {"metadata": {}, "status": "Success"}


def _exited(code: int) -> dict[str, Any]:
    if code == 0:
        return _SUCCESS
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _internal(message: str) -> dict[str, Any]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }


async def _accept(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=LARGEST_MESSAGE)
    await socket.prepare(request)
    with contextlib.suppress(*CUT_OFF):
        await socket.send_bytes(bytes([Channel.STDOUT]))  # empty: clients wait for a first message
    return socket


async def _say_outcome(socket: web.WebSocketResponse, outcome: dict[str, Any]) -> None:
    await socket.send_bytes(bytes([Channel.ERROR]) + json.dumps(outcome).encode())
    await socket.close()


async def _serve(socket: web.WebSocketResponse, process: AttachedProcess) -> dict[str, Any]:
    talking = asyncio.gather(
        _pass_on(socket, Channel.STDOUT, process.output()), _pass_on(socket, Channel.STDERR, process.errors())
    )
    listening = asyncio.create_task(_take_input(socket, process))
    ending = asyncio.create_task(process.wait())
    try:
        await asyncio.wait([ending, listening], return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            listening.result()
            raise ConnectionResetError("the client went away")
        # A child that it left in the background may hold the streams open: its words are not waited for.
        process.kill()
        await asyncio.wait([talking], timeout=LAST_WORDS_SECONDS)
        return _exited(ending.result())
    finally:
        for task in (talking, listening, ending):
            task.cancel()
        await asyncio.gather(talking, listening, ending, return_exceptions=True)


async def _pass_on(socket: web.WebSocketResponse, channel: Channel, blocks: AsyncIterator[bytes]) -> None:
    async for block in blocks:
        await socket.send_bytes(bytes([channel]) + block)


async def _take_input(socket: web.WebSocketResponse, process: AttachedProcess) -> None:
    async for message in socket:
        if message.type not in {WSMsgType.BINARY, WSMsgType.TEXT} or not message.data:
            continue
        # Text is as good as bytes: the Python client sends what it is given as text in a message of that type.
        received = message.data.encode() if message.type is WSMsgType.TEXT else message.data
        channel, data = received[0], received[1:]
        if channel == Channel.STDIN:
            await process.write(data)
        elif channel == Channel.CLOSE and data[:1] == bytes([Channel.STDIN]):
            await process.end_input()
        elif channel == Channel.RESIZE:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a size that is none changes nothing
                size = json.loads(data)
                process.resize(int(size["Width"]), int(size["Height"]))


async def _ignore(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


async def _until_none(heard: "asyncio.Queue[bytes | None]") -> AsyncIterator[bytes]:
    while (block := await heard.get()) is not None:
        yield block


async def _first_done(*work: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
