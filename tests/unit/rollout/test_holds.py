"""Holds: what waits for a person, for its turn or for another specification; and what is acted on all the same."""

from __future__ import annotations

import pytest
from unit.rollout.builders import (
    MINUTE,
    V1,
    V2,
    V3,
    ARollout,
    a_batch,
    a_rollout,
    a_window,
    accuracy,
    errors,
)

from slipway.api import Phase
from slipway.rollout import FULL, Shadow, Step

LONG = 600 * MINUTE
READY_TO_RISE = {
    Phase.PENDING: lambda: a_rollout().pending(),
    Phase.STARTING: lambda: a_rollout().starting().with_candidate_pods(1).with_answers(True),
    Phase.EVALUATING: lambda: a_rollout().evaluating(),
    Phase.SHADOWING: lambda: a_rollout().shadowing().after(MINUTE),
    Phase.STEPPING: lambda: a_rollout().at_step(1).after(MINUTE),
    Phase.PROMOTING: lambda: a_rollout().promoting(),
}
BY = {"git": lambda rollout: rollout.paused(), "a person": lambda rollout: rollout.paused_by_a_person()}


def _failing(rollout: ARollout) -> ARollout:
    return rollout.with_metrics(errors()).with_evidence(a_window((40, 80), (0, 720)))


# --- paused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", BY.values(), ids=BY)
@pytest.mark.parametrize("phase", READY_TO_RISE)
def test_nothing_rises_while_it_is_paused(phase, by):
    rollout = READY_TO_RISE[phase]()
    assert (rollout.record().phase, rollout.record().step) != (phase, rollout.seen.revisions[V2].record.step)
    before = dict(rollout.seen.route.written)
    by(rollout)
    assert (rollout.record().phase, rollout.record().reason) == (phase, "Paused")
    assert rollout.decide().weights == before
    assert rollout.status().phase == "Paused"
    assert rollout.conditions()["Paused"].status == "True"


@pytest.mark.parametrize("by", BY.values(), ids=BY)
def test_a_weight_that_was_earned_before_the_pause_is_not_given(by):
    rollout = by(a_rollout().at_step(2).with_record(weight=10.0, weight_observed_at=None))
    rollout.routed({V1: 9_000, V2: 1_000})
    assert rollout.decide().weights == {V1: 9_000, V2: 1_000}
    assert rollout.record().reason == "Paused"


@pytest.mark.parametrize("by", BY.values(), ids=BY)
def test_what_fails_while_it_is_paused_is_hauled_back(by):
    assert by(_failing(a_rollout().at_step(2))).decide().weights == {V1: FULL}
    assert by(a_rollout().at_step(2).with_candidate_pods(0, of=2)).record().reason == "CapacityLost"


def test_evidence_goes_on_while_it_is_paused():
    rollout = a_rollout().with_metrics(accuracy()).evaluating().paused().with_evidence(a_batch(right=128)).then()
    rollout.with_evidence(a_batch(right=72, start=128)).then()
    assert rollout.seen.revisions[V2].record.reason == "Paused"
    assert rollout.paused(False).record().phase == Phase.STEPPING


@pytest.mark.parametrize("by", BY.values(), ids=BY)
def test_another_release_is_acted_on_at_once_also_during_a_pause(by):
    rollout = by(a_rollout().on_course(steps=(Step(5_000, LONG),)).at_step(1)).with_revision(V3).declaring(V3)
    assert rollout.record().phase == Phase.SUPERSEDED
    assert rollout.decide().weights == {V1: FULL}


def test_a_revert_and_an_abort_are_acted_on_at_once_during_a_long_step():
    rollout = a_rollout().on_course(steps=(Step(5_000, LONG),)).at_step(1).after(MINUTE)
    assert rollout.declaring(V1).decide().weights == {V1: FULL}
    rollout = a_rollout().on_course(steps=(Step(5_000, LONG),)).at_step(1).after(MINUTE).paused()
    assert rollout.commanded("abort").decide().weights == {V1: FULL}


def test_a_pause_without_a_rollout_is_told_and_nothing_else():
    rollout = a_rollout().declaring(V1).paused()
    conditions = rollout.conditions()
    assert (conditions["Ready"].status, conditions["Paused"].status) == ("True", "True")
    assert "Paused" not in rollout.paused(False).conditions()


# --- approval ---------------------------------------------------------------------------------------------------------


