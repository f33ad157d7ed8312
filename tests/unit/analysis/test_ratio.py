"""Live error rates: what is decided, when, and how it is said."""

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from slipway.analysis import ArmCounts, Gates, RatioEvidence, Verdict

GUARD = Gates(comparison_margin=0.005)
PROOF = Gates(non_inferiority_margin=0.02)
LIMIT = Gates(threshold_max=0.05)
TOLERANT = Gates(comparison_margin=0.99, threshold_max=0.99)
"""Gates that hardly any window can break, so that counting can be watched for long."""


def begun(gates: Gates = GUARD, steps: int = 3) -> RatioEvidence:
    return RatioEvidence.begin(gates, steps=steps).enter_step()


def folded(evidence: RatioEvidence, *windows: tuple[int, int, int, int]) -> RatioEvidence:
    for bad, total, stable_bad, stable_total in windows:
        evidence = evidence.fold(ArmCounts(bad, total), ArmCounts(stable_bad, stable_total))
    return evidence


def verdict(gates: Gates, *windows: tuple[int, int, int, int]) -> Verdict:
    return folded(begun(gates), *windows).judge().verdict


@st.composite
def arms(draw: st.DrawFn, largest: int = 2000) -> ArmCounts:
    total = draw(st.integers(0, largest))
    return ArmCounts(draw(st.integers(0, total)), total)


WINDOWS = st.lists(st.tuples(arms(), arms()), max_size=12)


@pytest.mark.parametrize(
    ("gates", "windows", "expected"),
    [
        pytest.param(GUARD, [], Verdict.NO_DATA, id="nothing counted"),
        pytest.param(GUARD, [(0, 0, 3, 900)], Verdict.NO_DATA, id="only stable has traffic"),
        pytest.param(GUARD, [(1, 20, 0, 0)], Verdict.NO_DATA, id="only the candidate has traffic: nothing to compare"),
        pytest.param(LIMIT, [(1, 20, 0, 0)], Verdict.CONTINUE, id="only the candidate has traffic: its limit counts"),
        pytest.param(GUARD, [(4, 10, 1, 90)], Verdict.FAIL, id="4 of 10 against 1 of 90 in the first window"),
        pytest.param(GUARD, [(10, 10, 0, 90)], Verdict.FAIL, id="everything fails"),
        pytest.param(GUARD, [(1, 10, 0, 90)], Verdict.CONTINUE, id="one unlucky request"),
        pytest.param(GUARD, [(1, 10, 1, 90)] * 3, Verdict.CONTINUE, id="three unlucky requests"),
        pytest.param(GUARD, [(50, 100, 450, 900)] * 50, Verdict.CONTINUE, id="a shared incident"),
        pytest.param(GUARD, [(1, 100, 9, 900)] * 200, Verdict.PASS, id="the same rate for long"),
        pytest.param(GUARD, [(5, 100, 9, 900)] * 10, Verdict.FAIL, id="5% against 1%"),
        pytest.param(Gates(comparison_margin=0.05), [(5, 100, 9, 900)] * 10, Verdict.CONTINUE, id="harm within margin"),
        pytest.param(PROOF, [(1, 100, 9, 900)] * 2, Verdict.CONTINUE, id="as good, too early to say"),
        pytest.param(PROOF, [(1, 100, 9, 900)] * 12, Verdict.PASS, id="as good, proven"),
        pytest.param(
            Gates(non_inferiority_margin=0.02, comparison_margin=0.05),
            [(3, 100, 9, 900)] * 12,
            Verdict.CONTINUE,
            id="worse by the margin is never proven safe",
        ),
        pytest.param(LIMIT, [(20, 100, 0, 0)] * 2, Verdict.FAIL, id="20% with a limit of 5%, without stable"),
        pytest.param(LIMIT, [(4, 100, 0, 0)] * 5, Verdict.CONTINUE, id="4% with a limit of 5%"),
        pytest.param(LIMIT, [(1, 100, 0, 0)] * 5, Verdict.PASS, id="1% with a limit of 5%"),
        pytest.param(
            Gates(threshold_max=0.05, comparison_margin=0.05),
            [(20, 100, 180, 900)] * 4,
            Verdict.FAIL,
            id="stable is as bad, but the limit is the limit",
        ),
        pytest.param(
            Gates(threshold_max=0.05, non_inferiority_margin=0.02),
            [(4, 100, 36, 900)] * 40,
            Verdict.PASS,
            id="beside a required proof the limit is a guardrail and need not be proven",
        ),
    ],
)
def test_verdicts(gates: Gates, windows: list[tuple[int, int, int, int]], expected: Verdict) -> None:
    assert verdict(gates, *windows) is expected


