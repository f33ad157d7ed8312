"""Golden sets on the candidate alone: is it right often enough?

A first release has no stable to be compared with, so its accuracy is held against an absolute minimum. Items come in an
order that does not depend on the answers, and only their counts matter: the tests here are functions of sums, and all
that has to be remembered beside the sums is the greatest evidence that there has been.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis import wording
from slipway.analysis.bets import log_above, log_below
from slipway.analysis.eprocess import ArmCounts, log_mean_exp
from slipway.analysis.exact import binomial_lower, binomial_upper, log_inverse
from slipway.analysis.vectors import EvidenceError, Vectors, gate_vectors, read, read_counts, read_gates
from slipway.analysis.verdict import Capital, Estimate, Gates, Judgement, Measure, Verdict

HALF = 2.0
"""Half of each alpha is spent on the looks, half on the final test, so either needs twice the evidence."""

BISECTIONS = 20
"""Enough for a bound in hundredths of a percentage point."""


def log_inaccurate(wrong: ArmCounts, minimum: float, *, final: bool) -> float:
    """The log-evidence that accuracy is below `minimum`, from sums; with the exact binomial test at the last item."""
    looks = log_mean_exp(log_above(wrong, 1 - minimum))
    return max(looks, log_inverse(binomial_upper(wrong.bad, wrong.total, 1 - minimum))) if final else looks


def log_accurate(wrong: ArmCounts, minimum: float, *, final: bool) -> float:
    """The log-evidence that accuracy is above `minimum`, likewise."""
    looks = log_mean_exp(log_below(wrong, 1 - minimum))
    return max(looks, log_inverse(binomial_lower(wrong.bad, wrong.total, 1 - minimum))) if final else looks


def accuracy_bound(wrong: ArmCounts, alpha: float, *, final: bool) -> float:
    """The largest minimum, rounded down to a hundredth of a point, that the accuracy is shown to exceed."""
    needed = math.log(HALF / alpha)
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if log_accurate(wrong, middle, final=final) >= needed:
            low = middle
        else:
            high = middle
    return math.floor(low * 10_000) / 10_000


def deciding(peak: float, now: float, needed: float) -> float:
    """The evidence to report: the present one, but what has once been enough does not wane."""
    return wording.from_log(peak if peak >= math.log(needed) else now)


@dataclass(frozen=True, slots=True)
class AccuracyTest:
    """The accuracy of one arm against its minimum, in both directions: the greatest log-evidence of each so far."""

    too_little: float = 0.0
    enough: float = 0.0

    def after(self, wrong: ArmCounts, minimum: float, *, final: bool) -> "AccuracyTest":
        """The test at new sums."""
        return AccuracyTest(
            max(self.too_little, log_inaccurate(wrong, minimum, final=final)),
            max(self.enough, log_accurate(wrong, minimum, final=final)),
        )

    def fails(self, gates: Gates) -> bool:
        """True once it has been shown that the accuracy is below the minimum."""
        return self.too_little >= math.log(HALF / gates.harm_alpha)

    def passes(self, gates: Gates) -> bool:
        """True once it has been shown that the accuracy is above the minimum."""
        return self.enough >= math.log(HALF / gates.pass_alpha)

    def evidence(self, wrong: ArmCounts, gates: Gates, *, final: bool) -> tuple[float, float]:
        """The evidence to report, of too little and of enough accuracy."""
        minimum = gates.accuracy_minimum
        return (
            deciding(self.too_little, log_inaccurate(wrong, minimum, final=final), HALF / gates.harm_alpha),
            deciding(self.enough, log_accurate(wrong, minimum, final=final), HALF / gates.pass_alpha),
        )

    def estimate(self, wrong: ArmCounts, gates: Gates, *, final: bool) -> Estimate:
        """The accuracy of the answers so far, with the bound that holds at every look."""
        bound = accuracy_bound(wrong, gates.pass_alpha, final=final)
        return Estimate(Measure.ACCURACY, 1 - wrong.rate, bound, None, gates.accuracy_minimum)

    def clause(self, wrong: ArmCounts, gates: Gates, *, final: bool) -> str:
        """What is known, in words, with the bound that holds at every look."""
        too_little, enough = self.evidence(wrong, gates, final=final)
        words = [f"accuracy={wording.percent(1 - wrong.rate)} (min {wording.percent(gates.accuracy_minimum)})"]
        if self.fails(gates):
            return ", ".join([*words, wording.evidence("a lower accuracy", too_little, HALF / gates.harm_alpha)])
        bound = wording.percent(accuracy_bound(wrong, gates.pass_alpha, final=final))
        words.append(f"worst case ≥ {bound} at {wording.confidence(gates.pass_alpha)}")
        return ", ".join([*words, wording.evidence("a higher accuracy", enough, HALF / gates.pass_alpha)])


UNTESTED = AccuracyTest()
"""Before the first item."""


@dataclass(frozen=True, slots=True)
class GoldenCounts:
    """Items answered by the candidate alone; `excluded` ones could not be judged (an unusable item, not a bad answer).

    Raises ValueError for a negative count.
    """

    right: int = 0
    wrong: int = 0
    excluded: int = 0

    def __post_init__(self) -> None:
        if min(self.right, self.wrong, self.excluded) < 0:
            raise ValueError(f"a count is negative in {self}")

    def plus(self, other: "GoldenCounts") -> "GoldenCounts":
        """Both together."""
        return GoldenCounts(self.right + other.right, self.wrong + other.wrong, self.excluded + other.excluded)

    @property
    def answers(self) -> ArmCounts:
        """Wrong answers among all."""
        return ArmCounts(self.wrong, self.right + self.wrong)

    @property
    def used(self) -> int:
        """How many items of the set these counts account for."""
        return self.right + self.wrong + self.excluded


@dataclass(frozen=True, slots=True)
class SingleEvidence:
    """What a golden set of `size` items says of the candidate alone, and the gates it is collected for."""

    gates: Gates
    size: int
    counts: GoldenCounts = GoldenCounts()
    accuracy: AccuracyTest = UNTESTED

    @classmethod
    def begin(cls, gates: Gates, size: int) -> Self:
        """No evidence yet, from a set of `size` items.

        Raises ValueError when the set is empty or threshold_min is not the only gate.
        """
        if size < 1:
            raise ValueError(f"size: a golden set of {size} items shows nothing")
        if gates.threshold_min is None or gates.compares or gates.threshold_max is not None:
            raise ValueError("gates: without stable a golden set can meet threshold_min and nothing else")
        return cls(gates, size)

    def fold(self, right: int, wrong: int, excluded: int) -> Self:
        """The evidence with the answers to some more items.

        Raises ValueError for negative counts and for more items than the set has.
        """
        counts = self.counts.plus(GoldenCounts(right, wrong, excluded))
        if counts.used > self.size:
            raise ValueError(f"{counts.used} items of a golden set of {self.size}")
        folded = replace(self, counts=counts)
        accuracy = self.accuracy.after(counts.answers, self.gates.accuracy_minimum, final=folded.exhausted)
        return replace(folded, accuracy=accuracy)

    @property
    def exhausted(self) -> bool:
        """True when no item is left, so that no verdict but the present one will come."""
        return self.counts.used >= self.size

    def judge(self) -> Judgement:
        """The verdict, valid after every batch and as often as one looks."""
        wrong = self.counts.answers
        sufficient = wrong.total >= self.gates.min_samples
        verdict = self._verdict(sufficient)
        too_little, enough = self.accuracy.evidence(wrong, self.gates, final=self.exhausted)
        failed = verdict is Verdict.FAIL
        return Judgement(
            verdict=verdict,
            message=self._message(verdict, sufficient),
            evidence=too_little if failed else enough,
            needed=HALF / (self.gates.harm_alpha if failed else self.gates.pass_alpha),
            candidate_samples=wrong.total,
            stable_samples=0,
            difference=None,
            samples_sufficient=sufficient,
            capital=Capital(
                math.log(too_little),
                math.log(HALF / self.gates.harm_alpha),
                math.log(enough),
                math.log(HALF / self.gates.pass_alpha),
            ),
            estimate=self.accuracy.estimate(wrong, self.gates, final=self.exhausted) if wrong.total else None,
        )

    def _verdict(self, sufficient: bool) -> Verdict:
        if self.accuracy.fails(self.gates):
            return Verdict.FAIL
        if not self.counts.answers.total:
            return Verdict.NO_DATA
        return Verdict.PASS if sufficient and self.accuracy.passes(self.gates) else Verdict.CONTINUE

    def _message(self, verdict: Verdict, sufficient: bool) -> str:
        wrong = self.counts.answers
        if verdict is Verdict.NO_DATA:
            return f"n=0 of {self.size}, no item judged yet{wording.excluded(self.counts.excluded)}"
        clauses = [
            f"n={wrong.total} of {self.size}{wording.excluded(self.counts.excluded)}",
            self.accuracy.clause(wrong, self.gates, final=self.exhausted),
            *wording.shortage(verdict, self.gates.min_samples, sufficient=sufficient, exhausted=self.exhausted),
        ]
        return "; ".join(clauses)

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included."""
        return gate_vectors(self.gates) | {
            "size": (float(self.size),),
            "counts": (float(self.counts.right), float(self.counts.wrong), float(self.counts.excluded)),
            "accuracy": (self.accuracy.too_little, self.accuracy.enough),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`.

        Raises EvidenceError when the vectors are not such evidence.
        """
        counts = GoldenCounts(*read_counts(vectors, "counts", 3))
        try:
            blank = cls.begin(read_gates(vectors), size=read_counts(vectors, "size", 1)[0])
        except ValueError as problem:
            raise EvidenceError(str(problem)) from problem
        if counts.used > blank.size:
            raise EvidenceError(f"counts: {counts.used} items of a golden set of {blank.size}")
        return replace(blank, counts=counts, accuracy=AccuracyTest(*read(vectors, "accuracy", 2)))
