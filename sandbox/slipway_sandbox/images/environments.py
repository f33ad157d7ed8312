"""Where the virtual environments of images are kept, and which of them are ready.

An environment is a folder named by what it is made of: the interpreter and the requirements. It is built beside its
place under another name and moved there when it is whole, so a folder by the right name is one that can be used, and
whatever else lies there is what a build left that was killed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from slipway_sandbox.images.interpreters import Interpreter, MissingPythonError, interpreter_of

CACHE_VARIABLE: Final = "SLIPWAY_SANDBOX_CACHE"
"""Names the folder of the cache, in place of `slipway-sandbox` in the user's cache folder."""

NO_DEPENDENCIES: Final = "--no-deps"
"""A requirement line that says that the list is complete: what the packages ask for is not looked up."""

_RECORD: Final = "environment.json"
_PATH: Final = re.compile(r"(?<![^\s=])/\S+")


@dataclass(frozen=True)
class Environment:
    """A virtual environment that can be used."""

    folder: Path
    title: str
    """The image that it was first made for."""
    requirements: tuple[str, ...]
    size: int
    """Bytes on disk when it was made."""
    seconds: float
    """How long it took to make."""

    @property
    def programs(self) -> Path:
        """The folder of its commands, `python` among them."""
        return self.folder / "bin"


@dataclass(frozen=True)
class Plan:
    """An environment that is wanted: its requirements, in the format of pip's files, one a line."""

    title: str
    requirements: tuple[str, ...]
    pythons: tuple[str, ...] = ()
    """The minor versions of Python (`3.12`) that the packages are made for; any, if none is named."""

    @property
    def interpreter(self) -> Interpreter:
        """What it is made with. Raises `MissingPythonError` when this machine has nothing fitting."""
        return interpreter_of(self.pythons)

    @property
    def key(self) -> str:
        """The folder's name: the interpreter's version, and a digest of all that the environment depends on.

        A file that a requirement names counts with its contents. Raises `OSError` when one cannot be read, and
        `MissingPythonError`.
        """
        interpreter = self.interpreter
        parts = [sys.implementation.name, platform.machine(), interpreter.home]
        for line in self.requirements:
            parts += [line, *(_digest(path) for path in local_files(line))]
        return f"py{interpreter.version}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


class Cache:
    """The folder of all environments of this user."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder() / "environments"

    def find(self, plan: Plan) -> Environment | None:
        """The environment for a plan, or None when it has to be made. Raises `OSError` as `Plan.key` does."""
        try:
            return _read(self.folder / plan.key)
        except MissingPythonError:
            return None

    def environments(self) -> list[Environment]:
        """All that can be used, by name."""
        found = (_read(folder) for folder in sorted(self.folder.glob("py*-*")))
        return [environment for environment in found if environment is not None]

    def log_path(self, plan: Plan) -> Path:
        """What the package installer said when the environment was made last."""
        return self.folder / f"{plan.key}.log"

    def try_lock(self, plan: Plan) -> "BuildLock | None":
        """The right to make an environment, or None while another process or pod makes it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return BuildLock.take(self.folder / f"{plan.key}.lock")

    def new_folder(self, plan: Plan) -> Path:
        """A place to build in. Only for the holder of the lock: what earlier builds left there is removed."""
        for leftover in [self.folder / plan.key, *self.folder.glob(f"{plan.key}.new-*")]:
            shutil.rmtree(leftover, ignore_errors=True)
        return self.folder / f"{plan.key}.new-{os.getpid()}-{os.urandom(4).hex()}"

    def keep(self, plan: Plan, built: Path, seconds: float) -> Environment:
        """Move a whole environment to its place."""
        place = self.folder / plan.key
        for file in [built / "pyvenv.cfg", *(built / "bin").iterdir()]:
            if file.is_file() and not file.is_symlink():
                _replace(file, str(built).encode(), str(place).encode())
        record = {"title": plan.title, "requirements": plan.requirements, "size": _size(built), "seconds": seconds}
        (built / _RECORD).write_text(json.dumps(record, indent=2) + "\n")
        built.rename(place)
        environment = _read(place)
        if environment is None:
            raise OSError(f"{place}: the environment was made, but its interpreter does not exist")
        return environment


class BuildLock:
    """Held by whoever makes an environment; the kernel lets go of it with the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """The lock, or None while another holds it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Let others have it."""
        os.close(self._descriptor)


def cache_folder() -> Path:
    """Where the sandbox keeps what can be made again: `SLIPWAY_SANDBOX_CACHE`, or a folder in the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "slipway-sandbox"


def local_files(line: str) -> Iterator[Path]:
    """The files of this machine that a requirement line names."""
    for found in _PATH.findall(line):
        path = Path(found)
        if path.is_file():
            yield path


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(folder: Path) -> Environment | None:
    """What is there, unless it is not whole or its interpreter has been uninstalled."""
    try:
        record = json.loads((folder / _RECORD).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not (folder / "bin" / "python").exists():
        return None
    return Environment(folder, record["title"], tuple(record["requirements"]), record["size"], record["seconds"])


def _replace(file: Path, old: bytes, new: bytes) -> None:
    """Scripts name their interpreter by its full path, which is another once the folder is in its place."""
    with contextlib.suppress(PermissionError):
        content = file.read_bytes()
        if old in content:
            mode = file.stat().st_mode
            file.write_bytes(content.replace(old, new))
            file.chmod(mode)


def _size(folder: Path) -> int:
    return sum(entry.lstat().st_blocks * 512 for entry in folder.rglob("*"))
