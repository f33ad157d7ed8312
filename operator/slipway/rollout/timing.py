"""How long answers to replayed items took, in a form that a record can hold: counts in buckets. Pure.

The edges of the buckets are a fifth apart, so a quantile is told to within a tenth. It is told and not judged: a replay
asks one item after another, which says little of how a release bears live traffic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from slipway.analysis import EvidenceError, Vectors
from slipway.api import ReplayStatus
from slipway.rollout.observation import Durations

SHORTEST: Final = 1e-4
"""Seconds up to which answers are not told apart."""

STEP: Final = 1.2
"""How many times as long an answer at the end of a bucket takes as one at its beginning."""

BUCKETS: Final = 80
"""They reach beyond three minutes, which is longer than anybody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Answers by bucket, an arm each, and how many items took how many seconds."""

    candidate: tuple[int, ...] = ()
    stable: tuple[int, ...] = ()
    items: int = 0
    seconds: float = 0.0

    def after(self, durations: Durations, items: int) -> Self:
        """With one more part of a replay."""
        return type(self)(
            _counted(self.candidate, durations.candidate),
            _counted(self.stable, durations.stable),
            self.items + items,
            self.seconds + durations.replay,
        )

    def status(self) -> ReplayStatus | None:
        """As a status tells it; None while no time is known."""
        if self.seconds <= 0:
            return None
        return ReplayStatus(
            items_per_second=_short(self.items / self.seconds),
            candidate_median_seconds=_quantile(self.candidate, 0.5),
            candidate_p99_seconds=_quantile(self.candidate, 0.99),
            stable_median_seconds=_quantile(self.stable, 0.5),
            stable_p99_seconds=_quantile(self.stable, 0.99),
        )

    def to_vectors(self) -> Vectors:
        """As named vectors of finite numbers."""
        return {
            "time.candidate": tuple(map(float, self.candidate)),
            "time.stable": tuple(map(float, self.stable)),
            "time.replay": (float(self.items), self.seconds),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`; nothing where another version wrote them. Raises EvidenceError."""
        if "time.replay" not in vectors:
            return cls()
        whole = vectors["time.replay"]
        arms = [vectors.get(f"time.{arm}", ()) for arm in ("candidate", "stable")]
        if len(whole) != 2 or any(len(arm) > BUCKETS or min(arm, default=0.0) < 0 for arm in (*arms, whole)):
            raise EvidenceError("time: these are no counts of answers")
        candidate, stable = (tuple(map(int, arm)) for arm in arms)
        return cls(candidate, stable, int(whole[0]), whole[1])


def timing_sentence(status: ReplayStatus | None) -> str:
    """ "median 1.2 ms and p99 4.1 ms beside stable's 1.1 ms and 3.9 ms, 240 items/s", or nothing."""
    if status is None or status.candidate_median_seconds is None:
        return ""
    words = f"median {_told(status.candidate_median_seconds)} and p99 {_told(status.candidate_p99_seconds)}"
    if status.stable_median_seconds is not None:
        words += f" beside stable's {_told(status.stable_median_seconds)} and {_told(status.stable_p99_seconds)}"
    return f"{words}, {status.items_per_second:g} items/s"


def _told(seconds: float | None) -> str:
    value = seconds or 0.0
    return f"{value:g} s" if value >= 1 else f"{1000 * value:g} ms"


def _short(value: float) -> float:
    """Three digits: the rest is chance."""
    return float(f"{value:.3g}")


def _bucket(seconds: float) -> int:
    if seconds <= SHORTEST:
        return 0
    return min(BUCKETS - 1, 1 + int(math.log(seconds / SHORTEST) / math.log(STEP)))


def _counted(before: Sequence[int], durations: Iterable[float]) -> tuple[int, ...]:
    counts = [*before, *[0] * (BUCKETS - len(before))]
    for seconds in durations:
        counts[_bucket(seconds)] += 1
    while counts and not counts[-1]:
        counts.pop()
    return tuple(counts)


def _quantile(counts: Sequence[int], share: float) -> float | None:
    """The middle of the bucket that holds it; None without answers."""
    total, below = sum(counts), 0
    for index, count in enumerate(counts):
        below += count
        if count and below >= share * total:
            return _short(SHORTEST if index == 0 else SHORTEST * STEP ** (index - 0.5))
    return None
