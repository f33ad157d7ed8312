"""Delayed labels, scores, gauges, single numbers, drift, shares of traffic: what is decided and what is refused."""

import math

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.analysis import (
    ArmCounts,
    DriftEvidence,
    Gates,
    GaugeEvidence,
    LabelCounts,
    LabelEvidence,
    PairedBatch,
    PairedEvidence,
    RatioEvidence,
    ScoreEvidence,
    ShareEvidence,
    Stability,
    SteadyEvidence,
    Verdict,
    binned,
    decile_edges,
)
from slipway.analysis.exact import chi_square_quantile

# --- delayed labels ---------------------------------------------------------------------------------------------------


def labels(maturity: float = 3600.0, **gates: float) -> LabelEvidence:
    gate = Gates(**(gates or {"comparison_margin": 0.02}))
    return LabelEvidence.begin(RatioEvidence.begin(gate, steps=1), maturity=maturity)


def test_late_labels_that_show_harm_fail_after_the_promotion_too() -> None:
    evidence = labels()
    for _ in range(10):
        evidence = evidence.fold(LabelCounts(100, 80, 4), LabelCounts(900, 720, 36), age=3600, seconds=60)
    assert evidence.judge().verdict is Verdict.CONTINUE
    assert evidence.judge().message.endswith("labels cover 80.00%/80.00%")
    evidence = evidence.watch()
    for _ in range(20):
        evidence = evidence.fold(LabelCounts(1000, 800, 120), LabelCounts(0, 0, 0), age=3600)
    assert evidence.judge().verdict is Verdict.FAIL


def test_a_window_whose_labels_are_not_due_is_refused() -> None:
    for age in (3599.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="age"):
            labels().fold(LabelCounts(1, 1, 0), LabelCounts(1, 1, 0), age=age)


def test_arms_that_are_labelled_differently_are_not_compared_and_nothing_is_lost() -> None:
    evidence = labels().fold(LabelCounts(100, 50, 30), LabelCounts(900, 720, 36), age=4000)
    judgement = evidence.judge()
    assert judgement.verdict is Verdict.NO_DATA
    assert "labels cover 50.00%/80.00%, not to be compared while more than 5.00pp apart" in judgement.message
    assert evidence.outcomes.candidate.total == 0
    caught_up = evidence.fold(LabelCounts(900, 750, 40), LabelCounts(100, 80, 4), age=4000)
    assert caught_up.outcomes.candidate == ArmCounts(70, 800)
    assert caught_up.outcomes.stable == ArmCounts(40, 800)


def test_no_labels_are_no_data() -> None:
    assert labels().judge().verdict is Verdict.NO_DATA
    unlabelled = labels().fold(LabelCounts(100, 0, 0), LabelCounts(900, 0, 0), age=4000)
    assert unlabelled.judge().verdict is Verdict.NO_DATA


@pytest.mark.parametrize("counts", [(1, 2, 0), (2, 1, 2), (-1, -1, -1), (1.5, 1, 0), (math.nan, 0, 0)])
def test_labels_that_cannot_be_are_refused(counts: tuple) -> None:
    with pytest.raises(ValueError, match=r"counts|labelled"):
        LabelCounts(*counts)


def test_under_a_limit_alone_labels_are_judged_however_many_there_are_of_stable() -> None:
    evidence = labels(threshold_max=0.1).fold(LabelCounts(500, 450, 150), LabelCounts(500, 0, 0), age=3600)
    assert evidence.judge().verdict is Verdict.FAIL


def test_labels_need_a_time() -> None:
    with pytest.raises(ValueError, match="maturity"):
        labels(maturity=math.inf)


# --- scores -----------------------------------------------------------------------------------------------------------


def scored(gates: Gates, rng: np.random.Generator, mean: float, *, items: int, batch: int = 20) -> tuple[Verdict, int]:
    evidence = ScoreEvidence.begin(gates)
    for count in range(batch, items + 1, batch):
        evidence = evidence.fold(np.clip(rng.normal(mean, 0.26, batch), -1, 1).tolist())
        if evidence.judge().verdict in (Verdict.FAIL, Verdict.PASS):
            return evidence.judge().verdict, count
    return evidence.judge().verdict, items


