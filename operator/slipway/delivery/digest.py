"""The digest of a tree of files: what names and contents are, and nothing else.

It is the sha256 of one line for each regular file, ``<sha256 hex of its content>  <path>``, in the order of the bytes
of the paths: what ``find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum`` prints inside
the folder. Times, owners, modes and empty folders do not count.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from slipway.delivery.errors import DestinationError, Unsafe
from slipway.delivery.listing import Names

PIECE: Final = 1024 * 1024
"""Bytes that are read at a time."""


def tree_digest(files: Mapping[str, str]) -> str:
    """The digest of files by their paths, given the hex sha256 of each: ``sha256:…``."""
    whole = sha256()
    for path in sorted(files, key=str.encode):
        whole.update(f"{files[path]}  {path}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def digest_of(path: Path, *, step: Callable[[int], None] | None = None, unread: str = "") -> str:
    """The digest of a folder, or of a file as the only one of its folder. `step` is told of the bytes as they are read,
    and `unread` as for `regular_files`.

    Raises Unsafe for links and other special files, and DestinationError for what cannot be read or is empty.
    """
    try:
        if path.is_file():
            return tree_digest({path.name: file_digest(path, step)})
        files = {name: file_digest(found, step) for name, found in regular_files(path, unread)}
    except OSError as error:
        raise DestinationError(
            f"{path} cannot be read ({type(error).__name__}): check the path and its owner"
        ) from None
    if not files:
        raise DestinationError(f"{path} holds no files: nothing has a digest")
    return tree_digest(files)


def file_digest(path: Path, step: Callable[[int], None] | None = None) -> str:
    """Hex sha256 of a file. Raises OSError."""
    hashed, buffer = sha256(), bytearray(PIECE)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hashed.update(view[:count])
            if step is not None:
                step(count)
    return hashed.hexdigest()


def regular_files(root: Path, unread: str = "") -> Iterator[tuple[str, Path]]:
    """The files below a folder, by their relative paths, in no order. A folder `unread` at its top is left out.

    Raises Unsafe and OSError.
    """
    names, pending = Names(), [root]
    while pending:
        with os.scandir(pending.pop()) as found:
            for one in found:
                path = Path(one.path)
                name = path.relative_to(root).as_posix()
                mode = one.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    if name == unread:
                        continue
                    names.folder(name)
                    pending.append(path)
                elif stat.S_ISREG(mode):
                    names.file(name)
                    yield name, path
                else:
                    raise Unsafe(
                        f"{name[:120]!a} is a link or a special file: put the file itself there (cp -rL follows links)"
                    )
