"""Groups of a golden set: the worst one decides, small ones are told of, and the alpha is shared."""

from __future__ import annotations

import random

import pytest

from slipway.analysis import (
    MAX_GROUPS,
    EvidenceError,
    Gates,
    GroupCounts,
    GroupedEvidence,
    GroupName,
    PairedBatch,
    Verdict,
)

GATES = Gates(non_inferiority_margin=0.02, min_samples=1)
DE, FR, TINY = GroupName("country", "de"), GroupName("country", "fr"), GroupName("country", "li")
SIZES = {DE: 150, FR: 150, TINY: 10}


def begun(gates: Gates = GATES, *, paired: bool = True) -> GroupedEvidence:
    return GroupedEvidence.begin(gates, 310, SIZES, paired=paired)


def folded(evidence: GroupedEvidence, **counts: PairedBatch) -> GroupedEvidence:
    """Items of the groups `de`, `fr` and `li`, which are all items there are."""
    parts = [GroupCounts(GroupName("country", name), 0, batch) for name, batch in counts.items()]
    whole = PairedBatch()
    for part in parts:
        whole = whole.plus(part.counts)
    return evidence.fold(whole, parts)


GOOD = PairedBatch(losses=1, wins=2, ties_right=140, ties_wrong=7)


def test_a_group_that_fails_fails_the_whole_set_and_is_named_with_its_numbers() -> None:
    """On the whole 20 of 310 items are lost and 12 are won: nothing that would be found."""
    evidence = folded(
        begun(),
        de=PairedBatch(losses=20, wins=0, ties_right=130),
        fr=PairedBatch(losses=0, wins=12, ties_right=138),
        li=PairedBatch(ties_right=10),
    )
    assert evidence.whole.judge().verdict is not Verdict.FAIL
    judgement = evidence.judge()
    assert judgement.verdict is Verdict.FAIL
    assert "worst of 2 groups, country=de: n=150 of 150; accuracy 86.67% beside stable's 100.00%" in judgement.message
    assert "20 lost and 0 won" in judgement.message
    assert "the whole set: n=310 of 310" in judgement.message
    assert "not judged for fewer than 30 items: 1 of the groups" in judgement.message
    assert judgement.evidence >= judgement.needed > evidence.whole.judge().evidence
    assert judgement.candidate_samples == 310


def test_a_set_that_passes_tells_of_its_worst_group_too() -> None:
    judgement = folded(
        begun(),
        de=PairedBatch(wins=2, ties_right=148),
        fr=PairedBatch(losses=1, ties_right=149),
        li=PairedBatch(ties_right=10),
    ).judge()
    assert judgement.verdict is Verdict.PASS
    assert "worst of 2 groups, country=fr: n=150 of 150, accuracy 99.33% beside stable's 100.00%" in judgement.message


def test_a_group_that_is_too_small_fails_nothing_and_has_no_verdict() -> None:
    evidence = folded(begun(), de=GOOD, fr=GOOD, li=PairedBatch(losses=10))
    assert evidence.judge().verdict is not Verdict.FAIL
    standing = {one.name: one for one in evidence.standings()}[TINY]
    assert (standing.verdict, standing.items, standing.candidate, standing.stable) == (Verdict.NO_DATA, 10, 0.0, 1.0)


def test_a_group_of_a_first_release_is_held_against_the_minimum() -> None:
    evidence = folded(
        begun(Gates(threshold_min=0.8, comparison_margin=0.02), paired=False),
        de=PairedBatch(wins=75, losses=75),
        fr=PairedBatch(wins=150),
        li=PairedBatch(wins=10),
    )
    judgement = evidence.judge()
    assert judgement.verdict is Verdict.FAIL
    assert "worst of 2 groups, country=de: n=150 of 150; accuracy=50.00% (min 80.00%)" in judgement.message


@pytest.mark.parametrize("paired", [True, False])
def test_evidence_that_is_written_down_goes_on_as_if_nothing_had_happened(paired: bool) -> None:
    gates = Gates(threshold_min=0.8, comparison_margin=0.02)
    first = PairedBatch(losses=5, wins=3, ties_right=40, ties_wrong=2) if paired else PairedBatch(losses=7, wins=43)
    evidence = folded(begun(gates, paired=paired), de=first, fr=first)
    again = GroupedEvidence.restore(evidence.whole.to_vectors(), evidence.group_states(), paired=paired)
    assert again == evidence
    assert folded(again, de=first, fr=first).judge() == folded(evidence, de=first, fr=first).judge()


def test_a_state_that_is_none_is_refused() -> None:
    evidence = begun()
    with pytest.raises(EvidenceError, match="country=de: 3 numbers where 10 belong"):
        GroupedEvidence.restore(evidence.whole.to_vectors(), {DE: (1.0, 2.0, 3.0)}, paired=True)


def test_a_group_that_was_not_there_and_too_many_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="country=at were not there"):
        folded(begun(), at=GOOD)
    with pytest.raises(ValueError, match="65 are more than 64"):
        GroupedEvidence.begin(GATES, 9000, {GroupName("a", str(n)): 40 for n in range(MAX_GROUPS + 1)}, paired=True)


def test_the_parts_of_the_alpha_add_up_to_the_whole() -> None:
    evidence = GroupedEvidence.begin(GATES, 310, SIZES, paired=True, further_tests=1)
    parts = [evidence.whole.gates.fail_alpha, *(evidence.groups[name].gates.fail_alpha for name in (DE, FR))]
    assert sum(parts) + GATES.fail_alpha / 3 == pytest.approx(GATES.fail_alpha)


def test_without_groups_it_is_the_evidence_of_the_whole_set() -> None:
    evidence = GroupedEvidence.begin(GATES, 150, {}, paired=True).fold(GOOD)
    assert evidence.whole.gates == GATES
    assert evidence.judge() == evidence.whole.judge()


def test_twenty_groups_of_an_equal_model_fail_no_more_often_than_the_alpha_allows() -> None:
    """At an alpha of 10 %, looked at after every batch and at the end: seeded, so it is the same at each run."""
    rng, gates, failed = random.Random(7), Gates(comparison_margin=0.0, fail_alpha=0.1, min_samples=1), 0
    names = [GroupName("country", str(number)) for number in range(20)]
    for _ in range(200):
        evidence = GroupedEvidence.begin(gates, 1200, dict.fromkeys(names, 60), paired=True)
        for _ in range(4):
            groups = [GroupCounts(name, 60, a_batch(rng, 15)) for name in names]
            whole = PairedBatch()
            for part in groups:
                whole = whole.plus(part.counts)
            evidence = evidence.fold(whole, groups)
        failed += evidence.judge().verdict is Verdict.FAIL
    assert failed <= 20


def a_batch(rng: random.Random, items: int) -> PairedBatch:
    """Answers of two arms that differ on a fifth of the items, by chance."""
    drawn = [rng.random() for _ in range(items)]
    losses, wins = sum(one < 0.1 for one in drawn), sum(0.1 <= one < 0.2 for one in drawn)
    return PairedBatch(losses, wins, items - losses - wins)
