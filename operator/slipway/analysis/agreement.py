"""Whether two releases answer alike: the same inputs asked of both, without a label that says who is right.

A new model should differ from the old one, but seldom: one that answers a tenth of all inputs in another way is worth a
look before users see it. An answer that differs is an outcome of one arm against a limit, so the tests are those of a
golden set that is asked of the candidate alone, with what stable says for the label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis import wording
from slipway.analysis.golden import HALF, GoldenCounts, SingleEvidence
from slipway.analysis.vectors import EvidenceError, Vectors, read
from slipway.analysis.verdict import Estimate, Gates, Judgement, Measure, Verdict

MARK = "agreement"
"""The vector by which this evidence is told from that of a golden set."""

_MAXIMUM = "gate.threshold_max"
_MINIMUM = "gate.threshold_min"


@dataclass(frozen=True, slots=True)
class AgreementEvidence:
    """How often, by a set of inputs, the candidate answers otherwise than stable; `limit` is how often it may."""

    limit: float
    answers: SingleEvidence

    @classmethod
    def begin(cls, gates: Gates, size: int) -> Self:
        """No evidence yet, from `size` inputs.

        Raises ValueError when there are none or `threshold_max` is not the only gate.
        """
        if gates.threshold_max is None or gates.compares or gates.threshold_min is not None:
            raise ValueError("gates: agreement is held against threshold_max, and nothing else")
        least = replace(gates, threshold_max=None, threshold_min=1 - gates.threshold_max)
        return cls(gates.threshold_max, SingleEvidence.begin(least, size))

    def fold(self, alike: int, otherwise: int, excluded: int) -> Self:
        """The evidence with some more inputs; `excluded` ones stable did not answer.

        Raises ValueError for negative counts and for more inputs than the set has.
        """
        return replace(self, answers=self.answers.fold(alike, otherwise, excluded))

    @property
    def counts(self) -> GoldenCounts:
        """Inputs that were answered alike (right) and otherwise (wrong)."""
        return self.answers.counts

    @property
    def used(self) -> int:
        """How many inputs were asked."""
        return self.counts.used

    @property
    def exhausted(self) -> bool:
        """True when no input is left."""
        return self.answers.exhausted

    def judge(self) -> Judgement:
        """The verdict, valid after every batch and as often as one looks."""
        judged = self.answers.judge()
        estimate = judged.estimate
        if estimate is not None:
            high = 1 - estimate.low if estimate.low is not None else None
            estimate = Estimate(Measure.RATE, 1 - estimate.value, None, high, self.limit)
        return replace(judged, message=self._message(judged), estimate=estimate)

    def _message(self, judged: Judgement) -> str:
        answers, gates = self.answers, self.answers.gates
        wrong, excluded = answers.counts.answers, wording.excluded(answers.counts.excluded)
        if judged.verdict is Verdict.NO_DATA:
            return f"n=0 of {answers.size}, no answer compared yet{excluded}"
        too_little, enough = answers.accuracy.evidence(wrong, gates, final=answers.exhausted)
        rate = f"{wording.percent(wrong.rate)} (max {wording.percent(self.limit)})"
        words = [
            f"n={wrong.total} of {answers.size}{excluded}",
            f"{wrong.bad} answered otherwise than stable, {rate}",
        ]
        if judged.verdict is Verdict.FAIL:
            words.append(wording.evidence("more disagreement", too_little, HALF / gates.harm_alpha))
        else:
            words.append(wording.evidence("less disagreement", enough, HALF / gates.pass_alpha))
        words += wording.shortage(
            judged.verdict, gates.min_samples, sufficient=judged.samples_sufficient, exhausted=answers.exhausted
        )
        return ", ".join(words)

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included."""
        return {**self.answers.to_vectors(), _MAXIMUM: (self.limit,), MARK: (1.0,)}

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such evidence."""
        read(vectors, MARK, 1)
        (limit,) = read(vectors, _MAXIMUM, 1)
        answers = SingleEvidence.from_vectors({name: vectors[name] for name in vectors if name != _MAXIMUM})
        if read(vectors, _MINIMUM, 1) != (1 - limit,):
            raise EvidenceError(f"{_MAXIMUM}: {limit} is not the limit that answers were held against")
        return cls(limit, answers)