@pytest.mark.parametrize(("drop", "most"), [(0.05, 400), (0.10, 160)])
def test_lower_scores_are_found_soon(drop: float, most: int) -> None:
    rng = np.random.default_rng(40)
    results = [scored(Gates(comparison_margin=0.02), rng, -drop, items=2000) for _ in range(60)]
    assert {verdict for verdict, _ in results} == {Verdict.FAIL}
    assert np.median([items for _, items in results]) <= most


def test_a_loss_that_is_shown_but_within_the_margin_fails_nothing() -> None:
    evidence = ScoreEvidence.begin(Gates(comparison_margin=0.2)).fold([-0.1] * 500)
    assert evidence.judge().evidence > 1e6
    assert evidence.judge().verdict is Verdict.PASS


def test_equal_scores_fail_seldom_and_scores_lower_by_the_margin_pass_seldom() -> None:
    rng = np.random.default_rng(41)
    equal = [scored(Gates(comparison_margin=0.0, pass_alpha=1e-9), rng, 0.0, items=400)[0] for _ in range(60)]
    lower = [scored(Gates(non_inferiority_margin=0.05), rng, -0.05, items=400)[0] for _ in range(60)]
    assert equal.count(Verdict.FAIL) <= 2
    assert lower.count(Verdict.PASS) <= 7


def test_equal_scores_are_proven_safe() -> None:
    rng = np.random.default_rng(42)
    results = [scored(Gates(non_inferiority_margin=0.05), rng, 0.0, items=1500)[0] for _ in range(40)]
    assert results.count(Verdict.PASS) >= 38


def test_the_worst_loss_of_score_is_above_the_truth_and_falls() -> None:
    rng = np.random.default_rng(43)
    evidence, bounds = ScoreEvidence.begin(Gates(comparison_margin=0.02)), []
    for _ in range(3):
        evidence = evidence.fold(np.clip(rng.normal(-0.01, 0.2, 400), -1, 1).tolist())
        bounds.append(evidence.judge().worst_case)
    assert bounds == sorted(bounds, reverse=True)
    assert 0.01 < bounds[-1] < 0.06
    assert f"worst case ≤ +{100 * bounds[-1]:.2f}pp at 95%" in evidence.judge().message


@given(st.lists(st.floats(-1, 1), max_size=60), st.floats(0.001, 0.9), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_neither_order_nor_batches_of_scores_matter(differences: list[float], margin: float, random) -> None:
    gates = Gates(non_inferiority_margin=margin, fail_alpha=1e-60, pass_alpha=1e-60)
    shuffled = list(differences)
    random.shuffle(shuffled)
    whole, parts = ScoreEvidence.begin(gates).fold(differences), ScoreEvidence.begin(gates)
    for start in range(0, len(shuffled), 7):
        parts = parts.fold(shuffled[start : start + 7])
    for one, other in zip((*whole.harm, *whole.safety), (*parts.harm, *parts.safety), strict=True):
        assert one == pytest.approx(other, abs=1e-9)
    assert whole.loss == pytest.approx(parts.loss, abs=1e-12)


def test_a_hundred_thousand_scores_at_the_edge_stay_finite() -> None:
    for value in (-1.0, 1.0):
        judgement = ScoreEvidence.begin(Gates(non_inferiority_margin=0.02)).fold([value] * 100_000).judge()
        assert math.isfinite(judgement.evidence)
        assert judgement.verdict is (Verdict.FAIL if value < 0 else Verdict.PASS)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.001, 7])
def test_scores_beyond_their_scale_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="differences"):
        ScoreEvidence.begin(Gates(comparison_margin=0.02)).fold([0.0, value])


def test_gates_that_scores_cannot_meet_are_refused() -> None:
    for gates in (Gates(), Gates(comparison_relative=0.1), Gates(comparison_margin=0.1, threshold_max=0.5)):
        with pytest.raises(ValueError, match="gates"):
            ScoreEvidence.begin(gates)
    assert ScoreEvidence.begin(Gates(comparison_margin=0.02)).fold([], excluded=3).judge().message == (
        "n=0, no pair scored yet (3 excluded)"
    )


# --- mirrored requests ------------------------------------------------------------------------------------------------


