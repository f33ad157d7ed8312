"""Which chunks are on disk, so that an interrupted fetch goes on where it was.

A line is added after its chunk was written. Nothing is flushed to the disk for it: a process that is killed loses
nothing that it has written, and a machine that goes down may. So the journal is believed within one boot of one
machine, and begun anew after that.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from slipway.delivery.listing import Entry

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class Journal:
    """The chunks of one folder. Raises OSError."""

    def __init__(self, path: Path, chunk: int) -> None:
        self._lock = threading.Lock()
        head = f"slipway fetch 1 {chunk} {_boot()}\n"
        self._known: set[tuple[str, int]] = set()
        lines = path.read_text(encoding="ascii", errors="replace").splitlines(keepends=True) if path.exists() else []
        if lines[:1] == [head] and _boot():
            for line in lines[1:]:
                identity, _, index = line.partition(" ")
                if line.endswith("\n") and index.strip().isdecimal():
                    self._known.add((identity, int(index)))
        else:
            path.write_text(head)
        self._file = path.open("ab", buffering=0)
        if lines and not lines[-1].endswith("\n"):
            self._file.write(b"\n")

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
