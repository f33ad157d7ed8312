"""Groups beside each other: the worst one, and how far apart they are. Pure, standard library only.

Intervals of a share are Wilson's (1927), of a difference of shares Newcombe's (1998, method 10), which both hold for
small groups and shares near 0 and 1. With several groups they hold together: the error is divided by their number, or
by that of their pairs (Bonferroni). They hold at one look, not at every look.

A prediction that is missing is no favourable one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

from slipway.probes.matching import Match
from slipway.probes.protocol import GoldenItem, Scalar

Answered = tuple[GoldenItem, Sequence[Scalar] | None]
"""An item and what was predicted for it; None where nothing was."""


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
class Group:
    """One group of items and how often what was counted happened in it."""

    name: str
    n: int
    share: Interval


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference between any two groups."""

    difference: Interval
    """At least 0. The bounds hold for the largest difference, whichever two groups it is between."""
    more: str
    """The group with the larger share, of the two that are furthest apart."""
    less: str


def groups_of(answered: Iterable[Answered], slice_name: str) -> Mapping[str, tuple[Answered, ...]]:
    """Items by the group that they belong to, of one kind of groups. Items of no group are left out."""
    found: dict[str, list[Answered]] = {}
    for one in answered:
        group = one[0].slices.get(slice_name)
        if group is not None:
            found.setdefault(group, []).append(one)
    return {group: tuple(found[group]) for group in sorted(found)}


def right_shares(groups: Mapping[str, Sequence[Answered]], match: Match) -> Mapping[str, Share]:
    """How many predictions of each group are right."""
    return {
        group: Share(sum(values is not None and match(item.expected, values) for item, values in its), len(its))
        for group, its in groups.items()
    }


def positive_shares(groups: Mapping[str, Sequence[Answered]], positive: Scalar) -> Mapping[str, Share]:
    """How many items of each group are predicted to be of the class `positive`: what demographic parity compares."""
    return {
        group: Share(sum(values is not None and tuple(values) == (positive,) for _, values in its), len(its))
        for group, its in groups.items()
    }


def hit_shares(groups: Mapping[str, Sequence[Answered]], positive: Scalar) -> Mapping[str, Share]:
    """How many items of each group that are of the class `positive` are predicted to be: what equal opportunity
    compares."""
    really = {group: [one for one in its if one[0].expected == (positive,)] for group, its in groups.items()}
    return positive_shares(really, positive)


def worst_first(shares: Mapping[str, Share], *, confidence: float = 0.95) -> tuple[Group, ...]:
    """The groups with any items, the one with the smallest share first, with bounds that hold for all of them together
    with the given confidence."""
    known = {name: share for name, share in shares.items() if share.of}
    if not known:
        return ()
    each = 1.0 - (1.0 - _checked(confidence)) / len(known)
    groups = [Group(name, share.of, wilson(share, confidence=each)) for name, share in known.items()]
    return tuple(sorted(groups, key=lambda group: (group.share.value, group.share.high, group.name)))


def largest_gap(shares: Mapping[str, Share], *, confidence: float = 0.95) -> Gap | None:
    """How far the groups are apart at most, or None where fewer than two of them have any items.

    Of `positive_shares` it is the demographic parity difference, of `hit_shares` the equal opportunity difference.
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