def test_disagreement_on_mirrored_requests_is_held_against_its_limit_without_stable() -> None:
    evidence = RatioEvidence.begin(Gates(threshold_max=0.1), steps=1)
    assert evidence.fold(ArmCounts(40, 200), ArmCounts(0, 0)).judge().verdict is Verdict.FAIL
    assert evidence.fold(ArmCounts(4, 200), ArmCounts(0, 0)).judge().verdict is Verdict.PASS
    assert evidence.fold(ArmCounts(17, 200), ArmCounts(0, 0)).judge().verdict is Verdict.CONTINUE


def test_a_stream_of_mirrored_requests_has_no_end_and_keeps_nothing_back_for_it() -> None:
    gates = Gates(comparison_margin=0.05)
    stream = PairedEvidence.begin(gates, None).fold(PairedBatch(120, 80, 0, 0, 0))
    assert not stream.exhausted
    assert stream.judge().needed == 20
    assert stream.judge().message.startswith("n=200; ")
    slower = stream.fold(PairedBatch(200, 100, 0, 0, 0))
    assert slower.judge().verdict is Verdict.FAIL
    with pytest.raises(ValueError, match="threshold_min"):
        PairedEvidence.begin(Gates(threshold_min=0.9), None)
    with pytest.raises(ValueError, match="relative"):
        PairedEvidence.begin(Gates(comparison_relative=0.1), None)


# --- gauges -----------------------------------------------------------------------------------------------------------


def gauged(gates: Gates, readings: list[tuple[list[float], list[float]]], **options: bool) -> GaugeEvidence:
    evidence = GaugeEvidence.begin(gates, steps=1, **options).enter_step()
    for candidate, stable in readings:
        evidence = evidence.fold(candidate, stable)
    return evidence


def readings(rng: np.random.Generator, factor: float, blocks: int) -> list[tuple[list[float], list[float]]]:
    pods = np.exp(0.1 * rng.standard_normal((blocks, 10)))
    return [([float(row[0] * factor)], [float(value) for value in row[1:]]) for row in pods]


def test_a_pod_that_takes_half_as_much_again_is_found_within_minutes() -> None:
    rng = np.random.default_rng(44)
    judgement = gauged(Gates(comparison_relative=0.2), readings(rng, 1.5, 8)).judge()
    assert judgement.verdict is Verdict.FAIL
    assert "(margin 20%), evidence of harm" in judgement.message


def test_a_gauge_whose_harm_is_being_low_is_read_the_other_way_round() -> None:
    rng = np.random.default_rng(45)
    assert gauged(Gates(comparison_relative=0.2), readings(rng, 0.5, 8), higher_is_worse=False).failed
    assert not gauged(Gates(comparison_relative=0.2), readings(rng, 0.5, 8)).failed


@pytest.mark.parametrize("higher_is_worse", [True, False])
def test_a_pod_as_good_as_stables_is_proven_so_and_seldom_fails(higher_is_worse: bool) -> None:
    rng = np.random.default_rng(46)
    gates = Gates(non_inferiority_relative=0.5, min_samples=5)
    verdicts = [
        gauged(gates, readings(rng, 1.0, 30), higher_is_worse=higher_is_worse).judge().verdict for _ in range(60)
    ]
    assert verdicts.count(Verdict.PASS) >= 55
    assert verdicts.count(Verdict.FAIL) == 0
    worse = 1.5 if higher_is_worse else 1 / 1.5
    edge = [gauged(gates, readings(rng, worse, 30), higher_is_worse=higher_is_worse).judge().verdict for _ in range(60)]
    assert edge.count(Verdict.PASS) <= 6


def test_harm_within_the_margin_fails_nothing() -> None:
    rng = np.random.default_rng(47)
    assert not gauged(Gates(comparison_relative=1.0), readings(rng, 1.5, 30)).failed


def test_an_arm_without_pods_gives_no_reading() -> None:
    assert gauged(Gates(comparison_relative=0.2), [([], [1.0]), ([1.0], [])]).judge().verdict is Verdict.NO_DATA


def test_a_gauge_that_rises_from_nothing_has_a_finite_excess() -> None:
    evidence = gauged(Gates(comparison_relative=0.2), [([1.0], [0.0] * 9)] * 4)
    assert evidence.failed
    assert math.isfinite(evidence.judge().difference or 0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_readings_that_have_no_share_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="readings"):
        gauged(Gates(comparison_relative=0.2), [([value], [1.0])])


