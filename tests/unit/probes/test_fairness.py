"""Groups beside each other: intervals against scipy, coverage by simulation, and what is never left out."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from slipway.probes import (
    GoldenItem,
    Share,
    exact,
    groups_of,
    hit_shares,
    largest_gap,
    newcombe,
    positive_shares,
    right_shares,
    wilson,
    worst_first,
)
from slipway.probes.fairness import Answered

SHARES = st.integers(1, 500).flatmap(lambda of: st.builds(Share, st.integers(0, of), st.just(of)))


def an_answer(group: str | None, expected: int, predicted: int | None) -> Answered:
    item = GoldenItem("g", {}, (expected,), {} if group is None else {"country": group})
    return item, None if predicted is None else (predicted,)


@given(SHARES, st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_of_a_share_is_scipys(share: Share, confidence: float) -> None:
    found = wilson(share, confidence=confidence)
    theirs = binomtest(share.count, share.of).proportion_ci(confidence, method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_interval_of_a_difference_is_that_of_newcombes_paper() -> None:
    """Newcombe 1998, Table II, method 10: (a) 56/70 - 48/80 and (f) 10/10 - 0/20 and (e) 5/56 - 0/29."""
    for one, other, low, high in [
        (Share(56, 70), Share(48, 80), 0.0524, 0.3339),
        (Share(5, 56), Share(0, 29), -0.0381, 0.1926),
        (Share(10, 10), Share(0, 20), 0.6791, 1.0),
    ]:
        found = newcombe(one, other)
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(SHARES, SHARES)
def test_a_difference_lies_between_its_bounds_and_turns_with_its_sign(one: Share, other: Share) -> None:
    found, turned = newcombe(one, other), newcombe(other, one)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_bounds_of_all_groups_hold_together_as_often_as_is_said() -> None:
    random.seed(7)
    truth = {"a": 0.5, "b": 0.45, "c": 0.6, "d": 0.4}
    held = 0
    for _ in range(2000):
        shares = {name: Share(sum(random.random() < p for _ in range(60)), 60) for name, p in truth.items()}
        gap = largest_gap(shares, confidence=0.95)
        assert gap is not None
        held += gap.difference.low <= 0.2 <= gap.difference.high
    assert held >= 1900


@given(st.dictionaries(st.sampled_from("abcde"), SHARES | st.just(Share(0, 0)), max_size=5))
def test_the_largest_gap_is_the_largest_of_all_pairs(shares: dict[str, Share]) -> None:
    gap = largest_gap(shares)
    known = {name: share.count / share.of for name, share in shares.items() if share.of}
    if len(known) < 2:
        assert gap is None
        return
    assert gap is not None
    assert gap.difference.value == pytest.approx(max(abs(known[a] - known[b]) for a, b in combinations(known, 2)))
    assert gap.difference.value == pytest.approx(known[gap.more] - known[gap.less])
    assert 0 <= gap.difference.low <= gap.difference.value <= gap.difference.high <= 1
    pairs = list(combinations(sorted(known), 2))
    bounds = [newcombe(shares[a], shares[b], confidence=1 - 0.05 / len(pairs)) for a, b in pairs]
    assert gap.difference.low == pytest.approx(max(0, *(max(one.low, -one.high) for one in bounds)))
    assert gap.difference.high == pytest.approx(max(max(one.high, -one.low) for one in bounds))


@given(st.dictionaries(st.sampled_from("abcde"), SHARES | st.just(Share(0, 0)), max_size=5))
def test_the_worst_group_comes_first_and_empty_ones_do_not_come(shares: dict[str, Share]) -> None:
    found = worst_first(shares)
    assert {group.name for group in found} == {name for name, share in shares.items() if share.of}
    values = [group.share.value for group in found]
    assert values == sorted(values)
    assert all(group.share.low <= group.share.value <= group.share.high for group in found)


def test_more_groups_make_wider_bounds() -> None:
    alone, among = worst_first({"a": Share(5, 50)}), worst_first({name: Share(5, 50) for name in "abcd"})
    assert among[0].share.low < alone[0].share.low
    assert among[0].share.high > alone[0].share.high


def test_a_drop_in_one_slice_alone_is_seen() -> None:
    answered = [an_answer("de", 1, 1)] * 90 + [an_answer("de", 1, 0)] * 10 + [an_answer("fr", 1, 0)] * 20
    answered += [an_answer(None, 1, 0)] * 5
    (worst, other) = worst_first(right_shares(groups_of(answered, "country"), exact))
    assert (worst.name, worst.n, worst.share.value) == ("fr", 20, 0)
    assert (other.name, other.n, other.share.value) == ("de", 100, 0.9)
    assert worst.share.high < other.share.low


def test_missing_predictions_are_no_favourable_ones() -> None:
    answered = [an_answer("a", 1, 1), an_answer("a", 1, None), an_answer("a", 0, 1), an_answer("a", 0, 0)]
    groups = groups_of(answered, "country")
    assert positive_shares(groups, 1) == {"a": Share(2, 4)}
    assert hit_shares(groups, 1) == {"a": Share(1, 2)}
    assert right_shares(groups, exact) == {"a": Share(2, 4)}


def test_parity_and_opportunity_are_different_questions() -> None:
    """Group a has fewer positives, and each is found; group b is predicted alike, and half of its are missed."""
    answered = [an_answer("a", 1, 1)] * 10 + [an_answer("a", 0, 0)] * 30
    answered += [an_answer("b", 1, 1)] * 10 + [an_answer("b", 1, 0)] * 10 + [an_answer("b", 0, 0)] * 20
    groups = groups_of(answered, "country")
    parity, opportunity = largest_gap(positive_shares(groups, 1)), largest_gap(hit_shares(groups, 1))
    assert parity is not None
    assert opportunity is not None
    assert parity.difference.value == 0
    assert (opportunity.difference.value, opportunity.more, opportunity.less) == (0.5, "a", "b")


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1, 2, float("nan")])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        largest_gap({"a": Share(1, 2), "b": Share(1, 2)}, confidence=confidence)


@pytest.mark.parametrize(("count", "of"), [(-1, 2), (3, 2)])
def test_a_share_that_is_none_is_refused(count: int, of: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        Share(count, of)
