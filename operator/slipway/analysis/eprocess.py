"""Bets whose capital is evidence.

An e-value is a bet at fair odds under the null: its expectation is at most one, whatever the true rates are as long as
they belong to the null. The product of such bets over disjoint windows exceeds 1/alpha with probability at most alpha,
ever (Ville 1939). So a look costs nothing, no horizon is needed, and a handful of log-capitals is the whole state.

All functions here return natural logarithms of e-values and take counts of one window, except where they say that sums
will do. A bet may depend on earlier windows only; the callers see to that.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HARM_FACTORS = (1.5, 2.0, 3.0, 5.0, 12.0, 50.0)
"""How many times stable's rate the candidate's rate may be, for all that the bets on harm know."""

PROOF_FACTORS = (0.5, 0.8, 1.0)
"""The same for the bets on safety: the candidate as good as stable, or better."""

LIMIT_FACTORS = (1.2, 1.5, 2.0, 3.0, 5.0, 12.0, 50.0)
"""How many times a limit's odds the true odds are, for the bets that it is broken; the inverses for its being kept."""

MOST_LIKELY_RATE = 0.999
"""No bet is placed on a higher rate: a near-certainty could lose everything in one request."""

BISECTIONS = 45
"""Halvings of an interval shorter than one: what is left is below the noise of double arithmetic."""


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Requests of one arm in one window that no other window overlaps: `bad` of `total`.

    Raises ValueError for anything else than whole numbers with 0 <= bad <= total.
    """

    bad: int
    total: int

    def __post_init__(self) -> None:
        if not (isinstance(self.bad, int) and isinstance(self.total, int)):
            raise ValueError(f"counts must be whole numbers, not {self.bad!r} of {self.total!r}")
        if not 0 <= self.bad <= self.total:
            raise ValueError(f"{self.bad} bad of {self.total}: the count must be between 0 and the total")

    @property
    def rate(self) -> float:
        """Bad per request; 0 when there was none."""
        return self.bad / self.total if self.total else 0.0

    def plus(self, other: "ArmCounts") -> "ArmCounts":
        """The counts of both windows together."""
        return ArmCounts(self.bad + other.bad, self.total + other.total)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Capital spread over several bets, and cash kept back for later starts.

    A bet that starts only now has the same odds from here on as one that started long ago, so the new capital is simply
    added to the old: restarts cost no state. The sum is one e-process, because cash is one too.
    """

    logs: tuple[float, ...]
    cash: float

    @classmethod
    def of(cls, bets: int, *, invested: float) -> "Mixture":
        """`invested` of a capital of one spread evenly over so many bets, the rest in cash."""
        return cls((math.log(invested / bets),) * bets, 1.0 - invested)

    def after(self, log_values: Sequence[float]) -> "Mixture":
        """The capital after one window, given the log e-value of each bet in it."""
        return Mixture(tuple(a + b for a, b in zip(self.logs, log_values, strict=True)), self.cash)

    def start(self, share: float) -> "Mixture":
        """Put `share` of the first capital, or what is left of the cash, on all bets afresh."""
        share = min(share, self.cash)
        if share <= 0:
            return self
        fresh = math.log(share / len(self.logs))
        return Mixture(tuple(log_sum_exp((old, fresh)) for old in self.logs), self.cash - share)

    @property
    def log_evidence(self) -> float:
        """The logarithm of the capital now."""
        return log_sum_exp((*self.logs, math.log(self.cash)) if self.cash > 0 else self.logs)


def log_sum_exp(logs: Iterable[float]) -> float:
    """ln of the sum of exponentials, without overflow. At least one term."""
    terms = tuple(logs)
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms))


def log_mean_exp(logs: Sequence[float]) -> float:
    """ln of the mean of exponentials."""
    return log_sum_exp(logs) - math.log(len(logs))


def expected_rate(earlier: ArmCounts) -> float:
    """Stable's rate as far as earlier windows tell, starting from one in a hundred."""
    return min((1 + earlier.bad) / (100 + earlier.total), MOST_LIKELY_RATE)


