"""The odds at which bets on counts are fair.

A bet on one window is described by what a request multiplies its capital by, in logarithms: a bad or a good one of
either arm. The null that a bet is placed against is a half plane of rates, bounded by the line candidate = (1 +
relative) x stable + absolute; a bet may depend on earlier windows only, and the callers see to that.

Why such a bet is fair: let m be any point (m_c, m_s) of the line, and let each candidate request multiply the capital
by 1 + a (m_c - x), each of stable by 1 + b (x - m_s). With n_c a (1 + relative) = n_s b the expectation is at most
exp(n_c a (m_c - p_c) + n_s b (p_s - m_s)) <= 1 for all rates (p_c, p_s) beyond the line, because ln(1 + y) <= y. The
rates may differ in each window. Best is the m that is nearest to the rates that are bet on, in Kullback-Leibler
divergence: then this is the growth-rate optimal e-variable for two binomials (Turner, Ly, Gruenwald 2024), with
windows as strata (Turner and Gruenwald 2023).
"""

import math
from typing import NamedTuple

from slipway.analysis.eprocess import MOST_LIKELY_RATE, ArmCounts
from slipway.analysis.verdict import Margin

HARM_FACTORS = (1.5, 2.0, 3.0, 5.0, 12.0, 50.0)
"""How many times stable's rate the candidate's rate may be, for all that the bets on harm know."""

SHARE_FACTORS = (1.1, 1.25, 1.5, 2.0, 4.0)
"""The same for a share that is large to begin with, such as the requests slower than the median."""

LIMIT_FACTORS = (1.2, 1.5, 2.0, 3.0, 5.0, 12.0, 50.0)
"""How many times a limit's odds the true odds are, for the bets that it is broken; the inverses for its being kept."""

REFINEMENTS = 2
"""Steps towards the nearest point. A bet at a point that is only near it is as fair, and nearly as good."""

NEAR = 1e-3
"""A step smaller than this share of the rate is the last."""

LARGEST_STAKE = 0.999
"""No request may lose more than this share of a capital."""


class Odds(NamedTuple):
    """What a request multiplies the capital of a bet by, in logarithms."""

    candidate_bad: float
    candidate_good: float
    stable_bad: float
    stable_good: float

    def log_value(self, candidate: ArmCounts, stable: ArmCounts) -> float:
        """The log e-value of a window."""
        return (
            candidate.bad * self.candidate_bad
            + (candidate.total - candidate.bad) * self.candidate_good
            + stable.bad * self.stable_bad
            + (stable.total - stable.bad) * self.stable_good
        )

    def growth(self, candidate_rate: float, candidate_total: int, stable_rate: float, stable_total: int) -> float:
        """The log e-value that a window of this size is expected to have at these rates."""
        candidate = candidate_rate * self.candidate_bad + (1 - candidate_rate) * self.candidate_good
        stable = stable_rate * self.stable_bad + (1 - stable_rate) * self.stable_good
        return candidate_total * candidate + stable_total * stable


NO_BET = Odds(0.0, 0.0, 0.0, 0.0)
"""Keeps its capital whatever happens."""


def harm_odds(candidate_total: int, stable_total: int, rate: float, factor: float) -> Odds:
    """A bet against "the candidate is no worse than stable" on rates of (factor x rate, rate).

    The nearest point of the diagonal is the pooled rate, in closed form.
    """
    worse = min(factor * rate, MOST_LIKELY_RATE)
    pooled = (candidate_total * worse + stable_total * rate) / (candidate_total + stable_total)
    return Odds(
        math.log(worse / pooled),
        math.log1p(-worse) - math.log1p(-pooled),
        math.log(rate / pooled),
        math.log1p(-rate) - math.log1p(-pooled),
    )


def proof_odds(
    candidate_total: int,
    stable_total: int,
    candidate_rate: float,
    stable_rate: float,
    margin: Margin,
    *,
    width: float = 1.0,
) -> Odds:
    """A bet against "the candidate is worse than stable by at least the margin" on these rates, if they are within.

    The margin is that of the gate, `width` times as wide.
    """
    slope, shift = 1 + width * margin.relative, width * margin.absolute
    if candidate_rate >= slope * stable_rate + shift or shift >= 1:
        return NO_BET
    near = nearest((candidate_total, stable_total), (candidate_rate, stable_rate), slope, shift)
    edge = slope * near + shift
    stake = (edge - candidate_rate) / (edge * (1 - edge))
    counter = stake * slope * candidate_total / stable_total
    if counter * near > LARGEST_STAKE:
        counter = LARGEST_STAKE / near
        stake = counter * stable_total / (slope * candidate_total)
    return Odds(
        math.log1p(-stake * (1 - edge)),
        math.log1p(stake * edge),
        math.log1p(counter * (1 - near)),
        math.log1p(-counter * near),
    )


def nearest(totals: tuple[int, int], rates: tuple[float, float], slope: float, shift: float) -> float:
    """Stable's rate q at the point (slope q + shift, q) of the null's edge that is nearest to two rates within it.

    Totals and rates are those of candidate and stable. The divergence, weighted by the totals, is stationary where n_c
    slope (q_c - p_c) / (q_c (1 - q_c)) + n_s (q_s - p_s) / (q_s (1 - q_s)) = 0. Multiplied by the denominators it is a
    cubic with one root between the ends, found by Newton's method, which is kept between them by halving. It starts at
    the root of the quadratic that is left when rates are small.
    """
    candidate_rate, stable_rate = rates
    low = max((candidate_rate - shift) / slope, 0.0)
    high = min(stable_rate, (1 - shift) / slope)
    a, b = totals[0] * slope, totals[1]
    half = (a * (shift - candidate_rate) + b * (shift - slope * stable_rate)) / 2
    whole = slope * (a + b)
    q = (math.sqrt(half * half + whole * b * stable_rate * shift) - half) / whole
    if not low < q < high:
        q = (low + high) / 2
    for _ in range(REFINEMENTS):
        edge = slope * q + shift
        above, below, spread, width = edge - candidate_rate, q - stable_rate, q * (1 - q), edge * (1 - edge)
        value = a * above * spread + b * below * width
        if value < 0:
            low = q
        else:
            high = q
        steep = a * (slope * spread + above * (1 - 2 * q)) + b * (width + below * slope * (1 - 2 * edge))
        before = q
        q = q - value / steep if steep > 0 else low
        if not low < q < high:
            q = (low + high) / 2
        if abs(q - before) < NEAR * before:
            break
    return q


def log_above(counts: ArmCounts, limit: float) -> tuple[float, ...]:
    """Bets against "the rate is at most `limit`", one for each of `LIMIT_FACTORS`. Windows or sums alike."""
    return tuple(log_tilt(counts, limit, factor) for factor in LIMIT_FACTORS)


def log_below(counts: ArmCounts, limit: float) -> tuple[float, ...]:
    """Bets against "the rate is at least `limit`", one for each of `LIMIT_FACTORS`. Windows or sums alike."""
    return tuple(log_tilt(counts, limit, 1 / factor) for factor in LIMIT_FACTORS)


def log_tilt(counts: ArmCounts, limit: float, factor: float) -> float:
    """The likelihood ratio of odds `factor` times those of `limit` against `limit` itself (Wald 1945).

    (p'/p)^k ((1-p')/(1-p))^(n-k) with odds(p') = factor x odds(p) is factor^k / (1 + (factor - 1) p)^n.
    """
    return counts.bad * math.log(factor) - counts.total * math.log1p((factor - 1) * limit)
