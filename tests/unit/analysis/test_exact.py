"""The final tests against scipy and against values worked out by hand."""

import math

import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.analysis.exact import binomial_lower, binomial_upper, bonett_price_bound, bonett_price_p, mcnemar_mid_p


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 100_000), st.floats(0, 1), st.floats(0.001, 0.999))
def test_binomial_tails_agree_with_scipy(trials: int, fraction: float, rate: float) -> None:
    successes = round(fraction * trials)
    upper = scipy.stats.binomtest(successes, trials, rate, alternative="greater").pvalue
    lower = scipy.stats.binomtest(successes, trials, rate, alternative="less").pvalue
    assert binomial_upper(successes, trials, rate) == pytest.approx(upper, rel=1e-6, abs=1e-9)
    assert binomial_lower(successes, trials, rate) == pytest.approx(lower, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("losses", "wins"), [(0, 0), (1, 0), (0, 7), (12, 3), (30, 28), (400, 320)])
def test_mcnemar_mid_p_is_half_way_between_the_two_exact_tails(losses: int, wins: int) -> None:
    discordant = losses + wins
    expected = (
        (scipy.stats.binom.sf(losses - 1, discordant, 0.5) + scipy.stats.binom.sf(losses, discordant, 0.5)) / 2
        if discordant
        else 1.0
    )
    assert mcnemar_mid_p(losses, wins) == pytest.approx(expected, rel=1e-9)


def test_the_bonett_price_bound_is_what_a_hand_computes() -> None:
    # 12 lost, 8 won of 400: p = 13/402 and 9/402, D = .00995, s = sqrt((.05473 - .00010) / 402) = .011657
    bound = bonett_price_bound(12, 8, 400, 0.05)
    assert bound == pytest.approx(0.009950 + 1.644854 * 0.011657, abs=2e-6)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 2000), st.floats(0.001, 0.4))
def test_the_bound_is_where_the_p_value_crosses_alpha(losses: int, wins: int, ties: int, alpha: float) -> None:
    items = losses + wins + ties
    bound = bonett_price_bound(losses, wins, items, alpha)
    assert bonett_price_p(losses, wins, items, bound) == pytest.approx(alpha, rel=1e-6)


def test_a_million_items_are_no_trouble() -> None:
    assert binomial_upper(500_000, 1_000_000, 0.5) == pytest.approx(
        0.5 + 0.5 * math.sqrt(2 / (math.pi * 1e6)), abs=1e-6
    )
    assert binomial_upper(999_999, 1_000_000, 0.5) == 0