def log_harm(candidate: ArmCounts, stable: ArmCounts, rate: float) -> tuple[float, ...]:
    """Bets against "the candidate is no worse than stable", one for each of `HARM_FACTORS`.

    `rate` is what stable was expected to do before the window. Each bet is the likelihood ratio of (factor x rate,
    rate) against its projection on the null, the pooled rate (Turner, Ly, Gruenwald 2024, with windows as strata).
    """
    return tuple(_log_two_arm(candidate, stable, rate, min(factor * rate, MOST_LIKELY_RATE)) for factor in HARM_FACTORS)


def _log_two_arm(candidate: ArmCounts, stable: ArmCounts, rate: float, worse: float) -> float:
    total = candidate.total + stable.total
    if not candidate.total or not stable.total:
        return 0.0
    pooled = (candidate.total * worse + stable.total * rate) / total
    return _log_ratio(candidate, worse, pooled) + _log_ratio(stable, rate, pooled)


def log_proof(candidate: ArmCounts, stable: ArmCounts, rate: float, margin: float) -> tuple[float, ...]:
    """Bets against "the candidate is worse than stable by at least `margin`", one for each of `PROOF_FACTORS`."""
    return tuple(_log_non_inferior(candidate, stable, rate, factor * rate, margin) for factor in PROOF_FACTORS)


def _log_non_inferior(candidate: ArmCounts, stable: ArmCounts, rate: float, better: float, margin: float) -> float:
    if better >= rate + margin or not candidate.total or not stable.total:
        return 0.0
    base = project(candidate.total, better, stable.total, rate, margin)
    return _log_ratio(candidate, better, base + margin) + _log_ratio(stable, rate, base)


def project(candidate_total: int, candidate_rate: float, stable_total: int, stable_rate: float, margin: float) -> float:
    """Stable's rate q at the point (q + margin, q) of the null's edge that is nearest to the two given rates.

    Nearest in Kullback-Leibler divergence weighted by the totals; needs candidate_rate < stable_rate + margin. The
    weighted divergence is convex along the edge; what is bisected is its derivative, multiplied by the positive
    denominators so that no term can overflow.
    """
    low, high = max(candidate_rate - margin, 0.0), min(stable_rate, 1.0 - margin)
    for _ in range(BISECTIONS):
        q = (low + high) / 2
        edge = q + margin
        slope = candidate_total * (edge - candidate_rate) * q * (1 - q) + stable_total * (q - stable_rate) * edge * (
            1 - edge
        )
        if slope < 0:
            low = q
        else:
            high = q
    return (low + high) / 2


def _log_ratio(counts: ArmCounts, bet: float, null: float) -> float:
    return counts.bad * math.log(bet / null) + (counts.total - counts.bad) * (math.log1p(-bet) - math.log1p(-null))


def log_above(counts: ArmCounts, limit: float) -> tuple[float, ...]:
    """Bets against "the rate is at most `limit`", one for each of `LIMIT_FACTORS`. Windows or sums alike."""
    return tuple(log_tilt(counts, limit, factor) for factor in LIMIT_FACTORS)


def log_below(counts: ArmCounts, limit: float) -> tuple[float, ...]:
    """Bets against "the rate is at least `limit`", one for each of `LIMIT_FACTORS`. Windows or sums alike."""
    return tuple(log_tilt(counts, limit, 1 / factor) for factor in LIMIT_FACTORS)


def log_tilt(counts: ArmCounts, limit: float, factor: float) -> float:
    """The likelihood ratio of odds `factor` times those of `limit` against `limit` itself.

    (p'/p)^k ((1-p')/(1-p))^(n-k) with odds(p') = factor x odds(p) is factor^k / (1 + (factor - 1) p)^n.
    """
    return counts.bad * math.log(factor) - counts.total * math.log1p((factor - 1) * limit)
