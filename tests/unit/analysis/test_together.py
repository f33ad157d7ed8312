"""Requests that fail together: the discount for bursts, the check by pods, and what they change about a verdict."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.analysis import ArmCounts, Dispersion, Gates, PodWindow, RatioEvidence, Verdict

GUARD = Gates(comparison_margin=0.005)
QUIET = ArmCounts(1, 100)


def window(candidate: int, stable: list[int], size: int = 100) -> tuple[ArmCounts, ArmCounts, PodWindow]:
    counts = {f"stable-{number}": ArmCounts(bad, size) for number, bad in enumerate(stable)}
    together = ArmCounts(sum(stable), size * len(stable))
    return ArmCounts(candidate, size), together, PodWindow({"candidate-0": ArmCounts(candidate, size)}, counts)


def looks_to_fail(evidence: RatioEvidence, candidate: ArmCounts, stable: ArmCounts, pods: PodWindow) -> int:
    for look in range(1, 100):
        evidence = evidence.fold(candidate, stable, seconds=10, pods=pods)
        if evidence.judge().verdict is Verdict.FAIL:
            return look
    return 100


def measured(factor: float) -> Dispersion:
    return Dispersion(chi_square=100 * factor, degrees=100)


# --- dispersion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("burst", "expected"), [(1, 1.0), (5, 5.0)])
def test_bursts_are_measured_between_pods(burst: int, expected: float) -> None:
    rng = np.random.default_rng(3)
    dispersion = Dispersion()
    for _ in range(400):
        dispersion = dispersion.after_pods(
            ArmCounts(min(600, burst * int(rng.binomial(600 // burst, 0.01))), 600) for _ in range(9)
        )
    assert dispersion.measured
    assert dispersion.factor == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("burst", "expected"), [(1, 1.0), (5, 5.0)])
def test_bursts_are_measured_between_neighbouring_windows_where_pods_are_not_told_apart(
    burst: int, expected: float
) -> None:
    rng = np.random.default_rng(4)
    dispersion = Dispersion()
    for minute in range(3000):
        rate = 0.01 + 0.02 * minute / 3000  # a slow change is none
        dispersion = dispersion.after_window(ArmCounts(burst * int(rng.binomial(900 // burst, rate)), 900))
    assert dispersion.factor == pytest.approx(expected, rel=0.1)


def test_what_happens_to_all_pods_at_once_is_no_burst() -> None:
    rng = np.random.default_rng(5)
    dispersion = Dispersion()
    for block in range(400):
        rate = 0.3 if block % 10 == 0 else 0.01
        dispersion = dispersion.after_pods(ArmCounts(int(rng.binomial(600, rate)), 600) for _ in range(9))
    assert dispersion.factor == pytest.approx(1.0, rel=0.1)


def test_bursts_are_assumed_until_they_are_measured() -> None:
    assert (Dispersion().factor, Dispersion(chi_square=30, degrees=39).factor) == (5.0, 5.0)
    assert Dispersion(chi_square=30, degrees=40).factor == 1.0
    assert Dispersion(chi_square=4000, degrees=40).factor == 10.0


@pytest.mark.parametrize("pods", [[], [QUIET], [ArmCounts(0, 9)] * 3, [ArmCounts(9, 9)] * 3, [QUIET, ArmCounts(0, 0)]])
def test_a_block_in_which_nothing_can_differ_measures_nothing(pods: list[ArmCounts]) -> None:
    assert Dispersion().after_pods(pods) == Dispersion()


@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)), max_size=30))
@settings(max_examples=60, deadline=None)
def test_the_discount_is_between_one_and_ten_whatever_is_counted(counts: list[tuple[int, int]]) -> None:
    dispersion = Dispersion()
    for low, high in map(sorted, counts):
        dispersion = dispersion.after_window(ArmCounts(low, high)).after_pods([ArmCounts(low, high), QUIET])
    assert 1 <= dispersion.factor <= 10


def test_a_discount_of_four_takes_four_times_the_requests() -> None:
    def windows(dispersion: Dispersion | None, gates: Gates, candidate: int) -> int:
        evidence = RatioEvidence.begin(gates, steps=1, dispersion=dispersion)
        for count in range(1, 500):
            evidence = evidence.fold(ArmCounts(candidate, 100), ArmCounts(9, 900))
            if evidence.judge().verdict in (Verdict.FAIL, Verdict.PASS):
                return count
        return 500

    burdened = Dispersion(chi_square=4e9, degrees=1e9)
    for gates, candidate in ((GUARD, 3), (Gates(non_inferiority_margin=0.01), 1)):
        assert windows(burdened, gates, candidate) == pytest.approx(4 * windows(None, gates, candidate), rel=0.25)


def test_a_window_is_discounted_by_what_was_measured_before_it() -> None:
    last = ArmCounts(9, 900)
    nearly = RatioEvidence.begin(GUARD, steps=1, dispersion=Dispersion(chi_square=39.9, degrees=39.9, last=last))
    fivefold = RatioEvidence.begin(GUARD, steps=1, dispersion=measured(5.0))
    after, expected = (evidence.fold(ArmCounts(9, 100), ArmCounts(8, 900)) for evidence in (nearly, fivefold))
    assert (nearly.discount, after.discount) == (5.0, 1.0)
    assert after.judge().evidence == expected.judge().evidence


def test_the_sentence_tells_the_discount() -> None:
    evidence = RatioEvidence.begin(GUARD, steps=1, dispersion=Dispersion()).fold(QUIET, ArmCounts(9, 900))
    assert "discounted 5.0-fold for bursts until they are measured" in evidence.judge().message
    known = RatioEvidence.begin(GUARD, steps=1, dispersion=measured(2.3)).fold(QUIET, ArmCounts(9, 900))
    assert "discounted 2.3-fold for bursts" in known.judge().message
    assert "until" not in known.judge().message
    calm = RatioEvidence.begin(GUARD, steps=1, dispersion=measured(1.0)).fold(QUIET, ArmCounts(9, 900))
    assert "bursts" not in calm.judge().message


def test_a_limit_alone_is_discounted_by_the_candidates_own_bursts() -> None:
    evidence = RatioEvidence.begin(Gates(threshold_max=0.05), steps=1, dispersion=Dispersion())
    for look in range(160):
        evidence = evidence.fold(ArmCounts(5 if look % 4 == 0 else 0, 100), ArmCounts(0, 0))
    assert evidence.dispersion is not None
    assert evidence.dispersion.measured
    assert evidence.discount > 2


# --- pods -------------------------------------------------------------------------------------------------------------


def test_one_bad_minute_of_the_only_pod_is_not_a_bad_release() -> None:
    evidence = begun = RatioEvidence.begin(GUARD, steps=1)
    for look in range(12):
        candidate, stable, pods = window(12 if look < 3 else 1, [1] * 9)
        evidence = evidence.fold(candidate, stable, seconds=10, pods=pods)
        begun = begun.fold(candidate, stable, seconds=10)
    assert begun.judge().verdict is Verdict.FAIL
    assert evidence.judge().verdict is not Verdict.FAIL
    assert "which the ranks of single pods do not confirm" in evidence.judge().message


def test_harm_that_lasts_is_confirmed_by_the_second_block() -> None:
    evidence = RatioEvidence.begin(GUARD, steps=1)
    looks = looks_to_fail(evidence, *window(8, [1] * 9))
    assert looks == 6


def test_two_windows_of_great_harm_need_no_block() -> None:
    evidence = RatioEvidence.begin(GUARD, steps=1)
    verdicts = []
    for _ in range(2):
        candidate, stable, pods = window(50, [1] * 9)
        evidence = evidence.fold(candidate, stable, seconds=10, pods=pods)
        verdicts.append(evidence.judge().verdict)
    assert verdicts == [Verdict.CONTINUE, Verdict.FAIL]


def test_great_harm_while_stable_has_an_incident_waits_for_the_ranks() -> None:
    evidence = RatioEvidence.begin(GUARD, steps=1)
    for _ in range(6):
        candidate, stable, pods = window(1, [1] * 9)
        evidence = evidence.fold(candidate, stable, seconds=10, pods=pods)
    for _ in range(2):
        candidate, stable, pods = window(70, [20] * 9)
        evidence = evidence.fold(candidate, stable, seconds=10, pods=pods)
    assert evidence.judge().verdict is Verdict.CONTINUE


def test_one_pod_of_stable_is_enough_to_confirm_in_time() -> None:
    evidence = RatioEvidence.begin(GUARD, steps=1)
    assert 12 <= looks_to_fail(evidence, *window(9, [1])) <= 30


def test_pods_measure_bursts_and_what_hits_all_of_them_does_not() -> None:
    rng = np.random.default_rng(6)
    evidence = RatioEvidence.begin(Gates(comparison_margin=0.5), steps=1, dispersion=Dispersion())
    for look in range(120):
        rate = 0.2 if look % 12 < 6 else 0.01
        candidate, stable, pods = window(0, [int(bad) for bad in rng.binomial(100, rate, 9)])
        evidence = evidence.fold(candidate, stable, seconds=10, pods=pods)
    assert evidence.dispersion is not None
    assert evidence.dispersion.degrees == 20 * 8
    assert evidence.discount < 1.4


def test_more_pods_than_take_part_are_cut_to_the_same_ones_in_every_window() -> None:
    evidence = RatioEvidence.begin(GUARD, steps=1)
    for _ in range(2):
        candidate, stable, pods = window(1, [1] * 40)
        evidence = evidence.fold(candidate, stable, seconds=10, pods=pods)
    assert evidence.pods is not None
    assert len(evidence.pods.stable.pods) == 16
    assert {total for _, _, total in evidence.pods.stable.pods} == {200}


def test_pods_that_come_and_go_are_counted_by_their_names() -> None:
    evidence = RatioEvidence.begin(GUARD, steps=1)
    for name in ("a", "b", "a"):
        pods = PodWindow({"c": QUIET}, {name: QUIET})
        evidence = evidence.fold(QUIET, QUIET, seconds=9, pods=pods)
    assert evidence.pods is not None
    assert sorted(total for _, _, total in evidence.pods.stable.pods) == [100, 200]


def test_pods_of_one_arm_alone_confirm_and_hinder_nothing() -> None:
    pods = PodWindow({"candidate-0": ArmCounts(9, 10)}, {})
    evidence = RatioEvidence.begin(GUARD, steps=1).fold(ArmCounts(9, 10), ArmCounts(0, 90), seconds=10, pods=pods)
    assert evidence.judge().verdict is Verdict.FAIL


def test_pods_in_a_window_that_took_no_time_are_refused() -> None:
    candidate, stable, pods = window(1, [1])
    with pytest.raises(ValueError, match="seconds"):
        RatioEvidence.begin(GUARD, steps=1).fold(candidate, stable, pods=pods)


def test_evidence_with_pods_goes_on_as_if_it_had_not_been_written_down() -> None:
    kept = read = RatioEvidence.begin(GUARD, steps=2, dispersion=Dispersion()).enter_step()
    for look in range(30):
        candidate, stable, pods = window(1 + look % 3, [look % 2, 1, 2])
        kept = kept.fold(candidate, stable, seconds=10, pods=pods)
        read = RatioEvidence.from_vectors(read.fold(candidate, stable, seconds=10, pods=pods).to_vectors())
        if look == 15:
            kept, read = kept.enter_step(), read.enter_step()
    assert read == kept
    assert read.judge() == kept.judge()
