"""How numbers, moments and spans are written in a report."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from slipway.analysis import Measure

BEYOND: Final = 1e6
"""Evidence beyond a million to one is beyond doubt, and its digits say nothing."""


def odds(needed: float) -> float:
    """What a verdict needs, as a power of ten."""
    return math.log10(max(needed, 1.0))


def plain(value: float) -> str:
    """Evidence: three digits, and a word where they say nothing."""
    if value >= BEYOND:
        return "a million" if value < 2 * BEYOND else "over a million"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.01 else "under 0.01" if value < 0.0095 else "0.01"


def signed(measure: Measure, value: float) -> str:
    """A margin or limit, in the unit of what is held against it: 0.50pp, 95.0%."""
    return size(measure, value).lstrip("+")


def size(measure: Measure, value: float) -> str:
    """An estimate: +0.12pp for a difference, 1.2% for a rate."""
    match measure:
        case Measure.DIFFERENCE:
            return f"{_digits(100 * value):+g}pp" if value else "0pp"
        case Measure.RELATIVE:
            return f"{_digits(100 * value):+g}%" if value else "0%"
        case Measure.RATE | Measure.ACCURACY:
            return f"{_digits(100 * value):g}%"
        case Measure.VALUE:
            return f"{value:.4g}"


def _digits(value: float) -> float:
    return round(value, 2 if abs(value) < 10 else 1)


def moment(time: datetime | None) -> str:
    """A moment in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if time is not None else "not known"


def after(time: datetime, begin: datetime) -> str:
    """How long after another moment: +2m10s."""
    return f"+{span(time - begin)}"


def span(length: timedelta) -> str:
    """A span in its two largest units: 45s, 2m10s, 3h05m, 4d02h."""
    seconds = max(0, round(length.total_seconds()))
    for unit, long, below, short in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= long:
            return f"{seconds // long}{unit}{seconds % long // short:02d}{below}"
    return f"{seconds}s"