def test_pass_waits_for_the_minimum_of_samples_and_fail_does_not() -> None:
    patient = Gates(non_inferiority_margin=0.02, min_samples=2000)
    evidence = folded(begun(patient), *[(1, 100, 9, 900)] * 19)
    assert evidence.judge().verdict is Verdict.CONTINUE
    assert not evidence.judge().samples_sufficient
    assert "2000 requests on both arms wanted" in evidence.judge().message
    assert folded(evidence, (1, 100, 9, 900)).judge().verdict is Verdict.PASS
    assert verdict(patient, (9, 10, 0, 90)) is Verdict.FAIL


def test_a_fail_is_never_taken_back() -> None:
    failed = folded(begun(), (4, 10, 1, 90))
    later = folded(failed, *[(0, 1000, 900, 1000)] * 20).enter_step()
    assert later.judge() == failed.judge()
    assert RatioEvidence.from_vectors(later.to_vectors()).judge().verdict is Verdict.FAIL


def test_a_pass_stays_until_harm_is_shown() -> None:
    passed = folded(begun(PROOF), *[(1, 100, 9, 900)] * 12)
    unlucky = folded(passed, (4, 100, 9, 900))
    assert unlucky.judge().verdict is Verdict.PASS
    assert folded(unlucky, *[(20, 100, 9, 900)] * 3).judge().verdict is Verdict.FAIL


def test_harm_that_begins_with_a_step_is_found_sooner_because_the_step_was_announced() -> None:
    def windows_to_fail(evidence: RatioEvidence) -> int:
        for count in range(1, 200):
            evidence = folded(evidence, (20, 500, 5, 500))
            if evidence.judge().verdict is Verdict.FAIL:
                return count
        return 200

    healthy = folded(begun(steps=2), *[(1, 100, 9, 900)] * 180)
    announced = windows_to_fail(healthy.enter_step())
    assert announced < windows_to_fail(healthy)
    assert announced <= 3


def test_a_fail_by_this_step_alone_says_so() -> None:
    evidence = folded(begun(steps=2), *[(1, 1000, 9, 9000)] * 40).enter_step()
    judgement = folded(evidence, (60, 1000, 10, 1000)).judge()
    assert judgement.verdict is Verdict.FAIL
    assert ", at this step +5.00pp" in judgement.message


def test_the_sentence_names_samples_difference_margin_and_evidence() -> None:
    judgement = folded(begun(), (4, 10, 1, 90)).judge()
    assert judgement.message == "n=10/90, bad=4/1; diff=+38.89pp (margin 0.50pp), evidence of harm 301 of 100"
    assert judgement.difference == pytest.approx(0.4 - 1 / 90)
    assert judgement.evidence >= judgement.needed == 100
    limit = folded(begun(LIMIT), (9, 30, 0, 0)).judge()
    assert limit.message.startswith("n=30, bad=9; rate=30.00% (max 5.00%), evidence of excess ")
    passed = folded(begun(PROOF), *[(1, 100, 9, 900)] * 12).judge()
    assert "worst case ≤ +1.00pp at 95%" in passed.message