def _awaiting() -> ARollout:
    steps = (Step(1_000, MINUTE, approval=True), Step(FULL, MINUTE))
    rollout = a_rollout().with_metrics(errors()).on_course(steps=steps).at_step(1).with_evidence(a_window(None, None))
    return rollout.then().after(MINUTE).with_evidence(a_window((0, 200), (0, 200))).then()


def test_a_passed_step_waits_for_its_approval_as_long_as_it_takes():
    rollout = _awaiting().after(LONG)
    assert (rollout.record().step, rollout.status().phase) == (0, "AwaitingApproval")
    assert rollout.decide().weights == {V1: 9_000, V2: 1_000}


def test_waiting_for_an_approval_is_announced_once():
    steps = (Step(1_000, MINUTE, approval=True), Step(FULL, MINUTE))
    rollout = a_rollout().on_course(steps=steps).at_step(1).after(MINUTE)
    assert [event.reason for event in rollout.decide().announcements] == ["AwaitingApproval"]
    assert rollout.then().after(MINUTE).decide().announcements == ()


def test_a_breach_while_waiting_for_an_approval_still_hauls_back():
    rollout = _awaiting().after(MINUTE).with_evidence(a_window((200, 400), (0, 400)))
    assert rollout.record().phase == Phase.ROLLING_BACK
    assert rollout.decide().weights == {V1: FULL}


def test_an_approval_of_one_step_is_none_of_the_next():
    steps = (Step(1_000, approval=True), Step(5_000, approval=True))
    rollout = a_rollout().on_course(steps=steps).at_step(2).with_record(approved=0)
    assert (rollout.record().phase, rollout.record().reason) == (Phase.STEPPING, "AwaitingApproval")
    assert rollout.with_record(approved=1).record().phase == Phase.PROMOTING


def test_a_step_that_is_not_passed_does_not_ask_for_its_approval_yet():
    steps = (Step(1_000, MINUTE, approval=True), Step(FULL, MINUTE))
    assert a_rollout().on_course(steps=steps).at_step(1).record().reason == "MinimumDuration"


# --- the queue, and what is not supported -----------------------------------------------------------------------------


def test_a_queued_rollout_waits_in_pending_and_says_what_for():
    rollout = a_rollout().pending().queued("1 of 1 rollouts of namespace shop is under way: ranker")
    assert (rollout.record().phase, rollout.record().reason) == (Phase.PENDING, "WaitingForTurn")
    assert "ranker" in (rollout.status().message or "")
    assert rollout.replicas_of(V2) is None
    assert rollout.decide().wake_after is not None
    assert rollout.queued(None).record().phase == Phase.STARTING


def test_a_queue_holds_nothing_that_has_started():
    assert a_rollout().at_step(1).after(MINUTE).queued("full").record().step == 1


def test_a_strategy_that_cannot_be_carried_out_is_held_and_names_the_field():
    why = "spec.strategy.shadow: the router spec.traffic.istio cannot copy requests"
    rollout = a_rollout().pending().unsupported(why)
    assert (rollout.record().phase, rollout.record().reason) == (Phase.PENDING, "StrategyUnsupported")
    assert rollout.status().message == why
    assert rollout.status().phase == "Holding"
    assert [event.reason for event in rollout.decide().announcements] == ["StrategyUnsupported"]
    assert rollout.unsupported(None).record().phase == Phase.STARTING


# --- what status shows ------------------------------------------------------------------------------------------------


def test_status_shows_how_a_rollout_rests_and_else_its_phase():
    assert a_rollout().at_step(1).status().phase == "Stepping"
    failing = errors(comparison={"margin": 0.02}, action="Hold")
    held = a_rollout().with_metrics(failing).at_step(1).with_evidence(a_window(None, None)).then().after(MINUTE)
    assert held.with_evidence(a_window((40, 80), (0, 720))).status().phase == "Holding"


def test_status_shows_the_pods_and_the_selector_of_stable_alone():
    status = a_rollout().at_step(2).status()
    assert status.replicas == 4
    assert status.selector == f"slipway.dev/model-deployment=fraud,slipway.dev/revision={V1[:8]}"
    assert a_rollout().first_release().evaluating().status().replicas == 0


@pytest.mark.parametrize(
    ("rollout", "progress"),
    [
        (lambda: a_rollout().at_step(2), "50% (2/3)"),
        (lambda: a_rollout().on_course(shadow=Shadow(2_500, MINUTE)).shadowing(), "shadow 25%"),
        (lambda: a_rollout().promoting().not_observed(), "100% (3/3)"),
    ],
)
def test_status_shows_the_progress_in_one_short_text(rollout, progress):
    assert rollout().status().progress == progress
