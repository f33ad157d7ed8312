"""Capital that is evidence, and what it is counted from.

An e-value is a bet at fair odds under the null: its expectation is at most one, whatever the true rates are as long as
they belong to the null. The product of such bets over disjoint windows exceeds 1/alpha with probability at most alpha,
ever (Ville 1939). So a look costs nothing, no horizon is needed, and a handful of log-capitals is the whole state.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

MOST_LIKELY_RATE = 0.999
"""No bet is placed on a higher rate: a near-certainty could lose everything in one request."""

MOST_HISTORY = 1000
"""Requests of the past that count for what stable is expected to do: enough to start well, few enough to learn."""


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


NO_REQUESTS = ArmCounts(0, 0)
"""Nothing counted."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Capital spread over several bets, and cash kept back for later starts.

    A bet that starts only now has the same odds from here on as one that started long ago, so the new capital is simply
    added to the old: restarts cost no state. The sum is one e-process, because cash is one too (a mixture over starting
    times, as in the e-detectors of Shin, Ramdas and Rinaldo 2023).
    """

    logs: tuple[float, ...]
    cash: float
    log_evidence: float = field(init=False, compare=False, repr=False)
    """The logarithm of the capital now."""

    def __post_init__(self) -> None:
        logs = (*self.logs, math.log(self.cash)) if self.cash > 0 else self.logs
        object.__setattr__(self, "log_evidence", log_sum_exp(logs))

    @classmethod
    def of(cls, bets: int, *, invested: float) -> "Mixture":
        """`invested` of a capital of one spread evenly over so many bets, the rest in cash."""
        return cls((math.log(invested / bets),) * bets, 1.0 - invested)

    def after(self, log_values: Sequence[float], discount: float = 1.0) -> "Mixture":
        """The capital after one window, given the log e-value of each bet in it.

        Each is divided by `discount` >= 1, known before the window: E[e^(1/discount)] <= E[e]^(1/discount) (Jensen).
        """
        return Mixture(tuple(a + b / discount for a, b in zip(self.logs, log_values, strict=True)), self.cash)

    def start(self, share: float) -> "Mixture":
        """Put `share` of the first capital, or what is left of the cash, on all bets afresh."""
        share = min(share, self.cash)
        if share <= 0:
            return self
        fresh = math.log(share / len(self.logs))
        return Mixture(tuple(log_sum_exp((old, fresh)) for old in self.logs), self.cash - share)


def log_sum_exp(logs: Iterable[float]) -> float:
    """ln of the sum of exponentials, without overflow. At least one term."""
    terms = tuple(logs)
    top = max(terms)
    return top + math.log(sum([math.exp(term - top) for term in terms]))


def log_mean_exp(logs: Sequence[float]) -> float:
    """ln of the mean of exponentials."""
    return log_sum_exp(logs) - math.log(len(logs))


def expected_rate(earlier: ArmCounts) -> float:
    """Stable's rate as far as earlier windows tell, starting from one in a hundred."""
    return min((1 + earlier.bad) / (100 + earlier.total), MOST_LIKELY_RATE)


def condensed(history: ArmCounts) -> ArmCounts:
    """A history at the same rate, shortened to `MOST_HISTORY` requests."""
    if history.total <= MOST_HISTORY:
        return history
    return ArmCounts(round(history.bad * MOST_HISTORY / history.total), MOST_HISTORY)