def test_several_gates_share_one_budget_of_false_alarms() -> None:
    one = folded(begun(Gates(comparison_margin=0.005)), (1, 10, 1, 90)).judge()
    two = folded(begun(Gates(comparison_margin=0.005, threshold_max=0.5)), (1, 10, 1, 90)).judge()
    same = folded(begun(Gates(comparison_margin=0.005, non_inferiority_margin=0.01)), (1, 10, 1, 90)).judge()
    assert (one.needed, two.needed) == (100, 200)
    assert "of 100" in same.message, "comparison and non-inferiority read the same test for harm"


def test_a_proof_that_was_asked_for_is_the_evidence_that_is_reported() -> None:
    judgement = folded(begun(PROOF), (1, 100, 9, 900)).judge()
    assert judgement.needed == 20
    assert 1 < judgement.evidence < 20


@given(WINDOWS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_windows_changes_neither_counts_nor_differences(windows: list, random) -> None:
    shuffled = list(windows)
    random.shuffle(shuffled)
    one, other = begun(TOLERANT), begun(TOLERANT)
    for candidate, stable in windows:
        one = one.fold(candidate, stable)
    for candidate, stable in shuffled:
        other = other.fold(candidate, stable)
    a, b = one.judge(), other.judge()
    assume(Verdict.FAIL not in (a.verdict, b.verdict))  # nothing is folded after a Fail
    assert (a.candidate_samples, a.stable_samples) == (b.candidate_samples, b.stable_samples)
    assert a.samples_sufficient == b.samples_sufficient
    assert (a.difference is None) == (b.difference is None)
    assert a.difference == pytest.approx(b.difference, abs=1e-9)


@given(WINDOWS, arms(), arms())
@settings(max_examples=60, deadline=None)
def test_no_sample_is_lost_until_a_gate_has_failed(windows: list, candidate: ArmCounts, stable: ArmCounts) -> None:
    evidence = begun(TOLERANT)
    for window in windows:
        evidence = evidence.fold(*window)
    assume(evidence.judge().verdict is not Verdict.FAIL)
    before, after = evidence.judge(), evidence.fold(candidate, stable).judge()
    assert after.candidate_samples == before.candidate_samples + candidate.total
    assert after.stable_samples == before.stable_samples + stable.total


@given(WINDOWS)
@settings(max_examples=40, deadline=None)
def test_empty_windows_are_no_evidence(windows: list) -> None:
    nothing = ArmCounts(0, 0)
    evidence = begun(Gates(comparison_margin=0.005, threshold_max=0.3))
    padded = evidence.fold(nothing, nothing)
    for window in windows:
        evidence = evidence.fold(*window)
        padded = padded.fold(*window).fold(nothing, nothing)
    assert padded.judge() == evidence.judge()


@given(arms(), st.floats(0.001, 0.2))
@settings(max_examples=60, deadline=None)
def test_equal_counts_on_both_arms_never_fail(counts: ArmCounts, margin: float) -> None:
    evidence = begun(Gates(comparison_margin=margin))
    for _ in range(20):
        evidence = evidence.fold(counts, counts)
    assert evidence.judge().verdict is not Verdict.FAIL
    assert evidence.judge().difference in (None, 0)


@given(
    st.lists(st.tuples(arms(10**8), arms(10**8)), min_size=1, max_size=6),
    st.floats(1e-6, 0.999),
    st.floats(1e-6, 0.999),
)
@settings(max_examples=150, deadline=None)
def test_a_hundred_million_requests_in_a_window_keep_every_number_finite(
    windows: list, margin: float, limit: float
) -> None:
    for gates in (TOLERANT, Gates(non_inferiority_margin=margin, threshold_max=limit)):
        evidence = begun(gates)
        for window in windows:
            evidence = evidence.fold(*window).enter_step()
            judgement = evidence.judge()
            numbers = [number for vector in evidence.to_vectors().values() for number in vector]
            assert all(map(math.isfinite, [*numbers, judgement.evidence, judgement.needed]))


@pytest.mark.parametrize("bad", [0, 1, 10**8 - 1, 10**8])
@pytest.mark.parametrize("stable_bad", [0, 1, 10**8 - 1, 10**8])
def test_certainties_at_scale_are_judged_without_arithmetic_trouble(bad: int, stable_bad: int) -> None:
    gates = Gates(non_inferiority_margin=0.02, comparison_margin=0.005, threshold_max=0.5)
    judgement = folded(begun(gates), *[(bad, 10**8, stable_bad, 10**8)] * 3).judge()
    assert (judgement.verdict is Verdict.FAIL) == (bad > 10**7)
    assert math.isfinite(judgement.evidence)


@given(WINDOWS, WINDOWS, st.sampled_from([GUARD, PROOF, LIMIT, Gates(threshold_max=0.1, comparison_margin=0.01)]))
@settings(max_examples=80, deadline=None)
def test_evidence_that_was_written_down_as_json_goes_on_as_if_it_had_not_been(
    before: list, after: list, gates: Gates
) -> None:
    kept = begun(gates)
    for window in before:
        kept = kept.fold(*window)
    read = RatioEvidence.from_vectors(json.loads(json.dumps(kept.to_vectors(), allow_nan=False)))
    assert read == kept
    for window in after:
        kept, read = kept.fold(*window).enter_step(), read.fold(*window).enter_step()
    assert read.judge() == kept.judge()


def test_the_state_is_a_few_dozen_numbers() -> None:
    gates = Gates(threshold_max=0.05, comparison_margin=0.005, non_inferiority_margin=0.02)
    vectors = folded(begun(gates), (1, 100, 9, 900)).to_vectors()
    assert sum(map(len, vectors.values())) <= 80


@pytest.mark.parametrize(("bad", "total"), [(-1, 10), (11, 10), (0, -1), (1.5, 10), (float("nan"), 10), (0, math.inf)])
def test_counts_that_cannot_be_are_refused(bad: float, total: float) -> None:
    with pytest.raises(ValueError, match=r"count|between 0"):
        ArmCounts(bad, total)


@pytest.mark.parametrize(
    ("gates", "steps", "named"),
    [
        (Gates(), 1, "gates"),
        (Gates(threshold_min=0.9), 1, "threshold_min"),
        (Gates(comparison_margin=0.1), 0, "steps"),
    ],
)
def test_gates_that_live_counts_cannot_meet_are_refused(gates: Gates, steps: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        RatioEvidence.begin(gates, steps=steps)


# --- doubt ------------------------------------------------------------------------------------------------------------


def test_a_bad_candidate_after_an_incident_on_stable_is_not_carried_on_by_enough_samples():
    incident = [(50, 50, 450, 450)] * 10
    evidence = folded(begun(GUARD), *incident).enter_step()
    evidence = folded(evidence, (3, 6, 0, 54), (2, 5, 0, 45))
    judgement = evidence.judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert judgement.samples_sufficient
    assert judgement.doubtful
    assert "harm looks likely" in judgement.message


def test_a_candidate_as_good_as_stable_is_seldom_doubted():
    draws = np.random.default_rng(7)
    doubted = looks = 0
    for _ in range(60):
        evidence = begun(GUARD)
        for _ in range(40):
            evidence = evidence.fold(
                ArmCounts(int(draws.binomial(10, 0.01)), 10), ArmCounts(int(draws.binomial(90, 0.01)), 90)
            )
            doubted += evidence.judge().doubtful
            looks += 1
    assert doubted / looks < 0.05


def test_a_candidate_that_failed_is_beyond_doubt():
    assert not folded(begun(GUARD), (9, 10, 0, 90)).judge().doubtful


def test_a_rate_far_above_its_limit_is_doubted_before_it_is_a_fail():
    judgement = folded(begun(Gates(threshold_max=0.05, min_samples=1)), (3, 10, 0, 0)).judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert judgement.doubtful
