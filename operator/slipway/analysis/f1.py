"""F1 on a golden set: how well one label is found, on both arms, judged when the last item was replayed.

F1 = 2 TP / (2 TP + FP + FN) is no mean of what single items score, so that its difference cannot be bet on at every
look. But of items that both arms answered, eight counts are all there is to know: how many items of the label, and of
the others, each arm called so. From them the difference of the two F1 has a normal approximation by the delta method,
with the covariance of the arms in it, which holds at one look; and one look is enough where the set is finite. So that
a set on which the arms seldom differ is not taken for one without variance, the spread is that of counts in which each
of the four ways to differ was seen once more (the adjustment of Bonett and Price 2012 for paired proportions).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final, NamedTuple, Self

from slipway.analysis import wording
from slipway.analysis.measures import MeasureCounts
from slipway.analysis.vectors import EvidenceError, Vectors, gate_vectors, read, read_counts, read_gates, whole
from slipway.analysis.verdict import Estimate, Gates, Judgement, Measure, Verdict

F1_MARK: Final = "f1"
"""The vector by which this evidence is told from others: the size of the set, and what was excluded."""

MIN_POSITIVE: Final = 30
"""Fewest items of the label: the approximation is poor below, and so would be the proof."""

_COUNTS: Final = "f1.counts"


class Cell(NamedTuple):
    """One item as F1 sees it: whether it is of the label, and whether each arm called it so."""

    labelled: bool
    candidate: bool
    stable: bool


CELLS: Final = tuple(Cell(y, c, s) for y in (False, True) for c in (False, True) for s in (False, True))
"""All kinds of items, in the order of the counts."""


@dataclass(frozen=True, slots=True)
class F1Evidence:
    """What a golden set of `size` items says of one label. `counts` are those of `CELLS`."""

    gates: Gates
    size: int
    counts_of_cells: tuple[int, ...] = (0,) * len(CELLS)
    excluded: int = 0

    @classmethod
    def begin(cls, gates: Gates, size: int) -> Self:
        """No evidence yet.

        Raises ValueError for an empty set, and for gates that do not compare by a difference.
        """
        if size < 1:
            raise ValueError(f"size: {size} items show nothing")
        if not gates.compares or gates.is_relative:
            raise ValueError("gates: F1 needs comparison_margin or non_inferiority_margin")
        if gates.threshold_max is not None or gates.threshold_min is not None:
            raise ValueError("gates: F1 is compared with stable's, and cannot be held against a threshold")
        return cls(gates, size)

    def fold(self, items: Iterable[Cell], *, excluded: int) -> Self:
        """The evidence with some more items; `excluded` ones neither arm answered. Raises ValueError for too many."""
        counts = dict(zip(CELLS, self.counts_of_cells, strict=True))
        for one in items:
            counts[one] += 1
        folded = replace(self, counts_of_cells=tuple(counts.values()), excluded=self.excluded + excluded)
        if folded.used > self.size:
            raise ValueError(f"{folded.used} items of a golden set of {self.size}")
        return folded

    @property
    def items(self) -> int:
        """How many items were answered by an arm."""
        return sum(self.counts_of_cells)

    @property
    def counts(self) -> MeasureCounts:
        """How many items were used."""
        return MeasureCounts(self.used, self.excluded)

    @property
    def used(self) -> int:
        """How many items of the set were replayed."""
        return self.items + self.excluded

    @property
    def exhausted(self) -> bool:
        """True when no item is left."""
        return self.used >= self.size

    def judge(self) -> Judgement:
        """The verdict: Continue until the last item was replayed."""
        if not self.items:
            message = f"n=0 of {self.size}, no item answered yet"
            return replace(self._judgement(Verdict.NO_DATA, message, None, 1.0), samples_sufficient=False)
        cells = dict(zip(CELLS, self.counts_of_cells, strict=True))
        candidate, stable = (f1(cells, arm) for arm in ("candidate", "stable"))
        positive = sum(count for cell, count in cells.items() if cell.labelled)
        words = [f"F1 {wording.percent(candidate)} beside stable's {wording.percent(stable)}"]
        head = f"n={self.items} of {self.size}{wording.excluded(self.excluded)}, {positive} of the label"
        if not self.exhausted:
            return self._judgement(
                Verdict.CONTINUE, "; ".join([head, *words, "judged at the end of the set"]), None, 1.0
            )
        if positive < MIN_POSITIVE:
            words.append(f"{MIN_POSITIVE} items of the label are wanted")
            return self._judgement(Verdict.CONTINUE, "; ".join([head, *words]), None, 1.0)
        loss, spread = stable - candidate, _spread(cells)
        return self._decided(head, words, loss, spread)

    def _decided(self, head: str, words: Sequence[str], loss: float, spread: float) -> Judgement:
        gates, normal = self.gates, NormalDist()
        guard, proof = gates.harm_margin.absolute, gates.proof_margin.absolute
        low = loss - normal.inv_cdf(1 - gates.harm_alpha) * spread
        high = loss + normal.inv_cdf(1 - gates.pass_alpha) * spread
        enough = self.items >= gates.min_samples
        if low > 0 and loss > guard:
            verdict = Verdict.FAIL
        elif high < proof and enough:
            verdict = Verdict.PASS
        else:
            verdict = Verdict.CONTINUE
        margin = guard if verdict is Verdict.FAIL else proof
        said = [
            f"loss={wording.points(loss)} (margin {wording.width(margin)})",
            f"worst case ≤ {wording.points(high)} at {wording.confidence(gates.pass_alpha)}",
        ]
        short = wording.shortage(verdict, gates.min_samples, sufficient=enough, exhausted=True)
        message = "; ".join([head, ", ".join([*words, *said]), *short])
        estimate = Estimate(Measure.DIFFERENCE, loss, low, high, margin)
        judged = self._judgement(verdict, message, estimate, _tail(loss, spread))
        return replace(judged, doubtful=verdict is Verdict.CONTINUE and loss > guard + 2 * spread, worst_case=high)

    def _judgement(self, verdict: Verdict, message: str, estimate: Estimate | None, p_value: float) -> Judgement:
        return Judgement(
            verdict=verdict,
            message=message,
            evidence=min(1 / max(p_value, 1e-12), 1e12) if estimate is not None else 0.0,
            needed=1 / self.gates.harm_alpha,
            candidate_samples=self.items,
            stable_samples=self.items,
            difference=estimate.value if estimate is not None else None,
            samples_sufficient=self.items >= self.gates.min_samples,
            estimate=estimate,
        )

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included."""
        return {
            **gate_vectors(self.gates),
            F1_MARK: (float(self.size), float(self.excluded)),
            _COUNTS: tuple(map(float, self.counts_of_cells)),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such evidence."""
        size, excluded = (whole(value, F1_MARK) for value in read(vectors, F1_MARK, 2))
        evidence = cls(read_gates(vectors), size, read_counts(vectors, _COUNTS, len(CELLS)), excluded)
        if not size or evidence.used > size or not evidence.gates.compares:
            raise EvidenceError(f"{F1_MARK}: {evidence.used} items of a golden set of {size}")
        return evidence


def f1(cells: Mapping[Cell, float], arm: str) -> float:
    """2 TP / (P + PP), where P items are of the label and PP were called so; 0 where there are neither."""
    hits, sizes = _parts(cells, arm)
    return hits / sizes if sizes else 0.0


def _parts(cells: Mapping[Cell, float], arm: str) -> tuple[float, float]:
    called = {cell: getattr(cell, arm) for cell in cells}
    hits = math.fsum(2 * count for cell, count in cells.items() if cell.labelled and called[cell])
    return hits, math.fsum(count * (cell.labelled + called[cell]) for cell, count in cells.items())


def _spread(cells: Mapping[Cell, int]) -> float:
    """The standard error of stable's F1 minus the candidate's, by the delta method."""
    adjusted = {cell: count + (cell.candidate != cell.stable) for cell, count in cells.items()}
    arms = {arm: _parts(adjusted, arm) for arm in ("candidate", "stable")}

    def pull(cell: Cell, arm: str) -> float:
        hits, sizes = arms[arm]
        called = bool(getattr(cell, arm))
        return (2 * (cell.labelled and called) - hits / sizes * (cell.labelled + called)) / sizes

    squares = [count * (pull(cell, "stable") - pull(cell, "candidate")) ** 2 for cell, count in adjusted.items()]
    return math.sqrt(math.fsum(squares))


def _tail(loss: float, spread: float) -> float:
    """The probability of such a loss where there is none."""
    return 1 - NormalDist().cdf(loss / spread)
