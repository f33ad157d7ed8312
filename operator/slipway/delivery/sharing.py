"""Folders, files and locks that processes of different users share.

Pods on one volume run as whoever their releases say. What they share is open to all of them, whatever the umask of who
makes it; folders are sticky, so that nobody removes what is somebody else's. Nothing that is found there is trusted:
links are not followed, and what is read is only what the caller verifies.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

FOLDER_MODE: Final = 0o1777
"""Anybody may add; who added something may remove it."""

FILE_MODE: Final = 0o666


def share_folder(path: Path) -> None:
    """Make a folder unless it is there, and open one of one's own to all. Raises OSError."""
    made = False
    with suppress(FileExistsError):
        path.mkdir()
        made = True
    about = path.lstat()
    if not stat.S_ISDIR(about.st_mode):
        raise NotADirectoryError(path)
    if (made or about.st_uid == os.geteuid()) and about.st_mode & FOLDER_MODE != FOLDER_MODE:
        with suppress(PermissionError):  # a volume without modes of its own, which says by itself who may write
            path.chmod(stat.S_IMODE(about.st_mode) | FOLDER_MODE)


def share_file(descriptor: int) -> None:
    """Open a file of one's own to all. Raises OSError."""
    about = os.fstat(descriptor)
    if about.st_uid == os.geteuid() and about.st_mode & FILE_MODE != FILE_MODE:
        with suppress(PermissionError):  # as for folders
            os.fchmod(descriptor, stat.S_IMODE(about.st_mode) | FILE_MODE)


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Holds the lock of a file, which is made if it is not there; waits for it. Raises OSError."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def tried(path: Path) -> Iterator[bool]:
    """Whether a lock could be had alone, at once. Raises OSError."""
    descriptor = _open(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """A descriptor to lock by.

    It reads and writes: NFSv4 has a server lock the bytes of a file instead, shared for who may read them and alone for
    who may write them, and answers EBADF to others. A file of another user is never opened with O_CREAT, which Linux
    refuses in a sticky folder (fs.protected_regular).
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        with suppress(FileNotFoundError):
            descriptor = os.open(path, flags)
            break
        with suppress(FileExistsError):  # somebody else was quicker
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, FILE_MODE)
            break
    share_file(descriptor)
    return descriptor
