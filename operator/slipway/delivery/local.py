"""Files and folders of this machine: volumes that are mounted, and ``file://``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from slipway.delivery.address import Address
from slipway.delivery.digest import PIECE, regular_files
from slipway.delivery.errors import AddressError, Changed, Denied, Field, MisconfiguredError, NotFound
from slipway.delivery.listing import Entry, Source

LOST: Final = "lost+found"
"""What file systems such as ext4 have at their top. It is root's alone, and no file of a model."""


class LocalFiles(Source):
    """A file, or all files below a folder. Links are refused: what they lead to is not part of the model."""

    def __init__(self, root: Path, unread: str = "") -> None:
        self._root = root
        self._unread = unread

    def entries(self) -> Sequence[Entry]:
        """The files as they are now."""
        try:
            if self._root.is_dir():
                return [_entry(name, path) for name, path in sorted(regular_files(self._root, self._unread))]
            if self._root.is_file():
                return [_entry(self._root.name, self._root)]
        except OSError as error:
            raise Denied(f"{self._root} cannot be read ({type(error).__name__}): check who may read it") from None
        raise NotFound(f"there is no file or folder {self._root}: check the path, and that the volume is mounted")

    def into(self, entry: Entry, begin: int, view: memoryview) -> Iterator[int]:
        """See `Source`."""
        try:
            with Path(entry.key).open("rb", buffering=0) as file:
                if _version(os.fstat(file.fileno())) != entry.version:
                    raise Changed(f"{entry.key} changed while it was read: fetch it again")
                file.seek(begin)
                got = 0
                while got < len(view):
                    count = file.readinto(view[got : got + PIECE])
                    if not count:
                        return
                    got += count
                    yield count
        except OSError as error:
            raise Denied(f"{entry.key} cannot be read ({type(error).__name__}): check who may read it") from None


def mounted(where: Address, volumes: Mapping[str, Path]) -> Path:
    """Where a ``pvc://`` address is on this machine. Raises DeliveryError."""
    root = volumes.get(where.host)
    if root is None:
        known = ", ".join(sorted(volumes)) or "none"
        raise MisconfiguredError(
            f"nothing says where the claim {where.host} is mounted ({known} is): name it with its folder", Field.VOLUMES
        )
    found = (root / where.path).resolve()
    if not found.is_relative_to(root.resolve()):
        raise AddressError("its path leaves the volume: name a file or folder in it")
    return found


def unread_of(where: Address, volumes: Mapping[str, Path]) -> str:
    """The folder that is left out at an address: that of the file system, if it is a claim, and all of it.

    Whoever may read it leaves it out too, or else a digest would depend on who asks. Raises DeliveryError.
    """
    whole = where.scheme == "pvc" and mounted(where, volumes) == volumes[where.host].resolve()
    return LOST if whole else ""


def _entry(name: str, path: Path) -> Entry:
    about = path.stat()
    return Entry(name, str(path), about.st_size, _version(about))


def _version(about: os.stat_result) -> str:
    return f"{about.st_ino}-{about.st_size}-{about.st_mtime_ns}"
