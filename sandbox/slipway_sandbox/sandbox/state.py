"""The state folder: who runs in it, where it answers, and what a run that crashed left behind."""

import contextlib
import enum
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Final

from slipway_sandbox.images import ImageTable
from slipway_sandbox.processes import kill_marked

STOP_SECONDS: Final = 10.0

ASKED_SECONDS: Final = 1.0
"""How long the lock is tried for: whoever asks whether a sandbox runs holds it for a moment too."""


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


class Ending(enum.Enum):
    """What `StateFolder.stop` found and did."""

    STOPPED = "a sandbox ran, and has ended"
    CLEARED = "none ran, but one had crashed, and what it left is gone"
    NOTHING = "none ran"


def named_state(name: str) -> Path:
    """The folder of the sandbox of that name, where the command keeps those that were given no folder."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "slipway-sandbox" / name


class StateFolder:
    """One sandbox's folder. The process that holds its lock runs it; the kernel lets go of the lock with the process,
    so a folder whose lock is free is a folder that nobody runs, whatever else lies in it. The lock's text is that
    process's number, and is empty again after an orderly end: text in a free lock is the mark of a crash."""

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

    @property
    def objects_path(self) -> Path:
        """The objects of a sandbox that is to be resumed."""
        return self.path / "objects.sqlite"

    @property
    def images_path(self) -> Path:
        """The image table of this folder, which the node reads again whenever it changes."""
        return self.path / "images.yaml"

    def prepare(self) -> None:
        """Make the folder, for its owner alone: it says how to reach an API that runs processes.

        Raises `SandboxError` on a system on which no pod could run.
        """
        if sys.platform != "linux":
            raise SandboxError(
                "the sandbox needs Linux, for the addresses of its pods and for ending them with it. Elsewhere run it "
                "in Linux: in Lima on macOS, in WSL 2 on Windows, or in a container (docker run -it python:3.12 bash)"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
            (self.path / "logs").mkdir(exist_ok=True)
        except OSError as problem:
            raise SandboxError(f"{self.path} cannot be the folder of a sandbox: {problem.strerror}") from problem

    def acquire(self) -> int:
        """Take the lock and clear away what an earlier run left; the number of processes that had to be killed.

        Raises `SandboxError` when another process runs this sandbox.
        """
        self.prepare()
        lock = (self.path / "lock").open("a+")
        deadline = time.monotonic() + ASKED_SECONDS
        while not _taken(lock):
            if time.monotonic() > deadline:
                lock.close()
                raise SandboxError(f"a sandbox is already running in {self.path}")
            time.sleep(0.01)
        self._lock = lock
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        (self.path / "endpoints.json").unlink(missing_ok=True)
        killed = kill_marked(str(self.path))
        self._forget_pods()
        return killed

    def _forget_pods(self) -> None:
        """Remove the files of pods, unless objects are kept: then their pods come back, and look for them."""
        if not self.objects_path.exists():
            for folder in ("pods", "volumes", "logs/pods"):
                shutil.rmtree(self.path / folder, ignore_errors=True)

    def release(self) -> None:
        """The last thing that the holder of the lock says: the folder is left in order. The lock goes with it."""
        self.withdraw()
        if self._lock is not None:
            self._lock.truncate(0)

    def running(self) -> bool:
        """Whether a process holds the lock. Raises `SandboxError` when the folder is somebody else's."""
        try:
            with (self.path / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except BlockingIOError:
            return True
        except OSError as problem:
            raise SandboxError(f"{self.path} cannot be read: {problem.strerror}") from problem
        return False

    def stale(self) -> bool:
        """Whether a sandbox ran here and crashed, and nobody has cleared away what it left."""
        return not self.running() and self._holder() is not None

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
        if not self.running():
            return None
        try:
            text = (self.path / "endpoints.json").read_text()
        except FileNotFoundError:
            return None
        known = {field.name for field in fields(Endpoints)}  # a sandbox of another version may say more
        return Endpoints(**{name: value for name, value in json.loads(text).items() if name in known})

    def write_images(self, table: ImageTable) -> None:
        """Put a table in the place of this folder's; the node sees all of it or nothing."""
        fresh = self.path / "images.yaml.new"
        table.save(fresh)
        fresh.replace(self.images_path)

    def stop(self) -> Ending:
        """End a running sandbox, also one that is still starting, and everything of it.

        One that does not end when asked is killed. Raises `SandboxError` when even that does not end it.
        """
        if not self.running():
            crashed = self.stale()
            self.clear_away()
            return Ending.CLEARED if crashed else Ending.NOTHING
        with _watched(self._holder()) as process:
            for number in (signal.SIGTERM, signal.SIGKILL):
                self._signal_holder(number)
                deadline = time.monotonic() + STOP_SECONDS
                while self.running() and time.monotonic() < deadline:
                    time.sleep(0.02)
            if self.running():
                raise SandboxError(f"the sandbox in {self.path} does not end, not even killed; see {self.log_path}")
            # An ending process lets go of its lock a moment before it has ended.
            if process:
                select.select(process, [], [], STOP_SECONDS)
        self.clear_away()
        return Ending.STOPPED

    def clear_away(self) -> None:
        """Kill and remove what a sandbox left that could not do so itself; nothing while one runs in the folder."""
        if self.running():
            return
        kill_marked(str(self.path))
        if self._holder() is not None:
            self.withdraw()
            self._forget_pods()
            os.truncate(self.path / "lock", 0)

    def _holder(self) -> int | None:
        """The process that the lock names: the one that holds it, or one that crashed."""
        try:
            text = (self.path / "lock").read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return int(text) if text.isdigit() else None

    def _signal_holder(self, number: signal.Signals) -> None:
        holder = self._holder()
        if holder is not None and self.running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder, number)

    def log_since(self, begin: int) -> str:
        """What the serving process has logged from this byte of the file on, after an empty line."""
        with self.log_path.open("rb") as stream:
            stream.seek(begin)
            return "\n" + stream.read().decode(errors="replace")

    def log_tail(self, lines: int = 25) -> str:
        """The end of the serving process's log, for error messages."""
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log was written)"


def _taken(lock: IO[str]) -> bool:
    """Whether the lock could be had."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _watched(pid: int | None) -> Iterator[list[int]]:
    """A descriptor that becomes readable when the process has ended; none where there is nothing to wait for."""
    with contextlib.ExitStack() as stack:
        watched = []
        if pid is not None:
            with contextlib.suppress(OSError):  # it has ended, or this kernel has no such descriptors
                watched.append(os.pidfd_open(pid))
                stack.callback(os.close, watched[0])
        yield watched
