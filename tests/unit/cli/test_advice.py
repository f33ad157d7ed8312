"""Explaining: where, why, what came before, and what a person can do."""

import pytest
from unit.cli.builders import (
    MINUTE,
    NOW,
    PROMOTED,
    ROLLED_BACK,
    SECOND,
    a_condition,
    a_revision,
    a_shop,
    a_status,
    ago,
    drifted,
    promoted,
    rolled_back_revision,
    stable_revision,
    stepping_revision,
)

from slipway.analysis import Reason
from slipway.api import Phase
from slipway.cli.advice import ADVICE, UNKNOWN, UNSEEN, advice, explain
from slipway.cli.outcome import outcome
from slipway.cli.picture import Picture
from slipway.cli.view import plain
from slipway.rollout import reasons

ALL = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)} | set(Reason)


def told(picture: Picture) -> list[str]:
    return [line.strip() for line in plain(explain(picture, outcome(picture), NOW))]


@pytest.mark.parametrize("reason", sorted(ALL))
def test_every_reason_has_an_advice(reason: str) -> None:
    assert reason in ADVICE, "say in slipway.cli.advice what a person can do about it"


def test_an_advice_names_the_object_in_its_commands() -> None:
    assert "slipway resume fraud" in advice("Paused", "fraud")
    assert not [reason for reason in ADVICE if "{" in advice(reason, "fraud")]


def test_a_reason_of_a_later_operator_gets_a_general_advice() -> None:
    assert advice("SomethingNew", "fraud") == UNKNOWN.format(name="fraud")


def test_drift_is_explained_with_what_can_be_done_about_it() -> None:
    lines = told(drifted())
    assert "Drifted=True DriftFound: feature amount: index=0.612" in lines
    assert advice("DriftFound", "fraud") in lines


def test_an_edited_runtime_is_explained_with_what_can_be_done_about_it() -> None:
    edited = a_condition("RuntimeChanged", "True", "RuntimeEdited", "write digest: sha256:0")
    lines = told(a_shop(status=a_status(**{**PROMOTED, "conditions": [*PROMOTED["conditions"], edited]})))
    assert "RuntimeChanged=True RuntimeEdited: write digest: sha256:0" in lines
    assert advice("RuntimeEdited", "fraud") in lines


def test_a_rollout_in_the_middle_is_explained_from_status_alone() -> None:
    lines = told(a_shop())
    assert "release v1 is stable and takes 50% of the traffic" in lines
    assert "release v2 has been Stepping for 30s at step 2 of 3, with 50% of the traffic asked for" in lines
    assert "GatheringEvidence: neither harm nor safety is shown yet" in lines
    assert " 30s ago  Stepping  StepStarted: step 2 of 3".strip() in lines
    assert "Wait for it: slipway status fraud --watch" in lines
    assert advice("GatheringEvidence", "fraud") in lines


def test_the_evidence_is_told_metric_by_metric_with_the_groups_that_fail() -> None:
    group = {"slice": "country", "group": "pt", "size": 210, "items": 200, "candidate": 0.71, "stable": 0.924}
    fine = group | {"group": "de", "verdict": "Pass", "state": []}
    metric = {
        "name": "accuracy",
        "verdict": "Fail",
        "message": "n=1024 of 1024; worst of 2 groups",
        "lookedAt": ago(5 * SECOND),
        "slices": [fine, group | {"verdict": "Fail", "state": []}],
    }
    silent = {"name": "errors", "verdict": "Error", "message": "refused", "errorSince": ago(MINUTE * 3)}
    lines = told(a_shop(stable_revision(), stepping_revision(metrics=[metric, silent])))
    begin = lines.index("What the evidence on release v2 says") + 1
    assert lines[begin : begin + 5] == [
        "accuracy: Fail n=1024 of 1024; worst of 2 groups",
        "looked at 5s ago",
        "country pt: Fail, 71.00% right beside stable's 92.40% on 200 items",
        "errors: Error refused",
        "not looked at yet, no answer for 3m",
    ]


