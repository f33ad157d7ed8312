"""Golden sets on both arms: the same items, asked of candidate and stable.

Pairing removes the difficulty of the items from the comparison. Items on which both are right or both wrong say nothing
about which is better; what counts is how often the candidate loses an item that stable has, and how often it wins one.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

from slipway.analysis import wording
from slipway.analysis.eprocess import ArmCounts, log_mean_exp
from slipway.analysis.exact import bonett_price_bound, bonett_price_p, log_inverse, mcnemar_mid_p
from slipway.analysis.golden import BISECTIONS, HALF, UNTESTED, AccuracyTest, deciding
from slipway.analysis.vectors import EvidenceError, Vectors, gate_vectors, read, read_counts, read_gates
from slipway.analysis.verdict import Capital, Estimate, Gates, Judgement, Measure, Verdict

LOSS_SHARES = tuple(0.53 + 0.45 * i / 12 for i in range(1, 13))
"""What share of the discordant items the candidate may lose, for all that the bets on harm know: twelve up to .98."""

STAKES = tuple(0.03 * (0.95 / 0.03) ** (i / 9) for i in range(10))
"""The share of its capital that each bet on safety risks on a loss: ten, geometric from .03 to .95."""


@dataclass(frozen=True, slots=True)
class PairedBatch:
    """Items by what came of them on both arms.

    A loss is right on stable and wrong on the candidate (no answer is wrong, too), a win the reverse. Items that both
    arms failed to answer or that are unusable are `excluded` and counted. Raises ValueError for a negative count.
    """

    losses: int = 0
    wins: int = 0
    ties_right: int = 0
    ties_wrong: int = 0
    excluded: int = 0

    def __post_init__(self) -> None:
        if min(self.counts) < 0:
            raise ValueError(f"a count is negative in {self}")

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """The counts in the order of their declaration."""
        return (self.losses, self.wins, self.ties_right, self.ties_wrong, self.excluded)

    @property
    def items(self) -> int:
        """How many items both arms were judged on."""
        return self.losses + self.wins + self.ties_right + self.ties_wrong

    @property
    def used(self) -> int:
        """How many items of the set these counts account for."""
        return self.items + self.excluded

    @property
    def loss(self) -> float:
        """Stable's accuracy minus the candidate's; 0 without items."""
        return (self.losses - self.wins) / self.items if self.items else 0.0

    @property
    def candidate(self) -> ArmCounts:
        """The candidate's wrong answers among all."""
        return ArmCounts(self.losses + self.ties_wrong, self.items)

    @property
    def stable(self) -> ArmCounts:
        """Stable's wrong answers among all."""
        return ArmCounts(self.wins + self.ties_wrong, self.items)

    def plus(self, other: "PairedBatch") -> "PairedBatch":
        """Both batches together."""
        return PairedBatch(*(a + b for a, b in zip(self.counts, other.counts, strict=True)))


def log_worse(counts: PairedBatch, *, final: bool) -> float:
    """The log-evidence against "losses are no likelier than wins": McNemar's test as a mixture of bets on each item."""
    looks = log_mean_exp(
        [counts.losses * math.log(2 * share) + counts.wins * math.log(2 - 2 * share) for share in LOSS_SHARES]
    )
    return max(looks, log_inverse(mcnemar_mid_p(counts.losses, counts.wins))) if final else looks


def log_no_worse(counts: PairedBatch, margin: float, *, final: bool) -> float:
    """The log-evidence against "accuracy is lower by at least `margin`" (-1 < margin < 1).

    Betting on a bounded mean (Waudby-Smith and Ramdas 2024): with D = +1, 0, -1 for win, tie, loss, each item
    multiplies the capital by 1 + b (D + margin), whose expectation is at most one when E[D] <= -margin.
    """
    if not counts.items:
        return 0.0
    ties = counts.ties_right + counts.ties_wrong
    tie, win = margin / (1 - margin), (1 + margin) / (1 - margin)
    looks = log_mean_exp(
        [
            counts.losses * math.log1p(-stake) + ties * math.log1p(stake * tie) + counts.wins * math.log1p(stake * win)
            for stake in STAKES
        ]
    )
    if not final:
        return looks
    return max(looks, log_inverse(bonett_price_p(counts.losses, counts.wins, counts.items, margin)))


@lru_cache(maxsize=1024)
def worst_loss(counts: PairedBatch, needed: float, *, final: bool) -> float:
    """The smallest loss, at most 1, that evidence `needed` to one excludes, rounded up to a hundredth of a point."""
    low, high = -1.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if log_no_worse(counts, middle, final=False) >= math.log(needed):
            high = middle
        else:
            low = middle
    if final and counts.items:
        high = min(high, bonett_price_bound(counts.losses, counts.wins, counts.items, 1 / needed))
    return math.ceil(high * 10_000) / 10_000


