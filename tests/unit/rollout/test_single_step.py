"""A canary that goes to all traffic at once: no step compares, so nobody waits for a comparison."""

from __future__ import annotations

from unit.rollout.builders import MINUTE, NOW, V1, V2, a_rollout, a_window, errors

from slipway.api import Phase
from slipway.rollout import FULL


def at_all_traffic():
    rollout = a_rollout().with_metrics(errors()).with_steps(100).at_step(1).routed({V2: FULL})
    return rollout.with_evidence(a_window(None, None)).then()


def test_it_is_promoted_when_its_time_is_over_and_nothing_spoke_against_it():
    rollout = at_all_traffic().after(2 * MINUTE).with_evidence(a_window((0, 400), (0, 0)))
    assert rollout.record().phase == Phase.PROMOTING


def test_a_limit_still_hauls_it_back():
    rollout = a_rollout().with_metrics(errors(threshold={"max": 0.05})).with_steps(100).at_step(1).routed({V2: FULL})
    rollout = (
        rollout.with_evidence(a_window(None, None)).then().after(MINUTE).with_evidence(a_window((200, 400), (0, 0)))
    )
    assert rollout.record().phase == Phase.ROLLING_BACK


def test_the_status_says_of_a_step_without_traffic_that_it_takes_none():
    rollout = (
        a_rollout().on_course(steps=()).with_steps(0, 100).in_phase(Phase.STEPPING, step=0, weight_observed_at=NOW)
    )
    rollout.with_candidate_pods(4).routed({V1: FULL}).with_record(reason="MinimumDuration", message="")
    assert "takes no traffic before the switch" in rollout.status().message