@pytest.mark.parametrize(
    "gates", [Gates(), Gates(comparison_margin=0.1), Gates(comparison_relative=0.1, threshold_max=0.5)]
)
def test_gates_that_a_gauge_cannot_meet_are_refused(gates: Gates) -> None:
    with pytest.raises(ValueError, match="gates"):
        GaugeEvidence.begin(gates, steps=1)


# --- single numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param([], Verdict.NO_DATA, id="nothing read"),
        pytest.param([(11, 0)], Verdict.CONTINUE, id="one reading is no time"),
        pytest.param([(11, 0), (11, 30)], Verdict.CONTINUE, id="not long enough"),
        pytest.param([(9, 0), (11, 60)], Verdict.CONTINUE, id="when it crossed is not known"),
        pytest.param([(11, 0), (12, 30), (13, 30)], Verdict.FAIL, id="beyond for long enough"),
        pytest.param([(11, 0), (12, 30), (9, 30), (11, 30)], Verdict.CONTINUE, id="a dip starts it anew"),
        pytest.param([(9, 0), (10, 60)], Verdict.PASS, id="within for long enough, the limit included"),
        pytest.param([(9, 0), (9, 60), (11, 30)], Verdict.CONTINUE, id="no longer within"),
        pytest.param([(11, 0), (11, 60), (1, 600)], Verdict.FAIL, id="a Fail stays"),
    ],
)
def test_a_number_fails_when_it_stays_beyond_its_limit(readings: list[tuple[float, float]], expected: Verdict) -> None:
    highest, lowest = SteadyEvidence.begin(maximum=10, duration=60), SteadyEvidence.begin(minimum=-10, duration=60)
    for value, seconds in readings:
        highest, lowest = highest.fold(value, seconds=seconds), lowest.fold(-value, seconds=seconds)
    assert highest.judge().verdict is expected
    assert lowest.judge().verdict is expected
    if readings:
        assert "a heuristic without an error guarantee" in highest.judge().message


@pytest.mark.parametrize(("value", "seconds"), [(math.nan, 1), (math.inf, 1), (1, -1), (1, math.nan)])
def test_numbers_that_are_none_are_refused(value: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="value"):
        SteadyEvidence.begin(maximum=10, duration=60).fold(value, seconds=seconds)


@pytest.mark.parametrize(
    "options",
    [{"duration": 60}, {"maximum": 1, "minimum": 0, "duration": 60}, {"maximum": math.nan, "duration": 60}],
)
def test_a_number_needs_one_limit(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="limit"):
        SteadyEvidence.begin(**options)
    with pytest.raises(ValueError, match="duration"):
        SteadyEvidence.begin(maximum=1, duration=0)


# --- drift ------------------------------------------------------------------------------------------------------------

EVEN = (500,) * 10


@pytest.mark.parametrize("size", [50, 500])
def test_the_index_is_unbiased_without_drift_and_seldom_beyond_what_chance_allows(size: int) -> None:
    rng = np.random.default_rng(48)
    indices = []
    for _ in range(400):
        old, new = rng.multinomial(10 * size, [0.1] * 10), rng.multinomial(size, [0.1] * 10)
        indices.append(Stability.of([int(n) for n in old], [int(n) for n in new]))
    assert abs(np.mean([index.corrected for index in indices])) < 0.15 * indices[0].bias
    beyond = np.mean([index.value > index.limit for index in indices])
    assert 0.01 < beyond < 0.09


def test_the_rule_of_thumb_sees_drift_in_small_samples_where_there_is_none() -> None:
    rng = np.random.default_rng(49)
    values = [Stability.of(EVEN, [int(n) for n in rng.multinomial(50, [0.1] * 10)]).value for _ in range(300)]
    assert np.mean(np.array(values) > 0.1) > 0.6


@given(st.floats(0.01, 0.999), st.integers(1, 300))
@settings(max_examples=80, deadline=None)
def test_chi_square_quantiles_agree_with_scipy(probability: float, degrees: int) -> None:
    assert chi_square_quantile(probability, degrees) == pytest.approx(
        scipy.stats.chi2.ppf(probability, degrees), rel=1e-7
    )


def drifted(rng: np.random.Generator, shares: list[float], windows: int = 60, size: int = 50) -> DriftEvidence:
    evidence = DriftEvidence.begin(EVEN)
    for _ in range(windows):
        evidence = evidence.fold([int(n) for n in rng.multinomial(size, shares)])
    return evidence


