"""How often two releases answer otherwise, against a limit."""

from __future__ import annotations

import pytest

from slipway.analysis import AgreementEvidence, EvidenceError, Gates, Verdict

GATES = Gates(threshold_max=0.1, min_samples=1)


def test_many_other_answers_fail_with_their_number_and_the_limit() -> None:
    judgement = AgreementEvidence.begin(GATES, 500).fold(70, 30, 2).judge()
    assert judgement.verdict is Verdict.FAIL
    assert judgement.message.startswith(
        "n=100 of 500 (2 excluded), 30 answered otherwise than stable, 30.00% (max 10.00%), "
        "evidence of more disagreement "
    )
    assert judgement.estimate is not None
    assert (judgement.estimate.measure, round(judgement.estimate.value, 6), judgement.estimate.allowed) == (
        "rate",
        0.3,
        0.1,
    )


def test_few_other_answers_pass_and_not_enough_answers_decide_nothing() -> None:
    assert AgreementEvidence.begin(GATES, 500).fold(490, 10, 0).judge().verdict is Verdict.PASS
    few = AgreementEvidence.begin(GATES, 12).fold(11, 1, 0).judge()
    assert few.verdict is Verdict.CONTINUE
    assert few.message.endswith("the set is exhausted without a decision")
    assert AgreementEvidence.begin(GATES, 12).fold(0, 0, 3).judge().verdict is Verdict.NO_DATA


def test_evidence_that_is_written_down_goes_on_as_if_nothing_had_happened() -> None:
    evidence = AgreementEvidence.begin(GATES, 500).fold(90, 9, 1)
    assert AgreementEvidence.from_vectors(evidence.to_vectors()) == evidence
    with pytest.raises(EvidenceError, match=r"0\.2 is not the limit that answers were held against"):
        AgreementEvidence.from_vectors({**evidence.to_vectors(), "gate.threshold_max": (0.2,)})


@pytest.mark.parametrize("gates", [Gates(threshold_min=0.9), Gates(threshold_max=0.1, comparison_margin=0.1)])
def test_other_gates_are_refused(gates: Gates) -> None:
    with pytest.raises(ValueError, match="agreement is held against threshold_max"):
        AgreementEvidence.begin(gates, 10)
