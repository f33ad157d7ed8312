"""Which chunks are on disk, so that an interrupted fetch goes on where it was.

A line is added after its chunk was written. Nothing is flushed to the disk for it: a process that is killed loses
nothing that it has written, and a machine that goes down may. So the journal is believed within one boot of one
machine, and begun anew after that.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Final

from slipway.delivery.listing import Entry

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_LINE: Final = re.compile(r"([0-9a-f]{32}) ([0-9]+)\n")


class Journal:
    """The chunks of one folder, of files that are there and still wanted. Raises OSError.

    What is known of others is forgotten for good: their bytes are about to be written over, and a file may change back.
    """

    def __init__(self, path: Path, chunk: int, wanted: Collection[str]) -> None:
        self._lock = threading.Lock()
        head = f"slipway fetch 1 {chunk} {_boot()}\n"
        lines = path.read_text(encoding="ascii", errors="replace").splitlines(keepends=True) if path.exists() else []
        told = lines[1:] if lines[:1] == [head] and _boot() else []
        read = (found for line in told if (found := _LINE.fullmatch(line)))  # the last one may be torn
        self._known = {(found[1], int(found[2])) for found in read if found[1] in wanted}
        path.write_text(head + "".join(f"{identity} {index}\n" for identity, index in sorted(self._known)))
        self._file = path.open("ab", buffering=0)

    def has(self, entry: Entry, index: int) -> bool:
        """Whether a chunk was written, of a file that is still the same."""
        return (entry.identity, index) in self._known

    def add(self, entry: Entry, index: int) -> None:
        """Remember a chunk that was written."""
        with self._lock:
            self._file.write(f"{entry.identity} {index}\n".encode())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _boot() -> str:
    """What tells this boot of this machine from all others; empty where nothing does."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
