"""A process with somebody at the other end: standard input, separate output and error, perhaps a terminal.

Unlike `Process`, whose output is pushed to a log, this one is read: a reader that is slow makes the process wait, so
that a large file sent through a slow connection fills nobody's memory.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from slipway_sandbox.processes.process import LAUNCHER

BLOCK_BYTES: Final = 32 * 1024


class AttachedProcess:
    """A running command whose streams the caller holds. Use it as an asynchronous context manager: it ends with it."""

    def __init__(self, child: asyncio.subprocess.Process, stdin: int, stdout: int, stderr: int) -> None:
        self._child = child
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr

    @classmethod
    async def start(
        cls, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, terminal: bool
    ) -> "AttachedProcess":
        """Start a command in a session of its own; with a `terminal` all three streams are that one.

        Raises `OSError` when the process cannot be made.
        """
        if terminal:
            ours, theirs = pty.openpty()
            held, given = (ours, ours, -1), (theirs, theirs, theirs)
        else:
            (in_read, in_write), (out_read, out_write), (err_read, err_write) = os.pipe(), os.pipe(), os.pipe()
            held, given = (in_write, out_read, err_read), (in_read, out_write, err_write)
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *command,
                env=dict(env), cwd=cwd, stdin=given[0], stdout=given[1], stderr=given[2], start_new_session=True,
            )  # fmt: skip
        except BaseException:
            for descriptor in set(held) - {-1}:
                os.close(descriptor)
            raise
        finally:
            for descriptor in set(given):
                os.close(descriptor)
        for descriptor in set(held) - {-1}:
            os.set_blocking(descriptor, False)
        return cls(child, *held)

    async def __aenter__(self) -> "AttachedProcess":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kill()
        await self._child.wait()
        for descriptor in {self._stdin, self._stdout, self._stderr} - {-1}:
            os.close(descriptor)
        self._stdin = self._stdout = self._stderr = -1

    def output(self) -> AsyncIterator[bytes]:
        """What it writes to standard output (or its terminal), until the end."""
        return _blocks(self._stdout)

    def errors(self) -> AsyncIterator[bytes]:
        """What it writes to standard error; nothing of a process with a terminal."""
        return _blocks(self._stderr)

    async def write(self, data: bytes) -> None:
        """Give it input; waits while it does not read. Input for one that reads no more is dropped."""
        view = memoryview(data)
        while view and self._stdin >= 0:
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                await _usable(self._stdin, writing=True)
            except OSError:
                return

    async def end_input(self) -> None:
        """Standard input is at its end. A terminal has no end of its own: it is typed Ctrl-D."""
        if self._stdin == self._stdout:
            await self.write(b"\x04")
        elif self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size."""
        if self._stdin == self._stdout and self._stdin >= 0:
            fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    async def wait(self) -> int:
        """The exit code: 128 + n after signal n."""
        code = await self._child.wait()
        return 128 - code if code < 0 else code

    def kill(self) -> None:
        """End it and everything that stayed in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)


async def _blocks(descriptor: int) -> AsyncIterator[bytes]:
    while descriptor >= 0:
        try:
            data = os.read(descriptor, BLOCK_BYTES)
        except BlockingIOError:
            await _usable(descriptor)
            continue
        except OSError as problem:
            if problem.errno != errno.EIO:  # how a terminal says that its last user has gone
                raise
            return
        if not data:
            return
        yield data


async def _usable(descriptor: int, *, writing: bool = False) -> None:
    loop = asyncio.get_running_loop()
    usable = asyncio.Event()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(descriptor, usable.set)
    try:
        await usable.wait()
    finally:
        remove(descriptor)
