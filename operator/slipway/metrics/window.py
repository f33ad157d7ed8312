"""Disjoint windows from cumulative counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from slipway.api import Counter

MAX_READINGS: Final = 200
"""Most readings of one arm. Two arms and the counters that are carried have to fit the 512 that a revision's status
holds."""

MAX_COUNTERS: Final = 512
"""Most counters that a snapshot holds: the limit of the status field."""


class SourceError(Exception):
    """A source gave nothing that counts as evidence: it was unreachable, slow, failing or nonsensical.

    Says nothing about the release: the weight stays, the cursor stays, and the next good reading covers the time in
    between.
    """

    def __init__(self, source: str, message: str) -> None:
        super().__init__(f"{source}: {message}")
        self.source = source
        """What was read: ``<arm>/<pod>``, ``gateway-<index>``, or the field or setting at fault."""
        self.message = message
        """What is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Raw cumulative requests of one source, since that source began to count."""

    source: str
    """``<arm>/<pod>`` or ``<arm>/gateway-<index>``, the latter with ``/<series>`` for each series that the gateway
    keeps."""
    bad: float
    total: float


def delta(previous: Sequence[Counter], current: Sequence[Reading]) -> tuple[int, int]:
    """Bad and all requests between a snapshot and the readings of one arm. `previous` may hold other arms' counters
    too.

    - No snapshot yet: the readings are where counting begins, so (0, 0).
    - A source that the snapshot does not hold was born since: it counts from 0, so the first errors of a new series
      are not lost.
    - A counter that fell was reset: the source counts from 0. Either counter tells, as a process loses both.
    - bad never exceeds total, though the two were not read at the same instant.

    Whole counts are differences of floors, so that windows add up to what was counted, fractions included.
    """
    if not previous:
        return 0, 0
    known = {counter.source: counter for counter in previous}
    bad = total = 0
    for reading in current:
        base_bad, base_total = 0.0, 0.0
        before = known.get(reading.source)
        if before is not None and reading.bad >= before.bad and reading.total >= before.total:
            base_bad, base_total = before.bad, before.total
        requests = int(reading.total) - int(base_total)
        total += requests
        bad += min(int(reading.bad) - int(base_bad), requests)
    return bad, total


def snapshot(previous: Sequence[Counter], current: Sequence[Reading]) -> tuple[Counter, ...]:
    """What to remember after a window: the readings of all arms, and the counters of sources that gave none this time.

    A pod that is not ready for a moment is not read; forgetting it would count all its requests again when it is
    back. Of the sources without a reading, the ones that gave one last are kept when there are too many: pods that
    are gone make room first.
    """
    read = [Counter(source=reading.source, bad=reading.bad, total=reading.total) for reading in current]
    sources = {counter.source for counter in read}
    carried = [counter for counter in previous if counter.source not in sources]
    return tuple([*read, *carried][:MAX_COUNTERS])
