"""What is at a URI: the files, by names that are safe to write, and how to read their bytes."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from slipway.delivery.errors import Unsafe

MAX_FILES: Final = 100_000
"""Files of one artifact."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\\]")

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, as its source lists it."""

    path: str
    """Where it goes, relative to the destination."""
    key: str
    """What its source calls it."""
    size: int | None
    """Bytes; None where the source does not say."""
    version: str = ""
    """ETag, generation or time of the last change: the same as long as the bytes are."""
    sha256: str = ""
    """Hex digest of the content, where the source says one. It is checked."""
    ranges: bool = True
    """Whether parts can be asked for: then it is fetched in parallel and goes on where it was interrupted."""

    unpack: bool = False
    """Whether it is an archive whose entries are the files."""

    @property
    def identity(self) -> str:
        """Tells whether a part that was kept is a part of this."""
        said = "\0".join((self.path, self.key, str(self.size), self.version, self.sha256))
        return sha256(said.encode()).hexdigest()[:32]


class Source(ABC):
    """Where files come from. Used by several threads at a time. Methods raise DeliveryError and Passing."""

    @abstractmethod
    def entries(self) -> Sequence[Entry]:
        """All files."""

    @abstractmethod
    def into(self, entry: Entry, begin: int, view: memoryview) -> Iterator[int]:
        """Writes bytes from `begin` on into the view; yields how many came each time. May end before it is full."""

    def stream(self, entry: Entry) -> Iterator[Buffer]:
        """All bytes of a file without ranges. Sources whose files all have them are never asked."""
        raise AssertionError(entry)

    def close(self) -> None:  # noqa: B027  most hold none
        """Let go of connections."""


def check_path(path: str) -> None:
    """Raises Unsafe for a name that could leave the destination or that no file system should be asked to keep."""
    shown = ascii(path[:120])
    if not path or path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise Unsafe(f"the entry {shown} has no plain relative path: rename it at its source")
    if _CONTROL.search(path):
        raise Unsafe(f"the entry {shown} holds a backslash or control characters: rename it at its source")
    try:
        long = len(path.encode()) > 1024 or any(len(part.encode()) > 255 for part in path.split("/"))
    except UnicodeEncodeError:
        raise Unsafe(f"the entry {shown} is not UTF-8: rename it at its source") from None
    if long:
        raise Unsafe(f"the entry {shown}… has too long a name: at most 255 bytes a part and 1024 in all")


class Names:
    """Names that were taken, so that none is taken twice, also where case and Unicode forms are not told apart."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def file(self, path: str) -> None:
        """Take a name for a file. Raises Unsafe."""
        self._take(path)
        if path in self._files or path in self._folders:
            raise Unsafe(f"there are two entries {path[:120]!a}: rename one at its source")
        self._files.add(path)
        if len(self._files) > MAX_FILES:
            raise Unsafe(f"it has more than {MAX_FILES} files: pack them, or name a smaller part")

    def folder(self, path: str) -> None:
        """Take a name for a folder, which may be taken again. Raises Unsafe."""
        self._take(path)
        if path in self._files:
            raise Unsafe(f"{path[:120]!a} is a file and a folder: rename one at its source")
        self._folders.add(path)

    def _take(self, path: str) -> None:
        check_path(path)
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            known = self._known.setdefault(unicodedata.normalize("NFC", part).casefold(), part)
            if known != part:
                raise Unsafe(
                    f"the entries {known[:120]!a} and {part[:120]!a} differ only by case or Unicode form: "
                    "rename one at its source"
                )
            if end < len(parts):
                if part in self._files:
                    raise Unsafe(f"{part[:120]!a} is a file and a folder: rename one at its source")
                self._folders.add(part)


def check_entries(entries: Iterable[Entry]) -> None:
    """Raises Unsafe unless all entries can be written beside each other."""
    names = Names()
    for entry in entries:
        names.file(entry.path)
