"""Starts a sandbox that outlives the command."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from slipway_sandbox.sandbox import Endpoints, SandboxError, StateFolder

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


@dataclass(frozen=True)
class UpOptions:
    """What `up` was asked for."""

    port: int
    gateway: bool
    gateway_port: int
    images: Path | None
    backoff_seconds: float
    persist: bool


def launch(folder: StateFolder, options: UpOptions) -> Endpoints:
    """Start a sandbox in a session of its own and wait until it answers.

    Raises `SandboxError` when it does not. However this ends but well, by Ctrl-C or a signal too, nothing is left.
    """
    folder.prepare()
    words = [
        f"--state={folder.path}",
        f"--port={options.port}",
        "--gateway" if options.gateway else "--no-gateway",
        f"--gateway-port={options.gateway_port}",
        f"--backoff={options.backoff_seconds}",
        *(["--persist"] if options.persist else []),
        *([f"--images={options.images.resolve()}"] if options.images is not None else []),
    ]
    with _signals_raise(), folder.log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "slipway_sandbox", "serve", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
        try:
            return _answering(folder, process)
        except BaseException:
            _end(process)
            folder.clear_away()
            raise


def _answering(folder: StateFolder, process: "subprocess.Popen[bytes]") -> Endpoints:
    deadline = time.monotonic() + START_SECONDS
    while True:
        endpoints = folder.endpoints()
        if endpoints is not None and endpoints.pid == process.pid:
            return endpoints
        if process.poll() is not None:
            raise SandboxError(_cause(folder))
        if time.monotonic() > deadline:
            raise SandboxError(f"the sandbox was not ready in {START_SECONDS:g} s. Its log ends:\n{folder.log_tail()}")
        time.sleep(0.02)


def _cause(folder: StateFolder) -> str:
    """Why it ended: the one line that the serving process has for users, or the end of the log for a defect."""
    tail = folder.log_tail()
    last = tail.splitlines()[-1] if tail else ""
    if last.startswith("Error: "):
        return f"{last.removeprefix('Error: ')} (the log is {folder.log_path})"
    return f"the sandbox ended while it started. Its log ends:\n{tail}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block like Ctrl-C does, instead of ending the process at once."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
