"""Every bet is fair or worse under its null: shown by enumerating all outcomes of small windows, not by simulation.

| process | null | enumerated |
|---|---|---|
| harm, two arms | candidate no worse than stable | on the edge, inside, changing rates, after restarts |
| safety, two arms | candidate worse by at least the margin | on the edge, inside, rates that change |
| limit broken / kept, one arm | rate at most / at least the limit | on the edge and inside |
| McNemar, paired | losses no likelier than wins | on the edge, inside; the whole sequential rule with its final test |
| betting, paired | accuracy lower by at least the margin | on the edge and inside |
| safety, relative margin; bounds on the worst case | candidate worse by at least each margin | on the edge, inside |
| harm, after the promotion | rate at most the ceiling | on the edge and inside, after any past |
| latency, mean over edges | no more requests slow at any edge | all ways in which six requests fall into buckets |
| betting, scores | mean difference at the edge | skewed, symmetric and two-point scores |
| share of traffic | share within its tolerance | both edges and the middle |
| bin shares | shares as in the reference | the expected evidence over small samples |
| all of a ratio's, discounted | the same, and requests that fail five at a time | on the edge |
| ranks of pods | pods exchangeable | `test_ranks.py` |
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from math import comb, exp, log, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.analysis import (
    ArmCounts,
    Dispersion,
    DriftEvidence,
    Gates,
    Histogram,
    LatencyEvidence,
    Margin,
    PairedBatch,
    PairedEvidence,
    RatioEvidence,
    ScoreEvidence,
    ShareEvidence,
    SingleEvidence,
    Verdict,
)
from slipway.analysis.bets import nearest, proof_odds
from slipway.analysis.golden import log_accurate, log_inaccurate
from slipway.analysis.paired import log_no_worse, log_worse
from slipway.analysis.twoarm import BOUND_FACTORS

TOLERANCE = 1e-9
WATCH_ONLY = {"min_samples": 10**9, "fail_alpha": 1e-60, "pass_alpha": 1e-60}
"""No decision is reached, so that the evidence itself stays in sight."""


def outcomes(total: int, rate: float) -> Iterator[tuple[float, ArmCounts]]:
    for bad in range(total + 1):
        yield comb(total, bad) * rate**bad * (1 - rate) ** (total - bad), ArmCounts(bad, total)


def expected_growth(evidence: RatioEvidence, sizes: tuple[int, int], rates: tuple[float, float]) -> float:
    """E[evidence after one more window] / evidence now, for these true rates of candidate and stable."""
    now = evidence.judge().evidence if evidence.judge().candidate_samples else 1.0
    return (
        sum(
            p * q * evidence.fold(candidate, stable).judge().evidence
            for p, candidate in outcomes(sizes[0], rates[0])
            for q, stable in outcomes(sizes[1], rates[1])
        )
        / now
    )


def watching(**gates: float) -> RatioEvidence:
    return RatioEvidence.begin(Gates(**gates, **WATCH_ONLY), steps=2)


PASTS = {
    "fresh": lambda evidence: evidence,
    "quiet past": lambda evidence: evidence.fold(ArmCounts(0, 20), ArmCounts(0, 300)),
    "bad past": lambda evidence: evidence.fold(ArmCounts(9, 20), ArmCounts(200, 300)),
    "hopeless past": lambda evidence: evidence.fold(ArmCounts(20, 20), ArmCounts(10**7, 10**7)),
    "restarted": lambda evidence: evidence.fold(ArmCounts(1, 20), ArmCounts(6, 300)).enter_step(),
}


@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("sizes", [(1, 1), (3, 9), (8, 8), (10, 2)])
@pytest.mark.parametrize("rates", [(0.01, 0.01), (0.2, 0.2), (0.5, 0.5), (0.97, 0.97), (0.1, 0.3), (0.0, 0.9)])
def test_evidence_of_harm_does_not_grow_on_average_when_there_is_none(
    past: str, sizes: tuple[int, int], rates: tuple[float, float]
) -> None:
    evidence = PASTS[past](watching(comparison_margin=0.999))
    assert expected_growth(evidence, sizes, rates) <= 1 + TOLERANCE


def test_entering_steps_moves_capital_and_makes_none() -> None:
    evidence = RatioEvidence.begin(Gates(comparison_margin=0.01, threshold_max=0.1), steps=3)
    for _ in range(5):
        evidence = evidence.enter_step()
        assert evidence.judge().evidence == pytest.approx(1)


def test_evidence_of_harm_grows_on_average_when_there_is_some() -> None:
    assert expected_growth(watching(comparison_margin=0.999), (8, 8), (0.4, 0.02)) > 2


def test_evidence_of_harm_stays_fair_over_windows_whose_shared_rate_changes() -> None:
    evidence = watching(comparison_margin=0.999)
    total = 0.0
    for p, first in outcomes(3, 0.05):
        for q, stable in outcomes(5, 0.05):
            after = evidence.fold(first, stable).enter_step()
            total += p * q * after.judge().evidence * expected_growth(after, (4, 3), (0.8, 0.8))
    assert total <= 1 + TOLERANCE


@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("sizes", [(1, 1), (3, 9), (8, 8), (10, 2)])
@pytest.mark.parametrize("margin", [0.005, 0.1, 0.4])
@pytest.mark.parametrize(("stable", "beyond"), [(0.01, 0.0), (0.3, 0.0), (0.55, 0.0), (0.1, 0.2), (0.0, 0.0)])
def test_evidence_of_safety_does_not_grow_on_average_at_the_margin_or_beyond(
    past: str, sizes: tuple[int, int], margin: float, stable: float, beyond: float
) -> None:
    evidence = PASTS[past](watching(non_inferiority_margin=margin))
    assert expected_growth(evidence, sizes, (stable + margin + beyond, stable)) <= 1 + TOLERANCE


def test_evidence_of_safety_grows_on_average_when_the_candidate_is_as_good() -> None:
    assert expected_growth(watching(non_inferiority_margin=0.4), (8, 8), (0.02, 0.02)) > 1.5


@pytest.mark.parametrize("limit", [0.01, 0.2, 0.7])
@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_evidence_of_a_broken_limit_does_not_grow_on_average_below_it(limit: float, fraction: float) -> None:
    for past in PASTS.values():
        evidence = past(watching(threshold_max=limit))
        assert expected_growth(evidence, (12, 0), (limit * fraction, 0.0)) <= 1 + TOLERANCE


@pytest.mark.parametrize("minimum", [0.5, 0.9])
def test_evidence_on_accuracy_is_fair_in_both_directions(minimum: float) -> None:
    wrong_rate = 1 - minimum
    lower = sum(p * exp(log_inaccurate(wrong, minimum, final=False)) for p, wrong in outcomes(20, wrong_rate))
    higher = sum(p * exp(log_accurate(wrong, minimum, final=False)) for p, wrong in outcomes(20, wrong_rate))
    inside = sum(p * exp(log_accurate(wrong, minimum, final=False)) for p, wrong in outcomes(20, wrong_rate + 0.05))
    assert lower == pytest.approx(1)
    assert higher == pytest.approx(1)
    assert inside < 1


def paired_outcomes(items: int, loss: float, win: float) -> Iterator[tuple[float, PairedBatch]]:
    for losses in range(items + 1):
        for wins in range(items + 1 - losses):
            ties = items - losses - wins
            ways = comb(items, losses) * comb(items - losses, wins)
            yield ways * loss**losses * win**wins * (1 - loss - win) ** ties, PairedBatch(losses, wins, ties, 0, 0)


@pytest.mark.parametrize(("loss", "win", "edge"), [(0.1, 0.1, True), (0.5, 0.5, True), (0.1, 0.3, False)])
def test_evidence_of_lost_items_is_fair(loss: float, win: float, edge: bool) -> None:
    mean = sum(p * exp(log_worse(batch, final=False)) for p, batch in paired_outcomes(14, loss, win))
    assert mean == pytest.approx(1) if edge else mean < 1


@pytest.mark.parametrize("margin", [0.02, 0.1, 0.5])
@pytest.mark.parametrize(("win", "beyond", "edge"), [(0.05, 0.0, True), (0.0, 0.0, True), (0.05, 0.1, False)])
def test_evidence_of_no_loss_is_fair(margin: float, win: float, beyond: float, edge: bool) -> None:
    outcomes_here = paired_outcomes(14, win + margin + beyond, win)
    mean = sum(p * exp(log_no_worse(batch, margin, final=False)) for p, batch in outcomes_here)
    assert mean == pytest.approx(1) if edge else mean < 1


def test_a_golden_set_that_is_looked_at_after_every_item_and_at_its_end_fails_an_equal_model_within_alpha() -> None:
    """The chance of a Fail at any look or in the final test, exactly, when every item is discordant."""
    size, alpha = 40, 0.05
    gates = Gates(comparison_margin=0.0, fail_alpha=alpha)
    running = {(0, 0): 1.0}
    failed = 0.0
    for _ in range(size):
        following: dict[tuple[int, int], float] = defaultdict(float)
        for (losses, wins), p in running.items():
            for after in ((losses + 1, wins), (losses, wins + 1)):
                evidence = PairedEvidence.begin(gates, size).fold(PairedBatch(*after, 0, 0, 0))
                if evidence.judge().verdict is Verdict.FAIL:
                    failed += p / 2
                else:
                    following[after] += p / 2
        running = following
    assert 0 < failed <= alpha


def test_a_golden_set_passes_a_model_at_the_minimum_within_alpha() -> None:
    size, minimum, alpha = 60, 0.8, 0.05
    gates = Gates(threshold_min=minimum, pass_alpha=alpha, min_samples=1)
    running, passed = {0: 1.0}, 0.0
    for item in range(1, size + 1):
        following: dict[int, float] = defaultdict(float)
        for wrong, p in running.items():
            for after, q in ((wrong + 1, 1 - minimum), (wrong, minimum)):
                evidence = SingleEvidence.begin(gates, size).fold(item - after, after, 0)
                if evidence.judge().verdict is Verdict.PASS:
                    passed += p * q
                else:
                    following[after] += p * q
        running = following
    assert 0 < passed <= alpha


@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("sizes", [(3, 9), (8, 4)])
@pytest.mark.parametrize("relative", [0.2, 9.0])
@pytest.mark.parametrize(("stable", "beyond"), [(0.01, 0.0), (0.1, 0.0), (0.05, 0.3)])
def test_evidence_of_safety_within_a_share_of_stables_rate_is_fair(
    past: str, sizes: tuple[int, int], relative: float, stable: float, beyond: float
) -> None:
    evidence = PASTS[past](watching(non_inferiority_relative=relative))
    assert expected_growth(evidence, sizes, (min((1 + relative) * stable + beyond, 1.0), stable)) <= 1 + TOLERANCE


FIVEFOLD = Dispersion(chi_square=500, degrees=100)


@pytest.mark.parametrize(
    "gates", [{"comparison_margin": 0.999}, {"non_inferiority_margin": 0.2}, {"threshold_max": 0.3}]
)
@pytest.mark.parametrize("burst", [1, 5])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3])
def test_discounted_evidence_is_fair_for_independent_requests_and_for_bursts_of_that_size(
    gates: dict[str, float], burst: int, rate: float
) -> None:
    begun = RatioEvidence.begin(Gates(**gates, **WATCH_ONLY), steps=2, dispersion=FIVEFOLD)
    begun = begun.fold(ArmCounts(1, 20), ArmCounts(9, 180))
    mean = sum(
        p
        * q
        * begun.fold(
            ArmCounts(burst * candidate.bad, burst * candidate.total),
            ArmCounts(burst * stable.bad, burst * stable.total),
        )
        .judge()
        .evidence
        for p, candidate in outcomes(4, rate + gates.get("non_inferiority_margin", 0.0))
        for q, stable in outcomes(9, rate)
    )
    assert mean <= begun.judge().evidence * (1 + TOLERANCE)


def test_undiscounted_evidence_is_not_fair_for_bursts() -> None:
    begun = RatioEvidence.begin(Gates(comparison_margin=0.999, **WATCH_ONLY), steps=1)
    begun = begun.fold(ArmCounts(1, 20), ArmCounts(9, 180))
    mean = sum(
        p * q * begun.fold(ArmCounts(5 * candidate.bad, 20), ArmCounts(5 * stable.bad, 45)).judge().evidence
        for p, candidate in outcomes(4, 0.1)
        for q, stable in outcomes(9, 0.1)
    )
    assert mean > 1.5 * begun.judge().evidence


@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("margin", [0.02, 0.2])
@pytest.mark.parametrize("stable", [0.01, 0.3, 0.6])
def test_no_bound_is_excluded_by_evidence_that_grows_on_average_at_it(past: str, margin: float, stable: float) -> None:
    evidence = PASTS[past](watching(comparison_margin=margin))
    assert evidence.comparison is not None
    for index, factor in enumerate(BOUND_FACTORS):
        edge = stable + factor * margin
        if edge >= 1:
            continue
        growth = 0.0
        for p, candidate in outcomes(4, edge):
            for q, stable_counts in outcomes(9, stable):
                after = evidence.fold(candidate, stable_counts).comparison
                assert after is not None
                growth += p * q * exp(after.bounds[index] - evidence.comparison.bounds[index])
        assert growth <= 1 + TOLERANCE


@pytest.mark.parametrize("sizes", [(1, 1), (3, 90), (80, 8), (1000, 2)])
@pytest.mark.parametrize("rates", [(0.001, 0.001), (0.01, 0.02), (0.1, 0.05), (0.5, 0.4)])
@pytest.mark.parametrize("margin", [Margin(0.002), Margin(0.1), Margin(relative=0.1), Margin(relative=3.0)])
def test_a_bet_on_safety_is_placed_at_the_point_of_the_edge_that_is_nearest(
    sizes: tuple[int, int], rates: tuple[float, float], margin: Margin
) -> None:
    """Which is where it grows fastest: no other point of the edge gives the rates that are bet on a better bet."""

    def distance(q: float) -> float:
        edge = (1 + margin.relative) * q + margin.absolute
        return sum(
            n * (p * log(p / e) + (1 - p) * log((1 - p) / (1 - e)))
            for n, p, e in zip(sizes, rates, (edge, q), strict=True)
        )

    if rates[0] >= (1 + margin.relative) * rates[1] + margin.absolute:
        return
    q = nearest(sizes, rates, 1 + margin.relative, margin.absolute)
    highest = min(rates[1], (1 - margin.absolute) / (1 + margin.relative))
    lowest = max((rates[0] - margin.absolute) / (1 + margin.relative), 0.0)
    grid = [lowest + (highest - lowest) * i / 2000 for i in range(1, 2000)]
    best = min(distance(other) for other in grid)
    assert distance(q) <= best * 1.01 + 1e-9
    odds = proof_odds(*sizes, *rates, margin)
    assert odds.growth(rates[0], sizes[0], rates[1], sizes[1]) >= 0.98 * best - 1e-9


@given(
    st.tuples(st.integers(1, 1000), st.integers(1, 1000)),
    st.tuples(st.floats(1e-6, 0.999), st.floats(1e-6, 0.999)),
    st.sampled_from([Margin(0.001), Margin(0.3), Margin(relative=0.05), Margin(relative=20.0)]),
    st.floats(0, 1),
)
@settings(max_examples=300, deadline=None)
def test_a_bet_on_safety_is_fair_wherever_it_is_placed(
    sizes: tuple[int, int], rates: tuple[float, float], margin: Margin, at: float
) -> None:
    """Requests are independent, so that the expectation over all outcomes of a window is a product of powers."""
    odds = proof_odds(*sizes, *rates, margin)
    stable = at * (1 - margin.absolute) / (1 + margin.relative)
    candidate = (1 + margin.relative) * stable + margin.absolute
    log_mean = sizes[0] * log(candidate * exp(odds.candidate_bad) + (1 - candidate) * exp(odds.candidate_good))
    log_mean += sizes[1] * log(stable * exp(odds.stable_bad) + (1 - stable) * exp(odds.stable_good))
    assert log_mean <= TOLERANCE


def test_no_bet_on_safety_risks_everything_on_a_request_of_stable() -> None:
    odds = proof_odds(5, 1592, 0.97, 0.73, Margin(relative=20.0))
    assert odds.stable_good >= log(1e-3) - TOLERANCE


@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("fraction", [1.0, 0.6])
def test_evidence_of_harm_after_the_promotion_is_fair_below_the_ceiling(past: str, fraction: float) -> None:
    before = watching(comparison_margin=0.01).fold(ArmCounts(1, 50), ArmCounts(9, 450))
    evidence = PASTS[past](before).watch()
    assert evidence.watched is not None
    if evidence.watched.ceiling == 1:
        assert evidence.fold(ArmCounts(9, 9), ArmCounts(0, 0)).judge().evidence == evidence.judge().evidence
    else:
        rate = evidence.watched.ceiling * fraction
        assert expected_growth(evidence, (12, 0), (rate, 0.0)) <= 1 + TOLERANCE


def buckets(requests: int, shares: tuple[float, ...]) -> Iterator[tuple[float, Histogram]]:
    bounds = tuple(float(i) for i in range(1, len(shares)))
    for counts in product(range(requests + 1), repeat=len(shares)):
        if sum(counts) == requests:
            left, ways = requests, 1
            for count in counts:
                ways *= comb(left, count)
                left -= count
            yield ways * prod(p**k for p, k in zip(shares, counts, strict=True)), Histogram(bounds, counts)


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (0.9, 0.05, 0.05), (0.0, 0.5, 0.5)])
def test_evidence_of_slowness_is_fair_over_all_edges_together(shares: tuple[float, ...]) -> None:
    gates = Gates(comparison_margin=0.19, **WATCH_ONLY)
    past = Histogram((1.0, 2.0), (60, 30, 10))
    fresh = LatencyEvidence.begin(gates, steps=1, past=past)
    nothing = fresh.fold(Histogram((1.0, 2.0), (1, 0, 0)), Histogram((1.0, 2.0), (1, 0, 0)))
    assert nothing.judge().evidence <= 1
    evidence = LatencyEvidence.begin(gates, steps=1, past=past).fold(
        Histogram((1.0, 2.0), (5, 1, 1)), Histogram((1.0, 2.0), (40, 9, 5))
    )
    now = evidence.judge().evidence
    mean = sum(
        p * q * evidence.fold(candidate, stable).judge().evidence
        for p, candidate in buckets(4, shares)
        for q, stable in buckets(6, shares)
    )
    assert mean <= now * (1 + TOLERANCE)


@pytest.mark.parametrize("scores", [{-1.0: 0.5, 1.0: 0.5}, {-0.9: 0.1, 0.1: 0.9}, {-0.2: 0.25, 0.0: 0.5, 0.2: 0.25}])
def test_evidence_of_lower_scores_is_fair_when_they_are_equal_on_average(scores: dict[float, float]) -> None:
    mean = 0.0
    for draws in product(scores, repeat=5):
        chance = prod(scores[draw] for draw in draws)
        mean += chance * ScoreEvidence.begin(Gates(comparison_margin=0.99)).fold(draws).judge().evidence
    assert mean == pytest.approx(1)


@pytest.mark.parametrize("scores", [{-1.0: 0.1, 0.0: 0.9}, {-0.9: 0.2, 0.1: 0.8}, {-0.1: 1.0}])
def test_evidence_of_safe_scores_is_fair_when_they_are_lower_by_the_margin(scores: dict[float, float]) -> None:
    gates = Gates(non_inferiority_margin=0.1, min_samples=10**9, pass_alpha=1e-60)
    mean = bound = 0.0
    for draws in product(scores, repeat=5):
        chance = prod(scores[draw] for draw in draws)
        evidence = ScoreEvidence.begin(gates).fold(draws)
        mean += chance * evidence.judge().evidence
        bound += chance * exp(evidence._log_excluded(0.1))
    assert mean == pytest.approx(1)
    assert bound <= 1 + TOLERANCE


@pytest.mark.parametrize(("weight", "share"), [(0.1, 0.1), (0.1, 0.11), (0.1, 0.09), (0.5, 0.55), (0.95, 0.975)])
def test_evidence_of_a_mismatch_is_fair_within_the_tolerance(weight: float, share: float) -> None:
    evidence = ShareEvidence.begin().fold(1, 9, weight=weight)
    now = evidence.judge().evidence
    mean = sum(
        p * evidence.fold(window.bad, window.total - window.bad, weight=weight).judge().evidence
        for p, window in outcomes(16, share)
    )
    assert mean <= now * (1 + TOLERANCE)


def test_evidence_of_drift_is_fair_without_drift() -> None:
    shares = (0.6, 0.3, 0.1)
    mean = sum(
        p * exp(DriftEvidence.begin((60, 30, 10)).fold(histogram.counts)._log_evidence())
        for p, histogram in buckets(9, shares)
    )
    assert mean <= 1 + TOLERANCE
