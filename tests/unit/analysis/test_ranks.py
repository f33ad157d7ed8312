"""Pods ranked against pods: fair however errors come, exact by enumeration.

| bet | null | enumerated |
|---|---|---|
| requests in a block | pods exchangeable | all assignments of fates to pods, equal and unequal exposure |
| readings in a block | pods exchangeable | all orders, ties included |
"""

from itertools import permutations, product
from math import comb, exp, prod

import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.analysis import ArmCounts
from slipway.analysis.eprocess import log_mean_exp
from slipway.analysis.hypergeometric import sample
from slipway.analysis.ranks import FALLS, log_gauge_bets, log_rank_bets

TOLERANCE = 1e-9


def value(candidate: list[ArmCounts], stable: list[ArmCounts]) -> float:
    return exp(log_mean_exp(log_rank_bets(candidate, stable)))


@pytest.mark.parametrize("rates", [(0.05, 0.9), (0.5, 0.5), (0.0, 1.0), (0.2, 0.6)])
@pytest.mark.parametrize("sizes", [(4, 4), (4, 4, 4), (6, 3), (3, 6), (5, 4, 3)])
def test_pods_that_have_bad_minutes_of_their_own_are_no_evidence_on_average(
    rates: tuple[float, float], sizes: tuple[int, ...]
) -> None:
    """Each pod has one of two rates, drawn for itself: the requests of a pod are far from independent."""
    mean = 0.0
    for counts in product(*(range(size + 1) for size in sizes)):
        chance = prod(
            sum(0.5 * comb(n, k) * rate**k * (1 - rate) ** (n - k) for rate in rates)
            for k, n in zip(counts, sizes, strict=True)
        )
        pods = [ArmCounts(k, n) for k, n in zip(counts, sizes, strict=True)]
        mean += chance * value(pods[:1], pods[1:])
    assert mean <= 1 + TOLERANCE


@pytest.mark.parametrize("candidates", [1, 2])
@pytest.mark.parametrize("fates", [(0, 0, 0, 9), (0, 1, 2, 3), (3, 3, 3, 3), (1, 1, 5, 5)])
def test_any_set_of_fates_dealt_to_pods_by_chance_is_no_evidence_on_average(
    fates: tuple[int, ...], candidates: int
) -> None:
    deals = list(permutations(fates))
    pods = [[ArmCounts(bad, 10) for bad in deal] for deal in deals]
    assert sum(value(deal[:candidates], deal[candidates:]) for deal in pods) / len(deals) <= 1 + TOLERANCE


@pytest.mark.parametrize("readings", [(1.0, 2.0, 3.0), (1.0, 1.0, 2.0), (5.0, 5.0, 5.0), (0.0, 0.1, 0.2, 0.3)])
def test_readings_dealt_to_pods_by_chance_are_no_evidence_on_average(readings: tuple[float, ...]) -> None:
    deals = list(permutations(readings))
    mean = sum(exp(log_mean_exp(log_gauge_bets(deal[:1], deal[1:]))) for deal in deals) / len(deals)
    assert mean <= 1 + TOLERANCE
    if len(set(readings)) == len(readings):
        assert mean == pytest.approx(1)


def test_the_worst_of_ten_pods_is_evidence_and_the_best_is_not() -> None:
    nine = [ArmCounts(1, 100)] * 9
    assert value([ArmCounts(20, 100)], nine) > 5
    assert value([ArmCounts(0, 100)], nine) < 0.3


def test_a_tie_counts_against_harm() -> None:
    assert value([ArmCounts(1, 100)], [ArmCounts(1, 100)] * 3) < 1


def test_a_pod_without_requests_and_one_with_far_fewer_sit_out() -> None:
    busy = [ArmCounts(1, 100)] * 4
    idle = [ArmCounts(0, 0), ArmCounts(10, 10)]
    assert value([ArmCounts(9, 100)], busy + idle) == pytest.approx(value([ArmCounts(9, 100)], busy))
    assert log_rank_bets([ArmCounts(0, 0)], busy) == (0.0,) * len(FALLS)
    assert log_rank_bets([ArmCounts(9, 100)], idle) == (0.0,) * len(FALLS)
    assert log_rank_bets([], busy) == log_gauge_bets([], [1.0]) == log_gauge_bets([1.0], []) == (0.0,) * len(FALLS)


def test_twice_the_requests_with_twice_the_errors_are_no_harm() -> None:
    stable = [ArmCounts(bad, 100) for bad in (6, 8, 10, 12, 14)]
    assert value([ArmCounts(20, 200)], stable) < 1
    assert value([ArmCounts(20, 100)], stable) > 3


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 400), st.floats(0, 1), st.floats(0, 1))
def test_samples_are_hypergeometric(total: int, bad_share: float, size_share: float) -> None:
    bad, size = round(bad_share * total), round(size_share * total)
    drawn = sample(bad, total, size)
    expected = scipy.stats.hypergeom(total, bad, size)
    for offset, chance in enumerate(drawn.chances):
        assert chance == pytest.approx(expected.pmf(drawn.low + offset), abs=1e-10)
    for offset, tail in enumerate(drawn.reaches()):
        assert tail == pytest.approx(expected.sf(drawn.low + offset - 1), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**8), st.floats(0, 1)), min_size=2, max_size=6))
def test_a_hundred_million_requests_a_pod_are_ranked(pods: list[tuple[int, float]]) -> None:
    counts = [ArmCounts(round(share * total), total) for total, share in pods]
    assert 0 < value(counts[:1], counts[1:]) <= len(counts)
