"""The state folder: who runs in it, where it answers, and what a run that crashed left behind."""

import fcntl
import json
import os
import shutil
import signal
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Final

from slipway_sandbox.processes import kill_marked

STOP_SECONDS: Final = 10.0


class SandboxError(RuntimeError):
    """The sandbox cannot be started, reached or stopped; the message says why and what to do."""


@dataclass(frozen=True)
class Endpoints:
    """Where a running sandbox answers."""

    pid: int
    api_url: str
    kubeconfig: str
    gateway_url: str | None = None
    gateway_metrics_url: str | None = None


def default_state() -> Path:
    """The folder that the command uses unless told otherwise."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "slipway-sandbox" / "default"


class StateFolder:
    """One sandbox's folder. The process that holds its lock runs it; the kernel lets go of the lock with the process,
    so a folder whose lock is free is a folder that nobody runs, whatever else lies in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: IO[str] | None = None

    @property
    def log_path(self) -> Path:
        """The log of the serving process."""
        return self.path / "logs" / "sandbox.log"

    @property
    def kubeconfig_path(self) -> Path:
        """What kubectl is pointed at."""
        return self.path / "kubeconfig"

    def prepare(self) -> None:
        """Make the folder, for its owner alone: it says how to reach an API that runs processes."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)
        (self.path / "logs").mkdir(exist_ok=True)

    def acquire(self) -> int:
        """Take the lock and clear away what an earlier run left; the number of processes that had to be killed.

        Raises `SandboxError` when another process runs this sandbox.
        """
        self.prepare()
        lock = (self.path / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            lock.close()
            raise SandboxError(f"a sandbox is already running in {self.path}") from taken
        self._lock = lock
        (self.path / "endpoints.json").unlink(missing_ok=True)
        killed = kill_marked(str(self.path))
        shutil.rmtree(self.path / "pods", ignore_errors=True)
        shutil.rmtree(self.path / "logs" / "pods", ignore_errors=True)
        return killed

    def running(self) -> bool:
        """Whether a process holds the lock."""
        try:
            with (self.path / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def publish(self, endpoints: Endpoints) -> None:
        """Say that the sandbox is up, and where; readers see all of it or nothing."""
        fresh = self.path / "endpoints.json.new"
        fresh.write_text(json.dumps(asdict(endpoints), indent=2) + "\n")
        fresh.chmod(0o600)
        fresh.replace(self.path / "endpoints.json")

    def withdraw(self) -> None:
        """Say that the sandbox is not up any more."""
        (self.path / "endpoints.json").unlink(missing_ok=True)

    def endpoints(self) -> Endpoints | None:
        """Where the sandbox answers, once it is up; None before, after, and for the leftovers of a crash."""
        try:
            text = (self.path / "endpoints.json").read_text()
        except FileNotFoundError:
            return None
        known = {field.name for field in fields(Endpoints)}  # a sandbox of another version may say more
        written = {name: value for name, value in json.loads(text).items() if name in known}
        return Endpoints(**written) if self.running() else None

    def stop(self) -> bool:
        """End a running sandbox and everything of it; False when there was none.

        Raises `SandboxError` when it does not end.
        """
        endpoints = self.endpoints()
        if endpoints is None and not self.running():
            self.clear_away()
            return False
        if endpoints is not None:
            os.kill(endpoints.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self.running():
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"the sandbox in {self.path} did not end within {STOP_SECONDS:g} s; see {self.log_path}"
                )
            time.sleep(0.02)
        self.clear_away()
        return True

    def clear_away(self) -> None:
        """Kill what a sandbox left that could not do so itself; nothing while one runs in the folder."""
        if not self.running():
            kill_marked(str(self.path))

    def log_tail(self, lines: int = 25) -> str:
        """The end of the serving process's log, for error messages."""
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log was written)"
