"""How far a fetch is, said now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

EVERY: Final = 5.0
"""Seconds between two reports at least."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. Sizes are in bytes, times in seconds."""

    done: int
    total: int | None
    """None where a source does not say."""
    kept: int
    """Of those done, what was there already."""
    files: int
    of_files: int
    rate: float
    """Bytes a second that came since the last report."""
    left: float | None
    """Seconds until the end at the rate of the whole; None where nobody can tell."""


Report = Callable[[Progress], None]


class Meter:
    """Counts bytes for several threads; reports from one."""

    def __init__(
        self, total: int | None, files: int, report: Report | None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._files = files
        self._report = report
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._came = self._kept = self._finished = 0
        self._begun = self._told = monotonic()
        self._last = 0

    def came(self, count: int) -> None:
        """Bytes that were fetched; fewer than 0 for those that have to come again."""
        with self._lock:
            self._came += count

    def kept(self, count: int) -> None:
        """Bytes that were there already."""
        with self._lock:
            self._kept += count

    def finished(self) -> None:
        """A file is whole."""
        with self._lock:
            self._finished += 1

    def tell(self, *, last: bool = False) -> None:
        """Report, unless that was done a moment ago."""
        now = self._monotonic()
        since = now - (self._begun if last else self._told)
        if self._report is None or (since < EVERY and not last):
            return
        with self._lock:
            came, done = self._came, self._came + self._kept
            rate = (came if last else came - self._last) / max(since, 1e-6)
            left = None
            if self._total is not None and came > 0:
                left = (self._total - done) * (now - self._begun) / came
            self._report(Progress(done, self._total, self._kept, self._finished, self._files, max(rate, 0.0), left))
            self._told, self._last = now, came
