"""Latency as counters: how many requests were slower than an edge.

A histogram's buckets are counters with an edge each. A quantile would have to be interpolated between two edges and
is no count of anything; "slower than this edge" is exact, and it is a reading like any other: bad out of total. So a
histogram becomes one `Reading` for each edge that is judged, and windows, resets and births need no rules of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from slipway.api import Counter
from slipway.metrics.window import MAX_COUNTERS, Reading, SourceError


@dataclass(frozen=True, slots=True)
class HistogramReading:
    """Raw cumulative requests of one source by duration, since that source began to count."""

    source: str
    """As `Reading.source`."""
    edges: tuple[float, ...]
    """Upper edges of the buckets in seconds, rising, without infinity. Empty where nothing was counted yet."""
    at_most: tuple[float, ...]
    """Requests that took at most as long as each edge."""
    total: float

    def slower_than(self, edge: float) -> Reading:
        """Requests that took longer than an edge, of all. Raises SourceError when no bucket ends there: a share
        between two edges would be a guess."""
        source = f"{self.source}@{edge:g}"
        if not self.total:
            return Reading(source, 0.0, 0.0)
        for known, count in zip(self.edges, self.at_most, strict=True):
            if math.isclose(known, edge, rel_tol=1e-9):
                return Reading(source, max(0.0, self.total - count), self.total)
        shown = ", ".join(f"{known:g}" for known in self.edges[:20]) or "none"
        raise SourceError(self.source, f"its histogram has no bucket that ends at {edge:g}s, only {shown}")


def read_buckets(source: str, buckets: Iterable[tuple[str, float]], *, unit: float = 1.0) -> HistogramReading:
    """Puts the series of a histogram together: pairs of the label ``le`` and the cumulative count, of any number of
    series. `unit` is what one of the histogram's units is in seconds, 0.001 for milliseconds.

    Raises SourceError for edges that are no numbers, counts that fall from one edge to the next, or no infinite
    bucket.
    """
    sums: dict[float, float] = {}
    for label, count in buckets:
        try:
            edge = float(label)
        except ValueError:
            raise SourceError(source, f"its histogram has the edge le={label[:40]!r}, which is no number") from None
        if math.isnan(edge):
            raise SourceError(source, "its histogram has an edge that is no number")
        sums[edge] = sums.get(edge, 0.0) + count
    if not sums:
        return HistogramReading(source, (), (), 0.0)
    if math.inf not in sums:
        raise SourceError(source, 'its histogram has no bucket le="+Inf": name the histogram without its suffix')
    rising = sorted(sums)
    counts = [sums[edge] for edge in rising]
    if any(after < before for before, after in pairwise(counts)):
        raise SourceError(source, "its histogram's buckets are not cumulative, or its pods have different buckets")
    # the shortest text of a product tells 0.3 ms from what a thousandth of 300 is in binary
    edges = tuple(float(f"{edge * unit:.12g}") for edge in rising[:-1])
    return HistogramReading(source, edges, tuple(counts[:-1]), counts[-1])


def total_of(readings: Sequence[HistogramReading]) -> HistogramReading | None:
    """All sources of an arm as one: what it did since they began to count. None where nothing was counted.

    Raises SourceError when the readings have different edges.
    """
    counted = [reading for reading in readings if reading.total]
    if not counted:
        return None
    edges = counted[0].edges
    for reading in counted:
        if reading.edges != edges:
            raise SourceError(reading.source, "its histogram has other buckets than those beside it")
    at_most = tuple(sum(column) for column in zip(*(reading.at_most for reading in counted), strict=True))
    return HistogramReading(counted[0].source, edges, at_most, sum(reading.total for reading in counted))


def at_edges(readings: Sequence[HistogramReading], edges: Sequence[float]) -> tuple[Reading, ...]:
    """What a snapshot remembers of histograms: a reading for each source and edge.

    Raises SourceError where a histogram has no such edge, or where there are more than a snapshot holds: half of them
    would count the other half anew.
    """
    found = tuple(reading.slower_than(edge) for reading in readings for edge in edges)
    if len(found) > MAX_COUNTERS:
        most = MAX_COUNTERS // len(edges)
        raise SourceError(
            readings[0].source, f"{len(readings)} histograms are more than the {most} that are told apart: use gateway"
        )
    return found


def bucketed(
    previous: Sequence[Counter], current: Sequence[HistogramReading], edges: Sequence[float]
) -> tuple[int, ...]:
    """Requests of one arm between a snapshot and its readings, by duration: up to each of the rising `edges`, and
    beyond the last. Raises SourceError as `HistogramReading.slower_than` does.

    The rules are those of `delta`, but that without a snapshot all counts. The counts of all edges are of one page, so
    a reset that one of them shows is that of all.
    """
    known = {counter.source: counter for counter in previous}
    slower, total = [0] * len(edges), 0
    for reading in current:
        now = [reading.slower_than(edge) for edge in edges]
        before = [known.get(one.source) for one in now]
        whole = all(
            base is not None and one.bad >= base.bad and one.total >= base.total
            for one, base in zip(now, before, strict=True)
        )
        bases = [(base.bad, base.total) if base is not None and whole else (0.0, 0.0) for base in before]
        requests = int(reading.total) - int(bases[0][1]) if bases else 0
        total += requests
        most = requests
        for index, (one, base) in enumerate(zip(now, bases, strict=True)):
            most = min(most, int(one.bad) - int(base[0]))
            slower[index] += max(0, most)
    return tuple(more - less for more, less in pairwise([total, *slower, 0]))
