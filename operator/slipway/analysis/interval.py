"""Bounds on an estimate at every look, out of its sums alone: for people, and for no verdict.

What a Pass rests on is proven with the bets themselves. The other end of an interval is needed only to see how sure an
estimate is, and is not worth bets of its own.
"""

import math

from slipway.analysis.eprocess import ArmCounts
from slipway.analysis.twoarm import TwoArm, smoothed
from slipway.analysis.verdict import Estimate, Measure

TUNED_AT = 10.0
"""The weight around which the bound is tightest: a few dozen requests of the smaller arm, when most is uncertain."""


def radius(counts: ArmCounts, weight: float, alpha: float, discount: float = 1.0) -> float:
    """How far a rate, or a difference of two, may be from its estimate, on one side and at all looks together.

    `counts` are those of all arms, and the estimate's variance is p (1 - p) / `weight`. One side of Robbins' normal
    mixture (Howard et al. 2021, section 3.2), with the variance as estimated, so that it holds asymptotically
    (Waudby-Smith et al. 2024).
    """
    rate = smoothed(counts)
    invested = weight + TUNED_AT
    looks = 2 * invested * math.log1p(math.sqrt(invested / TUNED_AT) / (2 * alpha))
    return math.sqrt(discount * rate * (1 - rate) * looks) / weight


def difference_estimate(comparison: TwoArm, alpha: float, discount: float) -> Estimate:
    """The difference of a comparison in which both arms had requests; its upper bound is the worst case."""
    overall, counts = comparison.overall, comparison.candidate.plus(comparison.stable)
    value, bound = overall.value or 0.0, comparison.worst_case
    allowed = comparison.terms.guard.at(overall.stable_rate)
    high = bound.at(overall.stable_rate) if bound else None
    low = max(-1.0, value - radius(counts, overall.weight, alpha, discount))
    return Estimate(Measure.DIFFERENCE, value, low, high, allowed)


def rate_estimate(counts: ArmCounts, limit: float, alpha: float, discount: float) -> Estimate:
    """The rate of one arm that had requests, against its limit."""
    reach = radius(counts, counts.total, alpha, discount)
    return Estimate(Measure.RATE, counts.rate, max(0.0, counts.rate - reach), min(1.0, counts.rate + reach), limit)