def test_a_large_shift_fails_and_none_passes() -> None:
    rng = np.random.default_rng(50)
    shifted = drifted(rng, [0.28, 0.02, *[0.0875] * 8])
    assert shifted.judge().verdict is Verdict.FAIL
    assert "evidence of a change" in shifted.judge().message
    assert [drifted(rng, [0.1] * 10).judge().verdict for _ in range(40)].count(Verdict.PASS) == 40


def test_a_change_that_is_shown_but_small_fails_nothing() -> None:
    rng = np.random.default_rng(51)
    evidence = drifted(rng, [0.16, 0.04, *[0.1] * 8], windows=100, size=100)
    assert evidence.judge().evidence > 100
    assert evidence.judge().verdict is not Verdict.FAIL


def test_few_requests_decide_nothing() -> None:
    evidence = DriftEvidence.begin(EVEN).fold([499, *[0] * 9])
    assert evidence.judge().verdict is Verdict.CONTINUE
    assert "500 requests wanted" in evidence.judge().message
    assert evidence.fold([1, *[0] * 9]).judge().verdict is Verdict.FAIL
    assert DriftEvidence.begin(EVEN).judge().verdict is Verdict.NO_DATA


def test_values_are_put_into_the_deciles_of_the_reference_and_nan_into_a_bin_of_its_own() -> None:
    edges = decile_edges(range(100))
    assert len(edges) == 9
    assert binned(range(100), edges) == (11, 10, 10, 10, 10, 10, 10, 10, 10, 9, 0)
    assert binned([math.nan, -1e300, math.inf], edges) == (1, *[0] * 8, 1, 1)
    assert decile_edges([1.0] * 50) == (1.0,)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_a_reference_without_finite_values_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="values"):
        decile_edges(values)


def test_counts_that_cannot_be_compared_are_refused() -> None:
    for reference in ((), (5,), (0, 0), (1, -1), (1, 1.5)):
        with pytest.raises(ValueError, match=r"reference|counts"):
            DriftEvidence.begin(reference)
    for counts in ((1,), (1, -1), (1, math.nan)):
        with pytest.raises(ValueError, match="counts"):
            DriftEvidence.begin((1, 1)).fold(counts)
    with pytest.raises(ValueError, match="gates"):
        DriftEvidence.begin((1, 1), largest=math.nan)


# --- shares of traffic ------------------------------------------------------------------------------------------------


def routed(rng: np.random.Generator, share: float, weight: float, windows: int = 30, size: int = 100) -> ShareEvidence:
    evidence = ShareEvidence.begin()
    for _ in range(windows):
        candidate = int(rng.binomial(size, share))
        evidence = evidence.fold(candidate, size - candidate, weight=weight)
    return evidence


def test_traffic_that_follows_the_weight_is_never_called_a_mismatch() -> None:
    rng = np.random.default_rng(52)
    assert not any(
        routed(rng, share, weight).mismatch for share, weight in [(0.1, 0.1), (0.5, 0.48)] for _ in range(60)
    )


@pytest.mark.parametrize(("share", "weight"), [(0.0, 0.1), (0.5, 0.1), (0.2, 0.5), (0.2, 0.1)])
def test_traffic_that_does_not_is_soon(share: float, weight: float) -> None:
    rng = np.random.default_rng(53)
    judgement = routed(rng, share, weight).judge()
    assert judgement.verdict is Verdict.FAIL
    assert f"at a weight of {100 * weight:.2f}%" in judgement.message


def test_a_mismatch_that_begins_with_a_weight_is_found_though_it_was_right_before() -> None:
    rng = np.random.default_rng(54)
    evidence = routed(rng, 0.1, 0.1, windows=100)
    for _ in range(20):
        evidence = evidence.fold(10, 90, weight=0.5)
    assert evidence.mismatch
    assert evidence.counts.total <= 2000


def test_at_no_weight_and_at_all_of_it_there_is_nothing_to_share() -> None:
    evidence = ShareEvidence.begin().fold(100, 0, weight=0).fold(0, 100, weight=1)
    assert evidence.judge().verdict is Verdict.NO_DATA


def test_weights_and_counts_that_cannot_be_are_refused() -> None:
    for weight in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="weight"):
            ShareEvidence.begin().fold(1, 1, weight=weight)
    with pytest.raises(ValueError, match="count"):
        ShareEvidence.begin().fold(-1, 5, weight=0.5)
