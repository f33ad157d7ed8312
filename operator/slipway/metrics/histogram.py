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
from typing import Final

from slipway.metrics.window import Reading, SourceError

QUANTILES: Final = (0.5, 0.9, 0.99)
"""Where stable's edges are taken: the usual request, the slow one, the tail."""


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


def quantile_edges(readings: Sequence[HistogramReading], quantiles: Sequence[float] = QUANTILES) -> tuple[float, ...]:
    """The edges at which to compare: for each quantile the first one that at least this share of requests did not
    exceed. Fewer where two fall together or a quantile lies beyond the last edge; none where nothing was counted.

    Raises SourceError when the readings have different edges.
    """
    counted = [reading for reading in readings if reading.total]
    if not counted:
        return ()
    edges = counted[0].edges
    for reading in counted:
        if reading.edges != edges:
            raise SourceError(reading.source, "its histogram has other buckets than those beside it")
    total = sum(reading.total for reading in counted)
    at_most = [sum(column) for column in zip(*(reading.at_most for reading in counted), strict=True)]
    chosen = (
        next((edge for edge, count in zip(edges, at_most, strict=True) if count >= quantile * total), None)
        for quantile in quantiles
    )
    return tuple(dict.fromkeys(edge for edge in chosen if edge is not None))
