"""Latencies as they are exported: how many requests were no slower than each of some edges."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from slipway.analysis.eprocess import ArmCounts

QUANTILES = {0.5: 5.0, 0.9: 2.0, 0.99: 0.5}
"""The quantiles of stable whose edges are watched, and how many margins more requests may be slower than each: a whole
release that is a little slower shows at the median, a few requests that hang only in the tail."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Requests of one arm in one window by latency: `counts[i]` in (`bounds[i - 1]`, `bounds[i]`], the last beyond all.

    Bounds are in seconds, ascending and finite. Raises ValueError for anything else, and for counts that are none.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.bounds or not all(map(math.isfinite, self.bounds)):
            raise ValueError(f"bounds: {self.bounds} are not finite edges of latency")
        if any(low >= high for low, high in zip(self.bounds, self.bounds[1:], strict=False)):
            raise ValueError(f"bounds: {self.bounds} do not ascend")
        if len(self.counts) != len(self.bounds) + 1:
            raise ValueError(f"counts: {len(self.counts)} where {len(self.bounds) + 1} buckets are bounded")
        if not all(isinstance(count, int) and count >= 0 for count in self.counts):
            raise ValueError(f"counts: {self.counts} are not all counts")

    @classmethod
    def of_cumulative(cls, buckets: Mapping[float, float]) -> "Histogram":
        """From a Prometheus histogram's increase: `le` (+Inf included) to the requests that took no longer.

        Raises ValueError when +Inf is missing, or counts fall from edge to edge or are not whole.
        """
        edges = sorted(buckets)
        if not edges or edges[-1] != math.inf:
            raise ValueError("buckets: the one of le=+Inf, which counts all requests, is missing")
        counts, before = [], 0.0
        for edge in edges:
            count = buckets[edge]
            if not math.isfinite(count) or not float(count - before).is_integer() or count < before:
                raise ValueError(f"buckets: {count} requests up to {edge} s, {before} up to the edge below")
            counts.append(int(count - before))
            before = count
        return cls(tuple(edges[:-1]), tuple(counts))

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.counts)

    def plus(self, other: "Histogram") -> "Histogram":
        """Both windows. Raises ValueError when their edges differ."""
        if self.bounds != other.bounds:
            raise ValueError(f"bounds: {other.bounds} where {self.bounds} were before")
        return Histogram(self.bounds, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    def slower_than(self, edge: float) -> ArmCounts:
        """How many requests were slower than a bucket's edge: exact, nothing is interpolated.

        Raises ValueError when no bucket ends there.
        """
        index = bisect_left(self.bounds, edge)
        if index == len(self.bounds) or self.bounds[index] != edge:
            raise ValueError(f"bounds: no bucket ends at {edge} s, where stable's did when its edges were fixed")
        return ArmCounts(sum(self.counts[index + 1 :]), self.total)


@dataclass(frozen=True, slots=True)
class Edge:
    """A latency beyond which more requests may be slow by so many margins; `past` is stable's share so far."""

    seconds: float
    width: float
    past: ArmCounts


def edges_of(past: Histogram) -> tuple[Edge, ...]:
    """The edges of the buckets in which stable's quantiles lie, fixed once and for all.

    Where several quantiles lie in one bucket, the tightest margin is its own; beyond the last edge there is none.
    Raises ValueError without requests.
    """
    if not past.total:
        raise ValueError("counts: without requests there are no quantiles")
    chosen: dict[float, Edge] = {}
    for quantile, width in QUANTILES.items():
        below = 0
        for bound, count in zip(past.bounds, past.counts, strict=False):
            below += count
            if below >= quantile * past.total:
                chosen[bound] = Edge(bound, width, past.slower_than(bound))
                break
    last = past.bounds[-1]
    return tuple(chosen.values()) or (Edge(last, min(QUANTILES.values()), past.slower_than(last)),)


def quantile_edges(past: Histogram) -> tuple[float, ...]:
    """The latencies in seconds at which a candidate is compared with what did this, ascending.

    Raises ValueError without requests.
    """
    return tuple(edge.seconds for edge in edges_of(past))
