"""F1 of a label: judged once, at the end of the set, and seldom wrong."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.analysis import EvidenceError, F1Cell, F1Evidence, Gates, Verdict
from slipway.analysis.f1 import CELLS, f1

GATES = Gates(comparison_margin=0.02, non_inferiority_margin=0.05, min_samples=1)


def items(count: int, *, share: float, candidate: float, stable: float, alarms: float, seed: int) -> list[F1Cell]:
    """Items of which a share is of the label; the arms find theirs at these rates, and both raise false alarms."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        labelled, common = draw.random() < share, draw.random()
        rates = (candidate, stable) if labelled else (alarms, alarms)
        # Both arms are right on the same items more often than by chance, as two models of one problem are.
        found.append(F1Cell(labelled, *((common + draw.uniform(-0.1, 0.1)) < rate for rate in rates)))
    return found


def judged(cells: list[F1Cell], gates: Gates = GATES) -> F1Evidence:
    return F1Evidence.begin(gates, len(cells)).fold(cells, excluded=0)


@given(st.lists(st.sampled_from(CELLS), min_size=1, max_size=60))
def test_f1_is_what_its_definition_says(cells: list[F1Cell]) -> None:
    counted = {cell: float(cells.count(cell)) for cell in CELLS}
    hits = sum(1 for one in cells if one.labelled and one.candidate)
    alarms = sum(1 for one in cells if not one.labelled and one.candidate)
    missed = sum(1 for one in cells if one.labelled and not one.candidate)
    expected = 2 * hits / (2 * hits + alarms + missed) if hits + alarms + missed else 0.0
    assert f1(counted, "candidate") == pytest.approx(expected)


def test_nothing_is_decided_before_the_last_item() -> None:
    cells = items(2000, share=0.3, candidate=0.3, stable=0.9, alarms=0.05, seed=1)
    half = F1Evidence.begin(GATES, len(cells)).fold(cells[:1000], excluded=0)
    assert half.judge().verdict is Verdict.CONTINUE
    assert "judged at the end of the set" in half.judge().message
    assert half.fold(cells[1000:], excluded=0).judge().verdict is Verdict.FAIL


def test_a_candidate_that_misses_the_label_fails_though_its_accuracy_is_fine() -> None:
    cells = items(3000, share=0.05, candidate=0.4, stable=0.9, alarms=0.01, seed=2)
    right = sum(one.candidate == one.labelled for one in cells) / len(cells)
    assert right > 0.94
    found = judged(cells).judge()
    assert found.verdict is Verdict.FAIL
    assert found.message.startswith("n=3000 of 3000, ")
    assert "of the label; F1 " in found.message


def test_arms_that_answer_alike_pass_once_there_is_enough_of_the_label() -> None:
    alike = [F1Cell(True, True, True)] * 200 + [F1Cell(False, False, False)] * 200
    assert judged(alike).judge().verdict is Verdict.PASS
    few = [F1Cell(True, True, True)] * 20 + [F1Cell(False, False, False)] * 400
    found = judged(few).judge()
    assert found.verdict is Verdict.CONTINUE
    assert "30 items of the label are wanted" in found.message


def test_a_candidate_that_is_as_good_seldom_fails_and_one_at_the_margin_seldom_passes() -> None:
    gates = Gates(comparison_margin=0.0, non_inferiority_margin=0.05, min_samples=1, fail_alpha=0.05)
    failed = passed = 0
    for seed in range(200):
        failed += (
            judged(items(400, share=0.2, candidate=0.8, stable=0.8, alarms=0.05, seed=seed), gates).judge().verdict
            is Verdict.FAIL
        )
        cells = items(400, share=0.2, candidate=0.724, stable=0.8, alarms=0.05, seed=1000 + seed)
        passed += judged(cells, gates).judge().verdict is Verdict.PASS
    assert failed <= 200 * 0.05 + 2.6 * (200 * 0.05 * 0.95) ** 0.5
    assert passed <= 200 * 0.05 + 2.6 * (200 * 0.05 * 0.95) ** 0.5


def test_the_order_of_items_and_batches_does_not_matter_and_the_state_is_kept() -> None:
    cells = items(500, share=0.3, candidate=0.7, stable=0.8, alarms=0.1, seed=3)
    whole = judged(cells)
    parts = F1Evidence.begin(GATES, 500)
    for begin in range(0, 500, 100):
        parts = F1Evidence.from_vectors(parts.to_vectors()).fold(list(reversed(cells[begin : begin + 100])), excluded=0)
    assert parts == whole


def test_more_items_than_the_set_has_are_refused() -> None:
    with pytest.raises(ValueError, match="3 items of a golden set of 2"):
        F1Evidence.begin(GATES, 2).fold([CELLS[0]] * 3, excluded=0)
    vectors = dict(judged([CELLS[0]] * 3).to_vectors())
    with pytest.raises(EvidenceError):
        F1Evidence.from_vectors(vectors | {"f1": (2.0, 0.0)})


def test_a_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be held against a threshold"):
        F1Evidence.begin(Gates(comparison_margin=0.02, threshold_min=0.5), 10)
