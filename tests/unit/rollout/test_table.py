"""Every transition of the table is reached, each by the observation that its event names, and there is no other."""

from __future__ import annotations

import pytest
from unit.rollout.builders import (
    GATES,
    MINUTE,
    NOW,
    V1,
    V2,
    V3,
    ARollout,
    a_batch,
    a_hash,
    a_rollout,
    a_window,
    accuracy,
    an_artifact,
    errors,
    errors_in_pods,
)

from slipway.api import ModelDeploymentStatus, Phase, RejectedRelease
from slipway.rollout import FULL, TABLE, Event, Shadow, Verification

OTHER_GATES = a_hash("other gates")


def _failing(rollout: ARollout) -> ARollout:
    return rollout.with_metrics(errors()).with_evidence(a_window((40, 80), (0, 720)))


def _lacking(rollout: ARollout) -> ARollout:
    return rollout.with_candidate_pods(0, of=4).with_stable_pods(0).with_record(capacity_lost_at=rollout.seen.now)


def _shadowed(*, steps: bool = True) -> ARollout:
    """In the shadow stage, which the ladder follows, or nothing."""
    return (a_rollout() if steps else a_rollout().on_course(steps=())).shadowing()


def _watched_with_evidence() -> ARollout:
    """Watched after a rollout in which neither release failed a request; the standby gets none any more."""
    rollout = a_rollout().with_metrics(errors()).at_step(2).with_evidence(a_window((0, 400), (0, 400))).then()
    metrics = rollout.seen.revisions[V2].record.metrics
    return rollout.watching().with_record(metrics=metrics).with_evidence(a_window((200, 400), (0, 0)))


def _replaced_while_watched() -> ARollout:
    """Release 3 ends its way up in the very look in which the watch over release 2 ends."""
    rollout = a_rollout().watching().declaring(V3).in_phase(Phase.PROMOTING, of=V3, weight=100.0, baseline=V2)
    return rollout.with_pods(V3, 4).routed({V3: FULL})


def _rejected_before() -> ARollout:
    rejected = RejectedRelease(hash=V2, version="2", gates=GATES, time=NOW, message="errors: Fail")
    return a_rollout().pending().with_status(ModelDeploymentStatus(rejected=[rejected]))


REFUSED = Verification(refused=("VerificationFailed", "spec.release.model.uri: it is empty"))

