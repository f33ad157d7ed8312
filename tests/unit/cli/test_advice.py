"""Explaining: where, why, what came before, and what a person can do."""

import pytest
from unit.cli.builders import (
    NOW,
    PROMOTED,
    ROLLED_BACK,
    a_condition,
    a_shop,
    a_status,
    drifted,
    promoted,
    rolled_back_revision,
    stable_revision,
    stepping_revision,
)

from slipway.analysis import Reason
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


def test_a_rollout_in_the_middle_is_explained_from_status_alone() -> None:
    lines = told(a_shop())
    assert "release v1 is stable and takes 50% of the traffic" in lines
    assert "release v2 has been Stepping for 30s, with 50% of the traffic asked for" in lines
    assert "GatheringEvidence: neither harm nor safety is shown yet" in lines
    assert " 30s ago  Stepping  StepStarted: step 2 of 3".strip() in lines
    assert "Wait for it: slipway status fraud --watch" in lines
    assert advice("GatheringEvidence", "fraud") in lines


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