def test_what_clocks_will_bring_is_told_while_it_is_on_trial() -> None:
    lines = told(a_shop())
    begin = lines.index("What comes next") + 1
    assert lines[begin : begin + 2] == [
        "in 1m30s at the earliest: the step is over",
        "in 6m30s at the earliest: it is promoted",
    ]
    over = told(a_shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK))
    assert "What comes next" not in over


def test_shares_that_do_not_follow_the_weight_are_told_with_the_evidence() -> None:
    share = {"message": "the candidate got 30.00% of 900 requests at a weight of 10.00%"}
    assert f"shares: {share['message']}" in told(a_shop(stable_revision(), stepping_revision(share=share)))


def test_the_release_that_serves_is_explained_by_the_evidence_that_it_was_promoted_on() -> None:
    metric = {"name": "errors", "verdict": "Pass", "message": "n=1240/11160"}
    shop = promoted(a_revision("v2", "Stable", weight=100.0, metrics=[metric]))
    assert "What the evidence on release v2 says" in told(shop)


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_is_explained_with_something_to_do(phase: Phase) -> None:
    lines = told(a_shop(stable_revision(), a_revision("v2", phase, reason="GatheringEvidence", message="m")))
    assert lines[lines.index("What you can do") + 1 :]
    assert f"release v2 has been {phase} for" in " ".join(lines)


def test_what_was_said_once_is_not_said_again_by_each_condition() -> None:
    message = "step 2 is passed, and a person has to approve what follows"
    conditions = [a_condition(kind, "False", "AwaitingApproval", message) for kind in ("Ready", "Reconciling")]
    status = a_status(reason="AwaitingApproval", message=message, conditions=conditions)
    lines = told(
        a_shop(stable_revision(), stepping_revision(reason="AwaitingApproval", message=message), status=status)
    )
    assert len([line for line in lines if message in line]) == 1
    assert "Ready=False AwaitingApproval" in lines


def test_no_deadline_is_told_while_a_person_is_waited_for() -> None:
    lines = told(a_shop(stable_revision(), stepping_revision(reason="AwaitingApproval")))
    assert not [line for line in lines if "no more time for a verdict" in line]


def test_it_leads_to_the_report() -> None:
    assert "See all of it, with charts: slipway report fraud -o report.html" in told(a_shop())


def test_a_rolled_back_release_is_explained_by_its_gate_and_how_to_try_it_again() -> None:
    lines = told(a_shop(stable_revision(), rolled_back_revision(), status=ROLLED_BACK))
    assert "AnalysisFailed: errors: +30.00pp of 0.50pp allowed" in lines
    assert any("slipway retry fraud" in line for line in lines)
    assert not any("--watch" in line for line in lines)


def test_a_release_that_serves_says_how_to_go_back() -> None:
    assert any("slipway undo fraud" in line for line in told(promoted()))


def test_a_change_that_nobody_looked_at_asks_for_the_operator_alone() -> None:
    lines = told(a_shop(generation=3, status=PROMOTED))
    assert lines[lines.index("What you can do") + 1 :] == [UNSEEN]


def test_a_command_that_nobody_answered_asks_for_the_operator_too() -> None:
    lines = told(a_shop(annotations={"slipway.dev/command": "pause@1a2b3c4d#1"}))
    assert UNSEEN in lines


def test_a_manifest_that_cannot_be_read_leads_to_lint() -> None:
    message = "spec.strategy: name exactly one"
    status = a_status(
        reason="InvalidSpec",
        message=message,
        conditions=[
            a_condition("Ready", "False", "InvalidSpec", message),
            a_condition("Stalled", "True", "InvalidSpec", message),
        ],
    )
    todo = told(a_shop(status=status, spec={"strategy": {}}))
    assert advice("InvalidSpec", "fraud") in todo
    assert advice("GatheringEvidence", "fraud") not in todo


def test_a_pause_is_mentioned_also_where_another_reason_stands_before_it() -> None:
    lines = told(a_shop(stable_revision(), stepping_revision(paused=True)))
    assert advice("Paused", "fraud") in lines
