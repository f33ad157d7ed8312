"""Live error rates: two counters an arm, judged window by window.

What is compared is explained in `twoarm`, what is held against a limit in `limit`. Here they become one verdict, with
two safeguards against requests that fail together: all evidence is discounted by the measured dispersion, and where
single pods can be told apart a Fail needs their ranks to agree.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis.bets import HARM_FACTORS
from slipway.analysis.dispersion import Dispersion
from slipway.analysis.eprocess import NO_REQUESTS, ArmCounts, condensed
from slipway.analysis.interval import difference_estimate, rate_estimate
from slipway.analysis.limit import LimitTest, log_watch, upper_bound
from slipway.analysis.pods import PodCheck, PodWindow
from slipway.analysis.ratio_words import ratio_sentence
from slipway.analysis.standing import STANDSTILL, Broken, Pace, Watch, read_broken, read_pace, read_watch
from slipway.analysis.twoarm import EARLY_SHARE, UNKNOWN, Terms, TwoArm, exceeds
from slipway.analysis.vectors import (
    EvidenceError,
    Vectors,
    arm_vector,
    dispersion_vector,
    gate_vectors,
    read,
    read_arm,
    read_dispersion,
    read_gates,
)
from slipway.analysis.verdict import Capital, Estimate, Gates, Judgement, Verdict
from slipway.analysis.wording import from_log

WATCH_SHARE = 0.1
"""What the bound on stable's rate, on which the watch after the promotion rests, may be wrong with, as a share of the
alpha of harm."""


@dataclass(frozen=True, slots=True)
class RatioEvidence:
    """What is known of one metric that counts bad requests among all, and the gates it is collected for.

    Gates are part of the evidence, because bets are placed against their margins and a latched Fail belongs to them:
    other gates need other evidence. Each window must be folded once, in order, and overlap no other. Once a gate has
    failed nothing more is folded, so the numbers that decided stay readable.

    `history` is what stable did before the rollout; `dispersion` is None where requests are taken for independent.
    """

    gates: Gates
    step_share: float
    history: ArmCounts = NO_REQUESTS
    candidate: ArmCounts = NO_REQUESTS
    stable: ArmCounts = NO_REQUESTS
    comparison: TwoArm | None = None
    limit: LimitTest | None = None
    dispersion: Dispersion | None = None
    pods: PodCheck | None = None
    pace: Pace = STANDSTILL
    watched: Watch | None = None
    broken: Broken = Broken.NONE

    @classmethod
    def begin(
        cls, gates: Gates, *, steps: int, history: ArmCounts = NO_REQUESTS, dispersion: Dispersion | None = None
    ) -> Self:
        """No evidence yet, for a rollout that will call `enter_step` and `watch` so many times, at least once.

        Raises ValueError when no gate is given that live counts can meet.
        """
        if steps < 1:
            raise ValueError(f"steps: {steps} is not at least 1")
        _check(gates)
        return cls(
            gates=gates,
            step_share=(1 - EARLY_SHARE) / steps,
            history=condensed(history),
            comparison=TwoArm.begin(Terms.of(gates)) if gates.compares else None,
            limit=LimitTest.begin() if gates.threshold_max is not None else None,
            dispersion=dispersion,
        )

    @property
    def compared(self) -> tuple[int, int]:
        """Requests of candidate and stable in windows in which both had some."""
        return (self.comparison.candidate.total, self.comparison.stable.total) if self.comparison else (0, 0)

    @property
    def discount(self) -> float:
        """What log-evidence of the next window will be divided by."""
        return self.dispersion.factor if self.dispersion else 1.0

    def enter_step(self) -> Self:
        """A new weight begins: harm that begins with it is measured without the good time before."""
        if self.broken:
            return self
        return replace(
            self,
            comparison=self.comparison and self.comparison.start(self.step_share),
            limit=self.limit and self.limit.start(self.step_share),
            pods=self.pods and self.pods.start(self.step_share),
            pace=STANDSTILL,
        )

    def watch(self) -> Self:
        """Stable takes no more requests: from here on the candidate is held against what stable did at most.

        The same capital goes on, so a false Fail stays within its alpha, but for the share of it with which the bound
        on stable's rate is wrong. An incident that would have hit both arms does not cancel any more.
        """
        if self.broken or self.watched or not self.gates.compares:
            return self
        highest = upper_bound(self.stable, WATCH_SHARE * self.gates.harm_alpha, self.discount)
        ceiling = min(highest + self.gates.harm_margin.at(highest), 1.0)
        return replace(self.enter_step(), watched=Watch(ceiling))

    def fold(
        self, candidate: ArmCounts, stable: ArmCounts, *, seconds: float = 0.0, pods: PodWindow | None = None
    ) -> Self:
        """The evidence with one more window of so many seconds, and with its requests by pod where they are known.

        A window in which one arm had no request compares nothing, but the candidate's still count for its limit. Once
        pods of both arms were told apart, a Fail of the comparison waits until they confirm it.
        Raises ValueError for a time that is negative or not finite, and for pods in a window that took none.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds: {seconds} is no length of a window")
        if self.broken:
            return self
        check, dispersion = self._checked(candidate, stable, seconds, pods)
        folded = self._limited(candidate)
        if self.watched:
            folded = folded._watched(self.watched, candidate)
        elif candidate.total and stable.total:
            folded = folded._compared(candidate, stable)
        return replace(
            folded,
            candidate=self.candidate.plus(candidate),
            stable=self.stable.plus(stable),
            pods=check,
            dispersion=dispersion,
            pace=Pace(self.pace.seconds + seconds, self.pace.requests + candidate.total) if seconds else self.pace,
        )._latched()

    def _checked(
        self, candidate: ArmCounts, stable: ArmCounts, seconds: float, pods: PodWindow | None
    ) -> tuple[PodCheck | None, Dispersion | None]:
        check, dispersion = self.pods, self.dispersion
        if not self.gates.compares:
            return None, dispersion and dispersion.after_window(candidate)
        if self.watched:
            return check, dispersion
        if pods is not None and pods.candidate and pods.stable:
            begun = check or PodCheck.begin(invested=EARLY_SHARE)
            check, measured = begun.after(pods, seconds, dispersion or Dispersion())
            dispersion = dispersion and measured
        elif dispersion and check is None:
            dispersion = dispersion.after_window(stable)
        if check is not None and candidate.total and stable.total:
            check = check.compared(candidate, stable, self.history.plus(self.stable))
        return check, dispersion

    def _compared(self, candidate: ArmCounts, stable: ArmCounts) -> Self:
        if self.comparison is None:
            return self
        earlier = self.history.plus(self.stable)
        after = self.comparison.after(candidate, stable, self.discount, earlier)
        return replace(self, comparison=after)

    def _watched(self, watched: Watch, candidate: ArmCounts) -> Self:
        if self.comparison is None:
            return self
        harm = self.comparison.harm
        if watched.ceiling < 1:
            harm = harm.after(log_watch(candidate, watched.ceiling, HARM_FACTORS), self.discount)
        comparison = replace(self.comparison, harm=harm, ahead=UNKNOWN)
        return replace(self, comparison=comparison, watched=Watch(watched.ceiling, watched.counts.plus(candidate)))

    def _limited(self, candidate: ArmCounts) -> Self:
        limit = self.gates.threshold_max
        if limit is None or self.limit is None:
            return self
        return replace(self, limit=self.limit.after(candidate, limit, self.discount, to_keep=self._to_pass()))

    def _latched(self) -> Self:
        if self.limit is not None and self.limit.breaks(self._to_fail()):
            return replace(self, broken=Broken.LIMIT)
        if self.comparison is None or self.comparison.harm.log_evidence < self._to_fail():
            return self
        if self.watched:
            harmful = self.watched.counts.rate > self.watched.ceiling
        else:
            harmful = self.comparison.is_harmful and (self.pods is None or self.pods.confirms)
        return replace(self, broken=Broken.COMPARISON) if harmful else self

    def _to_fail(self) -> float:
        return math.log(1 / self.gates.harm_alpha)

    def _to_pass(self) -> float:
        return math.log(1 / self.gates.pass_alpha)

    @property
    def is_safe(self) -> bool:
        """True when it is shown that the candidate is not worse than stable by the margin."""
        return self.comparison is not None and self.comparison.is_safe

    def judge(self) -> Judgement:
        """The verdict on all gates together, valid at any time and as often as one looks.

        Fail when any gate has failed. Where non-inferiority is asked for, Pass is its proof, and the other gates are
        guardrails that need only samples; otherwise Pass needs proof for every gate.
        """
        verdict = self._verdict()
        value, needed = self._decisive(verdict)
        bound = self.comparison.worst_case if self.comparison else None
        return Judgement(
            verdict=verdict,
            message=ratio_sentence(self, verdict),
            evidence=value,
            needed=needed,
            candidate_samples=self.candidate.total,
            stable_samples=self.stable.total,
            difference=self.comparison.overall.value if self.comparison else None,
            samples_sufficient=self.is_sufficient,
            doubtful=self.is_doubtful,
            worst_case=bound.at(self.comparison.overall.stable_rate) if bound and self.comparison else None,
            seconds_to_decide=self.seconds_to_decide(verdict),
            capital=self._logs() if self.candidate.total else None,
            estimate=self._estimate(),
        )

    def _logs(self) -> Capital:
        """The larger evidence of harm, and of the proofs that a Pass takes the one that is further away."""
        harms, proofs = [], []
        if self.comparison:
            harms.append(self.comparison.harm.log_evidence)
            proofs.append(self.comparison.proof.log_evidence)
        if self.limit:
            harms.append(self.limit.above.log_evidence)
            proofs += [self.limit.below.log_evidence] * (not self.gates.proves)
        return Capital(max(harms), self._to_fail(), min(proofs), self._to_pass())

    def _estimate(self) -> Estimate | None:
        """How the gate stands that failed, or that compares."""
        alpha, discount = self.gates.pass_alpha, self.discount
        if self.watched and self.watched.counts.total:
            return rate_estimate(self.watched.counts, self.watched.ceiling, alpha, discount)
        if self.comparison and self.comparison.overall.weight and self.broken is not Broken.LIMIT:
            return difference_estimate(self.comparison, alpha, discount)
        if self.gates.threshold_max is None or not self.candidate.total:
            return None
        found = rate_estimate(self.candidate, self.gates.threshold_max, alpha, discount)
        return found if self.broken else replace(found, high=upper_bound(self.candidate, alpha, discount))

    def seconds_to_decide(self, verdict: Verdict) -> float | None:
        """How long a verdict takes at this pace and the rates so far; None when it is there or would not come."""
        if verdict is not Verdict.CONTINUE:
            return None
        if self.comparison is not None and not self.is_safe:
            return self.pace.seconds_for(self.comparison.ahead)
        if self.limit is None or self.gates.threshold_max is None:
            return None
        to = {"to_break": self._to_fail(), "to_keep": self._to_pass()}
        return self.pace.seconds_for(self.limit.ahead(self.candidate, self.gates.threshold_max, self.discount, **to))

    @property
    def is_doubtful(self) -> bool:
        """The estimated harm, overall or at this step, is above its limit by more than its own uncertainty."""
        if self.broken:
            return False
        if self.watched and self.watched.counts.total:
            return exceeds(self.watched.counts, self.watched.ceiling, self.discount)
        if self.comparison is not None and not self.watched and self.comparison.is_doubtful(self.discount):
            return True
        limit = self.gates.threshold_max
        return limit is not None and exceeds(self.candidate, limit, self.discount)

    def _verdict(self) -> Verdict:
        if self.broken:
            return Verdict.FAIL
        if not self.candidate.total or (self.gates.compares and not self.compared[0]):
            return Verdict.NO_DATA
        proven = not self.gates.compares or self.is_safe
        if not self.gates.proves and self.limit is not None:
            proven = proven and self.limit.keeps(self._to_pass())
        return Verdict.PASS if proven and self.is_sufficient else Verdict.CONTINUE

    @property
    def is_sufficient(self) -> bool:
        """True when a Pass would have the samples that it needs."""
        samples = min(self.compared) if self.gates.compares else self.candidate.total
        return samples >= self.gates.min_samples

    def _decisive(self, verdict: Verdict) -> tuple[float, float]:
        """The evidence that the verdict rests on, or waits for."""
        to_fail, to_pass = 1 / self.gates.harm_alpha, 1 / self.gates.pass_alpha
        harm, above, proof, below = self.capital()
        if self.broken is Broken.COMPARISON:
            return harm, to_fail
        if self.broken is Broken.LIMIT:
            return above, to_fail
        if self.gates.proves:
            return proof, to_pass
        if verdict is Verdict.PASS:
            return (proof if self.gates.compares else below), to_pass
        return max(harm, above), to_fail

    def capital(self) -> tuple[float, float, float, float]:
        """The evidence of harm, of a broken limit, of safety, and of a kept limit."""
        mixtures = (
            self.comparison and self.comparison.harm,
            self.limit and self.limit.above,
            self.comparison and self.comparison.proof,
            self.limit and self.limit.below,
        )
        harm, above, proof, below = (from_log(m.log_evidence) if m else 0.0 for m in mixtures)
        return harm, above, proof, below

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included; under a hundred without pods."""
        vectors = gate_vectors(self.gates) | {
            "step_share": (self.step_share,),
            "history": arm_vector(self.history),
            "candidate": arm_vector(self.candidate),
            "stable": arm_vector(self.stable),
            "pace": (self.pace.seconds, self.pace.requests),
            "broken": (float(self.broken),),
        }
        if self.comparison is not None:
            vectors["comparison"] = self.comparison.vector()
        if self.dispersion is not None:
            vectors["dispersion"] = dispersion_vector(self.dispersion)
        if self.watched is not None:
            vectors["watched"] = (self.watched.ceiling, *arm_vector(self.watched.counts))
        vectors |= self.limit.to_vectors() if self.limit is not None else {}
        return vectors | (self.pods.to_vectors() if self.pods is not None else {})

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`.

        Raises EvidenceError when the vectors are not such evidence.
        """
        gates = read_gates(vectors)
        try:
            _check(gates)
        except ValueError as problem:
            raise EvidenceError(str(problem)) from problem
        return cls(
            gates=gates,
            step_share=read(vectors, "step_share", 1)[0],
            history=read_arm(vectors, "history"),
            candidate=read_arm(vectors, "candidate"),
            stable=read_arm(vectors, "stable"),
            comparison=TwoArm.read(vectors, "comparison", Terms.of(gates)) if gates.compares else None,
            limit=LimitTest.from_vectors(vectors) if gates.threshold_max is not None else None,
            dispersion=read_dispersion(vectors, "dispersion"),
            pods=PodCheck.from_vectors(vectors),
            pace=read_pace(vectors),
            watched=read_watch(vectors),
            broken=read_broken(vectors),
        )


def _check(gates: Gates) -> None:
    if gates.threshold_min is not None:
        raise ValueError("threshold_min: a ratio of bad requests has a maximum, not a minimum")
    if not gates.compares and gates.threshold_max is None:
        raise ValueError("gates: a ratio needs threshold_max, or a margin to stable")
