"""The time after the promotion, bounds, paces and relative margins of live error rates."""

import math

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.analysis import ArmCounts, Dispersion, Gates, RatioEvidence, Verdict
from slipway.analysis.limit import upper_bound

GUARD = Gates(comparison_margin=0.005)
NONE = ArmCounts(0, 0)


def healthy(gates: Gates = GUARD, windows: int = 60) -> RatioEvidence:
    evidence = RatioEvidence.begin(gates, steps=2).enter_step()
    for _ in range(windows):
        evidence = evidence.fold(ArmCounts(1, 100), ArmCounts(9, 900), seconds=10)
    return evidence


# --- the watch --------------------------------------------------------------------------------------------------------


def test_a_leak_that_shows_after_the_promotion_is_found_without_stable() -> None:
    evidence = healthy().watch()
    for _ in range(60):
        evidence = evidence.fold(ArmCounts(10, 1000), NONE, seconds=10)
    assert evidence.judge().verdict is not Verdict.FAIL
    for _ in range(20):
        evidence = evidence.fold(ArmCounts(60, 1000), NONE, seconds=10)
    assert evidence.judge().verdict is Verdict.FAIL
    assert "since the promotion rate=" in evidence.judge().message
    assert evidence.judge().message.endswith("of 100")


def test_the_ceiling_is_what_stable_did_at_most_and_the_margin() -> None:
    evidence = healthy()
    watched = evidence.watch().watched
    assert watched is not None
    exact = scipy.stats.beta.ppf(0.999, evidence.stable.bad + 1, evidence.stable.total - evidence.stable.bad)
    assert exact + 0.005 < watched.ceiling < 1.15 * exact + 0.005


def test_a_relative_margin_widens_the_ceiling_by_its_share() -> None:
    absolute, relative = healthy().watch().watched, healthy(Gates(comparison_relative=0.5)).watch().watched
    assert absolute is not None
    assert relative is not None
    assert relative.ceiling == pytest.approx(1.5 * (absolute.ceiling - 0.005))


def test_a_release_as_good_as_stable_is_seldom_hauled_back_in_a_long_watch() -> None:
    rng = np.random.default_rng(8)
    begun, failed = healthy().watch(), 0
    for _ in range(60):
        evidence = begun
        for _ in range(200):
            evidence = evidence.fold(ArmCounts(int(rng.binomial(1000, 0.012)), 1000), NONE)
        failed += evidence.judge().verdict is Verdict.FAIL
    assert failed <= 2


def test_the_watch_begins_once_and_never_over_a_fail() -> None:
    watched = healthy().watch()
    assert watched.watch() == watched
    failed = RatioEvidence.begin(GUARD, steps=1).fold(ArmCounts(9, 10), ArmCounts(0, 90))
    assert failed.watch() == failed
    limited = RatioEvidence.begin(Gates(threshold_max=0.05), steps=1)
    assert limited.watch() == limited


def test_without_a_request_to_stable_the_watch_knows_no_ceiling_and_fails_nothing() -> None:
    evidence = RatioEvidence.begin(GUARD, steps=1).watch().fold(ArmCounts(90, 100), NONE)
    assert evidence.watched is not None
    assert evidence.watched.ceiling == 1
    assert evidence.judge().verdict is Verdict.NO_DATA


def test_requests_of_stable_during_the_watch_are_counted_and_compared_no_more() -> None:
    evidence = healthy().watch()
    after = evidence.fold(ArmCounts(1, 100), ArmCounts(0, 900))
    assert after.compared == evidence.compared
    assert after.stable.total == evidence.stable.total + 900


def test_a_limit_goes_on_through_the_watch() -> None:
    evidence = healthy(Gates(comparison_margin=0.5, threshold_max=0.05)).watch()
    for _ in range(10):
        evidence = evidence.fold(ArmCounts(20, 100), NONE)
    assert evidence.judge().verdict is Verdict.FAIL
    assert "rate=" in evidence.judge().message


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.05, 0.01, 0.001]), st.sampled_from([1.0, 4.0]))
@settings(max_examples=80, deadline=None)
def test_the_upper_bound_of_a_rate_is_above_the_exact_one_for_a_single_look(
    total: int, share: float, alpha: float, discount: float
) -> None:
    bad = round(share * total)
    exact = scipy.stats.beta.ppf(1 - alpha, bad + 1, total - bad) if bad < total else 1.0
    assert exact - 1e-9 <= upper_bound(ArmCounts(bad, total), alpha, discount) <= 1


# --- the worst case ---------------------------------------------------------------------------------------------------


def test_the_worst_case_narrows_as_requests_come_and_reads_like_the_example() -> None:
    bounds = []
    for windows in (5, 30, 120, 500):
        judgement = healthy(windows=windows).judge()
        bounds.append(judgement.worst_case or 1.0)
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > 0.01
    assert bounds[-1] < 0.003
    assert (
        "diff=+0.00pp (margin 0.50pp), worst case ≤ +0.40pp at 95%, evidence of harm"
        in healthy(windows=60).judge().message
    )


