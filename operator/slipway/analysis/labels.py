"""Labels that come late: what was right is known hours or days after the answer.

Two things go wrong with them that no test repairs. A label that is not there yet is not a negative: only windows older
than the time in which labels arrive may be counted. And labels that arrive for one arm more often than for the other
are not missing at random: then rates are compared of different requests, and the comparison is refused until coverage
is alike; what was counted meanwhile is kept and joins the evidence then.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis import wording
from slipway.analysis.eprocess import NO_REQUESTS, ArmCounts
from slipway.analysis.ratio import RatioEvidence
from slipway.analysis.vectors import EvidenceError, Vectors, arm_vector, read, read_arm
from slipway.analysis.verdict import Judgement, no_data

COVERAGE_GAP = 0.05
"""How far the shares of labelled requests of the two arms may be apart."""

LABELS = "labels."
"""What the names of the vectors begin with that are not those of the comparison."""


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Requests of one arm in one window: `labelled` of the `due` ones have a label, `wrong` of those were wrong.

    Raises ValueError for anything else than whole numbers with 0 <= wrong <= labelled <= due.
    """

    due: int
    labelled: int
    wrong: int

    def __post_init__(self) -> None:
        if not all(isinstance(count, int) for count in (self.due, self.labelled, self.wrong)):
            raise ValueError(f"counts must be whole numbers: {self}")
        if not 0 <= self.wrong <= self.labelled <= self.due:
            raise ValueError(f"0 <= wrong <= labelled <= due does not hold for {self}")

    @property
    def coverage(self) -> ArmCounts:
        """The labelled ones among those due."""
        return ArmCounts(self.labelled, self.due)

    @property
    def outcome(self) -> ArmCounts:
        """The wrong ones among those labelled."""
        return ArmCounts(self.wrong, self.labelled)


@dataclass(frozen=True, slots=True)
class LabelEvidence:
    """A `RatioEvidence` on labelled requests, and whether labels cover both arms alike.

    `maturity` is the age in seconds from which a window's labels are taken to be complete. `pending` are the outcomes
    of candidate and stable that wait for coverage to be alike. Coverage is that of windows in which both had requests;
    `after` is the candidate's since the promotion, which is held against stable's of before.
    """

    outcomes: RatioEvidence
    maturity: float
    candidate: ArmCounts = NO_REQUESTS
    stable: ArmCounts = NO_REQUESTS
    pending: tuple[ArmCounts, ArmCounts] = (NO_REQUESTS, NO_REQUESTS)
    after: ArmCounts = NO_REQUESTS

    @classmethod
    def begin(cls, outcomes: RatioEvidence, *, maturity: float) -> Self:
        """No labels yet, for a comparison that has not begun.

        Raises ValueError when the maturity is no length of time.
        """
        if not 0 <= maturity < math.inf:
            raise ValueError(f"maturity: {maturity} is no length of time in seconds")
        return cls(outcomes, float(maturity))

    def enter_step(self) -> Self:
        """A new weight begins."""
        return replace(self, outcomes=self.outcomes.enter_step())

    def watch(self) -> Self:
        """The windows from here on are of a time in which stable took no requests. What waits for coverage to be alike
        is given up: no window will come that could even it out."""
        watched = replace(self, outcomes=self.outcomes.watch())
        return (
            replace(watched, pending=(NO_REQUESTS, NO_REQUESTS)) if watched.outcomes is not self.outcomes else watched
        )

    def fold(self, candidate: LabelCounts, stable: LabelCounts, *, age: float, seconds: float = 0.0) -> Self:
        """The evidence with one more window, which ended `age` seconds ago.

        Raises ValueError for a window that is younger than the maturity: its labels are not all there.
        """
        if not self.maturity <= age < math.inf:
            raise ValueError(f"age: labels of a window that ended {age} s ago are not complete, {self.maturity} s are")
        folded = replace(self, pending=(self.pending[0].plus(candidate.outcome), self.pending[1].plus(stable.outcome)))
        if self.outcomes.watched is not None:
            folded = replace(folded, after=self.after.plus(candidate.coverage))
        elif candidate.due and stable.due:
            covered = self.candidate.plus(candidate.coverage), self.stable.plus(stable.coverage)
            folded = replace(folded, candidate=covered[0], stable=covered[1])
        if not folded.is_comparable:
            return folded
        outcomes = folded.outcomes.fold(*folded.pending, seconds=seconds)
        return replace(folded, outcomes=outcomes, pending=(NO_REQUESTS, NO_REQUESTS))

    @property
    def is_comparable(self) -> bool:
        """True when labels cover both arms alike, and under a limit alone, where nothing is compared."""
        if not self.outcomes.gates.compares:
            return True
        both = self._ours.total and self.stable.total
        return bool(both) and abs(self._ours.rate - self.stable.rate) <= COVERAGE_GAP

    @property
    def _ours(self) -> ArmCounts:
        """The candidate's coverage that matters now."""
        return self.after if self.outcomes.watched is not None and self.after.total else self.candidate

    def judge(self) -> Judgement:
        """The verdict on the labelled requests; NoData while labels cover the arms too differently."""
        if self.is_comparable or self.outcomes.broken:
            judgement = self.outcomes.judge()
            return replace(judgement, message=f"{judgement.message}; {self._coverage()}")
        if not (self._ours.total and self.stable.total):
            return no_data(f"n={self._ours.total}/{self.stable.total}, no labels are due on both arms yet")
        apart = f"not to be compared while more than {wording.width(COVERAGE_GAP)} apart"
        return no_data(f"n={self._ours.bad}/{self.stable.bad}, {self._coverage()}, {apart}")

    def _coverage(self) -> str:
        return f"labels cover {wording.percent(self._ours.rate)}/{wording.percent(self.stable.rate)}"

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included."""
        return {
            **self.outcomes.to_vectors(),
            f"{LABELS}maturity": (self.maturity,),
            f"{LABELS}candidate": arm_vector(self.candidate),
            f"{LABELS}stable": arm_vector(self.stable),
            f"{LABELS}pending.candidate": arm_vector(self.pending[0]),
            f"{LABELS}pending.stable": arm_vector(self.pending[1]),
            f"{LABELS}after": arm_vector(self.after),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such evidence."""
        try:
            blank = cls.begin(RatioEvidence.from_vectors(vectors), maturity=read(vectors, f"{LABELS}maturity", 1)[0])
        except EvidenceError:
            raise
        except ValueError as problem:
            raise EvidenceError(str(problem)) from problem
        return replace(
            blank,
            candidate=read_arm(vectors, f"{LABELS}candidate"),
            stable=read_arm(vectors, f"{LABELS}stable"),
            pending=(
                read_arm(vectors, f"{LABELS}pending.candidate"),
                read_arm(vectors, f"{LABELS}pending.stable"),
            ),
            after=read_arm(vectors, f"{LABELS}after"),
        )
