"""The destination: complete or not there.

Beside ``DEST`` are ``.DEST.slipway/``, in which it is made; ``.DEST.slipway.json``, which says what it is; and a lock.
The last two steps are a rename of the record and one of the folder, in this order: a folder with its record is whole.

What was put there may be removed again, and nothing else. Every folder of it gets a time that says so: a file system
sets the time of a folder to now when something is added to it, removed or renamed. An inode alone says less, because a
folder that is made after another was removed may well get the same.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from slipway.delivery.archives import remove
from slipway.delivery.digest import digest_of
from slipway.delivery.errors import DeliveryError, DestinationError
from slipway.delivery.transfer import writing

_PUT: Final = 315_532_800
"""The time of folders that were put there, in seconds: the first of 1980. Whole seconds survive every file system."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What was delivered."""

    uri: str
    digest: str
    """Of the tree: ``sha256:…``, see `tree_digest`."""
    bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class There:
    """What a destination holds."""

    artifact: Artifact
    extracted: bool


class Place:
    """A destination that is held: one process at a time works on it."""

    def __init__(self, dest: Path) -> None:
        self.dest = Path(os.path.abspath(dest))  # noqa: PTH100 - a link in the way stays one
        if self.dest.is_symlink() or (self.dest.exists() and not self.dest.is_dir()):
            raise DestinationError(f"{dest} is no folder: name one that does not exist yet")
        if self.dest.is_mount():
            raise DestinationError(
                f"{dest} is where a volume is mounted, which cannot appear at once: fetch into a folder of the volume, "
                "and mount that by subPath"
            )
        self._beside = self.dest.parent / f".{self.dest.name}.slipway"
        self._record = self._beside.with_name(f"{self._beside.name}.json")

    @property
    def work(self) -> Path:
        """Where the files are until all of them are."""
        return self._beside

    @contextmanager
    def held(self) -> Iterator[Self]:
        """Waits for others that work on it."""
        lock = self._beside.with_name(f"{self._beside.name}.lock")
        with writing(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = lock.open("ab")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield self

    def there(self) -> There | None:
        """What the destination holds already, hashed again. What was put there and does not match any more is removed.

        Raises DestinationError for a folder with files that somebody else put there.
        """
        if not self.dest.exists():
            return None
        known, inode = self._recorded()
        try:
            if known is not None and digest_of(self.dest) == known.artifact.digest:
                return known
        except DeliveryError:
            pass  # something that is no file is in it, or nothing is: it is not what its record says
        if not any(self.dest.iterdir()):
            return None
        if self.dest.stat().st_ino != inode or not _untouched(self.dest):
            raise DestinationError(
                f"{self.dest} was made or changed by somebody else: name another folder, or remove it"
            )
        self._remove()
        return None

    def _remove(self) -> None:
        """At once, as far as others see: half a folder would be one that somebody changed."""
        aside = self.work / "removed"
        remove(aside)
        with writing(self.work):
            self.work.mkdir(exist_ok=True)
            self.dest.replace(aside)
        remove(aside)
        remove(self._record)

    def _recorded(self) -> tuple[There | None, int]:
        """What was put there, and the inode of the folder."""
        try:
            said = json.loads(self._record.read_text())
            return There(Artifact(**said["artifact"]), bool(said["extracted"])), int(said["inode"])
        except (OSError, ValueError, TypeError, KeyError):
            return None, 0

    def publish(self, tree: Path, artifact: Artifact, *, extracted: bool) -> None:
        """Makes the files read-only and lets the destination appear."""
        made = self._record.with_suffix(".new")
        with writing(self.dest):
            for folder, _, names in os.walk(tree):
                for name in names:
                    (Path(folder) / name).chmod(0o444)
                with suppress(OSError):  # without the time it is never removed, which is no harm
                    os.utime(folder, (_PUT, _PUT))
            inode = tree.stat().st_ino
            made.write_text(json.dumps({"artifact": asdict(artifact), "extracted": extracted, "inode": inode}))
            made.replace(self._record)
            try:
                tree.replace(self.dest)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                    raise DestinationError(f"{self.dest} was filled meanwhile: name another folder") from None
                raise
        remove(self.work)


def _untouched(tree: Path) -> bool:
    """Whether nothing was added, removed or renamed since it was put there."""
    return all(Path(folder).stat().st_mtime == _PUT for folder, _, _ in os.walk(tree))
