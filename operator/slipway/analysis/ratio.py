"""Live error rates: two counters an arm, judged window by window.

Candidate and stable are compared inside each window and the windows' evidence is multiplied. An incident that hits both
arms, or a ramp of traffic between them, so cancels; sums over the ramp would mix a good hour of one arm with a bad hour
of the other and see a difference that is not there (Simpson's paradox).
"""

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self

from slipway.analysis import wording
from slipway.analysis.eprocess import (
    HARM_FACTORS,
    LIMIT_FACTORS,
    PROOF_FACTORS,
    ArmCounts,
    Mixture,
    expected_rate,
    log_above,
    log_below,
    log_harm,
    log_proof,
)
from slipway.analysis.vectors import (
    EvidenceError,
    Vectors,
    arm_vector,
    gate_vectors,
    mixture_vector,
    read,
    read_arm,
    read_counts,
    read_gates,
    read_mixture,
)
from slipway.analysis.verdict import Gates, Judgement, Verdict

EARLY_SHARE = 0.5
"""How much of the capital is bet from the first request on; the rest is spread over the weight steps."""

NO_ARM = ArmCounts(0, 0)

DOUBT = 2.0
"""How many standard errors an estimate of harm may lie above its limit before the rollout waits for more requests.

Bets are placed by what stable did so far. Right after an incident on stable they expect many failures, so that harm
grows into evidence slowly; without doubt, enough samples alone would carry such a candidate on. It is a reason to wait
and never one to haul back, so it costs a good release a look now and then.
"""


class Broken(IntEnum):
    """The gate that failed first."""

    NONE = 0
    COMPARISON = 1
    LIMIT = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """Mantel-Haenszel sums of the difference between two rates, stratified by window (Mantel and Haenszel 1959)."""

    excess: float = 0.0
    weight: float = 0.0

    def after(self, candidate: ArmCounts, stable: ArmCounts) -> "Difference":
        """The sums with one more window, in which both arms had requests."""
        both = candidate.total + stable.total
        excess = (candidate.bad * stable.total - stable.bad * candidate.total) / both
        return Difference(self.excess + excess, self.weight + candidate.total * stable.total / both)

    @property
    def value(self) -> float | None:
        """Candidate's rate minus stable's; None before the first window."""
        return self.excess / self.weight if self.weight else None


