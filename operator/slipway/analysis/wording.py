"""How numbers are said: the same value always reads the same, so that a status changes only when its meaning does."""

import math

from slipway.analysis.verdict import Verdict

LARGEST_LOG = 690.0
"""e^690 is the largest power of ten that fits a double with room to spare; no verdict depends on what is beyond."""

UNCOUNTED = 1e6
"""Evidence beyond a million to one is beyond doubt, and its digits say nothing."""


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


def evidence(name: str, value: float, needed: float) -> str:
    """ "evidence of harm 3.1 of 100 needed"."""
    digits = 0 if value >= 100 else 1
    amount = "over a million" if value >= UNCOUNTED else f"{value:.{digits}f}"
    return f"evidence of {name} {amount} of {needed:.0f} needed"


def excluded(items: int) -> str:
    """ " (3 excluded)", or nothing."""
    return f" ({items} excluded)" if items else ""


def shortage(verdict: Verdict, wanted: int, *, sufficient: bool, exhausted: bool) -> list[str]:
    """What a golden set that has not decided is short of, as clauses of its sentence."""
    if verdict is not Verdict.CONTINUE:
        return []
    clauses = [] if sufficient else [f"{wanted} items wanted"]
    return [*clauses, "the set is exhausted without a decision"] if exhausted else clauses
