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
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
        begin = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "slipway_sandbox", "serve", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
        try:
            return _answering(folder, process, begin)
        except BaseException:
            _ignore_signals()
            _end(process)
            folder.clear_away()
            raise


def _answering(folder: StateFolder, process: "subprocess.Popen[bytes]", begin: int) -> Endpoints:
    deadline = time.monotonic() + START_SECONDS
    while True:
        endpoints = folder.endpoints()
        if endpoints is not None and endpoints.pid == process.pid:
            return endpoints
        if process.poll() is not None:
            raise SandboxError(_cause(folder, begin))
        if time.monotonic() > deadline:
            raise SandboxError(f"the sandbox was not ready in {START_SECONDS:g} s. Its log ends:\n{folder.log_tail()}")
        time.sleep(0.02)


def _cause(folder: StateFolder, begin: int) -> str:
    """Why it ended: what the serving process said to users, or the end of the log for a defect.

    Only what was written since `begin` counts: another sandbox may have run in this folder before.
    """
    _, sign, told = folder.log_since(begin).rpartition("\nError: ")
    if sign:
        return f"{told.strip()} (the log is {folder.log_path})"
    return f"the sandbox ended while it started. Its log ends:\n{folder.log_tail()}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block like Ctrl-C does, instead of ending the process at once.

    The first of them is the last that counts: what an impatient person sends while things are cleared away would
    leave half of them behind.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is leave:
                signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
