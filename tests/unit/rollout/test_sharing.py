"""Decisions: whether requests follow the weight, where the gateway counts them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from unit.rollout.builders import MINUTE, SECOND, V1, V2, a_rollout, a_window, errors, errors_in_pods

from slipway.api import Phase, Sticky
from slipway.rollout import FULL, Judging, Step, record_of


def observed(*metrics, weight=1_000):
    """At the first step, its weight seen for a while: from here on windows count."""
    rollout = a_rollout().with_metrics(*(metrics or (errors(),)))
    rollout.on_course(steps=(Step(weight, 60 * MINUTE), Step(5_000, MINUTE), Step(FULL, MINUTE))).at_step(1)
    rollout.with_evidence(a_window(None, None)).then()
    return rollout.after(20 * SECOND).with_evidence(a_window((0, 10), (0, 90))).then()


def after_windows(rollout, candidate, stable, *, count=1):
    for _ in range(count):
        rollout.after(10 * SECOND).with_evidence(a_window((0, candidate), (0, stable))).then()
    return rollout


def reason(rollout):
    return rollout.seen.revisions[V2].record.reason


@pytest.mark.parametrize(("candidate", "stable"), [(60, 40), (30, 70), (0, 100)])
def test_a_candidate_with_another_share_than_its_weight_is_held_and_both_shares_are_told(candidate, stable):
    rollout = after_windows(observed(), candidate, stable, count=6)
    record = rollout.seen.revisions[V2].record
    assert (record.phase, record.reason) == (Phase.STEPPING, "RoutingMismatch")
    assert f"the candidate got {candidate}.00% of " in record.message
    assert "at a weight of 10.00%" in record.message
    assert rollout.decide().weights == {V1: 9_000, V2: 1_000}
    assert rollout.conditions()["Ready"].reason == "RoutingMismatch"


def test_a_mismatch_is_announced_once():
    rollout = observed()
    told = []
    for _ in range(10):
        rollout.after(10 * SECOND).with_evidence(a_window((0, 60), (0, 40)))
        told += [event.reason for event in rollout.decide().announcements]
        rollout.then()
    assert told == ["RoutingMismatch"]


def test_harm_goes_before_a_mismatch():
    rollout = after_windows(observed(), 60, 40, count=6)
    for _ in range(20):
        rollout.after(10 * SECOND).with_evidence(a_window((30, 60), (0, 40))).then()
    assert rollout.seen.revisions[V2].record.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)


def test_a_share_a_little_off_is_none():
    rollout = after_windows(observed(), 108, 892, count=100)
    assert reason(rollout) in ("GatheringEvidence", "MinimumDuration")


def test_a_window_that_reaches_back_before_the_weight_is_not_counted():
    """What was routed by an earlier weight, and what a gateway goes on with for a moment, says nothing of this one."""
    rollout = a_rollout().with_metrics(errors()).at_step(1)
    rollout.with_evidence(a_window(None, None)).then()
    rollout.after(5 * SECOND).with_evidence(a_window((0, 0), (0, 9_000))).then()
    rollout.after(10 * SECOND).with_evidence(a_window((0, 0), (0, 9_000))).then()
    assert reason(rollout) == "NoData"
    rollout.after(10 * SECOND).with_evidence(a_window((0, 0), (0, 9_000))).then()
    assert reason(rollout) == "RoutingMismatch"


def test_a_window_with_somebody_elses_weights_in_it_is_not_counted():
    rollout = observed()
    rollout.routed({V1: FULL}).after(10 * SECOND).with_evidence(a_window((0, 0), (0, 9_000)))
    rollout.then()
    rollout.routed({V1: 9_000, V2: 1_000}).after(10 * SECOND).with_evidence(a_window((0, 0), (0, 9_000))).then()
    assert reason(rollout) != "RoutingMismatch"


def test_a_mismatch_is_over_when_as_many_requests_followed_the_weight():
    rollout = after_windows(observed(), 30, 70, count=6)
    assert reason(rollout) == "RoutingMismatch"
    after_windows(rollout, 1, 9, count=2)
    assert reason(rollout) == "RoutingMismatch"
    after_windows(rollout, 10, 90, count=6)
    assert reason(rollout) == "MinimumDuration"
    after_windows(rollout, 30, 70, count=20)
    assert reason(rollout) == "RoutingMismatch"


def test_a_mismatch_that_goes_on_stays_one():
    rollout = after_windows(observed(), 60, 40, count=6)
    for _ in range(30):
        after_windows(rollout, 60, 40)
        assert reason(rollout) == "RoutingMismatch"


def test_evidence_of_shares_begins_anew_at_the_next_weight():
    rollout = observed()
    rollout.at_step(2).after(SECOND).with_evidence(a_window(None, None)).then()
    after_windows(rollout, 50, 50, count=12)
    share = rollout.seen.revisions[V2].record.share
    assert reason(rollout) != "RoutingMismatch"
    assert "50.00% of" in share.message
    assert "at a weight of 50.00%" in share.message


def test_a_record_that_another_version_wrote_begins_anew():
    rollout = after_windows(observed(), 60, 40, count=6)
    share = rollout.seen.revisions[V2].record.share
    rollout.with_record(V2, share=share.model_copy(update={"state": share.state[1:]}))
    after_windows(rollout, 1, 9)
    assert reason(rollout) != "RoutingMismatch"
    after_windows(rollout, 60, 40, count=6)
    assert reason(rollout) == "RoutingMismatch"


@pytest.mark.parametrize(
    "course",
    [
        {"steps": (Step(1_000, 60 * MINUTE, matched=True), Step(FULL))},
        {"steps": (Step(1_000, 60 * MINUTE, judging=Judging.OBSERVE), Step(FULL))},
        {"steps": (Step(1_000, 60 * MINUTE), Step(FULL)), "sticky": Sticky(cookie="release")},
        {"steps": (Step(2_500, 60 * MINUTE), Step(FULL)), "by_replicas": True},
    ],
    ids=["matched", "observed", "sticky", "replicas"],
)
def test_where_shares_are_not_those_of_the_weight_none_are_judged(course):
    rollout = a_rollout().with_metrics(errors()).on_course(**course).at_step(1)
    rollout.with_evidence(a_window(None, None)).then().after(20 * SECOND)
    after_windows(rollout, 90, 10, count=20)
    assert reason(rollout) != "RoutingMismatch"
    assert rollout.seen.revisions[V2].record.share is None


def test_pods_count_other_requests_too_and_tell_no_shares():
    rollout = after_windows(observed(errors_in_pods()), 60, 40, count=20)
    assert rollout.seen.revisions[V2].record.share is None


def test_a_missed_look_makes_one_long_window_that_counts():
    rollout = observed()
    rollout.after(timedelta(minutes=10)).with_evidence(a_window((0, 0), (0, 500))).then()
    assert reason(rollout) == "RoutingMismatch"
    assert record_of(rollout.record(), "errors") is not None
