"""Scores and rewards in [0, 1], paired: what a judge, a user or a metric gave both answers to the same input.

Nothing is assumed of how scores are distributed but their bounds. Of a difference D = candidate - stable in [-1, 1] a
bet multiplies its capital by 1 - b D against "the candidate is no worse", or by 1 + b (D + margin) against "it is worse
by the margin", which is fair for every distribution under the null (Waudby-Smith and Ramdas 2024). Answers of one
conversation belong into one difference, their mean; a judge is asked twice with the positions swapped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis import wording
from slipway.analysis.eprocess import log_mean_exp
from slipway.analysis.paired import STAKES
from slipway.analysis.vectors import EvidenceError, Vectors, gate_vectors, read, read_flags, read_gates, whole
from slipway.analysis.verdict import Capital, Estimate, Gates, Judgement, Measure, Verdict

CHUNK = 64
"""Factors that are multiplied before a logarithm is taken: none is below 0.05, so 64 of them do not underflow."""

BISECTIONS = 20
"""Enough for a bound in hundredths of a percentage point."""


@dataclass(frozen=True, slots=True)
class ScoreEvidence:
    """What paired differences of scores say, and the gates they are collected for.

    `harm` and `safety` are the log-capitals of one bet for each stake; `total` and `squares` are sums of differences
    and of their squares. `excluded` pairs had no score on either side; a candidate that gave no answer scores 0.
    """

    gates: Gates
    pairs: int = 0
    total: float = 0.0
    squares: float = 0.0
    excluded: int = 0
    harm: tuple[float, ...] = (0.0,) * len(STAKES)
    safety: tuple[float, ...] = (0.0,) * len(STAKES)
    failed: bool = False
    passed: bool = False

    @classmethod
    def begin(cls, gates: Gates) -> Self:
        """No evidence yet.

        Raises ValueError when the gates compare nothing, or not by a difference on the scale of the scores.
        """
        if not gates.compares or gates.is_relative:
            raise ValueError("gates: scores need comparison_margin or non_inferiority_margin, a difference of scores")
        if gates.threshold_max is not None or gates.threshold_min is not None:
            raise ValueError("gates: paired scores show a difference, and cannot be held against a threshold")
        return cls(gates)

    def fold(self, differences: Sequence[float], *, excluded: int = 0) -> Self:
        """The evidence with the differences candidate - stable of some more pairs.

        Raises ValueError for one that is not in [-1, 1], NaN included, and for a negative number of excluded pairs.
        """
        strangers = [value for value in differences if not -1 <= value <= 1]
        if strangers or excluded < 0:
            raise ValueError(f"differences: {strangers[:3]} are not in [-1, 1], or {excluded} excluded is no count")
        margin = self.gates.proof_margin.absolute
        folded = replace(
            self,
            pairs=self.pairs + len(differences),
            total=self.total + math.fsum(differences),
            squares=self.squares + math.fsum(value * value for value in differences),
            excluded=self.excluded + excluded,
            harm=_after(self.harm, STAKES, [-value for value in differences]),
        )
        if not self.passed:
            stakes = tuple(stake / (1 - margin) for stake in STAKES)
            folded = replace(folded, safety=_after(self.safety, stakes, [value + margin for value in differences]))
        harmful = folded.loss > self.gates.harm_margin.absolute
        return replace(
            folded,
            failed=self.failed or (harmful and log_mean_exp(folded.harm) >= math.log(1 / self.gates.harm_alpha)),
            passed=self.passed or log_mean_exp(folded.safety) >= math.log(1 / self.gates.pass_alpha),
        )

    @property
    def loss(self) -> float:
        """By how much the candidate scores lower, on average; 0 without pairs."""
        return -self.total / self.pairs if self.pairs else 0.0

    def worst_case(self) -> float:
        """The smallest loss that is excluded at every look, by bisection; at most 1.

        A bet against a loss of d is, from sums alone, worth at least exp(b S - psi(b) Q), where S and Q sum (D + d)/(1
        - d) and its square and psi(b) = -ln(1 - b) - b (Howard et al. 2021; the empirical Bernstein process).
        """
        needed = math.log(1 / self.gates.pass_alpha)
        low, high = -1.0, 1.0
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if self._log_excluded(middle) >= needed:
                high = middle
            else:
                low = middle
        bound = self.gates.proof_margin.absolute if self.passed else 1.0
        return min(bound, math.ceil(high * 10_000) / 10_000)

    def _log_excluded(self, loss: float) -> float:
        shifted = (self.total + self.pairs * loss) / (1 - loss)
        squared = (self.squares + 2 * loss * self.total + self.pairs * loss**2) / (1 - loss) ** 2
        return log_mean_exp([stake * shifted - (-math.log1p(-stake) - stake) * squared for stake in STAKES])

    def judge(self) -> Judgement:
        """The verdict, valid after every pair and as often as one looks."""
        sufficient = self.pairs >= self.gates.min_samples
        verdict = self._verdict(sufficient)
        harm, safety = (wording.from_log(log_mean_exp(logs)) for logs in (self.harm, self.safety))
        waits_for_proof = verdict is Verdict.PASS or (self.gates.proves and not self.failed)
        return Judgement(
            verdict=verdict,
            message=self._message(verdict, harm, safety, sufficient=sufficient),
            evidence=safety if waits_for_proof else harm,
            needed=1 / (self.gates.pass_alpha if waits_for_proof else self.gates.harm_alpha),
            candidate_samples=self.pairs,
            stable_samples=self.pairs,
            difference=self.loss if self.pairs else None,
            samples_sufficient=sufficient,
            worst_case=self.worst_case() if self.pairs else None,
            capital=Capital(
                log_mean_exp(self.harm),
                math.log(1 / self.gates.harm_alpha),
                log_mean_exp(self.safety),
                math.log(1 / self.gates.pass_alpha),
            ),
            estimate=self._estimate() if self.pairs else None,
        )

    def _estimate(self) -> Estimate:
        allowed = self.gates.harm_margin.absolute
        return Estimate(Measure.DIFFERENCE, self.loss, None, self.worst_case(), allowed)

    def _verdict(self, sufficient: bool) -> Verdict:
        if self.failed:
            return Verdict.FAIL
        if not self.pairs:
            return Verdict.NO_DATA
        return Verdict.PASS if self.passed and sufficient else Verdict.CONTINUE

    def _message(self, verdict: Verdict, harm: float, safety: float, *, sufficient: bool) -> str:
        if verdict is Verdict.NO_DATA:
            return f"n=0, no pair scored yet{wording.excluded(self.excluded)}"
        margin = self.gates.harm_margin if verdict is Verdict.FAIL else self.gates.proof_margin
        loss = f"loss={wording.points(self.loss)} of the scale (margin {wording.margin(margin)})"
        words = [f"n={self.pairs}{wording.excluded(self.excluded)} {loss}"]
        if verdict is not Verdict.FAIL:
            confidence = wording.confidence(self.gates.pass_alpha)
            words.append(f"worst case ≤ {wording.points(self.worst_case())} at {confidence}")
        words.append(wording.evidence("harm", harm, 1 / self.gates.harm_alpha))
        if self.gates.proves and verdict is not Verdict.FAIL:
            words.append(wording.evidence("safety", safety, 1 / self.gates.pass_alpha))
        return ", ".join([*words, *[f"{self.gates.min_samples} pairs wanted"] * (not sufficient and not self.failed)])

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included."""
        return gate_vectors(self.gates) | {
            "sums": (float(self.pairs), self.total, self.squares, float(self.excluded)),
            "harm": self.harm,
            "safety": self.safety,
            "decided": (float(self.failed), float(self.passed)),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`.

        Raises EvidenceError when the vectors are not such evidence.
        """
        try:
            blank = cls.begin(read_gates(vectors))
        except ValueError as problem:
            raise EvidenceError(str(problem)) from problem
        pairs, total, squares, excluded = read(vectors, "sums", 4)
        if abs(total) > pairs or not 0 <= squares <= pairs:
            raise EvidenceError(f"sums: {pairs} differences in [-1, 1] do not add up to {total}, squared {squares}")
        failed, passed = read_flags(vectors, "decided", 2)
        return replace(
            blank,
            pairs=whole(pairs, "sums"),
            total=total,
            squares=squares,
            excluded=whole(excluded, "sums"),
            harm=read(vectors, "harm", len(STAKES)),
            safety=read(vectors, "safety", len(STAKES)),
            failed=failed,
            passed=passed,
        )


def _after(logs: Sequence[float], stakes: Sequence[float], values: Sequence[float]) -> tuple[float, ...]:
    """Log-capitals after bets of 1 + stake x value, several values to a logarithm."""
    chunks = [values[index : index + CHUNK] for index in range(0, len(values), CHUNK)]
    return tuple(
        log + math.fsum(math.log(math.prod([1 + stake * value for value in chunk])) for chunk in chunks)
        for log, stake in zip(logs, stakes, strict=True)
    )