@dataclass(frozen=True, slots=True)
class PairedEvidence:
    """What the same items, asked of both arms, say of the candidate, and the gates it is collected for.

    `size` is that of a golden set; None is a stream without an end, such as mirrored requests, where a loss may also be
    a slower answer. `harm` is the greatest log-evidence of harm while the loss exceeded the margin, `safety` the
    greatest of none.
    """

    gates: Gates
    size: int | None
    counts: PairedBatch = PairedBatch()
    harm: float = 0.0
    safety: float = 0.0
    accuracy: AccuracyTest = UNTESTED

    @classmethod
    def begin(cls, gates: Gates, size: int | None) -> Self:
        """No evidence yet, from a set of `size` items or from a stream.

        Raises ValueError when the set is empty or no gate is given that it can meet.
        """
        if size is not None and size < 1:
            raise ValueError(f"size: a golden set of {size} items shows nothing")
        if gates.is_relative:
            raise ValueError("gates: accuracies are compared by their difference, not relative to each other")
        if size is None and gates.threshold_min is not None:
            raise ValueError("threshold_min: a stream has no last item at which a minimum would be decided")
        if gates.threshold_max is not None:
            raise ValueError("threshold_max: accuracy has a minimum, not a maximum")
        if not gates.compares and gates.threshold_min is None:
            raise ValueError("gates: a golden set needs threshold_min, comparison_margin or non_inferiority_margin")
        return cls(gates, size)

    def fold(self, batch: PairedBatch) -> Self:
        """The evidence with some more items.

        Raises ValueError for more items than the set has.
        """
        counts = self.counts.plus(batch)
        if self.size is not None and counts.used > self.size:
            raise ValueError(f"{counts.used} items of a golden set of {self.size}")
        folded = replace(self, counts=counts)
        final = folded.exhausted
        if self.gates.compares:
            harmful = counts.loss > self.gates.harm_margin.absolute
            folded = replace(
                folded,
                harm=max(self.harm, log_worse(counts, final=final)) if harmful else self.harm,
                safety=max(self.safety, log_no_worse(counts, self.gates.proof_margin.absolute, final=final)),
            )
        if self.gates.threshold_min is not None:
            accuracy = self.accuracy.after(counts.candidate, self.gates.threshold_min, final=final)
            folded = replace(folded, accuracy=accuracy)
        return folded

    @property
    def exhausted(self) -> bool:
        """True when no item is left, so that no verdict but the present one will come."""
        return self.size is not None and self.counts.used >= self.size

    @property
    def _to_fail(self) -> float:
        return (HALF if self.size is not None else 1.0) / self.gates.harm_alpha

    @property
    def _to_pass(self) -> float:
        return (HALF if self.size is not None else 1.0) / self.gates.pass_alpha

    def judge(self) -> Judgement:
        """The verdict on all gates together, valid after every batch and as often as one looks.

        Fail when any gate has failed. Pass when everything that was asked to be proven is: non-inferiority and the
        minimum, or the comparison where it is the only gate.
        """
        sufficient = self.counts.items >= self.gates.min_samples
        verdict = self._verdict(sufficient)
        value, needed = self._decisive(verdict)
        return Judgement(
            verdict=verdict,
            message=self._message(verdict, sufficient),
            evidence=value,
            needed=needed,
            candidate_samples=self.counts.items,
            stable_samples=self.counts.items,
            difference=self.counts.loss if self.counts.items else None,
            samples_sufficient=sufficient,
            worst_case=self._worst_case() if self.gates.compares and self.counts.items else None,
            capital=self._capital() if self.counts.items else None,
            estimate=self._estimate() if self.counts.items else None,
        )

    def _capital(self) -> Capital:
        """The larger evidence of harm, and of the proofs that a Pass takes the one that is further away."""
        pairs = [self._comparison()] if self.gates.compares else []
        pairs += [self._accuracy()] if self.gates.threshold_min is not None else []
        proofs = pairs if self._must_be_safe() or not self.gates.compares else pairs[1:]
        harm, safety = max(harm for harm, _ in pairs), min(safety for _, safety in proofs)
        return Capital(math.log(harm), math.log(self._to_fail), math.log(safety), math.log(self._to_pass))

    def _estimate(self) -> Estimate:
        """The loss where arms are compared, its bounds exact at every look; else the accuracy."""
        if not self.gates.compares:
            return self.accuracy.estimate(self.counts.candidate, self.gates, final=self.exhausted)
        swapped = replace(self.counts, losses=self.counts.wins, wins=self.counts.losses)
        low = -worst_loss(swapped, self._to_pass, final=self.exhausted)
        allowed = self.gates.harm_margin.absolute
        return Estimate(Measure.DIFFERENCE, self.counts.loss, low, self._worst_case(), allowed)

    @property
    def is_worse(self) -> bool:
        """True once harm has been shown."""
        return self.harm >= math.log(self._to_fail)

    def _is_inaccurate(self) -> bool:
        return self.gates.threshold_min is not None and self.accuracy.fails(self.gates)

    def _verdict(self, sufficient: bool) -> Verdict:
        if self.is_worse or self._is_inaccurate():
            return Verdict.FAIL
        if not self.counts.items:
            return Verdict.NO_DATA
        safe = not self._must_be_safe() or self.safety >= math.log(self._to_pass)
        accurate = self.gates.threshold_min is None or self.accuracy.passes(self.gates)
        return Verdict.PASS if safe and accurate and sufficient else Verdict.CONTINUE

    def _must_be_safe(self) -> bool:
        """A comparison beside a minimum is a guardrail: it can fail, and has nothing to prove."""
        alone = self.gates.comparison_margin is not None and self.gates.threshold_min is None
        return self.gates.non_inferiority_margin is not None or alone

    def _comparison(self) -> tuple[float, float]:
        """The evidence to report, of harm and of safety."""
        final = self.exhausted
        margin = self.gates.proof_margin.absolute
        return (
            deciding(self.harm, log_worse(self.counts, final=final), self._to_fail),
            deciding(self.safety, log_no_worse(self.counts, margin, final=final), self._to_pass),
        )

    def _accuracy(self) -> tuple[float, float]:
        return self.accuracy.evidence(self.counts.candidate, self.gates, final=self.exhausted)

    def _decisive(self, verdict: Verdict) -> tuple[float, float]:
        """The evidence that the verdict rests on, or waits for: of two proofs the one that is further away."""
        to_fail, to_pass = self._to_fail, self._to_pass
        if verdict is Verdict.FAIL:
            return (self._comparison()[0] if self.is_worse else self._accuracy()[0]), to_fail
        proofs = [self._comparison()[1]] if self._must_be_safe() else []
        if self.gates.threshold_min is not None:
            proofs.append(self._accuracy()[1])
        return min(proofs), to_pass

    def _message(self, verdict: Verdict, sufficient: bool) -> str:
        excluded = wording.excluded(self.counts.excluded)
        if verdict is Verdict.NO_DATA:
            return f"n=0{self._of_size()}, no item judged yet{excluded}"
        clauses = [f"n={self.counts.items}{self._of_size()}{excluded}"]
        if self.gates.compares and (verdict is not Verdict.FAIL or self.is_worse):
            clauses.append(self._comparison_clause(verdict))
        if self.gates.threshold_min is not None and (verdict is not Verdict.FAIL or self._is_inaccurate()):
            clauses.append(self.accuracy.clause(self.counts.candidate, self.gates, final=self.exhausted))
        clauses += wording.shortage(verdict, self.gates.min_samples, sufficient=sufficient, exhausted=self.exhausted)
        return "; ".join(clauses)

    def _of_size(self) -> str:
        return f" of {self.size}" if self.size is not None else ""

    def _worst_case(self) -> float:
        return worst_loss(self.counts, self._to_pass, final=self.exhausted)

    def _comparison_clause(self, verdict: Verdict) -> str:
        counts, (harm, safety) = self.counts, self._comparison()
        margin = self.gates.harm_margin.absolute if verdict is Verdict.FAIL else self.gates.proof_margin.absolute
        candidate, stable = wording.percent(1 - counts.candidate.rate), wording.percent(1 - counts.stable.rate)
        words = [
            f"accuracy {candidate} beside stable's {stable}",
            f"{counts.losses} lost and {counts.wins} won",
            f"loss={wording.points(counts.loss)} (margin {wording.width(margin)})",
        ]
        if verdict is Verdict.FAIL:
            return ", ".join([*words, wording.evidence("harm", harm, self._to_fail)])
        bound = wording.points(self._worst_case())
        words.append(f"worst case ≤ {bound} at {wording.confidence(self.gates.pass_alpha)}")
        words.append(wording.evidence("safety", safety, self._to_pass))
        return ", ".join(words)

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers, gates included."""
        return gate_vectors(self.gates) | {
            "size": () if self.size is None else (float(self.size),),
            "counts": tuple(float(count) for count in self.counts.counts),
            "comparison": (self.harm, self.safety),
            "accuracy": (self.accuracy.too_little, self.accuracy.enough),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`.

        Raises EvidenceError when the vectors are not such evidence.
        """
        counts = PairedBatch(*read_counts(vectors, "counts", 5))
        try:
            sizes = read_counts(vectors, "size", 1 if vectors.get("size") else 0)
            blank = cls.begin(read_gates(vectors), size=sizes[0] if sizes else None)
        except ValueError as problem:
            raise EvidenceError(str(problem)) from problem
        if blank.size is not None and counts.used > blank.size:
            raise EvidenceError(f"counts: {counts.used} items of a golden set of {blank.size}")
        harm, safety = read(vectors, "comparison", 2)
        accuracy = AccuracyTest(*read(vectors, "accuracy", 2))
        return replace(blank, counts=counts, harm=harm, safety=safety, accuracy=accuracy)