REACHED = {
    (Phase.PENDING, Event.UNVERIFIED): lambda: a_rollout().pending().with_verification(Verification()),
    (Phase.VERIFYING, Event.VERIFIED): lambda: a_rollout().verifying(Verification(artifact=an_artifact())),
    (Phase.VERIFYING, Event.ARTIFACT_REFUSED): lambda: a_rollout().verifying(REFUSED),
    (Phase.VERIFYING, Event.VERIFICATION_DEADLINE): lambda: a_rollout().verifying().after(10 * MINUTE),
    (Phase.VERIFYING, Event.ABORTED): lambda: a_rollout().verifying().commanded("abort"),
    (Phase.VERIFYING, Event.WITHDRAWN): lambda: a_rollout().verifying().with_revision(V3).declaring(V3),
    (Phase.STARTING, Event.ARTIFACT_REFUSED): lambda: a_rollout().starting().with_other_bytes(),
    (Phase.STARTING, Event.READY_AGAIN): lambda: (
        a_rollout().starting().with_record(fast=True).with_candidate_pods(4).with_answers(True)
    ),
    (Phase.EVALUATING, Event.EVALUATED_FOR_SHADOW): lambda: (
        a_rollout().on_course(shadow=Shadow(min_duration=MINUTE)).evaluating()
    ),
    (Phase.SHADOWING, Event.SHADOW_PASSED): lambda: _shadowed().after(MINUTE),
    (Phase.SHADOWING, Event.SHADOW_ENDED): lambda: _shadowed(steps=False).after(MINUTE),
    (Phase.SHADOWING, Event.GATES_CHANGED): lambda: _shadowed().with_gates(OTHER_GATES),
    (Phase.SHADOWING, Event.FAILED): lambda: (
        _shadowed().with_metrics(errors_in_pods()).with_evidence(a_window((40, 80), (0, 720)))
    ),
    (Phase.SHADOWING, Event.CAPACITY_DEADLINE): lambda: _lacking(_shadowed()).after(10 * MINUTE),
    (Phase.SHADOWING, Event.WITHDRAWN): lambda: _shadowed().with_revision(V3).declaring(V3),
    (Phase.EVALUATING, Event.PROMOTED_FULLY): lambda: a_rollout().evaluating().commanded("promote-full"),
    (Phase.SHADOWING, Event.PROMOTED_FULLY): lambda: _shadowed().commanded("promote-full"),
    (Phase.STEPPING, Event.PROMOTED_FULLY): lambda: a_rollout().at_step(1).commanded("promote-full"),
    (Phase.PENDING, Event.ABORTED): lambda: a_rollout().pending().commanded("abort"),
    (Phase.STARTING, Event.ABORTED): lambda: a_rollout().starting().commanded("abort"),
    (Phase.EVALUATING, Event.ABORTED): lambda: a_rollout().evaluating().commanded("abort"),
    (Phase.SHADOWING, Event.ABORTED): lambda: _shadowed().commanded("abort"),
    (Phase.STEPPING, Event.ABORTED): lambda: a_rollout().at_step(1).commanded("abort"),
    (Phase.PROMOTING, Event.ABORTED): lambda: a_rollout().promoting().commanded("abort"),
    (Phase.WATCHING, Event.ABORTED): lambda: a_rollout().watching().commanded("abort"),
    (Phase.PROMOTING, Event.ALL_TRAFFIC_WATCHED): lambda: a_rollout().promoting().with_rollback(watch=MINUTE),
    (Phase.WATCHING, Event.WATCH_OVER): lambda: a_rollout().watching().after(10 * MINUTE),
    (Phase.WATCHING, Event.CAPACITY_LOST): lambda: a_rollout().watching().with_candidate_pods(0, of=4),
    (Phase.WATCHING, Event.FAILED): _watched_with_evidence,
    (Phase.WATCHING, Event.REPLACED): _replaced_while_watched,
    (Phase.SUPERSEDED, Event.RESTORED): lambda: a_rollout().watching().commanded("abort"),
    (Phase.PENDING, Event.ROUTE_USABLE): lambda: a_rollout().pending(),
    (Phase.PENDING, Event.REJECTED_BEFORE): _rejected_before,
    (Phase.STARTING, Event.READY): lambda: a_rollout().starting().with_candidate_pods(1).with_answers(True),
    (Phase.STARTING, Event.START_DEADLINE): lambda: a_rollout().starting().after(10 * MINUTE),
    (Phase.EVALUATING, Event.EVALUATED): lambda: a_rollout().evaluating(),
    (Phase.EVALUATING, Event.FIRST_EVALUATED): lambda: a_rollout().first_release().evaluating(),
    (Phase.STEPPING, Event.STEP_PASSED): lambda: a_rollout().at_step(1).after(MINUTE),
    (Phase.STEPPING, Event.LADDER_PASSED): lambda: a_rollout().at_step(3).after(MINUTE),
    (Phase.PROMOTING, Event.ALL_TRAFFIC_OBSERVED): lambda: a_rollout().promoting(),
    (Phase.STEPPING, Event.GATES_CHANGED): lambda: a_rollout().at_step(2).with_gates(OTHER_GATES),
    (Phase.PROMOTING, Event.GATES_CHANGED): lambda: a_rollout().promoting().with_gates(OTHER_GATES),
    (Phase.EVALUATING, Event.FAILED): lambda: (
        a_rollout().evaluating().with_metrics(accuracy()).with_evidence(a_batch(right=100, lost=100))
    ),
    (Phase.STEPPING, Event.FAILED): lambda: _failing(a_rollout().at_step(1)),
    (Phase.PROMOTING, Event.FAILED): lambda: _failing(a_rollout().promoting()),
    (Phase.EVALUATING, Event.CAPACITY_DEADLINE): lambda: _lacking(a_rollout().evaluating()).after(10 * MINUTE),
    (Phase.STEPPING, Event.CAPACITY_DEADLINE): lambda: _lacking(a_rollout().at_step(1)).after(10 * MINUTE),
    (Phase.PROMOTING, Event.CAPACITY_DEADLINE): lambda: _lacking(a_rollout().promoting()).after(10 * MINUTE),
    (Phase.STEPPING, Event.CAPACITY_LOST): lambda: a_rollout().at_step(1).with_candidate_pods(0, of=1),
    (Phase.PROMOTING, Event.CAPACITY_LOST): lambda: a_rollout().promoting().with_candidate_pods(0, of=4),
    (Phase.ROLLING_BACK, Event.NO_TRAFFIC_OBSERVED): lambda: a_rollout().rolling_back(),
    (Phase.PENDING, Event.WITHDRAWN): lambda: a_rollout().pending().with_revision(V3).declaring(V3),
    (Phase.STARTING, Event.WITHDRAWN): lambda: a_rollout().starting().with_revision(V3).declaring(V3),
    (Phase.EVALUATING, Event.WITHDRAWN): lambda: a_rollout().evaluating().with_revision(V3).declaring(V3),
    (Phase.STEPPING, Event.WITHDRAWN): lambda: a_rollout().at_step(2).with_revision(V3).declaring(V3),
    (Phase.PROMOTING, Event.WITHDRAWN): lambda: a_rollout().promoting().declaring(V1),
    (Phase.STABLE, Event.REPLACED): lambda: a_rollout().promoting(),
    (Phase.ROLLED_BACK, Event.DECLARED): lambda: a_rollout().rolled_back().with_gates(OTHER_GATES),
    (Phase.SUPERSEDED, Event.DECLARED): lambda: a_rollout().in_phase(Phase.SUPERSEDED, weight=0.0),
}


