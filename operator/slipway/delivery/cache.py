"""Trees of files that several pods of a node share, by their digest.

::

    DIR/trees/<hex>/files/…   what was fetched, read-only
    DIR/trees/<hex>/bytes     how many bytes that is; its time is that of the last use
    DIR/making/<hex>          locked by whoever fetches this digest, so that one does for all
    DIR/using/<hex>           locked shared by who copies, alone by who adds or removes
    DIR/new/<random>          a tree that is being added; locked as long as its process lives

An entry appears by a rename, so a process that is killed leaves none that is half. What is taken out is hashed on its
way, every time: an entry whose bytes are not those of its name is removed and fetched anew. Locks are those of the
kernel (flock) and end with their process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from slipway.delivery.digest import PIECE, file_digest, regular_files, tree_digest
from slipway.delivery.errors import CacheError, DeliveryError, Field, Unsafe
from slipway.delivery.transfer import writing

_CLONE: Final = 0x40049409
"""ioctl FICLONE: a copy that shares its blocks until one side is written."""

_FOLDERS: Final = ("trees", "making", "using", "new")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Cache:
    """A folder that processes share. Methods raise CacheError for a folder that cannot be used."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self._folder = folder
        self._limit = limit
        with _usable(folder):
            for name in _FOLDERS:
                (folder / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def making(self, digest: str) -> Iterator[None]:
        """Only one process of those that want this digest is in here; the others find it in the cache afterwards."""
        with _locked(self._folder / "making" / _hex(digest)):
            yield

    def take(self, digest: str, target: Path) -> tuple[int, int] | None:
        """Puts the files of a digest into a folder that does not exist yet: their bytes and number, or None when the
        cache has none. Removes an entry that is not what its name says."""
        name = _hex(digest)
        entry = self._folder / "trees" / name
        with _usable(self._folder), _locked(self._folder / "using" / name, shared=True):
            if not (entry / "bytes").exists():
                return None
            os.utime(entry / "bytes")
            try:
                with writing(target):
                    files, size = _copied(entry / "files", target)
                if tree_digest(files) == digest:
                    return size, len(files)
            except Unsafe:
                pass  # something that is no file is in the entry: it is not what its name says
        _remove(target)
        self._remove(name)
        return None

    def put(self, digest: str, source: Path, size: int) -> bool:
        """Adds the files of a folder, and makes room for them. Says whether they are in the cache now."""
        name = _hex(digest)
        entry = self._folder / "trees" / name
        if self._limit is not None and size > self._limit:
            return False
        with _usable(self._folder):
            self._tidy()
            self._make_room(size, keep=name)
            with self._new() as new, self._new() as old:
                _copied(source, new / "files")
                (new / "bytes").write_text(str(size))
                with _locked(self._folder / "using" / name):
                    if entry.exists():  # damaged, or added by somebody else meanwhile
                        entry.rename(old)
                    new.rename(entry)
        return True

    def _make_room(self, wanted: int, *, keep: str) -> None:
        """Remove what was not used for longest, but nothing that is being copied or that a pod shares blocks with."""
        if self._limit is None:
            return
        known = []
        for entry in (self._folder / "trees").iterdir():
            try:
                known.append(((entry / "bytes").stat().st_mtime_ns, entry.name, int((entry / "bytes").read_text())))
            except (FileNotFoundError, ValueError):
                continue  # removed meanwhile
        taken = sum(size for _, name, size in known if name != keep)
        for _, name, size in sorted(known):
            if taken + wanted <= self._limit:
                return
            if name != keep and not _shared(self._folder / "trees" / name) and self._remove(name):
                taken -= size

    def _remove(self, name: str) -> bool:
        """Remove an entry unless somebody is copying from it."""
        entry = self._folder / "trees" / name
        with _tried(self._folder / "using" / name) as alone:
            if not alone:
                return False
            with self._new() as old:
                if entry.exists():
                    entry.rename(old)
            return True

    @contextmanager
    def _new(self) -> Iterator[Path]:
        """A name for a tree that is not an entry yet, or not any more. What is left there afterwards is removed."""
        path = self._folder / "new" / uuid.uuid4().hex
        lock = path.with_suffix(".lock")
        with _locked(lock):  # before there is anything that others could take for left behind
            try:
                yield path
            finally:
                _remove(path)
                lock.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Remove what processes left behind that were killed while they added or removed."""
        for left in (self._folder / "new").iterdir():
            if left.suffix == ".lock":
                continue
            lock = left.with_suffix(".lock")
            with _tried(lock) as alone:
                if alone:
                    _remove(left)
                    lock.unlink(missing_ok=True)


def _copied(source: Path, target: Path) -> tuple[dict[str, str], int]:
    """Copies a tree as cheaply as the file systems allow, and hashes the copy: digests by path, and bytes."""
    digests: dict[str, str] = {}
    size = 0
    target.mkdir(parents=True)
    for name, path in regular_files(source):
        out = target / name
        out.parent.mkdir(parents=True, exist_ok=True)
        digests[name] = _one(path, out)
        size += out.stat().st_size
    return digests, size


def _one(path: Path, out: Path) -> str:
    """The hex sha256 of a file that was shared, linked or copied, whichever is possible first."""
    with path.open("rb", buffering=0) as source:
        with out.open("xb", buffering=0) as made:
            try:
                fcntl.ioctl(made.fileno(), _CLONE, source.fileno())
                cloned = True
            except OSError:
                cloned = False
        if not cloned and _linked(path, out):
            return file_digest(out)
        if cloned:
            out.chmod(0o444)
            return file_digest(out)
        hashed = sha256()
        with out.open("wb", buffering=0) as made:
            while piece := source.read(PIECE):
                hashed.update(piece)
                view = memoryview(piece)
                while view:
                    view = view[made.write(view) :]
    out.chmod(0o444)
    return hashed.hexdigest()


def _linked(path: Path, out: Path) -> bool:
    out.unlink()
    try:
        out.hardlink_to(path)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES):
            return False
        raise
    return True


def _shared(entry: Path) -> bool:
    """Whether files of an entry are those of a pod too: removing it would free nothing."""
    try:
        return any(path.stat().st_nlink > 1 for _, path in regular_files(entry / "files"))
    except (OSError, DeliveryError):
        return False


def _hex(digest: str) -> str:
    name = digest.removeprefix("sha256:")
    if not _HEX.fullmatch(name):
        raise CacheError("it has no sha256 to be found by", Field.DIGEST)
    return name


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)


@contextmanager
def _locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def _tried(path: Path) -> Iterator[bool]:
    """Whether a lock could be had alone, at once."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CacheError(f"the volume of {folder} is full: give the cache a lower limit") from None
        raise CacheError(
            f"{folder} cannot be used ({type(error).__name__}): check that it is a folder that may be written to"
        ) from None
