"""A golden set by another measure than right and wrong: what each item scores, on both arms.

A score is in [0, 1], and 1 is best. A loss that has no worst value is cut off where the user says, which bounds it, and
is a score then; so is a probability's Brier score, and what an item adds to balanced accuracy when rare classes weigh
more. The mean difference of such scores can be bet on at every look, whatever their distribution is (`ScoreEvidence`),
which no test of a mean without bounds allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis import wording
from slipway.analysis.scores import ScoreEvidence
from slipway.analysis.vectors import EvidenceError, Vectors, read, whole
from slipway.analysis.verdict import Gates, Judgement, Verdict

MEASURE_MARK = "measure"
"""The vector by which this evidence is told from others: size, scale, and the sums of both arms' scores."""

_SUMS = "measure.sums"


@dataclass(frozen=True, slots=True)
class ItemScores:
    """What one item scores on each arm."""

    candidate: float
    stable: float


@dataclass(frozen=True, slots=True)
class MeasureCounts:
    """How many items were used, and how many of them could not be scored."""

    used: int
    excluded: int


@dataclass(frozen=True, slots=True)
class MeasureEvidence:
    """What a golden set of `size` items says by a measure whose mean is `scale` times that of the scores.

    `candidate` and `stable` are the sums of the scores.
    """

    scores: ScoreEvidence
    size: int
    scale: float = 1.0
    candidate: float = 0.0
    stable: float = 0.0

    @classmethod
    def begin(cls, gates: Gates, size: int, scale: float = 1.0) -> Self:
        """No evidence yet. Margins are differences of the measure, so of scores they are margins by `scale`.

        Raises ValueError for an empty set, a scale below 1, and gates that do not compare.
        """
        if size < 1 or not 1 <= scale < math.inf:
            raise ValueError(f"size: {size} items at a scale of {scale} show nothing")
        guard, proof = gates.comparison_margin, gates.non_inferiority_margin
        scaled = replace(
            gates,
            comparison_margin=guard / scale if guard is not None else None,
            non_inferiority_margin=proof / scale if proof is not None else None,
        )
        return cls(ScoreEvidence.begin(scaled), size, scale)

    def fold(self, items: Sequence[ItemScores], *, excluded: int) -> Self:
        """The evidence with some more items. Raises ValueError for scores outside of [0, 1], and too many items."""
        folded = replace(
            self,
            scores=self.scores.fold([one.candidate - one.stable for one in items], excluded=excluded),
            candidate=self.candidate + math.fsum(one.candidate for one in items),
            stable=self.stable + math.fsum(one.stable for one in items),
        )
        if folded.used > self.size:
            raise ValueError(f"{folded.used} items of a golden set of {self.size}")
        return folded

    @property
    def counts(self) -> MeasureCounts:
        """How many items were used."""
        return MeasureCounts(self.used, self.scores.excluded)

    @property
    def used(self) -> int:
        """How many items of the set were replayed."""
        return self.scores.pairs + self.scores.excluded

    @property
    def exhausted(self) -> bool:
        """True when no item is left."""
        return self.used >= self.size

    def judge(self) -> Judgement:
        """The verdict, valid after every batch and as often as one looks."""
        judged = self.scores.judge()
        if judged.verdict is Verdict.NO_DATA:
            return replace(judged, message=f"n=0 of {self.size}, no item scored yet")
        estimate, worst = judged.estimate, judged.worst_case
        if estimate is not None:
            estimate = replace(
                estimate,
                value=estimate.value * self.scale,
                low=None,
                high=estimate.high * self.scale if estimate.high is not None else None,
                allowed=estimate.allowed * self.scale,
            )
        return replace(
            judged,
            message=self._message(judged),
            difference=self.scores.loss * self.scale,
            worst_case=worst * self.scale if worst is not None else None,
            estimate=estimate,
        )

    def _message(self, judged: Judgement) -> str:
        scores, gates, failed = self.scores, self.scores.gates, judged.verdict is Verdict.FAIL
        margin = (gates.harm_margin if failed else gates.proof_margin).absolute * self.scale
        means = [wording.percent(self.scale * total / scores.pairs) for total in (self.candidate, self.stable)]
        words = [
            f"score {means[0]} beside stable's {means[1]}",
            f"loss={wording.points(scores.loss * self.scale)} (margin {wording.width(margin)})",
        ]
        if not failed and judged.worst_case is not None:
            bound = wording.points(judged.worst_case * self.scale)
            words.append(f"worst case ≤ {bound} at {wording.confidence(gates.pass_alpha)}")
        name = "safety" if judged.needed == 1 / gates.pass_alpha and not failed else "harm"
        words.append(wording.evidence(name, judged.evidence, judged.needed))
        clauses = [f"n={scores.pairs} of {self.size}{wording.excluded(scores.excluded)}", ", ".join(words)]
        clauses += wording.shortage(
            judged.verdict, gates.min_samples, sufficient=judged.samples_sufficient, exhausted=self.exhausted
        )
        return "; ".join(clauses)

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included."""
        own = {_renamed(name): vector for name, vector in self.scores.to_vectors().items()}
        return {**own, MEASURE_MARK: (float(self.size), self.scale, self.candidate, self.stable)}

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such evidence."""
        size, scale, candidate, stable = read(vectors, MEASURE_MARK, 4)
        read(vectors, _SUMS, 4)
        scores = ScoreEvidence.from_vectors({_renamed(name): vector for name, vector in vectors.items()})
        evidence = cls(scores, whole(size, MEASURE_MARK), scale, candidate, stable)
        if evidence.used > evidence.size or scale < 1:
            raise EvidenceError(f"{MEASURE_MARK}: {evidence.used} items of a golden set of {evidence.size}")
        return evidence


def _renamed(name: str) -> str:
    """The sums of scores have another name here, so that neither evidence is read as the other."""
    return {"sums": _SUMS, _SUMS: "sums"}.get(name, name)
