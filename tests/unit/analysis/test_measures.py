"""Golden sets by scores in [0, 1]: what fails, what passes, and what a scale does to margins."""

from __future__ import annotations

import random

import pytest

from slipway.analysis import EvidenceError, Gates, ItemScores, MeasureEvidence, Verdict

GATES = Gates(non_inferiority_margin=0.02, min_samples=1)


def scored(number: int, loss: float, *, seed: int = 1, spread: float = 0.1) -> list[ItemScores]:
    """Stable scores about 0.8 and the candidate `loss` less, each item with a chance of its own."""
    rng = random.Random(seed)
    pairs = [(rng.uniform(-spread, spread), rng.uniform(-spread, spread)) for _ in range(number)]
    return [ItemScores(0.8 - loss + one, 0.8 + other) for one, other in pairs]


def test_a_loss_that_is_wider_than_the_margin_fails_and_a_narrower_one_passes() -> None:
    worse = MeasureEvidence.begin(GATES, 1000).fold(scored(1000, 0.1), excluded=0).judge()
    assert worse.verdict is Verdict.FAIL
    assert worse.message.startswith("n=1000 of 1000; score 69.91% beside stable's 80.19%, ")
    assert "loss=+1" in worse.message
    assert "(margin 2.00pp), evidence of harm" in worse.message
    alike = MeasureEvidence.begin(GATES, 1000).fold(scored(1000, 0.0), excluded=0).judge()
    assert alike.verdict is Verdict.PASS
    assert "worst case ≤" in alike.message


def test_few_items_decide_nothing_and_the_end_of_the_set_is_told() -> None:
    judgement = MeasureEvidence.begin(GATES, 12).fold(scored(10, 0.0), excluded=2).judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert judgement.message.startswith("n=10 of 12 (2 excluded); ")
    assert judgement.message.endswith("the set is exhausted without a decision")
    assert MeasureEvidence.begin(GATES, 12).fold([], excluded=3).judge().verdict is Verdict.NO_DATA


def test_margins_and_losses_are_those_of_the_measure_and_not_of_the_scores() -> None:
    """At a scale of 4 a margin of 20 points of the measure is one of 5 points of the scores."""
    wide = Gates(non_inferiority_margin=0.2, min_samples=1)
    whole = [ItemScores(one.candidate / 4, one.stable / 4) for one in scored(2000, 0.0)]
    judgement = MeasureEvidence.begin(wide, 2000, scale=4.0).fold(whole, excluded=0).judge()
    assert judgement.verdict is Verdict.PASS
    assert "score 80.08% beside stable's 79.92%" in judgement.message
    assert "(margin 20.00pp)" in judgement.message
    assert judgement.estimate is not None
    assert judgement.estimate.allowed == pytest.approx(0.2)
    assert judgement.worst_case is not None
    assert 0 < judgement.worst_case <= 0.2


def test_evidence_that_is_written_down_goes_on_as_if_nothing_had_happened() -> None:
    items = scored(100, 0.02)
    evidence = MeasureEvidence.begin(GATES, 200, scale=2.0).fold(items, excluded=1)
    again = MeasureEvidence.from_vectors(evidence.to_vectors())
    assert again == evidence
    assert again.fold(items[:99], excluded=0).judge() == evidence.fold(items[:99], excluded=0).judge()
    with pytest.raises(EvidenceError, match="101 items of a golden set of 10"):
        MeasureEvidence.from_vectors({**evidence.to_vectors(), "measure": (10.0, 2.0, 1.0, 1.0)})


def test_more_items_than_there_are_and_a_gate_that_compares_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="11 items of a golden set of 10"):
        MeasureEvidence.begin(GATES, 10).fold(scored(11, 0.0), excluded=0)
    with pytest.raises(ValueError, match="scores need comparison_margin"):
        MeasureEvidence.begin(Gates(threshold_min=0.5), 10)


def test_an_equal_model_fails_no_more_often_than_the_alpha_allows() -> None:
    """Looked at after each batch, at an alpha of 10 % and a margin of nothing; the scores of rare items are large."""
    failed, gates = 0, Gates(comparison_margin=0.0, fail_alpha=0.1, min_samples=1)
    for seed in range(300):
        rng, evidence = random.Random(seed), MeasureEvidence.begin(gates, 400)
        for _ in range(8):
            drawn = [(rng.random(), rng.random()) for _ in range(50)]
            skewed = [ItemScores(float(one < 0.05), float(other < 0.05)) for one, other in drawn]
            evidence = evidence.fold(skewed, excluded=0)
        failed += evidence.judge().verdict is Verdict.FAIL
    assert failed <= 30
