"""What the judge finds and how soon, in seeded simulations small enough for every run.

Nine requests go to stable for each one to the candidate. Sizes are chosen so that a correct judge passes with room for
another seed; `tests/bench/judge.py` measures the same with more replications.
"""

from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
import pytest

from slipway.analysis import ArmCounts, Gates, PairedBatch, PairedEvidence, RatioEvidence, Verdict

GUARD = Gates(comparison_margin=0.005)


def requests_to_fail(
    rng: np.random.Generator,
    rates: Callable[[int], tuple[float, float]],
    *,
    candidate: Callable[[int], int] = lambda _: 10,
    total: int = 100,
    looks: int = 60,
    steps: Sequence[int] = (0,),
) -> int | None:
    """Candidate requests until the verdict is Fail; None if it never is."""
    evidence, seen = RatioEvidence.begin(GUARD, steps=len(steps)), 0
    for look in range(looks):
        if look in steps:
            evidence = evidence.enter_step()
        share, (candidate_rate, stable_rate) = candidate(look), rates(look)
        seen += share
        evidence = evidence.fold(
            ArmCounts(int(rng.binomial(share, candidate_rate)), share),
            ArmCounts(int(rng.binomial(total - share, stable_rate)), total - share),
        )
        if evidence.judge().verdict is Verdict.FAIL:
            return seen
    return None


def test_a_healthy_candidate_is_hauled_back_in_at_most_one_rollout_of_a_hundred() -> None:
    rng = np.random.default_rng(20)
    failed = [requests_to_fail(rng, lambda _: (0.01, 0.01), steps=(0, 20, 40)) for _ in range(300)]
    assert sum(result is not None for result in failed) <= 3


def test_an_incident_on_both_arms_during_a_ramp_hauls_nothing_back() -> None:
    def incident(look: int) -> tuple[float, float]:
        rate = 0.005 if look < 30 else 0.03
        return rate, rate

    rng = np.random.default_rng(21)
    steps = (0, 12, 24, 36, 48)
    failed = [
        requests_to_fail(
            rng, incident, candidate=lambda look: (50, 100, 200, 350, 500)[look // 12], total=1000, steps=steps
        )
        for _ in range(150)
    ]
    assert sum(result is not None for result in failed) <= 1


def test_five_percent_errors_instead_of_one_are_found_within_two_hundred_requests() -> None:
    rng = np.random.default_rng(22)
    found = [requests_to_fail(rng, lambda _: (0.05, 0.01), looks=180) for _ in range(300)]
    assert all(found)
    assert median(found) <= 200


def test_a_candidate_that_breaks_half_its_answers_is_stopped_at_the_first_or_second_look() -> None:
    rng = np.random.default_rng(23)
    found = [requests_to_fail(rng, lambda _: (0.5, 0.01)) for _ in range(200)]
    assert median(found) <= 10
    assert max(found) <= 30


def items_to_decide(
    rng: np.random.Generator, cells: Sequence[float], *, size: int, batch: int = 50
) -> tuple[Verdict, int]:
    """The verdict on a golden set with these chances of loss, win, both right, both wrong, and the items it took."""
    evidence = PairedEvidence.begin(Gates(non_inferiority_margin=0.02), size)
    while not evidence.exhausted:
        counts = rng.multinomial(batch, cells)
        evidence = evidence.fold(PairedBatch(*(int(count) for count in counts), 0))
        judged = evidence.judge()
        if judged.verdict in (Verdict.FAIL, Verdict.PASS):
            break
    return judged.verdict, judged.candidate_samples


def test_ten_points_of_accuracy_lost_are_found_within_two_hundred_items() -> None:
    rng = np.random.default_rng(24)
    results = [items_to_decide(rng, (0.13, 0.03, 0.77, 0.07), size=2000) for _ in range(200)]
    assert {verdict for verdict, _ in results} == {Verdict.FAIL}
    assert median(items for _, items in results) <= 200


def test_an_equal_model_usually_passes_on_six_hundred_items_and_next_to_never_fails() -> None:
    rng = np.random.default_rng(25)
    results = [items_to_decide(rng, (0.015, 0.015, 0.885, 0.085), size=600)[0] for _ in range(300)]
    assert results.count(Verdict.PASS) / 300 >= 0.7
    assert results.count(Verdict.FAIL) <= 3


def test_a_model_that_is_worse_by_the_margin_seldom_passes() -> None:
    rng = np.random.default_rng(26)
    results = [items_to_decide(rng, (0.05, 0.03, 0.85, 0.07), size=600)[0] for _ in range(300)]
    assert results.count(Verdict.PASS) / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.parametrize("margin", [0.01, 0.02])
def test_a_candidate_that_is_worse_by_the_margin_is_seldom_proven_safe(margin: float) -> None:
    rng = np.random.default_rng(27)
    passed = 0
    for _ in range(150):
        evidence = RatioEvidence.begin(Gates(non_inferiority_margin=margin), steps=1)
        for _ in range(40):
            evidence = evidence.fold(
                ArmCounts(int(rng.binomial(100, 0.01 + margin)), 100), ArmCounts(int(rng.binomial(900, 0.01)), 900)
            )
        passed += evidence.judge().verdict is Verdict.PASS
    assert passed / 150 <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5
