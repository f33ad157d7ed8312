"""Golden sets, on both arms and on the candidate alone."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.analysis import Gates, PairedBatch, PairedEvidence, SingleEvidence, Verdict

GUARD = Gates(comparison_margin=0.02)
PROOF = Gates(non_inferiority_margin=0.02)
MINIMUM = Gates(threshold_min=0.85)
SIZE = 600


def paired(gates: Gates, *batches: tuple[int, int, int, int, int], size: int = SIZE) -> PairedEvidence:
    evidence = PairedEvidence.begin(gates, size)
    for batch in batches:
        evidence = evidence.fold(PairedBatch(*batch))
    return evidence


def single(gates: Gates, *batches: tuple[int, int, int], size: int = SIZE) -> SingleEvidence:
    evidence = SingleEvidence.begin(gates, size)
    for batch in batches:
        evidence = evidence.fold(*batch)
    return evidence


@pytest.mark.parametrize(
    ("gates", "batches", "expected"),
    [
        pytest.param(PROOF, [], Verdict.NO_DATA, id="nothing asked"),
        pytest.param(PROOF, [(0, 0, 0, 0, 600)], Verdict.NO_DATA, id="every item unusable: no data, not a pass"),
        pytest.param(PROOF, [(0, 0, 600, 0, 0)], Verdict.PASS, id="no difference on any item"),
        pytest.param(PROOF, [(9, 9, 531, 51, 0)], Verdict.PASS, id="an equal model, 3% discordant, whole set"),
        pytest.param(
            PROOF, [(9, 9, 532, 49, 0)], Verdict.CONTINUE, id="the same, but one item left: no final test yet"
        ),
        pytest.param(
            PROOF, [(18, 18, 513, 51, 0)], Verdict.CONTINUE, id="equal at 6% discordance: the set is too small"
        ),
        pytest.param(PROOF, [(20, 2, 68, 10, 0)], Verdict.FAIL, id="20 lost, 2 won of 100"),
        pytest.param(PROOF, [(4, 0, 36, 10, 0)], Verdict.CONTINUE, id="four lost of 50"),
        pytest.param(GUARD, [(30, 10, 500, 60, 0)], Verdict.FAIL, id="the final test finds a loss of 3.3 points"),
        pytest.param(GUARD, [(30, 10, 499, 60, 0)], Verdict.CONTINUE, id="the looks alone do not find it"),
        pytest.param(
            Gates(comparison_margin=0.06), [(30, 10, 500, 60, 0)], Verdict.PASS, id="a loss within the margin"
        ),
        pytest.param(GUARD, [(60, 60, 400, 80, 0)], Verdict.CONTINUE, id="many differences that cancel"),
        pytest.param(
            Gates(threshold_min=0.85, non_inferiority_margin=0.02),
            [(0, 0, 480, 120, 0)],
            Verdict.FAIL,
            id="as good as stable, and both below the minimum",
        ),
        pytest.param(
            Gates(threshold_min=0.85, non_inferiority_margin=0.02),
            [(0, 0, 515, 85, 0)],
            Verdict.CONTINUE,
            id="non-inferior, but the minimum is not proven",
        ),
        pytest.param(
            Gates(threshold_min=0.85, comparison_margin=0.02),
            [(40, 35, 515, 10, 0)],
            Verdict.PASS,
            id="beside a minimum the comparison is a guardrail",
        ),
        pytest.param(Gates(threshold_min=0.85), [(0, 0, 570, 30, 0)], Verdict.PASS, id="a minimum alone, on both arms"),
    ],
)
def test_paired_verdicts(gates: Gates, batches: list[tuple[int, int, int, int, int]], expected: Verdict) -> None:
    assert paired(gates, *batches).judge().verdict is expected


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        pytest.param([], Verdict.NO_DATA, id="nothing asked"),
        pytest.param([(0, 0, 600)], Verdict.NO_DATA, id="every item unusable"),
        pytest.param([(90, 10, 0)], Verdict.CONTINUE, id="90% of 100 items: not yet enough"),
        pytest.param([(190, 10, 0)], Verdict.PASS, id="95% of 200 items"),
        pytest.param([(130, 70, 0)], Verdict.FAIL, id="65% of 200 items"),
        pytest.param([(525, 74, 0)], Verdict.CONTINUE, id="87.6%: one item left, no final test yet"),
        pytest.param([(526, 74, 0)], Verdict.CONTINUE, id="87.7% of 600: the final test is not sure either"),
        pytest.param([(530, 70, 0)], Verdict.PASS, id="88.3% of 600: the final test is sure"),
    ],
)
def test_verdicts_on_a_first_release(batches: list[tuple[int, int, int]], expected: Verdict) -> None:
    assert single(MINIMUM, *batches).judge().verdict is expected


def test_pass_waits_for_the_minimum_of_items_and_fail_does_not() -> None:
    patient = Gates(threshold_min=0.5, min_samples=500)
    judgement = single(patient, (200, 0, 0)).judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert "500 items wanted" in judgement.message
    assert single(patient, (200, 0, 0), (300, 0, 0)).judge().verdict is Verdict.PASS
    assert single(patient, (0, 40, 0)).judge().verdict is Verdict.FAIL


def test_a_fail_is_never_taken_back_and_the_set_still_ends() -> None:
    failed = paired(PROOF, (20, 2, 68, 10, 0))
    later = failed.fold(PairedBatch(0, 100, 400, 0, 0))
    assert later.judge().verdict is Verdict.FAIL
    assert later.judge().evidence >= later.judge().needed
    assert later.exhausted
    low = single(MINIMUM, (60, 40, 0), (500, 0, 0))
    assert low.judge().verdict is Verdict.FAIL
    assert low.exhausted


def test_a_pass_stays_until_harm_is_shown() -> None:
    passed = single(MINIMUM, (200, 5, 0))
    assert passed.judge().verdict is Verdict.PASS
    assert passed.fold(70, 30, 0).judge().verdict is Verdict.PASS
    assert passed.fold(70, 130, 0).judge().verdict is Verdict.FAIL


def test_a_set_is_exhausted_when_the_last_item_was_judged_or_excluded() -> None:
    evidence = paired(PROOF, (1, 1, 90, 6, 1), size=100)
    assert not evidence.exhausted
    assert evidence.fold(PairedBatch(0, 0, 0, 0, 1)).exhausted
    with pytest.raises(ValueError, match="102 items of a golden set of 100"):
        evidence.fold(PairedBatch(0, 0, 3, 0, 0))
    with pytest.raises(ValueError, match="601 items of a golden set of 600"):
        single(MINIMUM, (600, 0, 1))


def test_an_exhausted_set_without_a_decision_says_so() -> None:
    judgement = paired(PROOF, (18, 18, 513, 51, 0)).judge()
    assert judgement.message.endswith("the set is exhausted without a decision")


def test_the_sentence_names_accuracies_counts_margin_bound_and_evidence() -> None:
    failed = paired(PROOF, (25, 2, 160, 13, 3)).judge()
    assert failed.message == (
        "n=200 of 600 (3 excluded); accuracy 81.00% beside stable's 92.50%, 25 lost and 2 won, "
        "loss=+11.50pp (margin 2.00pp), evidence of harm 30484 of 200"
    )
    assert failed.difference == pytest.approx(0.115)
    passed = paired(PROOF, (9, 9, 531, 51, 0)).judge()
    assert "worst case ≤ +1.46pp at 95%" in passed.message
    alone = single(MINIMUM, (190, 10, 0)).judge()
    assert alone.message.startswith("n=200 of 600; accuracy=95.00% (min 85.00%), worst case ≥ ")


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 400), st.floats(0.005, 0.3))
@settings(max_examples=60, deadline=None)
def test_the_worst_case_that_is_named_is_within_the_margin_exactly_when_safety_is_shown(
    losses: int, wins: int, ties: int, margin: float
) -> None:
    margin = round(margin, 3)
    items = losses + wins + ties
    if not items:
        return
    gates = Gates(non_inferiority_margin=margin, min_samples=1, fail_alpha=1e-60)
    judgement = paired(gates, (losses, wins, ties, 0, 0), size=items).judge()
    worst = float(judgement.message.partition("worst case ≤ ")[2].partition("pp")[0]) / 100
    if judgement.verdict is Verdict.PASS:
        assert worst <= margin + 2e-4
    else:
        assert worst >= margin - 1e-9


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_swapping_the_arms_swaps_the_difference_and_never_fails_both(losses: int, wins: int, ties: int) -> None:
    one = paired(GUARD, (losses, wins, ties, 0, 0)).judge()
    other = paired(GUARD, (wins, losses, ties, 0, 0)).judge()
    assert (one.difference or 0) == -(other.difference or 0)
    assert Verdict.FAIL not in (one.verdict, other.verdict) or one.verdict is not other.verdict


BATCHES = st.lists(st.tuples(*[st.integers(0, 12)] * 5), max_size=10)


@given(BATCHES, st.sampled_from([GUARD, PROOF, Gates(threshold_min=0.7, non_inferiority_margin=0.1, min_samples=1)]))
@settings(max_examples=80, deadline=None)
def test_evidence_that_was_written_down_as_json_goes_on_as_if_it_had_not_been(batches: list, gates: Gates) -> None:
    kept = PairedEvidence.begin(gates, SIZE)
    read = kept
    for batch in batches:
        kept = kept.fold(PairedBatch(*batch))
        read = read.fold(PairedBatch(*batch))
        read = PairedEvidence.from_vectors(json.loads(json.dumps(read.to_vectors(), allow_nan=False)))
    assert read == kept
    assert read.judge() == kept.judge()


@given(st.lists(st.tuples(*[st.integers(0, 15)] * 3), max_size=10))
@settings(max_examples=60, deadline=None)
def test_a_first_releases_evidence_survives_json_too(batches: list) -> None:
    kept = read = SingleEvidence.begin(MINIMUM, SIZE)
    for batch in batches:
        kept, read = kept.fold(*batch), read.fold(*batch)
        read = SingleEvidence.from_vectors(json.loads(json.dumps(read.to_vectors(), allow_nan=False)))
    assert read == kept


@pytest.mark.parametrize("losses", [0, 1, 10**8])
@pytest.mark.parametrize("wins", [0, 1, 10**8])
@pytest.mark.parametrize("ties", [0, 10**8])
def test_a_hundred_million_items_keep_every_number_finite(losses: int, wins: int, ties: int) -> None:
    gates = Gates(non_inferiority_margin=0.02, threshold_min=0.5)
    evidence = paired(gates, (losses, wins, ties, 0, 1), size=losses + wins + ties + 1)
    numbers = [number for vector in evidence.to_vectors().values() for number in vector]
    assert all(map(math.isfinite, [*numbers, evidence.judge().evidence]))


@pytest.mark.parametrize(
    ("gates", "size", "named"),
    [
        (Gates(), 10, "gates"),
        (Gates(threshold_max=0.1), 10, "threshold_max"),
        (PROOF, 0, "size"),
    ],
)
def test_gates_that_a_paired_set_cannot_meet_are_refused(gates: Gates, size: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        PairedEvidence.begin(gates, size)


@pytest.mark.parametrize("gates", [Gates(), PROOF, Gates(threshold_min=0.8, comparison_margin=0.01)])
def test_a_first_release_can_be_held_against_a_minimum_only(gates: Gates) -> None:
    with pytest.raises(ValueError, match="threshold_min"):
        SingleEvidence.begin(gates, 10)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        PairedBatch(-1, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="negative"):
        single(MINIMUM, (1, -1, 0))
