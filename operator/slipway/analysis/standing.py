"""What live evidence remembers beside its capital: the gate that broke, the pace of requests, and the watch."""

from dataclasses import dataclass
from enum import IntEnum

from slipway.analysis.eprocess import NO_REQUESTS, ArmCounts
from slipway.analysis.twoarm import UNKNOWN
from slipway.analysis.vectors import EvidenceError, Vectors, arm, read, read_counts


class Broken(IntEnum):
    """The gate that failed first."""

    NONE = 0
    COMPARISON = 1
    LIMIT = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast requests come at this step."""

    seconds: float = 0.0
    requests: float = 0.0

    def seconds_for(self, ahead: float) -> float | None:
        """How long so many more requests take; None when that is unknown or never."""
        if ahead == UNKNOWN or not (self.seconds and self.requests):
            return None
        return ahead * self.seconds / self.requests


STANDSTILL = Pace()
"""Before the first window of a step."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The comparison after the promotion, when stable takes no requests: the candidate against a fixed `ceiling`."""

    ceiling: float
    counts: ArmCounts = NO_REQUESTS


def read_broken(vectors: Vectors) -> Broken:
    """The gate that broke. Raises EvidenceError for a number that stands for none."""
    (broken,) = read_counts(vectors, "broken", 1)
    if broken not in list(Broken):
        raise EvidenceError(f"broken: {broken} stands for no gate")
    return Broken(broken)


def read_pace(vectors: Vectors) -> Pace:
    """The pace. Raises EvidenceError when it runs backwards."""
    seconds, requests = read(vectors, "pace", 2)
    if seconds < 0 or requests < 0:
        raise EvidenceError(f"pace: {requests} requests in {seconds} seconds")
    return Pace(seconds, requests)


def read_watch(vectors: Vectors) -> Watch | None:
    """The watch, None before the promotion. Raises EvidenceError when its ceiling is no rate."""
    if "watched" not in vectors:
        return None
    ceiling, bad, total = read(vectors, "watched", 3)
    if not 0 < ceiling <= 1:
        raise EvidenceError(f"watched: a ceiling of {ceiling} is no rate")
    return Watch(ceiling, arm("watched", bad, total))
