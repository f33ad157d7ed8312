"""Groups beside each other: how far apart the shares of what they get are, and whether that is too far.

Intervals of a share are Wilson's (1927), of a difference of shares Newcombe's (1998, method 10), which both hold for
small groups and shares near 0 and 1. With several groups they hold together: the error is divided by their number, or
by that of their pairs (Bonferroni). They hold at one look, not at every look, so a gap is judged once, when the last
item was replayed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from statistics import NormalDist

from slipway.analysis import wording
from slipway.analysis.groups import MIN_GROUP_ITEMS
from slipway.analysis.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Share:
    """Some of a number of items."""

    count: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.of:
            raise ValueError(f"{self.count} of {self.of} is no share")


@dataclass(frozen=True, slots=True)
class Interval:
    """A share, or a difference of shares, with the bounds that it lies between."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference between any two groups."""

    difference: Interval
    """At least 0. The bounds hold for the largest difference, whichever two groups it is between."""
    more: str
    """The group with the larger share, of the two that are furthest apart."""
    less: str


def largest_gap(shares: Mapping[str, Share], *, confidence: float = 0.95) -> Gap | None:
    """How far the groups are apart at most, or None where fewer than two of them have any items.

    The difference between any two shares at least; the bounds hold for whichever two are furthest apart.
    """
    known = {name: share for name, share in sorted(shares.items()) if share.of}
    pairs = list(combinations(known, 2))
    if not pairs:
        return None
    each = 1.0 - (1.0 - _checked(confidence)) / len(pairs)
    gaps = []
    for one, other in pairs:
        found = newcombe(known[one], known[other], confidence=each)
        if found.value < 0:
            one, other, found = other, one, Interval(-found.value, -found.high, -found.low)  # noqa: PLW2901
        gaps.append((found, one, other))
    widest, more, less = max(gaps, key=lambda gap: gap[0].value)
    low = max(0.0, *(found.low for found, _, _ in gaps))
    high = max(max(found.high, -found.low) for found, _, _ in gaps)
    return Gap(Interval(widest.value, low, high), more, less)


def wilson(share: Share, *, confidence: float = 0.95) -> Interval:
    """The score interval of a share of at least one item."""
    z = _quantile(confidence)
    p, n = share.count / share.of, share.of
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if share.count == 0 else max(0.0, centre - half)
    high = 1.0 if share.count == share.of else min(1.0, centre + half)
    return Interval(p, low, high)


def newcombe(one: Share, other: Share, *, confidence: float = 0.95) -> Interval:
    """The interval of the difference of two shares, the first less the second."""
    first, second = wilson(one, confidence=confidence), wilson(other, confidence=confidence)
    difference = first.value - second.value
    low = difference - math.hypot(first.value - first.low, second.high - second.value)
    high = difference + math.hypot(first.high - first.value, second.value - second.low)
    return Interval(difference, max(-1.0, low), min(1.0, high))


def _quantile(confidence: float) -> float:
    return NormalDist().inv_cdf(1.0 - (1.0 - _checked(confidence)) / 2.0)


def _checked(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence of {confidence} is none: give a number between 0 and 1")
    return confidence


class FairnessMeasure(StrEnum):
    """Which shares are held beside each other."""

    DEMOGRAPHIC_PARITY = "demographicParity"
    """How many items of a group get the favourable prediction."""
    EQUAL_OPPORTUNITY = "equalOpportunity"
    """How many of those that are labelled so get it."""


@dataclass(frozen=True, slots=True)
class GroupOutcomes:
    """One group's items: all, those that the candidate predicts to be of the favourable class, those that are labelled
    so, and those of both kinds. What was not predicted is not favourable."""

    group: str
    items: int
    predicted: int
    labelled: int
    hits: int

    def plus(self, other: GroupOutcomes) -> GroupOutcomes:
        """Both parts of the same group."""
        return GroupOutcomes(
            self.group,
            self.items + other.items,
            self.predicted + other.predicted,
            self.labelled + other.labelled,
            self.hits + other.hits,
        )

    def share(self, measure: FairnessMeasure) -> Share:
        """What a measure compares."""
        if measure is FairnessMeasure.DEMOGRAPHIC_PARITY:
            return Share(self.predicted, self.items)
        return Share(self.hits, self.labelled)


@dataclass(frozen=True, slots=True)
class GapJudgement:
    """How one measure stands: Fail when the gap is shown to be wider than `limit`, Pass when it is shown to be
    narrower. Bounds are those that a Pass needs, or a Fail once there is one; None while there is no gap to tell of."""

    measure: FairnessMeasure
    limit: float
    verdict: Verdict
    gap: Gap | None
    sentence: str


def judge_gap(
    measure: FairnessMeasure,
    limit: float,
    outcomes: Sequence[GroupOutcomes],
    *,
    exhausted: bool,
    fail_alpha: float,
    pass_alpha: float,
) -> GapJudgement:
    """How far the groups are apart, and whether that is more than `limit`, once the set is `exhausted`.

    A Fail may err in both directions of each pair, as any group may be the one that gets more, so its bounds have an
    error of `fail_alpha` on both sides together; of a Pass only the upper bound decides. Groups with fewer than
    `MIN_GROUP_ITEMS` of the items that the measure is about are not judged, and counted in the sentence. Raises
    ValueError for alphas that are not above 0, and a `pass_alpha` that is not below a half.
    """
    shares = {one.group: one.share(measure) for one in outcomes}
    judged = {group: share for group, share in shares.items() if share.of >= MIN_GROUP_ITEMS}
    shown = largest_gap(judged, confidence=1 - 2 * pass_alpha)
    harm = largest_gap(judged, confidence=1 - fail_alpha)
    small = len(shares) - len(judged)
    left_out = f", {small} of the groups with fewer than {MIN_GROUP_ITEMS} items left out" if small else ""
    if shown is None or harm is None:
        sentence = f"{_words(measure)}: no two groups have {MIN_GROUP_ITEMS} items that it is about{left_out}"
        return GapJudgement(measure, limit, Verdict.CONTINUE if exhausted else Verdict.NO_DATA, None, sentence)
    verdict = Verdict.CONTINUE
    if exhausted and harm.difference.low > limit:
        verdict = Verdict.FAIL
    elif exhausted and shown.difference.high <= limit:
        verdict = Verdict.PASS
    gap, error = (harm, fail_alpha) if verdict is Verdict.FAIL else (shown, 2 * pass_alpha)
    bounds = f"{wording.width(gap.difference.low)} to {wording.width(gap.difference.high)}"
    sentence = (
        f"{_words(measure)}: gap={wording.width(gap.difference.value)} (max {wording.width(limit)}) between {gap.more} "
        f"with {_share(shares[gap.more])} and {gap.less} with {_share(shares[gap.less])}, "
        f"{bounds} at {wording.confidence(error)}{left_out}"
    )
    return GapJudgement(measure, limit, verdict, gap, sentence)


def _words(measure: FairnessMeasure) -> str:
    return "demographic parity" if measure is FairnessMeasure.DEMOGRAPHIC_PARITY else "equal opportunity"


def _share(share: Share) -> str:
    return f"{wording.percent(share.count / share.of)} of {share.of}"
