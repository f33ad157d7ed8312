"""Drift: are inputs, or predictions, still distributed as they were when the release was promoted?

The population stability index is what people know, with its rules of thumb of 0.1 and 0.25, and they mislead in small
samples: without any drift its expectation is (bins - 1)(1/n + 1/m), so that 50 requests in 10 bins show "drift" most of
the time. Here its bias is taken off and its chance limit told; and whether a share of a bin has moved at all is tested
for each bin at every look. A Fail needs both, evidence of a change and a change that is large.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from slipway.analysis import wording
from slipway.analysis.bets import log_above, log_below
from slipway.analysis.eprocess import ArmCounts, log_mean_exp
from slipway.analysis.exact import chi_square_quantile
from slipway.analysis.vectors import EvidenceError, Vectors, read, read_counts, read_flags
from slipway.analysis.verdict import Judgement, Verdict, no_data

BINS = 10
"""Bins by default, the deciles of the reference: fewer see less, more need more requests."""

LARGEST_INDEX = 0.25
"""The index, its bias taken off, above which a change is large."""

ENOUGH = 500
"""Requests below which the index is not read at all."""

TOLERANCE = 0.02
"""How far the share of a bin may move, beside three standard errors of the reference, before it counts as moved."""

LIMIT_CONFIDENCE = 0.95
"""The confidence of the limit that chance alone keeps the index below."""


def decile_edges(values: Iterable[float], bins: int = BINS) -> tuple[float, ...]:
    """The inner edges of bins that hold equal shares of the reference; fewer where many values are equal.

    Raises ValueError without finite values.
    """
    ordered = sorted(values)
    if not ordered or not all(map(math.isfinite, ordered)):
        raise ValueError("values: a reference needs values, and all of them finite")
    edges = {ordered[min(len(ordered) * part // bins, len(ordered) - 1)] for part in range(1, bins)}
    return tuple(sorted(edges))


def binned(values: Iterable[float], edges: Sequence[float]) -> tuple[int, ...]:
    """How many values fall between the edges, beyond them, and last of all into none, which is what NaN does."""
    counts = [0] * (len(edges) + 2)
    for value in values:
        counts[-1 if math.isnan(value) else bisect_left(edges, value)] += 1
    return tuple(counts)


def grouped(counts: Sequence[int], bins: int = BINS) -> tuple[int, ...]:
    """Where neighbouring buckets of a reference are put together into bins of about equal shares: the index of the last
    bucket of each bin, the last of all among them.

    A bin ends where it has its share, or before a bucket that has a whole share by itself. Buckets before the first and
    behind the last that have any count stay bins of their own, so that values where the reference has none are seen.
    Raises ValueError for a reference without counts.
    """
    total = sum(counts)
    if not total:
        raise ValueError("counts: a reference without requests has no shares")
    filled = [index for index, count in enumerate(counts) if count]
    first, last = filled[0], filled[-1]
    ends, seen = [first - 1] if first else [], 0
    for index in range(first, last):
        seen += counts[index]
        if seen and max(seen, counts[index + 1]) * bins >= total:
            ends.append(index)
            seen = 0
    ends.append(last)
    return tuple(ends if last == len(counts) - 1 else [*ends, len(counts) - 1])


@dataclass(frozen=True, slots=True)
class Moved:
    """A bin whose share changed: its place, and the shares in the reference and now."""

    index: int
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Stability:
    """The population stability index of two samples, its expectation without drift, and what chance seldom exceeds."""

    value: float
    bias: float
    limit: float

    @property
    def corrected(self) -> float:
        """The index with its bias taken off."""
        return self.value - self.bias

    @classmethod
    def of(cls, reference: Sequence[int], current: Sequence[int]) -> Self:
        """From the counts of two samples in the same bins; bins that are empty in both say nothing.

        Half a request is added to each bin, so that an empty one has a logarithm. Bias and limit are Yurdakul's (2018):
        the index over 1/n + 1/m is chi-square with a degree of freedom for each bin but one.
        """
        filled = [(a, b) for a, b in zip(reference, current, strict=True) if a or b]
        old, new = sum(a for a, _ in filled), sum(b for _, b in filled)
        if not old or not new:
            raise ValueError(f"counts: {old} in the reference and {new} now cannot be compared")
        half = 0.5 * len(filled)
        shares = [((a + 0.5) / (old + half), (b + 0.5) / (new + half)) for a, b in filled]
        scale, degrees = 1 / old + 1 / new, len(filled) - 1
        limit = chi_square_quantile(LIMIT_CONFIDENCE, degrees) * scale if degrees else 0.0
        return cls(math.fsum((b - a) * math.log(b / a) for a, b in shares), degrees * scale, limit)


@dataclass(frozen=True, slots=True)
class DriftEvidence:
    """What is known of one distribution, against a reference in the same bins.

    Bins may be intervals of a number, as by `decile_edges`, or classes. Only sums matter, so that is all there is to
    remember, beside the `peak` of the log-evidence.
    """

    reference: tuple[int, ...]
    counts: tuple[int, ...]
    largest: float = LARGEST_INDEX
    min_samples: int = ENOUGH
    alpha: float = 0.01
    peak: float = 0.0
    failed: bool = False

    @classmethod
    def begin(
        cls,
        reference: Sequence[int],
        *,
        largest: float = LARGEST_INDEX,
        min_samples: int = ENOUGH,
        alpha: float = 0.01,
    ) -> Self:
        """Nothing seen yet.

        Raises ValueError for a reference without requests or with one bin, and for limits that mean nothing.
        """
        _check_counts(reference)
        if len(reference) < 2 or not sum(reference):
            raise ValueError(f"reference: {sum(reference)} requests in {len(reference)} bins have no distribution")
        if not 0 < largest < math.inf or not 0 < alpha < 1 or min_samples < 1:
            raise ValueError(
                f"gates: an index of {largest}, an alpha of {alpha} and {min_samples} samples mean nothing"
            )
        return cls(tuple(reference), (0,) * len(reference), largest, min_samples, alpha)

    def fold(self, counts: Sequence[int]) -> Self:
        """The evidence with the counts of one more window, in the bins of the reference.

        Raises ValueError for other bins and for counts that are none.
        """
        _check_counts(counts)
        if len(counts) != len(self.reference):
            raise ValueError(f"counts: {len(counts)} bins where the reference has {len(self.reference)}")
        if self.failed:
            return self
        folded = replace(self, counts=tuple(a + b for a, b in zip(self.counts, counts, strict=True)))
        folded = replace(folded, peak=max(self.peak, folded._log_evidence()))
        enough = folded.peak >= math.log(1 / self.alpha) and sum(folded.counts) >= self.min_samples
        return replace(folded, failed=enough and folded.stability().corrected > self.largest)

    def stability(self) -> Stability:
        """The index as of now. Raises ValueError before the first request."""
        return Stability.of(self.reference, self.counts)

    def moved(self, most: int = 3) -> tuple[Moved, ...]:
        """The bins that make the index, those that make most of it first: what a person wants to look at."""
        old, new = sum(self.reference), sum(self.counts)
        if not new:
            return ()
        half = 0.5 * len(self.reference)
        found = []
        for index, (before, now) in enumerate(zip(self.reference, self.counts, strict=True)):
            a, b = (before + 0.5) / (old + half), (now + 0.5) / (new + half)
            found.append(((b - a) * math.log(b / a), Moved(index, before / old, now / new)))
        return tuple(one for part, one in sorted(found, key=lambda item: (-item[0], item[1].index))[:most] if part > 0)

    def _log_evidence(self) -> float:
        """That the share of some bin is beyond what the reference and a tolerance allow: the mean over bins and sides.

        Each is the one-sample test of a limit; a side without a limit keeps its capital of one.
        """
        old, new = sum(self.reference), sum(self.counts)
        logs: list[float] = []
        for before, now in zip(self.reference, self.counts, strict=True):
            share = before / old
            slack = TOLERANCE + 3 * math.sqrt(share * (1 - share) / old)
            seen = ArmCounts(now, new)
            logs.append(log_mean_exp(log_above(seen, share + slack)) if share + slack < 1 else 0.0)
            logs.append(log_mean_exp(log_below(seen, share - slack)) if share - slack > 0 else 0.0)
        return log_mean_exp(logs)

    def judge(self) -> Judgement:
        """Fail for a large change that is shown; Pass when the index is small, by more than chance could hide."""
        total = sum(self.counts)
        if not total:
            return no_data("n=0, nothing to compare yet")
        index, sufficient = self.stability(), total >= self.min_samples
        small = index.corrected + (index.limit - index.bias) <= self.largest
        verdict = Verdict.PASS if sufficient and small else Verdict.CONTINUE
        verdict = Verdict.FAIL if self.failed else verdict
        value, needed = wording.from_log(self.peak), 1 / self.alpha
        words = [
            f"n={total}/{sum(self.reference)} index={index.corrected:.3f} (max {self.largest:g})",
            f"chance stays below {max(index.limit - index.bias, 0):.3f}",
            wording.evidence("a change", value, needed),
        ]
        if not sufficient and not self.failed:
            words.append(f"{self.min_samples} requests wanted")
        return Judgement(
            verdict=verdict,
            message=", ".join(words),
            evidence=value,
            needed=needed,
            candidate_samples=total,
            stable_samples=sum(self.reference),
            difference=index.corrected,
            samples_sufficient=sufficient,
        )

    def to_vectors(self) -> Vectors:
        """The evidence as named vectors of finite numbers."""
        return {
            "reference": tuple(map(float, self.reference)),
            "counts": tuple(map(float, self.counts)),
            "gates": (self.largest, float(self.min_samples), self.alpha),
            "peak": (self.peak,),
            "failed": (float(self.failed),),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such evidence."""
        reference = read_counts(vectors, "reference", len(vectors.get("reference", ())))
        largest, min_samples, alpha = read(vectors, "gates", 3)
        try:
            blank = cls.begin(reference, largest=largest, min_samples=int(min_samples), alpha=alpha)
        except ValueError as problem:
            raise EvidenceError(str(problem)) from problem
        (failed,) = read_flags(vectors, "failed", 1)
        (peak,) = read(vectors, "peak", 1)
        return replace(blank, counts=read_counts(vectors, "counts", len(reference)), peak=peak, failed=failed)


def _check_counts(counts: Sequence[int]) -> None:
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise ValueError(f"counts: {tuple(counts)} are not all counts")
