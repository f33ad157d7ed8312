"""How far groups are apart: intervals against scipy and their source, coverage by simulation, the verdict on a gap."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from slipway.analysis import (
    FairnessMeasure,
    GapJudgement,
    GroupOutcomes,
    Share,
    Verdict,
    judge_gap,
    largest_gap,
    newcombe,
    wilson,
)

SHARES = st.integers(1, 500).flatmap(lambda of: st.builds(Share, st.integers(0, of), st.just(of)))
PARITY, OPPORTUNITY = FairnessMeasure.DEMOGRAPHIC_PARITY, FairnessMeasure.EQUAL_OPPORTUNITY


@given(SHARES, st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_of_a_share_is_scipys(share: Share, confidence: float) -> None:
    found = wilson(share, confidence=confidence)
    theirs = scipy.stats.binomtest(share.count, share.of).proportion_ci(confidence, method="wilson")
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


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1, 2, float("nan")])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        largest_gap({"a": Share(1, 2), "b": Share(1, 2)}, confidence=confidence)


@pytest.mark.parametrize(("count", "of"), [(-1, 2), (3, 2)])
def test_a_share_that_is_none_is_refused(count: int, of: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        Share(count, of)


# --- the verdict ------------------------------------------------------------------------------------------------------


def judged(
    *outcomes: GroupOutcomes, measure: FairnessMeasure = PARITY, limit: float = 0.1, exhausted: bool = True
) -> GapJudgement:
    return judge_gap(measure, limit, outcomes, exhausted=exhausted, fail_alpha=0.01, pass_alpha=0.05)


def group(name: str, predicted: int, *, of: int = 400, labelled: int = 0, hits: int = 0) -> GroupOutcomes:
    return GroupOutcomes(name, of, predicted, labelled, hits)


def test_a_gap_that_is_shown_to_be_too_wide_fails_with_both_groups_and_the_interval() -> None:
    found = judged(group("men", 200), group("women", 80))
    assert found.verdict is Verdict.FAIL
    assert found.sentence.startswith(
        "demographic parity: gap=30.00pp (max 10.00pp) between men with 50.00% of 400 and women with 20.00% of 400, "
    )
    assert found.sentence.endswith("at 99%")
    assert found.gap is not None
    assert found.gap.difference.low > 0.1


def test_a_gap_that_is_shown_to_be_narrow_passes_and_one_in_between_decides_nothing() -> None:
    assert judged(group("men", 100), group("women", 100)).verdict is Verdict.PASS
    assert judged(group("men", 100), group("women", 60)).verdict is Verdict.CONTINUE


def test_no_gap_is_judged_before_the_last_item_as_its_bounds_hold_at_one_look() -> None:
    for women in (80, 200):
        assert judged(group("men", 200), group("women", women), exhausted=False).verdict is Verdict.CONTINUE


def test_parity_and_opportunity_are_different_questions() -> None:
    """As many of both are predicted, and half of the women who should be are missed."""
    outcomes = [group("men", 100, labelled=100, hits=95), group("women", 100, labelled=100, hits=50)]
    assert judged(*outcomes).verdict is Verdict.PASS
    found = judged(*outcomes, measure=OPPORTUNITY)
    assert found.verdict is Verdict.FAIL
    assert found.sentence.startswith("equal opportunity: gap=45.00pp")


def test_small_groups_are_left_out_and_counted() -> None:
    found = judged(group("men", 100), group("women", 100), group("others", 20, of=20))
    assert found.verdict is Verdict.PASS
    assert found.sentence.endswith("1 of the groups with fewer than 30 items left out")
    alone = judged(group("men", 100), group("others", 20, of=20))
    assert (alone.verdict, alone.gap) == (Verdict.CONTINUE, None)
    assert alone.sentence.startswith("demographic parity: no two groups have 30 items that it is about")


def test_equal_groups_fail_no_more_often_than_the_alpha_allows() -> None:
    """Four groups, half of each predicted, a limit that is exceeded by chance alone: seeded."""
    rng, failed = random.Random(11), 0
    for _ in range(600):
        outcomes = [group(name, sum(rng.random() < 0.5 for _ in range(80)), of=80) for name in "abcd"]
        found = judge_gap(PARITY, 0.0001, outcomes, exhausted=True, fail_alpha=0.05, pass_alpha=0.05)
        failed += found.verdict is Verdict.FAIL
    assert failed <= 30
