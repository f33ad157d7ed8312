"""How numbers are said: the same value always reads the same, so that a status changes only when its meaning does."""

import math

from slipway.analysis.verdict import Margin, Verdict

LARGEST_LOG = 690.0
"""e^690 is the largest power of ten that fits a double with room to spare; no verdict depends on what is beyond."""

UNCOUNTED = 1e6
"""Evidence beyond a million to one is beyond doubt, and its digits say nothing."""

LONGEST = 86_400.0
"""Beyond a day, how long it takes is not worth a number."""


def from_log(log_evidence: float) -> float:
    """Evidence as a finite number."""
    return math.exp(min(log_evidence, LARGEST_LOG))


def points(fraction: float) -> str:
    """A signed difference in percentage points: "+0.12pp"."""
    return f"{100 * fraction:+.2f}pp".replace("-0.00pp", "+0.00pp")


def width(fraction: float) -> str:
    """A margin in percentage points: "0.50pp"."""
    return f"{100 * fraction:.2f}pp"


def percent(fraction: float) -> str:
    """A rate: "1.25%"."""
    return f"{100 * fraction:.2f}%"


def confidence(alpha: float) -> str:
    """The confidence that belongs to an error probability: "95%"."""
    return f"{100 * (1 - alpha):.4g}%"


def margin(value: Margin) -> str:
    """A margin, of whichever kind: "0.50pp", "20% of stable's"."""
    return f"{100 * value.relative:.3g}% of stable's" if value.relative else width(value.absolute)


def worst_case(bound: Margin | None, alpha: float) -> str:
    """ "worst case ≤ +0.61pp at 95%"."""
    if bound is None:
        return "worst case not bounded yet"
    size = f"+{margin(bound)}" if bound.relative else points(bound.absolute)
    return f"worst case ≤ {size} at {confidence(alpha)}"


def evidence(name: str, value: float, needed: float) -> str:
    """ "evidence of harm 3.1 of 100"."""
    digits = 0 if value >= 100 else 1
    amount = "over a million" if value >= UNCOUNTED else f"{value:.{digits}f}"
    return f"evidence of {name} {amount} of {needed:.0f}"


def remaining(seconds: float | None) -> list[str]:
    """ "about 6m to decide" as a clause, or none: rounded so coarsely that it changes seldom."""
    if seconds is None:
        return []
    if seconds > LONGEST:
        return ["more than a day to decide"]
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds >= 1.5 * length:
            return [f"about {round(seconds / length)}{unit} to decide"]
    return [f"about {max(10, 10 * round(seconds / 10))}s to decide"]


def bursts(factor: float, *, measured: bool) -> list[str]:
    """ "discounted 2.3-fold for bursts" as a clause, or none where nothing is."""
    if factor <= 1:
        return []
    return [f"discounted {factor:.1f}-fold for bursts" + ("" if measured else " until they are measured")]


def excluded(items: int) -> str:
    """ " (3 excluded)", or nothing."""
    return f" ({items} excluded)" if items else ""


def shortage(verdict: Verdict, wanted: int, *, sufficient: bool, exhausted: bool) -> list[str]:
    """What a golden set that has not decided is short of, as clauses of its sentence."""
    if verdict is not Verdict.CONTINUE:
        return []
    clauses = [] if sufficient else [f"{wanted} items wanted"]
    return [*clauses, "the set is exhausted without a decision"] if exhausted else clauses
