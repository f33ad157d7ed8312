"""Every bet is fair or worse under its null: shown by enumerating all outcomes of small windows, not by simulation.

| process | null | enumerated |
|---|---|---|
| harm, two arms | candidate no worse than stable | on the edge, inside, changing rates, after restarts |
| safety, two arms | candidate worse by at least the margin | on the edge, inside, rates that change |
| limit broken / kept, one arm | rate at most / at least the limit | on the edge and inside |
| McNemar, paired | losses no likelier than wins | on the edge, inside; the whole sequential rule with its final test |
| betting, paired | accuracy lower by at least the margin | on the edge and inside |
"""

from collections import defaultdict
from collections.abc import Iterator
from math import comb, exp

import pytest

from slipway.analysis import ArmCounts, Gates, PairedBatch, PairedEvidence, RatioEvidence, SingleEvidence, Verdict
from slipway.analysis.golden import log_accurate, log_inaccurate
from slipway.analysis.paired import log_no_worse, log_worse

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
