"""What is told before a rollout begins, held against what then happens."""

import math
from statistics import median

import numpy as np
import pytest

from slipway.analysis import (
    ArmCounts,
    Gates,
    Margin,
    RatioEvidence,
    Verdict,
    alpha_budget,
    chance_to_pass,
    plan,
    requests_to_fail,
    requests_to_pass,
    smallest_harm,
)


def simulated(gates: Gates, candidate: float, verdict: Verdict, runs: int = 25) -> float:
    rng = np.random.default_rng(60)
    found = []
    for _ in range(runs):
        evidence = RatioEvidence.begin(gates, steps=1).enter_step()
        for look in range(1, 100):
            evidence = evidence.fold(
                ArmCounts(int(rng.binomial(100, candidate)), 100), ArmCounts(int(rng.binomial(900, 0.01)), 900)
            )
            if evidence.judge().verdict is verdict:
                found.append(100 * look)
                break
    assert len(found) >= 0.9 * runs
    return median(found)


def test_harm_takes_about_as_many_requests_as_was_planned() -> None:
    planned = requests_to_fail(0.01, 0.03, share=0.1, alpha=0.01)
    assert simulated(Gates(comparison_margin=0.005), 0.03, Verdict.FAIL) == pytest.approx(planned, rel=0.35)
    assert requests_to_fail(0.01, 0.02, share=0.1, alpha=0.01) == pytest.approx(1868, abs=1)


def test_a_proof_takes_about_as_many_requests_as_was_planned() -> None:
    planned = requests_to_pass(0.01, Margin(0.01), share=0.1, alpha=0.05)
    assert simulated(Gates(non_inferiority_margin=0.01), 0.01, Verdict.PASS) == pytest.approx(planned, rel=0.35)


def test_the_smallest_harm_takes_just_the_requests_there_are() -> None:
    found = smallest_harm(0.01, requests=1868, share=0.1, alpha=0.01)
    assert found == pytest.approx(0.01, rel=1e-3)
    assert smallest_harm(0.01, requests=1, share=0.1, alpha=0.01) == math.inf
    assert smallest_harm(0.01, requests=1868, share=0.1, alpha=0.01, discount=5) > 2 * found


def test_what_cannot_be_shown_takes_for_ever() -> None:
    assert requests_to_fail(0.01, 0.01, share=0.1, alpha=0.01) == math.inf
    assert requests_to_pass(0.01, Margin(0.005), share=0.1, alpha=0.05, excess=0.005) == math.inf
    assert requests_to_pass(0.01, Margin(relative=0.2), share=0.5, alpha=0.05) < math.inf


@pytest.mark.parametrize(("items", "least", "most"), [(500, 0.38, 0.5), (1000, 0.65, 0.8), (2000, 0.92, 0.98)])
def test_the_chance_that_an_equal_model_passes_is_known_before_the_set_is_replayed(
    items: int, least: float, most: float
) -> None:
    assert least <= chance_to_pass(items, discordant=0.06, margin=0.02, alpha=0.05) <= most
    assert chance_to_pass(items, discordant=0.06, margin=0.02, alpha=0.05, loss=0.02) == pytest.approx(0.025)


def test_a_plan_says_whether_the_time_is_enough() -> None:
    gates = Gates(comparison_margin=0.005)
    idle = plan(gates, stable_rate=0.01, per_second=1, share=0.1, seconds=1800)
    assert not idle.decides
    assert idle.sentence == (
        "the time is too short to decide; 3331 candidate requests (about 9h) exclude the margin when there is no harm; "
        "+4.11pp is the smallest harm that 180 requests show"
    )
    busy = plan(gates, stable_rate=0.01, per_second=100, share=0.1, seconds=1800)
    assert busy.decides
    assert busy.sentence.startswith("3331 candidate requests (about 6m) exclude the margin")
    silent = plan(gates, stable_rate=0.0, per_second=0, share=0.1, seconds=1800)
    assert not silent.decides
    assert "(for ever)" in silent.sentence
    assert "no harm that 0 requests show" in silent.sentence


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"share": 0.0}, "share"),
        ({"share": 1.0}, "share"),
        ({"alpha": 0.0}, "alpha"),
        ({"discount": 0.5}, "alpha"),
        ({"stable_rate": math.nan}, "rate"),
        ({"stable_rate": -0.1}, "rate"),
    ],
)
def test_what_cannot_be_planned_with_is_refused(options: dict[str, float], named: str) -> None:
    good = {"stable_rate": 0.01, "candidate_rate": 0.02, "share": 0.1, "alpha": 0.01}
    with pytest.raises(ValueError, match=named):
        requests_to_fail(**{**good, **options})


def test_traffic_that_is_none_and_sets_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="traffic"):
        plan(Gates(comparison_margin=0.01), stable_rate=0.01, per_second=math.inf, share=0.1, seconds=60)
    with pytest.raises(ValueError, match="no gate"):
        plan(Gates(threshold_max=0.1), stable_rate=0.01, per_second=1, share=0.1, seconds=60)
    with pytest.raises(ValueError, match="items"):
        chance_to_pass(0, discordant=0.1, margin=0.02, alpha=0.05)


# --- the budget -------------------------------------------------------------------------------------------------------


def test_the_budget_is_shared_out_by_weight_and_never_exceeded() -> None:
    shares = alpha_budget(0.99, {"errors": 2, "latency": 1, "accuracy": 1})
    assert shares == pytest.approx({"errors": 0.005, "latency": 0.0025, "accuracy": 0.0025})
    assert math.fsum(shares.values()) == pytest.approx(0.01)
    assert alpha_budget(0.99, {}) == {}


@pytest.mark.parametrize(
    ("confidence", "weight"), [(1.0, 1), (0.0, 1), (math.nan, 1), (0.9, 0), (0.9, -1), (0.9, math.inf)]
)
def test_a_budget_that_means_nothing_is_refused(confidence: float, weight: float) -> None:
    with pytest.raises(ValueError, match=r"confidence|weights"):
        alpha_budget(confidence, {"errors": weight})
