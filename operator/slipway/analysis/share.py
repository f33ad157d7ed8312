"""Whether traffic goes where the weights say.

A candidate that gets more or fewer requests than its weight is not a statistical curiosity: something routes past the
gateway, sticks to a backend, or drops requests before they are counted, and then the two arms see different requests
and no comparison of them means what it says (Fabijan et al. 2019 on sample ratio mismatch). So the share is tested by
itself, at every look, with a small alpha, and a mismatch holds the weight.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis import wording
from slipway.analysis.bets import LIMIT_FACTORS, log_above, log_below
from slipway.analysis.eprocess import NO_REQUESTS, ArmCounts, Mixture, log_mean_exp
from slipway.analysis.vectors import (
    EvidenceError,
    Vectors,
    arm_vector,
    mixture_vector,
    read,
    read_arm,
    read_flags,
    read_mixture,
)
from slipway.analysis.verdict import Capital, Estimate, Judgement, Measure, Verdict

TOLERANCE = 0.1
"""How far the share may be off, relative to the weight: retries and connections that are kept alive do that much."""

MISMATCH_ALPHA = 0.001
"""How often a share that is within its tolerance is called a mismatch, over all looks together."""

INVESTED = 0.5
"""What is bet from the first request on; the rest at the next change of the weight, when routing may break."""


@dataclass(frozen=True, slots=True)
class ShareEvidence:
    """What is known of the candidate's share of the requests: `more` and `less` than its weight.

    `counts` are the candidate's requests among all at the present weight, which is a fraction of 1.
    """

    more: Mixture
    less: Mixture
    counts: ArmCounts = NO_REQUESTS
    weight: float = 0.0
    mismatch: bool = False

    @classmethod
    def begin(cls) -> Self:
        """No evidence yet."""
        bets = len(LIMIT_FACTORS)
        return cls(Mixture.of(bets, invested=INVESTED), Mixture.of(bets, invested=INVESTED))

    def fold(self, candidate: int, stable: int, *, weight: float) -> Self:
        """The evidence with the requests of a window, during all of which the candidate's weight was this.

        At a weight of 0 or 1 there is nothing to share. Raises ValueError for a weight that is no fraction, and for
        negative counts.
        """
        if not 0 <= weight <= 1:
            raise ValueError(f"weight: {weight} is not a fraction of the traffic")
        window = ArmCounts(candidate, candidate + stable)
        if self.mismatch or weight in (0, 1):
            return self
        fresh = self if weight == self.weight else self._at(weight)
        high, low = min(weight * (1 + TOLERANCE), (1 + weight) / 2), weight * (1 - TOLERANCE)
        folded = replace(
            fresh,
            more=fresh.more.after(log_above(window, high)),
            less=fresh.less.after(log_below(window, low)),
            counts=fresh.counts.plus(window),
        )
        return replace(folded, mismatch=folded._log_evidence() >= math.log(1 / MISMATCH_ALPHA))

    def _at(self, weight: float) -> Self:
        begun = self if not self.weight else replace(self, more=self.more.start(1.0), less=self.less.start(1.0))
        return replace(begun, counts=NO_REQUESTS, weight=weight)

    def _log_evidence(self) -> float:
        """The mean of two e-processes is one."""
        return log_mean_exp([self.more.log_evidence, self.less.log_evidence])

    def judge(self) -> Judgement:
        """Fail when the share is not the weight; there is no Pass, because routing can break at any time."""
        verdict = Verdict.FAIL if self.mismatch else Verdict.CONTINUE if self.counts.total else Verdict.NO_DATA
        value, needed = wording.from_log(self._log_evidence()), 1 / MISMATCH_ALPHA
        share = f"{wording.percent(self.counts.rate)} of {self.counts.total} requests"
        message = f"the candidate got {share} at a weight of {wording.percent(self.weight)}"
        return Judgement(
            verdict=verdict,
            message=f"{message}, {wording.evidence('a mismatch', value, needed)}",
            evidence=value,
            needed=needed,
            candidate_samples=self.counts.bad,
            stable_samples=self.counts.total - self.counts.bad,
            difference=self.counts.rate - self.weight if self.counts.total else None,
            samples_sufficient=True,
            capital=Capital(self._log_evidence(), math.log(needed)) if self.counts.total else None,
            estimate=(
                Estimate(Measure.DIFFERENCE, self.counts.rate - self.weight, None, None, TOLERANCE * self.weight)
                if self.counts.total
                else None
            ),
        )

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers."""
        return {
            "more": mixture_vector(self.more),
            "less": mixture_vector(self.less),
            "counts": arm_vector(self.counts),
            "weight": (self.weight,),
            "mismatch": (float(self.mismatch),),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such evidence."""
        (weight,), (mismatch,) = read(vectors, "weight", 1), read_flags(vectors, "mismatch", 1)
        if not 0 <= weight <= 1:
            raise EvidenceError(f"weight: {weight} is not a fraction of the traffic")
        bets = len(LIMIT_FACTORS)
        more, less = read_mixture(vectors, "more", bets), read_mixture(vectors, "less", bets)
        return cls(more, less, read_arm(vectors, "counts"), weight, mismatch)
