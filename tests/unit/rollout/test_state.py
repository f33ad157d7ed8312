"""Timers, records, conditions and history: what is written down, and that nothing is written twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from unit.rollout.builders import (
    MINUTE,
    NOW,
    SECOND,
    V1,
    V2,
    V3,
    ARollout,
    a_batch,
    a_hash,
    a_rollout,
    a_window,
    accuracy,
    errors,
)

from slipway.api import ModelDeploymentStatus, Phase
from slipway.rollout import FULL, Revision, Route, reasons, refused

PLACES = {
    "pending": lambda: a_rollout().pending().without_gateway(),
    "starting": lambda: a_rollout().starting(),
    "evaluating": lambda: a_rollout().with_metrics(accuracy()).evaluating(),
    "stepping": lambda: a_rollout().with_metrics(errors()).at_step(2),
    "without pods": lambda: a_rollout().at_step(2).with_candidate_pods(1, of=2),
    "promoting": lambda: a_rollout().promoting().not_observed(),
    "stable": lambda: a_rollout().promoting(),
    "rolling back": lambda: a_rollout().rolling_back(observed={V1: 9_000, V2: 1_000}),
    "rolled back": lambda: a_rollout().rolled_back(),
    "first release": lambda: a_rollout().first_release().starting(),
}


def _at_rest(rollout: ARollout) -> ARollout:
    for _ in range(8):
        rollout.then()
    return rollout


# --- nothing twice ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_nothing_is_written_when_nothing_changed(place):
    rollout = _at_rest(place())
    decision = rollout.decide()
    assert (decision.status, decision.records, decision.announcements) == (None, {}, ())
    assert decision.weights in (None, rollout.seen.route.written)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_the_same_observation_gives_the_same_decision(place):
    rollout = place()
    assert rollout.decide() == rollout.decide()


def test_an_idle_release_asks_for_no_look():
    assert _at_rest(a_rollout().promoting()).after(60 * MINUTE).then().then().decide().wake_after is None


def test_a_silent_gateway_writes_no_record_of_releases_that_are_long_gone():
    rollout = _at_rest(a_rollout().rolled_back()).after(60 * MINUTE)
    _at_rest(rollout)
    assert rollout.not_observed().decide().records == {}


# --- timers -----------------------------------------------------------------------------------------------------------


def test_a_step_lasts_its_time_from_when_its_weight_was_observed():
    rollout = a_rollout().at_step(1).after(59 * SECOND)
    assert rollout.record().step == 0
    assert rollout.decide().wake_after == SECOND
    assert rollout.after(SECOND).record().step == 1


def test_a_restart_neither_shortens_nor_repeats_a_step():
    rollout = a_rollout().at_step(1).after(30 * SECOND)
    record = rollout.seen.revisions[V2].record
    read_back = record.__class__.model_validate(record.model_dump(mode="json", by_alias=True))
    rollout.with_record(**{name: getattr(read_back, name) for name in ("weight_observed_at", "phase_since")})
    assert rollout.decide().wake_after == 30 * SECOND
    assert rollout.after(30 * SECOND).record().step == 1


def test_the_deadline_of_a_start_counts_from_its_beginning():
    rollout = a_rollout().with_rollback(progress_deadline=MINUTE).starting()
    assert rollout.after(59 * SECOND).then().record().phase == Phase.STARTING
    assert rollout.after(SECOND).record().phase == Phase.ROLLING_BACK


def test_a_deadline_fires_although_nothing_else_could_be_read():
    rollout = a_rollout().starting().not_observed().without_gateway("the API answered 500").after(10 * MINUTE)
    assert rollout.record().phase == Phase.ROLLING_BACK


def test_a_model_that_does_not_answer_is_waited_for_and_then_given_up():
    rollout = a_rollout().starting().with_candidate_pods(1).with_answers(False, "GET /v2/models/fraud/ready: 404")
    assert rollout.record().reason == "WaitingForModel"
    assert "404" in rollout.record().message
    assert rollout.after(10 * MINUTE).record().reason == "StartDeadlineExceeded"


def test_missing_pods_are_waited_for_as_long_as_the_deadline_says():
    rollout = a_rollout().at_step(2).with_candidate_pods(1, of=2).then()
    rollout.after(10 * MINUTE - SECOND)
    assert rollout.then().record().phase == Phase.STEPPING
    assert rollout.after(SECOND).record().reason == "CapacityDeadlineExceeded"


def test_gates_that_change_restart_the_time_to_a_verdict():
    rollout = a_rollout().with_metrics(errors(), on_inconclusive="Rollback").at_step(1).after(29 * MINUTE)
    rollout.with_gates(a_hash("other")).then().after(2 * MINUTE)
    assert rollout.record().phase in {Phase.EVALUATING, Phase.STEPPING}


# --- holds ------------------------------------------------------------------------------------------------------------


def test_a_gateway_that_does_not_exist_holds_the_rollout_and_names_it():
    rollout = a_rollout().pending().without_gateway("Gateway shop/main does not exist")
    assert rollout.record().phase == Phase.PENDING
    assert rollout.status().message == "Gateway shop/main does not exist"
    assert [event.reason for event in rollout.decide().announcements] == ["GatewayNotReady"]
    assert rollout.decide().wake_after is not None


def test_a_gateway_that_comes_is_enough_to_continue():
    rollout = a_rollout().pending().without_gateway().then().routed({V1: FULL})
    rollout.seen = replace(rollout.seen, gateway_problem=None)
    assert rollout.record().phase == Phase.STARTING


def test_pods_that_are_waited_for_are_counted_in_the_message():
    rollout = a_rollout().starting().with_candidate_pods(0, of=1, problem="Unschedulable: 0/3 nodes have a GPU")
    assert rollout.record().message == "0 of 1 pods are ready: Unschedulable: 0/3 nodes have a GPU"


# --- conditions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_ready_and_available_are_always_there_and_the_others_only_while_true(place):
    conditions = place().conditions()
    assert {"Ready", "Available"} <= conditions.keys()
    for kind in conditions.keys() - {"Ready", "Available"}:
        assert conditions[kind].status == "True"
    for condition in conditions.values():
        assert condition.observed_generation == 2
        assert condition.reason.isalnum()
        assert condition.message


def test_after_a_rollback_something_serves_and_the_generation_is_not_ready():
    conditions = _at_rest(a_rollout().rolling_back()).conditions()
    assert (conditions["Ready"].status, conditions["Ready"].reason) == ("False", "RolledBack")
    assert conditions["Available"].status == "True"
    assert (conditions["Stalled"].status, conditions["Stalled"].reason) == ("True", "RolledBack")
    assert "Reconciling" not in conditions


def test_a_rollout_in_its_course_is_reconciling_and_available():
    conditions = a_rollout().at_step(2).conditions()
    assert (conditions["Ready"].status, conditions["Available"].status) == ("False", "True")
    assert conditions["Reconciling"].status == "True"
    assert "50%" in conditions["Available"].message


def test_a_promoted_release_is_ready():
    conditions = _at_rest(a_rollout().promoting()).conditions()
    assert conditions["Ready"].status == "True"
    assert conditions.keys() == {"Ready", "Available"}


def test_what_serves_is_available_at_the_last_step_too():
    available = a_rollout().at_step(3).conditions()["Available"]
    assert (available.status, available.reason) == ("True", "CandidateServing")


def test_a_transition_time_moves_only_when_the_status_flips():
    rollout = a_rollout().at_step(1).then()
    rollout.after(MINUTE).then()
    conditions = rollout.conditions()
    assert conditions["Ready"].last_transition_time == NOW
    assert conditions["Available"].last_transition_time == NOW
    rollout.with_stable_pods(0)
    assert rollout.conditions()["Available"].last_transition_time == NOW + MINUTE
    assert rollout.conditions()["Ready"].last_transition_time == NOW


def test_a_specification_that_cannot_be_read_leaves_what_serves():
    before = _at_rest(a_rollout().promoting()).seen.status
    after = refused(
        before, generation=3, now=NOW, reason=reasons.INVALID_SPEC, message="spec.replicas: -1 is less than 0"
    )
    conditions = {condition.type: condition for condition in after.conditions}
    assert (conditions["Ready"].reason, conditions["Stalled"].status) == ("InvalidSpec", "True")
    assert conditions["Available"].status == "True"
    assert after.stable == before.stable


def test_a_specification_that_was_never_read_serves_nothing():
    after = refused(
        ModelDeploymentStatus(), generation=1, now=NOW, reason=reasons.INVALID_SPEC, message="spec.strategy: missing"
    )
    assert {condition.type: condition.status for condition in after.conditions} == {
        "Available": "False",
        "Ready": "False",
        "Stalled": "True",
    }


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_release_without_a_revision_is_created_and_nothing_else():
    decision = a_rollout().declaring(V3).decide()
    assert decision.create == V3
    assert (decision.records, decision.fleets, decision.weights, decision.status) == ({}, (), None, None)


def test_an_event_is_published_for_each_entry_of_the_timeline_and_once():
    rollout = a_rollout().at_step(1).after(MINUTE)
    assert [event.reason for event in rollout.decide().announcements] == ["StepStarted"]
    assert rollout.then().decide().announcements == ()


def test_the_weight_is_written_down_before_it_is_asked_for():
    rollout = a_rollout().at_step(1).with_record(weight=0.0, weight_observed_at=None).routed({V1: FULL})
    decision = rollout.decide()
    assert decision.records[V2].weight == 10.0
    assert decision.weights == {V1: 9_000, V2: 1_000}


def test_a_timeline_keeps_how_it_began_and_how_it_ended():
    rollout = a_rollout().with_steps(*range(1, 21)).pending()
    record = rollout.seen.revisions[V2].record
    entry = rollout.record().timeline[0].__class__
    long = [entry(time=NOW, phase="Stepping", reason=f"R{index}", message="") for index in range(50)]
    rollout.with_record(timeline=long)
    timeline = rollout.record().timeline
    assert len(timeline) == 50
    assert (timeline[0].reason, timeline[-1].reason) == ("R0", "CandidateStarting")
    assert record.timeline is None


# --- history ----------------------------------------------------------------------------------------------------------


def _with_history(rollout: ARollout, count: int) -> list[str]:
    hashes = [a_hash(f"old {index}") for index in range(count)]
    for age, hash_ in enumerate(hashes):
        old = Revision(hash_, f"fraud-o{age}", "0")
        rollout.seen = replace(rollout.seen, revisions={**rollout.seen.revisions, hash_: old})
        since = NOW - timedelta(days=age + 1)
        rollout.in_phase(Phase.SUPERSEDED, of=hash_, weight=0.0, idle_since=since, phase_since=since)
    return hashes


def test_the_oldest_revisions_beyond_the_limit_are_deleted():
    rollout = a_rollout().declaring(V1).with_rollback(revision_history_limit=2)
    hashes = _with_history(rollout, 4)
    rollout.in_phase(Phase.SUPERSEDED, phase_since=NOW - timedelta(days=30), idle_since=NOW, weight=0.0)
    assert set(rollout.decide().delete) == {hashes[2], hashes[3], V2}


def test_no_revision_is_deleted_that_has_pods_or_a_role():
    rollout = a_rollout().rolled_back().with_rollback(revision_history_limit=0)
    assert rollout.decide().delete == ()
    assert rollout.declaring(V1).decide().delete == ()
    rollout.with_candidate_pods(0)
    assert rollout.decide().delete == (), "that it was rejected is remembered first"
    assert rollout.then().decide().delete == (V2,)


def test_a_revision_that_was_replaced_before_it_was_tried_does_not_stay_for_ever():
    rollout = a_rollout().with_revision(V3).with_rollback(revision_history_limit=0)
    assert rollout.decide().delete == (V3,)


def test_a_route_that_was_deleted_is_written_again():
    rollout = _at_rest(a_rollout().promoting()).with_route(Route())
    assert rollout.decide().weights == {V2: FULL}


def test_a_window_is_folded_only_once():
    rollout = (
        a_rollout().with_metrics(errors()).at_step(1).with_evidence(a_window(None, None)).then().after(10 * SECOND)
    )
    rollout.with_evidence(a_window((0, 40), (0, 360))).then()
    metrics = rollout.seen.revisions[V2].record.metrics
    assert rollout.after(SECOND).record().metrics == metrics


def test_a_batch_of_golden_items_leaves_its_place_in_the_record():
    rollout = a_rollout().with_metrics(accuracy()).evaluating().with_evidence(a_batch(right=128))
    assert rollout.record().metrics[0].dataset == "data"
