"""One arm against a limit: the sequential test of an absolute threshold, in both directions.

It needs no stable, so it serves service levels, the disagreement of mirrored answers, and the watch after a promotion.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis.bets import LIMIT_FACTORS, log_above, log_below, log_tilt
from slipway.analysis.eprocess import ArmCounts, Mixture, log_mean_exp
from slipway.analysis.twoarm import EARLY_SHARE, UNKNOWN, smoothed, waiting
from slipway.analysis.vectors import Vectors, mixture_vector, read_mixture

BISECTIONS = 40
"""Halvings of [0, 1]: far below what a rate is ever quoted to."""


@dataclass(frozen=True, slots=True)
class LimitTest:
    """The capital of bets that the limit is broken, and of bets that it is kept."""

    above: Mixture
    below: Mixture

    @classmethod
    def begin(cls) -> Self:
        """No evidence yet."""
        bets = len(LIMIT_FACTORS)
        return cls(Mixture.of(bets, invested=EARLY_SHARE), Mixture.of(bets, invested=1.0))

    def start(self, share: float) -> Self:
        """A new weight begins: part of the capital is bet from here on."""
        return replace(self, above=self.above.start(share))

    def after(self, counts: ArmCounts, limit: float, discount: float, *, to_keep: float) -> Self:
        """The test with one more window; what was shown to be kept with log-evidence `to_keep` stays shown."""
        below = self.below if self.keeps(to_keep) else self.below.after(log_below(counts, limit), discount)
        return replace(self, above=self.above.after(log_above(counts, limit), discount), below=below)

    def breaks(self, needed: float) -> bool:
        """True when the log-evidence that the limit is broken is enough."""
        return self.above.log_evidence >= needed

    def keeps(self, needed: float) -> bool:
        """True when the log-evidence that the limit is kept is enough."""
        return self.below.log_evidence >= needed

    def ahead(self, counts: ArmCounts, limit: float, discount: float, *, to_break: float, to_keep: float) -> float:
        """Requests until a verdict, if they went on as these `counts` of all windows."""
        rate = smoothed(counts)
        broken = rate > limit
        capital, needed = (self.above, to_break) if broken else (self.below, to_keep)
        if capital.log_evidence >= needed:
            return UNKNOWN
        tilts = [factor if broken else 1 / factor for factor in LIMIT_FACTORS]
        wait = waiting(capital.logs, [_growth(rate, limit, tilt) / discount for tilt in tilts], needed)
        return wait if wait < math.inf else UNKNOWN

    def to_vectors(self) -> dict[str, tuple[float, ...]]:
        """The test as named vectors."""
        return {"above": mixture_vector(self.above), "below": mixture_vector(self.below)}

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such a test."""
        bets = len(LIMIT_FACTORS)
        return cls(read_mixture(vectors, "above", bets), read_mixture(vectors, "below", bets))


def _growth(rate: float, limit: float, tilt: float) -> float:
    """The expected log e-value of one request."""
    return rate * math.log(tilt) - math.log1p((tilt - 1) * limit)


def upper_bound(counts: ArmCounts, alpha: float, discount: float = 1.0) -> float:
    """The smallest rate that is shown to be exceeded by none of the windows' shared rate, at every look.

    By bisection over the limit: the evidence of "below the limit" is a function of sums and grows with the limit. 1
    while nothing is shown.
    """
    needed = math.log(1 / alpha)
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if log_mean_exp([log / discount for log in log_below(counts, middle)]) >= needed:
            high = middle
        else:
            low = middle
    return high


def log_watch(counts: ArmCounts, ceiling: float, factors: tuple[float, ...]) -> tuple[float, ...]:
    """Bets against "the rate is at most `ceiling`", one for each of these factors of its odds."""
    return tuple(log_tilt(counts, ceiling, factor) for factor in factors)
