"""Live requests through the gateway, at a steady rate, and what became of each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

VERSION_HEADER: Final = "model-version"
TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client saw of one request. ``status`` is 0 where nothing came back; ``at`` is monotonic seconds."""

    at: float
    seconds: float
    status: int
    version: str | None
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether the client got what it asked for."""
        return self.status == 200

    @property
    def of_the_model(self) -> bool:
        """Whether a model answered, well or badly. All else is the doing of whoever moves the traffic."""
        return self.version is not None


@dataclass
class Load:
    """An open-loop load: requests are sent on time, however long earlier ones take."""

    url: str
    host: str
    bodies: Sequence[bytes]
    rate: float
    answers: list[Answer] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def first_answer(self, *, seconds: float) -> None:
        """Wait until the gateway serves a new route: it says so before its data plane has taken it up.

        Raises TimeoutError at the deadline.
        """
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session, asyncio.timeout(seconds):
            while True:
                await self._send(session, self.bodies[0])
                if self.answers.pop().good:
                    return
                await asyncio.sleep(0.02)

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name="load")

    async def stop(self) -> None:
        """Send no more, and wait for the answers that are due."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        pending: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            try:
                due = time.monotonic()
                for body in itertools.cycle(self.bodies):
                    task = asyncio.create_task(self._send(session, body))
                    pending.add(task)
                    task.add_done_callback(pending.discard)
                    due += 1 / self.rate
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
            finally:
                if pending:
                    await asyncio.wait(pending)

    def address(self) -> str:
        """Where the next request goes."""
        return self.url

    async def _send(self, session: aiohttp.ClientSession, body: bytes) -> None:
        at = time.monotonic()
        try:
            async with session.post(self.address(), data=body, headers={"host": self.host}) as response:
                text = await response.text()
                status, version = response.status, response.headers.get(VERSION_HEADER)
                problem = "" if status == 200 else f"{status} {text[:120]}"
        except (aiohttp.ClientError, TimeoutError) as error:
            status, version, problem = 0, None, f"{type(error).__name__}: {error}"
        self.answers.append(Answer(at, time.monotonic() - at, status, version, problem))