@pytest.mark.parametrize("transition", TABLE, ids=lambda transition: f"{transition.phase}: {transition.event}")
def test_every_transition_is_reached_by_what_its_event_says(transition):
    rollout = REACHED[transition.phase, transition.event]()
    who = V1 if transition.phase == Phase.STABLE or transition.event == Event.RESTORED else V2
    assert rollout.seen.revisions[who].record.phase == transition.phase
    assert rollout.record(who).phase == transition.next


def test_every_transition_of_the_table_has_its_example_and_no_other_has():
    assert {(transition.phase, transition.event) for transition in TABLE} == REACHED.keys()


def test_the_table_names_one_next_phase_for_a_phase_and_an_event():
    assert len({(transition.phase, transition.event) for transition in TABLE}) == len(TABLE)


def test_from_rolling_back_there_is_no_way_but_down():
    assert {t.next for t in TABLE if t.phase == Phase.ROLLING_BACK} == {Phase.ROLLED_BACK}
    assert {t.next for t in TABLE if t.phase == Phase.ROLLED_BACK} == {Phase.PENDING}


def test_only_a_candidate_that_was_seen_to_take_all_traffic_becomes_stable():
    assert {(t.phase, t.event) for t in TABLE if t.next in (Phase.STABLE, Phase.WATCHING)} == {
        (Phase.PROMOTING, Event.ALL_TRAFFIC_OBSERVED),
        (Phase.PROMOTING, Event.ALL_TRAFFIC_WATCHED),
        (Phase.WATCHING, Event.WATCH_OVER),
        (Phase.SUPERSEDED, Event.RESTORED),
    }


def test_every_way_up_can_be_aborted_and_every_way_down_cannot():
    can = {t.phase for t in TABLE if t.event == Event.ABORTED}
    assert can == set(Phase) - {Phase.STABLE, Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.SUPERSEDED}


def test_the_first_entry_of_a_release_is_pending():
    assert a_rollout().record().phase == Phase.PENDING
    assert a_rollout().promoting().routed({V2: FULL}).record().phase == Phase.STABLE