def test_the_worst_case_covers_the_truth_at_every_look_at_once() -> None:
    rng = np.random.default_rng(9)
    runs, missed = 150, 0
    for _ in range(runs):
        evidence, wrong = RatioEvidence.begin(Gates(comparison_margin=0.01), steps=1), False
        for _ in range(60):
            evidence = evidence.fold(
                ArmCounts(int(rng.binomial(200, 0.03)), 200), ArmCounts(int(rng.binomial(800, 0.02)), 800)
            )
            wrong = wrong or (evidence.judge().worst_case or 1.0) < 0.01 - 1e-12
        missed += wrong
    assert missed / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_a_margin_of_nothing_has_a_worst_case_too() -> None:
    judgement = healthy(Gates(comparison_margin=0.0), windows=200).judge()
    assert judgement.worst_case is not None
    assert 0 < judgement.worst_case < 0.01


# --- pace -------------------------------------------------------------------------------------------------------------


def test_the_time_to_decide_is_about_what_it_takes() -> None:
    gates = Gates(non_inferiority_margin=0.01)
    early = healthy(gates, windows=4).judge()
    assert early.verdict is Verdict.CONTINUE
    assert early.seconds_to_decide is not None
    windows = next(count for count in range(4, 200) if healthy(gates, windows=count).judge().verdict is Verdict.PASS)
    assert early.seconds_to_decide == pytest.approx(10 * (windows - 4), rel=0.4)
    assert early.message.endswith("to decide")


def test_time_is_told_only_where_a_pace_is_known_and_a_verdict_would_come() -> None:
    assert (
        RatioEvidence.begin(GUARD, steps=1).fold(ArmCounts(0, 10), ArmCounts(0, 90)).judge().seconds_to_decide is None
    )
    assert healthy(windows=500).judge().seconds_to_decide is None
    worse = RatioEvidence.begin(GUARD, steps=1).fold(ArmCounts(4, 100), ArmCounts(9, 900), seconds=10).judge()
    assert worse.verdict is Verdict.CONTINUE
    assert 0 < (worse.seconds_to_decide or 0) < 600


def test_a_limit_tells_its_time_as_well() -> None:
    for bad in (1, 9):
        evidence = RatioEvidence.begin(Gates(threshold_max=0.05), steps=1)
        judgement = evidence.fold(ArmCounts(bad, 100), NONE, seconds=10).judge()
        assert judgement.verdict is Verdict.CONTINUE
        assert 1 <= (judgement.seconds_to_decide or 0) <= 600


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_a_window_that_took_no_length_of_time_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        RatioEvidence.begin(GUARD, steps=1).fold(ArmCounts(0, 1), ArmCounts(0, 1), seconds=seconds)


# --- what stable did before -------------------------------------------------------------------------------------------


def test_knowing_what_stable_did_before_finds_harm_sooner() -> None:
    def evidence_after_one_window(history: ArmCounts) -> float:
        evidence = RatioEvidence.begin(GUARD, steps=1, history=history)
        return evidence.fold(ArmCounts(4, 100), ArmCounts(1, 900)).judge().evidence

    assert evidence_after_one_window(ArmCounts(1000, 10**6)) > 2 * evidence_after_one_window(NONE)


def test_a_history_is_shortened_so_that_it_can_be_unlearned() -> None:
    evidence = RatioEvidence.begin(GUARD, steps=1, history=ArmCounts(10**7, 10**8))
    assert evidence.history == ArmCounts(100, 1000)


# --- relative margins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gates", "candidate", "expected"),
    [
        pytest.param(Gates(comparison_relative=0.5), 30, Verdict.FAIL, id="3% where 1.5% are accepted"),
        pytest.param(Gates(comparison_relative=4.0), 30, Verdict.CONTINUE, id="3% where 5% are accepted"),
        pytest.param(Gates(non_inferiority_relative=1.0), 10, Verdict.PASS, id="as good as stable, twice is accepted"),
        pytest.param(Gates(non_inferiority_relative=0.01), 10, Verdict.CONTINUE, id="a hundredth is hard to show"),
    ],
)
def test_a_margin_can_be_a_share_of_stables_rate(gates: Gates, candidate: int, expected: Verdict) -> None:
    evidence = RatioEvidence.begin(gates, steps=1)
    for _ in range(12):
        evidence = evidence.fold(ArmCounts(candidate, 1000), ArmCounts(90, 9000))
    assert evidence.judge().verdict is expected
    assert "% of stable's)" in evidence.judge().message


def test_the_discount_reaches_the_watch() -> None:
    plain = healthy().watch()
    careful = RatioEvidence.begin(GUARD, steps=1, dispersion=Dispersion(chi_square=500, degrees=100))
    for _ in range(60):
        careful = careful.fold(ArmCounts(1, 100), ArmCounts(9, 900))
    careful = careful.watch()
    assert careful.watched is not None
    assert plain.watched is not None
    assert careful.watched.ceiling > plain.watched.ceiling
