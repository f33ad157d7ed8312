"""One local process tree: started through the launcher in a session of its own, ended as a whole."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

LAUNCHER: Final = Path(__file__).with_name("launcher.py")
LAST_WORDS_SECONDS: Final = 0.5


class Process:
    """A running command and everything that it started and that stayed in its group."""

    def __init__(self, child: asyncio.subprocess.Process, output: asyncio.Task[None]) -> None:
        self._child = child
        self._output = output
        self._ended: asyncio.Task[int] = asyncio.create_task(self._watch())

    @classmethod
    async def start(
        cls, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Callable[[bytes], None]
    ) -> "Process":
        """Start a command; `output` is called with whatever it writes, standard output and error in order.

        Raises `OSError` when the process cannot be made.
        """
        reading, writing = os.pipe()
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *command,
                env=dict(env), cwd=cwd, stdin=asyncio.subprocess.DEVNULL, stdout=writing, stderr=writing,
                start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return cls(child, asyncio.create_task(_pump(reading, output)))

    @property
    def pid(self) -> int:
        """The main process, which is also its group's and its session's leader."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """The main process has not ended."""
        return self._child.returncode is None

    async def wait(self) -> int:
        """The exit code: 128 + n after signal n. All output has been delivered and the group is gone by then."""
        return await asyncio.shield(self._ended)

    def terminate(self) -> None:
        """Ask the main process to end, as a container runtime asks process 1."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group now."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def _watch(self) -> int:
        code = await self._child.wait()
        self.kill()  # when a container's main process ends, so does everything else in it
        # Something may have left the group and still hold the pipe; its words are not waited for.
        await asyncio.wait([self._output], timeout=LAST_WORDS_SECONDS)
        self._output.cancel()
        return 128 - code if code < 0 else code


async def _pump(reading: int, output: Callable[[bytes], None]) -> None:
    loop = asyncio.get_running_loop()
    os.set_blocking(reading, False)
    ended = loop.create_future()

    def ready() -> None:
        try:
            data = os.read(reading, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            output(data)
        elif not ended.done():
            ended.set_result(None)

    loop.add_reader(reading, ready)
    try:
        await ended
    finally:
        loop.remove_reader(reading)
        os.close(reading)
