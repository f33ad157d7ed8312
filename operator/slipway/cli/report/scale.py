"""Axes: from values to places in a chart, and the ticks that people read them by. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

STEPS: Final = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 900.0, 1800.0),
    *(3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0),
    *(86_400.0, 172_800.0, 604_800.0, 1_209_600.0, 2_592_000.0),
)
"""Seconds between two ticks of a clock, as people count them."""

MOST_TICKS: Final = 4
"""More of them would run into each other on a telephone."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from ``low`` to ``high`` on the places from ``start`` to ``end``; what is beyond is put at the edge."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value."""
        if self.high <= self.low:
            return (self.start + self.end) / 2
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high: multiples of 1, 2 or 5 of a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def clock(begin: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """Round moments between two, in UTC, each with what is written below it."""
    first, last = begin.timestamp(), end.timestamp()
    step = next((step for step in STEPS if (last - first) / step <= MOST_TICKS), STEPS[-1])
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86_400 else "%d %b"
    moments: Sequence[int] = range(math.ceil(first / step), math.floor(last / step) + 1)
    found = [datetime.fromtimestamp(index * step, UTC) for index in moments]
    return [(moment, moment.strftime(form)) for moment in (found or [begin.astimezone(UTC)])]


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places of labels, moved apart to at least this gap where there is room, in their order."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    out = list(places)
    previous = -math.inf
    for index in order:
        out[index] = previous = max(out[index], previous + gap, low)
    following = high + gap
    for index in reversed(order):
        out[index] = following = min(out[index], following - gap)
    return out