@dataclass(frozen=True, slots=True)
class RatioEvidence:
    """What is known of one metric that counts bad requests among all, and the gates it is collected for.

    Gates are part of the evidence, because bets are placed against their margins and a latched Fail belongs to them:
    other gates need other evidence. Each window must be folded once, in order, and overlap no other. Once a gate has
    failed nothing more is folded, so the numbers that decided stay readable.
    """

    gates: Gates
    step_share: float
    candidate: ArmCounts = NO_ARM
    stable: ArmCounts = NO_ARM
    compared: tuple[int, int] = (0, 0)
    overall: Difference = Difference()
    this_step: Difference = Difference()
    harm: Mixture | None = None
    proof: Mixture | None = None
    above: Mixture | None = None
    below: Mixture | None = None
    broken: Broken = Broken.NONE

    @classmethod
    def begin(cls, gates: Gates, *, steps: int) -> Self:
        """No evidence yet, for a rollout in which `enter_step` will be called `steps` times (at least once).

        Raises ValueError when no gate is given that live counts can meet.
        """
        if steps < 1:
            raise ValueError(f"steps: {steps} is not at least 1")
        if gates.threshold_min is not None:
            raise ValueError("threshold_min: a ratio of bad requests has a maximum, not a minimum")
        if not gates.compares and gates.threshold_max is None:
            raise ValueError("gates: a ratio needs threshold_max, comparison_margin or non_inferiority_margin")
        limited = gates.threshold_max is not None
        return cls(
            gates=gates,
            step_share=(1 - EARLY_SHARE) / steps,
            harm=Mixture.of(len(HARM_FACTORS), invested=EARLY_SHARE) if gates.compares else None,
            proof=Mixture.of(len(PROOF_FACTORS), invested=1.0) if gates.compares else None,
            above=Mixture.of(len(LIMIT_FACTORS), invested=EARLY_SHARE) if limited else None,
            below=Mixture.of(len(LIMIT_FACTORS), invested=1.0) if limited else None,
        )

    def enter_step(self) -> Self:
        """A new weight begins: harm that begins with it is measured without the good time before."""
        if self.broken:
            return self
        return replace(
            self,
            harm=self.harm and self.harm.start(self.step_share),
            above=self.above and self.above.start(self.step_share),
            this_step=Difference(),
        )

    def fold(self, candidate: ArmCounts, stable: ArmCounts) -> Self:
        """The evidence with one more window.

        A window in which one arm had no request compares nothing, but the candidate's still count for its limit.
        """
        if self.broken:
            return self
        folded = self._limited(candidate)
        if candidate.total and stable.total:
            folded = folded._compared(candidate, stable)
        return replace(
            folded, candidate=self.candidate.plus(candidate), stable=self.stable.plus(stable), broken=folded._breach()
        )

    def _compared(self, candidate: ArmCounts, stable: ArmCounts) -> Self:
        harm, proof = self.harm, self.proof
        rate = expected_rate(self.stable)
        if harm is not None:
            harm = harm.after(log_harm(candidate, stable, rate))
        if proof is not None and not self._is_safe():
            proof = proof.after(log_proof(candidate, stable, rate, self.gates.proof_margin))
        return replace(
            self,
            harm=harm,
            proof=proof,
            compared=(self.compared[0] + candidate.total, self.compared[1] + stable.total),
            overall=self.overall.after(candidate, stable),
            this_step=self.this_step.after(candidate, stable),
        )

    def _limited(self, candidate: ArmCounts) -> Self:
        limit = self.gates.threshold_max
        if limit is None or self.above is None or self.below is None:
            return self
        below = self.below if self._is_within() else self.below.after(log_below(candidate, limit))
        return replace(self, above=self.above.after(log_above(candidate, limit)), below=below)

    def _breach(self) -> Broken:
        enough = math.log(1 / self.gates.harm_alpha)
        if self.above is not None and self.above.log_evidence >= enough:
            return Broken.LIMIT
        if self.harm is not None and self.harm.log_evidence >= enough and self._worst() > self.gates.harm_margin:
            return Broken.COMPARISON
        return Broken.NONE

    def _worst(self) -> float:
        return max(self.overall.value or 0.0, self.this_step.value or 0.0)

    def _is_safe(self) -> bool:
        """Proven; the bets are closed then, so a proof stays one until a Fail overrules it."""
        return self.proof is not None and self.proof.log_evidence >= self._enough_proof()

    def _is_within(self) -> bool:
        return self.below is not None and self.below.log_evidence >= self._enough_proof()

    def _enough_proof(self) -> float:
        return math.log(1 / self.gates.pass_alpha)

    def judge(self) -> Judgement:
        """The verdict on all gates together, valid at any time and as often as one looks.

        Fail when any gate has failed. Where non-inferiority is asked for, Pass is its proof, and the other gates are
        guardrails that need only samples; otherwise Pass needs proof for every gate.
        """
        verdict, sufficient = self._verdict(), self._sufficient()
        value, needed = self._decisive(verdict)
        return Judgement(
            verdict=verdict,
            message=self._message(verdict, sufficient),
            evidence=value,
            needed=needed,
            candidate_samples=self.candidate.total,
            stable_samples=self.stable.total,
            difference=self.overall.value,
            samples_sufficient=sufficient,
            doubtful=self._is_doubtful(),
        )

    def _is_doubtful(self) -> bool:
        """The estimated harm, overall or at this step, is above its limit by more than its own uncertainty.

        A Mantel-Haenszel difference with weight W has variance p(1 - p)/W, p being the rate that both arms share.
        """
        if self.broken:
            return False
        both = self.candidate.plus(self.stable)
        if self.gates.compares and both.bad:
            for difference in (self.overall, self.this_step):
                if difference.value is not None:
                    error = math.sqrt(both.rate * (1 - both.rate) / difference.weight)
                    if difference.value - self.gates.harm_margin > DOUBT * error:
                        return True
        limit = self.gates.threshold_max
        if limit is None or not self.candidate.total:
            return False
        error = math.sqrt(limit * (1 - limit) / self.candidate.total)
        return self.candidate.rate - limit > DOUBT * error

    def _verdict(self) -> Verdict:
        if self.broken:
            return Verdict.FAIL
        if not self.candidate.total or (self.gates.compares and not self.compared[0]):
            return Verdict.NO_DATA
        proven = not self.gates.compares or self._is_safe()
        if self.gates.non_inferiority_margin is None and self.gates.threshold_max is not None:
            proven = proven and self._is_within()
        return Verdict.PASS if proven and self._sufficient() else Verdict.CONTINUE

    def _sufficient(self) -> bool:
        samples = min(self.compared) if self.gates.compares else self.candidate.total
        return samples >= self.gates.min_samples

    def _decisive(self, verdict: Verdict) -> tuple[float, float]:
        """The evidence that the verdict rests on, or waits for."""
        to_fail, to_pass = 1 / self.gates.harm_alpha, 1 / self.gates.pass_alpha
        harm, above, proof, below = self._evidence()
        if self.broken is Broken.COMPARISON:
            return harm, to_fail
        if self.broken is Broken.LIMIT:
            return above, to_fail
        if self.gates.non_inferiority_margin is not None:
            return proof, to_pass
        if verdict is Verdict.PASS:
            return (proof if self.gates.compares else below), to_pass
        return max(harm, above), to_fail

    def _evidence(self) -> tuple[float, float, float, float]:
        harm, above, proof, below = (
            wording.from_log(mixture.log_evidence) if mixture is not None else 0.0
            for mixture in (self.harm, self.above, self.proof, self.below)
        )
        return harm, above, proof, below

    def _message(self, verdict: Verdict, sufficient: bool) -> str:
        if verdict is Verdict.NO_DATA:
            arm = "on both arms in the same window" if self.candidate.total else "to the candidate"
            return f"n={self.candidate.total}/{self.stable.total}, no requests {arm} yet"
        clauses = [f"n={self.candidate.total}/{self.stable.total}, bad={self.candidate.bad}/{self.stable.bad}"]
        if self.gates.compares and self.broken is not Broken.LIMIT:
            clauses.append(self._comparison_clause(verdict))
        if self.gates.threshold_max is not None and self.broken is not Broken.COMPARISON:
            clauses.append(self._limit_clause(self.gates.threshold_max))
        if not sufficient and not self.broken:
            arms = "on both arms" if self.gates.compares else "to the candidate"
            clauses.append(f"{self.gates.min_samples} requests {arms} wanted")
        if self._is_doubtful():
            clauses.append("harm looks likely, and more requests will tell")
        return "; ".join(clauses)

    def _comparison_clause(self, verdict: Verdict) -> str:
        harm, _, proof, _ = self._evidence()
        margin = wording.width(self.gates.harm_margin)
        difference = f"diff={wording.points(self.overall.value or 0.0)} (margin {margin})"
        if verdict is Verdict.FAIL and self._worst() != self.overall.value:
            difference += f", at this step {wording.points(self._worst())}"
        words = [difference, wording.evidence("harm", harm, 1 / self.gates.harm_alpha)]
        if self._is_safe() and not self.broken:
            bound = f"worst case below {wording.width(self.gates.proof_margin)}"
            words.append(f"{bound} at {wording.confidence(self.gates.pass_alpha)}")
        elif self.gates.non_inferiority_margin is not None and not self.broken:
            words.append(wording.evidence("safety", proof, 1 / self.gates.pass_alpha))
        return ", ".join(words)

    def _limit_clause(self, limit: float) -> str:
        _, above, _, below = self._evidence()
        rate = f"rate={wording.percent(self.candidate.rate)} (max {wording.percent(limit)})"
        harm = wording.evidence("excess", above, 1 / self.gates.harm_alpha)
        if self.broken or self.gates.compares:
            return f"{rate}, {harm}"
        return f"{rate}, {harm}, {wording.evidence('safety', below, 1 / self.gates.pass_alpha)}"

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included; at most some fifty numbers."""
        vectors = gate_vectors(self.gates) | {
            "step_share": (self.step_share,),
            "candidate": arm_vector(self.candidate),
            "stable": arm_vector(self.stable),
            "compared": (float(self.compared[0]), float(self.compared[1])),
            "overall": (self.overall.excess, self.overall.weight),
            "this_step": (self.this_step.excess, self.this_step.weight),
            "broken": (float(self.broken),),
        }
        mixtures = {"harm": self.harm, "proof": self.proof, "above": self.above, "below": self.below}
        return vectors | {name: mixture_vector(mixture) for name, mixture in mixtures.items() if mixture is not None}

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`.

        Raises EvidenceError when the vectors are not such evidence.
        """
        try:
            blank = cls.begin(read_gates(vectors), steps=1)
        except ValueError as problem:
            raise EvidenceError(str(problem)) from problem
        (broken,) = read_counts(vectors, "broken", 1)
        if broken not in list(Broken):
            raise EvidenceError(f"broken: {broken} stands for no gate")
        candidates, stables = read_counts(vectors, "compared", 2)
        return replace(
            blank,
            step_share=read(vectors, "step_share", 1)[0],
            candidate=read_arm(vectors, "candidate"),
            stable=read_arm(vectors, "stable"),
            compared=(candidates, stables),
            overall=_read_difference(vectors, "overall"),
            this_step=_read_difference(vectors, "this_step"),
            harm=blank.harm and read_mixture(vectors, "harm", len(HARM_FACTORS)),
            proof=blank.proof and read_mixture(vectors, "proof", len(PROOF_FACTORS)),
            above=blank.above and read_mixture(vectors, "above", len(LIMIT_FACTORS)),
            below=blank.below and read_mixture(vectors, "below", len(LIMIT_FACTORS)),
            broken=Broken(broken),
        )


def _read_difference(vectors: Vectors, name: str) -> Difference:
    excess, weight = read(vectors, name, 2)
    if not 0 <= abs(excess) <= weight:
        raise EvidenceError(f"{name}: no rates differ by {excess} in {weight}")
    return Difference(excess, weight)
