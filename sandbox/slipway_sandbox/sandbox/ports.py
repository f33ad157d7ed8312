"""Ports that are held for a program before it starts, and who holds those that cannot be had."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway_sandbox.sandbox.state import SandboxError

HOST: Final = "127.0.0.1"
_LISTENING: Final = "0A"
_PROCESSES: Final = Path("/proc")


@dataclass(frozen=True)
class PortUse:
    """What a port is for, and how a user chooses it."""

    of: str
    option: str


@contextlib.contextmanager
def held(port: int, use: PortUse) -> Iterator[int]:
    """Hold a port while the block runs, a free one for 0, so that nobody else is given it; its number.

    A socket is bound to it that does not listen: the kernel then lets a program of ours listen there, which may also
    end and come back, but chooses the port for nobody. Raises `SandboxError`, with the one who has it, when it cannot
    be had.
    """
    with socket.socket() as holding:
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holding.bind((HOST, port))
        except OSError as problem:
            raise SandboxError(_refusal(port, use, problem)) from problem
        yield int(holding.getsockname()[1])


def _refusal(port: int, use: PortUse, problem: OSError) -> str:
    advice = f"choose another one with {use.option}, or leave that out for a free one"
    if problem.errno == errno.EADDRINUSE:
        user = _listener(port)
        return f"port {port}, asked for as {use.of}, is in use{f' by {user}' if user else ''}: {advice}"
    return f"port {port}, asked for as {use.of}, cannot be used ({problem.strerror}): {advice}"


def _listener(port: int) -> str:
    """The process that listens on a port, in words; empty where that cannot be seen, as of another user's process."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for process in _PROCESSES.iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is not ours to look into
            if any(str(link.readlink()) in sockets for link in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
                return f"process {process.name} ({' '.join([Path(words[0]).name, *words[1:4]])})"
    return ""


def _inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROCESSES / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
