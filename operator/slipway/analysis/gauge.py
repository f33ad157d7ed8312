"""One number a pod: memory, queue length, temperature, anything that is read and not counted.

A gauge has no sample size, so no test of rates applies. But pods can be ranked by it, and ranks need no model of the
gauge at all (see `ranks`). One block of time gives one rank; the estimate that guards a Fail is the ratio of the means.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis import wording
from slipway.analysis.eprocess import Mixture
from slipway.analysis.ranks import FALLS, log_gauge_bets
from slipway.analysis.twoarm import EARLY_SHARE
from slipway.analysis.vectors import (
    EvidenceError,
    Vectors,
    gate_vectors,
    mixture_vector,
    read,
    read_counts,
    read_flags,
    read_gates,
    read_mixture,
)
from slipway.analysis.verdict import Capital, Estimate, Gates, Judgement, Measure, Verdict

UNBOUNDED = 1e6
"""How much worse anything is than nothing."""


@dataclass(frozen=True, slots=True)
class GaugeEvidence:
    """What is known of one gauge, and the gates it is collected for: margins are shares of stable's mean.

    `readings` counts blocks in which both arms were read; `candidate` and `stable` sum the means of their pods over
    them. `min_samples` of the gates is a number of such blocks.
    """

    gates: Gates
    step_share: float
    higher_is_worse: bool
    harm: Mixture
    safety: Mixture
    readings: int = 0
    candidate: float = 0.0
    stable: float = 0.0
    failed: bool = False

    @classmethod
    def begin(cls, gates: Gates, *, steps: int, higher_is_worse: bool = True) -> Self:
        """No evidence yet, for a rollout in which `enter_step` will be called so many times, at least once.

        Raises ValueError when the gates do not compare with stable by a share of its mean.
        """
        if steps < 1:
            raise ValueError(f"steps: {steps} is not at least 1")
        absolute = (gates.comparison_margin, gates.non_inferiority_margin, gates.threshold_max, gates.threshold_min)
        if not gates.is_relative or any(gate is not None for gate in absolute):
            raise ValueError("gates: a gauge needs comparison_relative or non_inferiority_relative and nothing else")
        bets = len(FALLS)
        early, all_in = Mixture.of(bets, invested=EARLY_SHARE), Mixture.of(bets, invested=1.0)
        return cls(gates, (1 - EARLY_SHARE) / steps, higher_is_worse, early, all_in)

    def enter_step(self) -> Self:
        """A new weight begins: part of the capital is bet from here on."""
        return self if self.failed else replace(self, harm=self.harm.start(self.step_share))

    def fold(self, candidate: Sequence[float], stable: Sequence[float]) -> Self:
        """The evidence with one reading a pod. Without a pod on either arm there is none.

        Raises ValueError for a reading that is negative or not finite: shares of it would mean nothing.
        """
        strangers = [value for value in (*candidate, *stable) if not 0 <= value < math.inf]
        if strangers:
            raise ValueError(f"readings: {strangers[:3]} are not finite numbers from 0 on")
        if self.failed or not candidate or not stable:
            return self
        sign = 1 if self.higher_is_worse else -1
        allowed = 1 + self.gates.proof_margin.relative
        allowance = 1 / allowed if self.higher_is_worse else allowed
        folded = replace(
            self,
            harm=self.harm.after(log_gauge_bets([sign * x for x in candidate], [sign * x for x in stable])),
            safety=self.safety
            if self._is_safe()
            else self.safety.after(
                log_gauge_bets([-sign * allowance * x for x in candidate], [-sign * x for x in stable])
            ),
            readings=self.readings + 1,
            candidate=self.candidate + math.fsum(candidate) / len(candidate),
            stable=self.stable + math.fsum(stable) / len(stable),
        )
        enough = folded.harm.log_evidence >= math.log(1 / self.gates.harm_alpha)
        return replace(folded, failed=enough and folded.excess > self.gates.harm_margin.relative)

    @property
    def excess(self) -> float:
        """By what share of stable's mean the candidate's is worse; negative when it is better."""
        worse, better = (self.candidate, self.stable) if self.higher_is_worse else (self.stable, self.candidate)
        if worse <= better:
            return worse / better - 1 if better else 0.0
        return min(worse / better - 1, UNBOUNDED) if better else UNBOUNDED

    def _is_safe(self) -> bool:
        return self.safety.log_evidence >= math.log(1 / self.gates.pass_alpha)

    def judge(self) -> Judgement:
        """The verdict, valid at any time and as often as one looks."""
        sufficient = self.readings >= self.gates.min_samples
        verdict = self._verdict(sufficient)
        waits_for_proof = verdict is Verdict.PASS or (self.gates.proves and not self.failed)
        value = wording.from_log((self.safety if waits_for_proof else self.harm).log_evidence)
        needed = 1 / (self.gates.pass_alpha if waits_for_proof else self.gates.harm_alpha)
        message = f"n={self.readings}, no reading of both arms yet"
        if self.readings:
            means = f"mean {self.candidate / self.readings:.4g} beside stable's {self.stable / self.readings:.4g}"
            size = f"{100 * self.excess:+.1f}% (margin {100 * self.gates.harm_margin.relative:.3g}%)"
            kind = "safety" if waits_for_proof else "harm"
            message = f"n={self.readings} {means}, worse by {size}, {wording.evidence(kind, value, needed)}"
            if not sufficient and not self.failed:
                message += f"; {self.gates.min_samples} readings wanted"
        return Judgement(
            verdict=verdict,
            message=message,
            evidence=value,
            needed=needed,
            candidate_samples=self.readings,
            stable_samples=self.readings,
            difference=self.excess if self.readings else None,
            samples_sufficient=sufficient,
            capital=Capital(
                self.harm.log_evidence,
                math.log(1 / self.gates.harm_alpha),
                self.safety.log_evidence,
                math.log(1 / self.gates.pass_alpha),
            ),
            estimate=(
                Estimate(Measure.RELATIVE, self.excess, None, None, self.gates.harm_margin.relative)
                if self.readings
                else None
            ),
        )

    def _verdict(self, sufficient: bool) -> Verdict:
        if self.failed:
            return Verdict.FAIL
        if not self.readings:
            return Verdict.NO_DATA
        return Verdict.PASS if self._is_safe() and sufficient else Verdict.CONTINUE

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included."""
        return gate_vectors(self.gates) | {
            "step_share": (self.step_share,),
            "flags": (float(self.higher_is_worse), float(self.failed)),
            "harm": mixture_vector(self.harm),
            "safety": mixture_vector(self.safety),
            "readings": (float(self.readings),),
            "means": (self.candidate, self.stable),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such evidence."""
        higher, failed = read_flags(vectors, "flags", 2)
        try:
            blank = cls.begin(read_gates(vectors), steps=1, higher_is_worse=higher)
        except ValueError as problem:
            raise EvidenceError(str(problem)) from problem
        candidate, stable = read(vectors, "means", 2)
        if candidate < 0 or stable < 0:
            raise EvidenceError(f"means: {candidate} and {stable} are no sums of readings")
        return replace(
            blank,
            step_share=read(vectors, "step_share", 1)[0],
            harm=read_mixture(vectors, "harm", len(FALLS)),
            safety=read_mixture(vectors, "safety", len(FALLS)),
            readings=read_counts(vectors, "readings", 1)[0],
            candidate=candidate,
            stable=stable,
            failed=failed,
        )
