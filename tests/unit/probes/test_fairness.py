"""What each group of items gets, and what is never left out."""

from __future__ import annotations

from slipway.analysis import Share
from slipway.probes import GoldenItem, groups_of, hit_shares, positive_shares
from slipway.probes.fairness import Answered


def an_answer(group: str | None, expected: int, predicted: int | None) -> Answered:
    item = GoldenItem("g", {}, (expected,), {} if group is None else {"country": group})
    return item, None if predicted is None else (predicted,)


def test_missing_predictions_are_no_favourable_ones() -> None:
    answered = [an_answer("a", 1, 1), an_answer("a", 1, None), an_answer("a", 0, 1), an_answer("a", 0, 0)]
    groups = groups_of(answered, "country")
    assert positive_shares(groups, 1) == {"a": Share(2, 4)}
    assert hit_shares(groups, 1) == {"a": Share(1, 2)}


def test_items_of_no_group_are_in_none() -> None:
    answered = [an_answer("de", 1, 1), an_answer(None, 1, 1), an_answer("at", 1, 0)]
    assert {group: len(its) for group, its in groups_of(answered, "country").items()} == {"at": 1, "de": 1}
