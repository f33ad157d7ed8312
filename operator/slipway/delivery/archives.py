"""Archives, taken apart without trusting them: only regular files, at plain relative names, within limits.

The libraries' own extraction is not used. Each entry is judged by itself: links, devices and sparse files are refused,
names are those that `Names` takes, and what comes out is counted while it is written, since the sizes that an archive
states are its author's words.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from slipway.delivery.errors import TooLarge, Unsafe
from slipway.delivery.listing import MAX_FILES, Names
from slipway.delivery.transfer import writing

MAX_RATIO: Final = 100
"""How many times larger than the archive its files may be: weights shrink little, and a bomb thousandfold."""

SLACK: Final = 16 * 1024 * 1024
"""Bytes that may come out of any archive, however small."""

MAX_HEADER: Final = 64 * 1024
"""Bytes of all that a tar says of one file: its name, twice, and perhaps attributes."""

_PIECE: Final = 1024 * 1024
_OPENERS: Final[tuple[tuple[bytes, Callable[..., Any]], ...]] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
_BROKEN: Final = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


class Unpacking:
    """Takes archives apart below a folder. Raises DeliveryError."""

    def __init__(self, root: Path, names: Names, limit: int | None) -> None:
        self._root = root
        self._names = names
        self._limit = limit
        self.sha256: dict[str, str] = {}
        """Of each file that came out, by its path."""
        self.bytes = 0

    def unpack(self, archive: Path) -> None:
        """All files of an archive: zip, or tar, plain or compressed by gzip, bzip2 or xz."""
        may = archive.stat().st_size * MAX_RATIO + SLACK
        self._may = self.bytes + may
        with _told(archive.name):
            if zipfile.is_zipfile(archive):
                self._zip(archive)
            else:
                self._tar(archive, may)

    def _zip(self, archive: Path) -> None:
        with zipfile.ZipFile(archive) as opened:
            if len(opened.infolist()) > MAX_FILES:
                raise Unsafe(f"{archive.name} has more than {MAX_FILES} entries: pack fewer")
            for about in opened.infolist():
                kind = stat.S_IFMT(about.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _special(archive, about.filename)
                if about.flag_bits & 0x1:
                    raise Unsafe(f"{archive.name} is encrypted: store it without a password")
                if about.is_dir():
                    self._names.folder(_plain(about.filename))
                    continue
                with opened.open(about) as content:
                    self._write(archive, _plain(about.filename), content)

    def _tar(self, archive: Path, may: int) -> None:
        with archive.open("rb") as raw:
            head = raw.read(6)
            raw.seek(0)
            opener = next((opener for magic, opener in _OPENERS if head.startswith(magic)), None)
            with opener(raw, "rb") if opener is not None else raw as content:
                bounded: Any = _Bounded(content, may, archive.name)
                with tarfile.open(fileobj=bounded, mode="r:") as opened:
                    for count, about in enumerate(opened):
                        if count > MAX_FILES:
                            raise Unsafe(f"{archive.name} has more than {MAX_FILES} entries: pack fewer")
                        with bounded.content():
                            self._member(archive, opened, about)
                        opened.members = []  # type: ignore[attr-defined] # headers would be kept to the end

    def _member(self, archive: Path, opened: tarfile.TarFile, about: tarfile.TarInfo) -> None:
        name = _plain(about.name)
        if about.isdir():
            if name not in ("", "."):
                self._names.folder(name)
        elif about.isreg() and not about.issparse():
            content = opened.extractfile(about)
            if content is None:
                raise _special(archive, about.name)
            self._write(archive, name, content)
        else:
            raise _special(archive, about.name)

    def _write(self, archive: Path, name: str, content: IO[bytes]) -> None:
        self._names.file(name)
        path = self._root / name
        hashed = sha256()
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                while piece := content.read(_PIECE):
                    self.bytes += len(piece)
                    if self._limit is not None and self.bytes > self._limit:
                        raise TooLarge(f"{archive.name} holds more than {self._limit} bytes: allow more, or pack less")
                    if self.bytes > self._may:
                        raise _bomb(archive.name)
                    hashed.update(piece)
                    out.write(piece)
        self.sha256[name] = hashed.hexdigest()


class _Bounded:
    """A stream of which only so much is read: also headers may be bombs."""

    def __init__(self, stream: IO[bytes], may: int, name: str) -> None:
        self._stream = stream
        self._may = may
        self._name = name
        self._header = 0
        self._in_content = False

    @contextmanager
    def content(self) -> Iterator[None]:
        """Meanwhile no header is read, and the next one begins afterwards."""
        self._in_content = True
        yield
        self._in_content = False
        self._header = 0

    def read(self, size: int = -1) -> bytes:
        """At most as much as any header needs, also where it is read in parts."""
        if size < 0 or (not self._in_content and self._header + size > MAX_HEADER):
            raise Unsafe(f"{self._name} has a header of more than {MAX_HEADER} bytes: pack it with plain tar")
        piece = self._stream.read(size)
        if not self._in_content:
            self._header += len(piece)
        if self._stream.tell() > self._may:
            raise _bomb(self._name)
        return piece

    def seek(self, place: int) -> int:
        """Forward, within what may be read."""
        if place > self._may:
            raise _bomb(self._name)
        return self._stream.seek(place)

    def tell(self) -> int:
        """Where the stream is."""
        return self._stream.tell()


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except (*_BROKEN, NotImplementedError, RuntimeError) as error:
        raise Unsafe(
            f"{name} is no archive that can be read ({type(error).__name__}): use zip, tar, tar.gz, tar.bz2 or tar.xz, "
            "and check that the upload was complete"
        ) from None


def _plain(name: str) -> str:
    return name.removeprefix("./").rstrip("/")


def _bomb(name: str) -> Unsafe:
    return Unsafe(f"{name} unpacks to more than {MAX_RATIO} times its size: store the files as they are")


def _special(archive: Path, name: str) -> Unsafe:
    return Unsafe(
        f"{archive.name} holds {name[:120]!a}, which is a link, a device or a sparse file: pack regular files only "
        "(tar --dereference --hard-dereference)"
    )


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if there is one. Raises DestinationError."""
    with writing(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
