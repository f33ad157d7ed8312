"""What each group of items gets: pure. How far apart groups may be is for `slipway.analysis` to say.

A prediction that is missing is no favourable one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from slipway.analysis import Share
from slipway.probes.protocol import GoldenItem, Scalar

Answered = tuple[GoldenItem, Sequence[Scalar] | None]
"""An item and what was predicted for it; None where nothing was."""


def groups_of(answered: Iterable[Answered], slice_name: str) -> Mapping[str, tuple[Answered, ...]]:
    """Items by the group that they belong to, of one kind of groups. Items of no group are left out."""
    found: dict[str, list[Answered]] = {}
    for one in answered:
        group = one[0].slices.get(slice_name)
        if group is not None:
            found.setdefault(group, []).append(one)
    return {group: tuple(found[group]) for group in sorted(found)}


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
