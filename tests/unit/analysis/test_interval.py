"""Intervals for people: seldom wrong at any of many looks, and narrower the more is known."""

import random

import pytest

from slipway.analysis import ArmCounts, Gates, RatioEvidence
from slipway.analysis.interval import radius


def estimates(seed, *, rate=0.05, looks=30):
    """The estimates at each look at two arms that are equally good."""
    drawn, evidence = random.Random(seed), RatioEvidence.begin(Gates(comparison_margin=0.01), steps=3)
    for _ in range(looks):
        candidate, stable = (sum(drawn.random() < rate for _ in range(size)) for size in (20, 80))
        evidence = evidence.fold(ArmCounts(candidate, 20), ArmCounts(stable, 80), seconds=1)
        yield evidence.judge().estimate


def test_the_lower_bound_is_above_the_truth_at_any_look_in_a_twentieth_of_rollouts_at_most():
    wrong = sum(any(found.low > 0 for found in estimates(seed)) for seed in range(120))
    assert wrong <= 6


@pytest.mark.parametrize("discount", [1.0, 5.0])
def test_more_requests_narrow_it_and_bursts_widen_it(discount):
    few, many = (radius(ArmCounts(5, n), n, 0.05, discount) for n in (100, 10_000))
    assert few > 5 * many
    assert radius(ArmCounts(5, 100), 100, 0.05, discount) == pytest.approx(
        discount**0.5 * radius(ArmCounts(5, 100), 100, 0.05)
    )


def test_more_confidence_is_a_wider_interval():
    assert radius(ArmCounts(5, 100), 100, 0.01) > radius(ArmCounts(5, 100), 100, 0.05)
