"""The exit code of a status.

Cases: not looked at yet; on its way; promoted; rolled back; stalled otherwise; paused by condition; awaiting an
approval; and, with a generation: an older one, this one, a later one.
"""

import pytest
from unit.cli.builders import PROMOTED, ROLLED_BACK, a_condition, a_shop, a_status, promoted

from slipway.cli.exits import MEANINGS, Exit
from slipway.cli.outcome import outcome


def conditions(*found: dict) -> dict:
    return a_status(conditions=list(found))


def test_a_change_that_nobody_looked_at_is_on_its_way_whatever_the_old_status_says() -> None:
    result = outcome(a_shop(generation=3, status=PROMOTED))
    assert result.code is Exit.IN_PROGRESS
    assert "has not looked at generation 3" in result.sentence


def test_a_rollout_in_the_middle_is_on_its_way() -> None:
    assert outcome(a_shop()).code is Exit.IN_PROGRESS


def test_ready_is_promoted() -> None:
    assert outcome(promoted()) == outcome(promoted(), 2)
    assert outcome(promoted()).code is Exit.DONE


def test_a_release_that_was_hauled_back_says_its_numbers() -> None:
    result = outcome(a_shop(status=ROLLED_BACK))
    assert result.code is Exit.ROLLED_BACK
    assert "+30.00pp" in result.sentence


def test_stalled_for_another_reason_is_not_rolled_back() -> None:
    status = conditions(
        a_condition("Ready", "False", "InvalidSpec", "x"),
        a_condition("Stalled", "True", "InvalidSpec", "spec.x: wrong"),
    )
    assert outcome(a_shop(status=status)).code is Exit.STALLED


def test_paused_waits_for_a_person() -> None:
    status = conditions(
        a_condition("Ready", "False", "Paused", "x"), a_condition("Paused", "True", "Paused", "a person paused it")
    )
    assert outcome(a_shop(status=status)).code is Exit.WAITS


def test_spec_paused_does_not_make_a_promoted_release_wait() -> None:
    status = conditions(
        a_condition("Ready", "True", "ReleaseServing", "x"), a_condition("Paused", "True", "Paused", "spec.paused")
    )
    assert outcome(a_shop(status=status)).code is Exit.DONE


def test_a_step_that_wants_an_approval_waits_for_a_person() -> None:
    assert outcome(a_shop(status=a_status(reason="AwaitingApproval"))).code is Exit.WAITS


def test_conditions_of_an_earlier_generation_count_for_nothing() -> None:
    old = a_condition("Ready", "True", "ReleaseServing", "v1 serves", generation=1)
    assert outcome(a_shop(status=conditions(old))).code is Exit.IN_PROGRESS


@pytest.mark.parametrize(("generation", "code"), [(1, Exit.REPLACED), (2, Exit.DONE), (3, Exit.IN_PROGRESS)])
def test_an_answer_about_a_generation_is_about_no_other(generation: int, code: Exit) -> None:
    assert outcome(promoted(), generation).code is code


def test_every_code_is_documented_and_differs() -> None:
    assert set(MEANINGS) == set(Exit)
    assert len({int(code) for code in Exit}) == len(Exit)
    assert Exit.DONE == 0
