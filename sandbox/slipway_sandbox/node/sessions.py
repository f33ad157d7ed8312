"""Who is connected to a container from outside: commands that run beside it, and listeners to what it writes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from slipway_sandbox.processes import AttachedProcess


class Sessions:
    """Everything that ends with the container, whoever asked for it."""

    def __init__(self) -> None:
        self._commands: set[AttachedProcess] = set()
        self._listeners: set[asyncio.Queue[bytes | None]] = set()

    @contextlib.asynccontextmanager
    async def command(
        self, line: Sequence[str], *, env: Mapping[str, str], cwd: Path, terminal: bool
    ) -> AsyncIterator[AttachedProcess]:
        """A command whose streams the caller holds; it ends with the block."""
        async with await AttachedProcess.start(line, env=env, cwd=cwd, terminal=terminal) as process:
            self._commands.add(process)
            try:
                yield process
            finally:
                self._commands.discard(process)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["asyncio.Queue[bytes | None]"]:
        """What the container's process writes from now on; None is its end."""
        heard: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._listeners.add(heard)
        try:
            yield heard
        finally:
            self._listeners.discard(heard)

    def hear(self, data: bytes) -> None:
        """The container's process wrote something."""
        for listener in self._listeners:
            listener.put_nowait(data)

    def end(self) -> None:
        """The container's process has ended, and so does all of this."""
        for command in self._commands:
            command.kill()
        for listener in self._listeners:
            listener.put_nowait(None)
