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

The processes may be of different users, and some may be hostile: they share a volume, not more. What one takes is a
copy of its own, hashed as it is made, and never a link to a file that another user may change afterwards.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Final

from slipway.delivery.digest import PIECE, file_digest, regular_files, tree_digest
from slipway.delivery.errors import CacheError, DeliveryError, DestinationError, DiskFull, Field, Unsafe
from slipway.delivery.sharing import locked, share_file, share_folder, tried
from slipway.delivery.transfer import writing

_CLONE: Final = 0x40049409
"""ioctl FICLONE: a copy that shares its blocks until one side is written."""

_FOLDERS: Final = ("trees", "making", "using", "new")
_LONGEST_SIZE: Final = 20
"""Bytes of a file that holds a number of bytes."""

_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Cache:
    """A folder that processes share. Methods raise CacheError where it cannot be used."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self._folder = folder
        self._limit = limit
        with _usable(folder):
            if not folder.is_dir():
                folder.parent.mkdir(parents=True, exist_ok=True)
                share_folder(folder)
            for name in _FOLDERS:
                share_folder(folder / name)

    @contextmanager
    def making(self, digest: str) -> Iterator[None]:
        """Only one process of those that want this digest is in here; the others find it in the cache afterwards."""
        with ExitStack() as held:
            with _usable(self._folder):
                held.enter_context(locked(self._folder / "making" / _hex(digest)))
            yield

    def take(self, digest: str, target: Path) -> tuple[int, int] | None:
        """Puts the files of a digest into a folder that does not exist yet: their bytes and number, or None when the
        cache has none. Removes an entry that is not what its name says, if it may be removed."""
        name = _hex(digest)
        entry = self._folder / "trees" / name
        with _usable(self._folder):
            with locked(self._folder / "using" / name, shared=True):
                if not (entry / "bytes").exists():
                    return None
                with suppress(PermissionError):  # of a user who lets nobody else say that it was used
                    os.utime(entry / "bytes")
                try:
                    with writing(target):
                        files, size = _copied(entry / "files", target)
                    if tree_digest(files) == digest:
                        return size, len(files)
                except Unsafe:
                    pass  # something that is no file is in the entry: it is not what its name says
                except (DestinationError, DiskFull) as error:
                    # It may be the entry that is too large: what is wrong with the destination, a fetch will tell.
                    raise CacheError(error.problem) from None
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
                self._fill(new, source, size)
                with locked(self._folder / "using" / name):
                    # What is there is damaged, or was added by somebody else meanwhile.
                    if entry.exists() and not _moved(entry, old):
                        return False
                    new.rename(entry)
        return True

    def _fill(self, new: Path, source: Path, size: int) -> None:
        """Write an entry that all users may read."""
        _copied(source, new / "files")
        for folder, _, _ in os.walk(new):
            Path(folder).chmod(0o755)
        with (new / "bytes").open("x") as file:
            file.write(str(size))
            share_file(file.fileno())

    def _make_room(self, wanted: int, *, keep: str) -> None:
        """Remove what was not used for longest, but nothing that is being copied or that a pod shares blocks with."""
        if self._limit is None:
            return
        known = []
        for entry in (self._folder / "trees").iterdir():
            try:
                if _HEX.fullmatch(entry.name):
                    known.append(((entry / "bytes").stat().st_mtime_ns, entry.name, _size(entry / "bytes")))
            except (OSError, ValueError, DeliveryError):
                continue  # removed meanwhile, or of a user who keeps it from others or writes nonsense
        taken = sum(size for _, name, size in known if name != keep)
        for _, name, size in sorted(known):
            if taken + wanted <= self._limit:
                return
            if name != keep and not _shared(self._folder / "trees" / name) and self._remove(name):
                taken -= size

    def _remove(self, name: str) -> bool:
        """Remove an entry unless somebody is copying from it, or another user has made it."""
        entry = self._folder / "trees" / name
        with tried(self._folder / "using" / name) as alone:
            if not alone:
                return False
            with self._new() as old:
                return not entry.exists() or _moved(entry, old)

    @contextmanager
    def _new(self) -> Iterator[Path]:
        """A name for a tree that is not an entry yet, or not any more. What is left there afterwards is removed."""
        path = self._folder / "new" / uuid.uuid4().hex
        lock = path.with_suffix(".lock")
        with locked(lock):  # before there is anything that others could take for left behind
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
            with suppress(OSError), tried(lock) as alone:  # another user's stays until that one clears up
                if alone:
                    _remove(left)
                    lock.unlink(missing_ok=True)


def _copied(source: Path, target: Path) -> tuple[dict[str, str], int]:
    """Copies a tree as cheaply as the file systems allow, and hashes the copy: digests by path, and bytes.

    Raises OSError where it cannot be written, CacheError where it cannot be read, and Unsafe.
    """
    digests: dict[str, str] = {}
    size = 0
    with _readable(source):
        found = list(regular_files(source))
    target.mkdir(parents=True)
    for name, path in found:
        out = target / name
        out.parent.mkdir(parents=True, exist_ok=True)
        digests[name] = _one(path, out)
        size += out.stat().st_size
    return digests, size


def _one(path: Path, out: Path) -> str:
    """The hex sha256 of a file that was shared, linked or copied, whichever is possible first."""
    with _regular(path) as source:
        with out.open("xb", buffering=0) as made:
            try:
                fcntl.ioctl(made.fileno(), _CLONE, source.fileno())
                cloned = True
            except OSError:
                cloned = False
        if not cloned and _linked(path, out, os.fstat(source.fileno())):
            return file_digest(out)
        if cloned:
            out.chmod(0o444)
            return file_digest(out)
        hashed = sha256()
        with out.open("wb", buffering=0) as made:
            while piece := _read(source, path):
                hashed.update(piece)
                view = memoryview(piece)
                while view:
                    view = view[made.write(view) :]
    out.chmod(0o444)
    return hashed.hexdigest()


def _linked(path: Path, out: Path, about: os.stat_result) -> bool:
    """Whether a file became another name of what was opened. Another user's does not: it would be theirs to change."""
    if about.st_uid != os.geteuid():
        return False
    out.unlink()
    try:
        out.hardlink_to(path)
    except OSError:
        return False  # a copy can be made, or its error says more
    if os.path.samestat(out.lstat(), about):
        return True
    out.unlink()  # somebody put something else in its place, such as a link
    return False


def _regular(path: Path) -> FileIO:
    """A file of the cache, opened to be read. Raises CacheError, and Unsafe for what somebody put there instead."""
    with _readable(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        file = FileIO(descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise Unsafe(f"{path} is no file any more")
        return file


def _read(source: FileIO, path: Path) -> bytes:
    with _readable(path):
        return source.read(PIECE)


def _size(path: Path) -> int:
    """The number that a file holds. Raises OSError, ValueError, and what `_regular` raises."""
    with _regular(path) as file:
        return max(0, int(_read(file, path)[:_LONGEST_SIZE]))


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


def _moved(entry: Path, aside: Path) -> bool:
    """Whether an entry was there to be moved and is ours to move: others' are not, in a sticky folder."""
    try:
        entry.rename(aside)
    except PermissionError:
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CacheError(f"the volume of {folder} is full: give the cache a lower limit") from None
        told = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise CacheError(
            f"{folder} cannot be used ({told}): check that it may be written to, and that its volume takes locks"
        ) from None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Tells errors of who reads from those of who writes, which happen side by side in a copy."""
    try:
        yield
    except OSError as error:
        told = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise CacheError(f"{path} cannot be read ({told}): remove it, or check its owner and its volume") from None
