"""Every transition of the table is reached, each by the observation that its event names, and there is no other."""

from __future__ import annotations

import pytest
from unit.rollout.builders import (
    MINUTE,
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

from slipway.api import Phase
from slipway.rollout import FULL, TABLE, Event

OTHER_GATES = a_hash("other gates")


def _failing(rollout: ARollout) -> ARollout:
    return rollout.with_metrics(errors()).with_evidence(a_window((40, 80), (0, 720)))


def _lacking(rollout: ARollout) -> ARollout:
    return rollout.with_candidate_pods(0, of=4).with_stable_pods(0).with_record(capacity_lost_at=rollout.seen.now)


REACHED = {
    (Phase.PENDING, Event.ROUTE_USABLE): lambda: a_rollout().pending(),
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
    who = V1 if transition.phase == Phase.STABLE else V2
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
    assert [(t.phase, t.event) for t in TABLE if t.next == Phase.STABLE] == [
        (Phase.PROMOTING, Event.ALL_TRAFFIC_OBSERVED)
    ]


def test_the_first_entry_of_a_release_is_pending():
    assert a_rollout().record().phase == Phase.PENDING
    assert a_rollout().promoting().routed({V2: FULL}).record().phase == Phase.STABLE
