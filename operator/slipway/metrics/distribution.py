"""Distributions as counters: how many requests fell into each bin, where a bin is a bucket or a class.

A histogram's buckets and a counter's series by one label are the same thing here: cumulative counts by the name of a
bin, pod by pod. So windows, resets and births need one set of rules, which are those of `delta`.

Classes are whatever a server writes into a label, so their number is bounded: those beyond count together under
`OTHER_CLASSES`, which is the first bin of all classes, so that bins can be added behind it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from slipway.api import BEYOND_EDGES, MAX_BINS, MAX_DRIFT_SOURCES, OTHER_CLASSES, BinCounts
from slipway.metrics.histogram import HistogramReading
from slipway.metrics.window import SourceError

LONGEST_CLASS: Final = 128
"""Characters of a class; a longer one counts under `OTHER_CLASSES`."""

MAX_COUNTS: Final = 2048
"""Counts of one signal that are remembered: pods times bins."""


@dataclass(frozen=True, slots=True)
class BinReading:
    """What one source has counted in each bin since it began to count. Without bins where it shows no series yet."""

    source: str
    counts: Mapping[str, float] = field(hash=False)
    edges: bool
    """Whether bins are intervals, named by their upper edges in rising order, or classes."""


def of_histogram(reading: HistogramReading) -> BinReading:
    """The buckets of a histogram, each by itself. Raises SourceError for one without a finite edge."""
    if not reading.total and not reading.edges:
        return BinReading(reading.source, {}, edges=True)
    if not reading.edges:
        raise SourceError(reading.source, "its histogram has no finite bucket: give it buckets")
    names = [*(f"{edge:.12g}" for edge in reading.edges), BEYOND_EDGES]
    if len(set(names)) < len(names):
        raise SourceError(reading.source, "its histogram has buckets that end at the same edge")
    rising = [0.0, *reading.at_most, reading.total]
    return BinReading(
        reading.source,
        {name: more - less for name, (less, more) in zip(names, pairwise(rising), strict=True)},
        edges=True,
    )


def bins_of(known: Sequence[str], readings: Sequence[BinReading]) -> tuple[str, ...]:
    """The bins of a reference that is being recorded, given those that are known and the readings of this look.

    Buckets are those of the first reading that has any, and all have to be the same; classes are added as they appear,
    the frequent ones first, as long as there is room. Raises SourceError.
    """
    counted = [reading for reading in readings if reading.counts]
    if not counted:
        return tuple(known)
    if counted[0].edges:
        bins = tuple(known) or tuple(counted[0].counts)
        for reading in counted:
            if tuple(reading.counts) != bins:
                raise SourceError(reading.source, _other_buckets(bins))
        if len(bins) > MAX_BINS:
            raise SourceError(counted[0].source, f"its histogram has {len(bins)} buckets: the most is {MAX_BINS}")
        return bins
    classes: dict[str, float] = {}
    for reading in counted:
        for name, count in reading.counts.items():
            if name != OTHER_CLASSES and len(name) <= LONGEST_CLASS:
                classes[name] = classes.get(name, 0.0) + count
    fresh = sorted((name for name in classes if name not in known), key=lambda name: (-classes[name], name))
    return (*(known or (OTHER_CLASSES,)), *fresh)[:MAX_BINS]


def tallied(reading: BinReading, bins: Sequence[str]) -> tuple[float, ...]:
    """A reading's counts in the given bins. Raises SourceError where its buckets do not end where these do."""
    if not reading.counts:
        return (0.0,) * len(bins)
    if not reading.edges:
        named = {name: count for name, count in reading.counts.items() if name in bins and name != OTHER_CLASSES}
        rest = sum(reading.counts.values()) - sum(named.values())
        return tuple(max(0.0, rest) if name == OTHER_CLASSES else named.get(name, 0.0) for name in bins)
    if not set(bins) <= set(reading.counts):
        raise SourceError(reading.source, _other_buckets(bins))
    counts, open_ = [], 0.0
    for name, count in reading.counts.items():
        open_ += count
        if name in bins:
            counts.append(open_)
            open_ = 0.0
    return tuple(counts)


def grown(
    previous: Sequence[BinCounts] | None, readings: Sequence[BinReading], bins: Sequence[str]
) -> tuple[int, ...] | None:
    """What was counted in each bin between a snapshot and the readings; None without a snapshot, where counting begins.

    A source that the snapshot does not hold was born since and counts from 0. Where any count fell, the source was
    reset, and all of it counts from 0.
    """
    if previous is None:
        return None
    known = {one.source: one.values for one in previous}
    totals = [0] * len(bins)
    for reading in readings:
        now = tallied(reading, bins)
        before = [*known.get(reading.source, ()), *([0.0] * len(bins))][: len(bins)]
        if any(new < old for new, old in zip(now, before, strict=True)):
            before = [0.0] * len(bins)
        for index, (new, old) in enumerate(zip(now, before, strict=True)):
            totals[index] += math.floor(new) - math.floor(old)
    return tuple(totals)


def remembered(
    previous: Sequence[BinCounts] | None, readings: Sequence[BinReading], bins: Sequence[str]
) -> tuple[BinCounts, ...]:
    """What to remember after a window: the readings, and what is known of sources that gave none this time, as far as
    there is room. Raises SourceError where there are too many readings."""
    most = min(MAX_DRIFT_SOURCES, MAX_COUNTS // max(1, len(bins)))
    if len(readings) > most:
        raise SourceError(
            readings[0].source,
            f"{len(readings)} pods with {len(bins)} bins are more than the {most} that are told apart: use fewer bins",
        )
    read = [BinCounts(source=reading.source, values=list(tallied(reading, bins))) for reading in readings]
    sources = {one.source for one in read}
    carried = [one for one in previous or () if one.source not in sources]
    return tuple([*read, *carried][:most])


def _other_buckets(bins: Sequence[str]) -> str:
    shown = ", ".join(bins[:12]) + (", …" if len(bins) > 12 else "")
    return (
        f"its histogram has no bucket that ends where one of the reference does ({shown}): "
        "restore the buckets, or name the new histogram in spec.drift, which begins a new reference"
    )
