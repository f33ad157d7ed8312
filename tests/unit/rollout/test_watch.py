"""After a promotion: the old release is kept warm, and late harm still hauls the new one back without a cold start."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.rollout.builders import (
    MINUTE,
    NOW,
    SECOND,
    V1,
    V2,
    V3,
    ARollout,
    a_rollout,
    a_window,
    an_outage,
    errors,
)

from slipway.api import Phase
from slipway.rollout import FULL, Role, plan, trial


def _watched(**gates: object) -> ARollout:
    """Watched, after a rollout in which neither release failed any of 400 requests."""
    rollout = a_rollout().with_metrics(errors(**gates)).at_step(2).with_evidence(a_window((0, 400), (0, 400))).then()
    return rollout.watching().with_record(metrics=rollout.seen.revisions[V2].record.metrics)


def _late_harm(rollout: ARollout) -> ARollout:
    """The standby has no requests any more; half of the new release's fail."""
    return rollout.after(MINUTE).with_evidence(a_window((200, 400), (0, 0)))


FAILURES = {
    "a late Fail": lambda: _late_harm(_watched()),
    "a broken limit": lambda: _late_harm(_watched(threshold={"max": 0.05})),
    "all pods lost": lambda: a_rollout().watching().with_candidate_pods(0, of=4),
    "an abort": lambda: a_rollout().watching().commanded("abort"),
}


def test_a_promotion_with_a_watch_keeps_the_old_release_at_full_size():
    rollout = a_rollout().promoting().with_rollback(watch=10 * MINUTE).then()
    assert rollout.seen.revisions[V2].record.phase == Phase.WATCHING
    assert rollout.seen.revisions[V1].record.phase == Phase.SUPERSEDED
    rollout.after(9 * MINUTE).then()
    assert rollout.replicas_of(V1) == 4
    assert rollout.status().standby.version == "1"
    assert rollout.conditions()["Ready"].status == "True"


def test_a_standby_is_made_as_large_as_stable():
    rollout = a_rollout().watching().with_pods(V1, 2).with_replicas(6)
    assert (rollout.replicas_of(V1), rollout.replicas_of(V2)) == (6, 6)


def test_the_watch_ends_with_its_time_and_the_old_release_goes():
    rollout = a_rollout().watching().after(10 * MINUTE - SECOND)
    assert rollout.record().phase == Phase.WATCHING
    assert rollout.decide().wake_after == SECOND
    rollout.after(SECOND).then()
    assert rollout.seen.revisions[V2].record.phase == Phase.STABLE
    assert rollout.status().standby is None
    assert rollout.then().after(MINUTE).replicas_of(V1) == 0


def test_without_a_watch_a_promotion_is_the_end():
    rollout = a_rollout().promoting()
    assert rollout.record().phase == Phase.STABLE


@pytest.mark.parametrize("failing", FAILURES.values(), ids=FAILURES)
def test_late_harm_brings_the_old_release_back_without_a_cold_start(failing):
    rollout = failing()
    assert rollout.decide().weights == {V1: FULL}
    assert (rollout.record(V1).phase, rollout.record(V2).phase) == (Phase.STABLE, Phase.ROLLING_BACK)
    assert (rollout.target_of(V1).replicas, rollout.target_of(V1).role) == (4, Role.STABLE)
    rollout.then()
    status = rollout.status()
    assert (status.stable.version, status.candidate.version, status.standby) == ("1", "2", None)
    assert rollout.conditions()["Available"].status == "True"


@pytest.mark.parametrize("failing", FAILURES.values(), ids=FAILURES)
def test_the_restored_release_is_written_first_so_that_there_is_a_stable_one_at_any_time(failing):
    assert list(failing().decide().records) == [V1, V2]


@pytest.mark.parametrize("failing", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("declared", [V2, V3])
def test_a_kill_between_the_two_records_still_hauls_back(failing, declared):
    rollout = failing()
    restored = rollout.record(V1)
    rollout.with_record(V1, **dict(restored)).with_evidence().with_candidate_pods(4).with_revision(V3).declaring(
        declared
    )
    assert rollout.record(V2).phase == Phase.ROLLING_BACK
    assert rollout.record(V1).phase == Phase.STABLE
    assert rollout.decide().weights == {V1: FULL}


def test_a_clock_that_was_set_back_does_not_undo_a_haul_back():
    rollout = a_rollout().watching().commanded("abort")
    rollout.seen = replace(rollout.seen, now=NOW - MINUTE)
    rollout.with_record(V1, **dict(rollout.record(V1))).annotated(None)
    assert rollout.record(V2).phase == Phase.ROLLING_BACK


def test_a_kill_between_the_two_records_of_a_promotion_loses_no_watch():
    rollout = a_rollout().promoting().with_rollback(watch=10 * MINUTE)
    rollout.with_record(V2, **dict(rollout.record(V2)))
    assert rollout.record(V2).phase == Phase.WATCHING
    assert rollout.record(V1).phase == Phase.SUPERSEDED
    assert rollout.commanded("abort").record(V2).phase == Phase.ROLLING_BACK
    assert rollout.record(V1).phase == Phase.STABLE


def test_evidence_goes_on_and_is_collected_on_the_release_that_is_watched():
    rollout = _watched().after(MINUTE)
    assert trial(rollout.seen) == (V2, V1)
    assert [metric.name for metric in plan(rollout.seen, V2).counters] == ["errors"]


def test_failures_as_rare_as_on_stable_do_not_haul_back():
    rollout = _watched()
    for _ in range(8):
        rollout.after(MINUTE).with_evidence(a_window((1, 400), (0, 0))).then()
    assert rollout.record().phase == Phase.WATCHING


def test_an_outage_neither_ends_a_watch_nor_hauls_back():
    rollout = _watched().with_evidence(an_outage()).then().after(9 * MINUTE).with_evidence(an_outage())
    assert rollout.record().phase == Phase.WATCHING
    assert rollout.after(MINUTE).record().phase == Phase.STABLE


def test_a_new_release_ends_the_watch():
    rollout = a_rollout().watching().with_revision(V3).declaring(V3)
    assert rollout.record(V2).phase == Phase.STABLE
    assert rollout.record(V3).phase == Phase.PENDING


def test_the_standby_declared_again_comes_back_at_once():
    rollout = a_rollout().watching().with_stable_pods(4).declaring(V1).then().then()
    assert rollout.seen.revisions[V2].record.phase == Phase.STABLE
    assert rollout.replicas_of(V1) == 4
    rollout._revision(V1, answers=True)
    rollout.then()
    assert rollout.seen.revisions[V1].record.phase == Phase.PROMOTING
    assert rollout.then().record(V1).phase in (Phase.PROMOTING, Phase.WATCHING)


def test_what_was_hauled_back_after_its_promotion_does_not_come_back_by_itself():
    rollout = a_rollout().watching().commanded("abort").then().annotated(None)
    for _ in range(4):
        rollout.then()
    assert rollout.seen.revisions[V2].record.phase == Phase.ROLLED_BACK
    assert rollout.seen.revisions[V2].record.stable_until is None
    assert rollout.after(60 * MINUTE).record().phase == Phase.ROLLED_BACK


def test_a_watch_that_is_made_shorter_ends():
    assert a_rollout().watching().with_rollback(watch=SECOND).after(MINUTE).record().phase == Phase.STABLE


# --- fast return ------------------------------------------------------------------------------------------------------


def _reverted(hours: int = 1) -> ARollout:
    """Release 1 is declared again so many hours after release 2 took its place."""
    rollout = a_rollout().watching().in_phase(Phase.STABLE, weight=100.0).with_pods(V1, 0).with_rollback()
    return rollout.after(hours * 60 * MINUTE).declaring(V1)


def test_a_release_that_was_stable_lately_needs_no_evidence_to_come_back():
    rollout = _reverted().with_metrics(errors()).then().then()
    assert rollout.seen.revisions[V1].record.reason == "WaitingForCapacity" or rollout.record(V1).fast
    assert rollout.replicas_of(V1) == 4
    rollout.with_pods(V1, 4)._revision(V1, answers=True)
    rollout.then()
    assert rollout.seen.revisions[V1].record.phase == Phase.PROMOTING


def test_it_needs_its_capacity_all_the_same():
    rollout = _reverted().then().then().with_pods(V1, 3, of=4)
    rollout._revision(V1, answers=True)
    assert rollout.record(V1).phase == Phase.STARTING
    assert rollout.decide().weights == {V2: FULL}


def test_outside_the_window_it_is_judged_anew():
    rollout = _reverted(hours=25).then()
    assert rollout.seen.revisions[V1].record.fast is None
    assert rollout.seen.revisions[V1].record.reason == "RevisionRetried"


def test_a_release_that_was_never_stable_does_not_come_back_fast():
    rollout = a_rollout().in_phase(Phase.SUPERSEDED, weight=0.0)
    assert rollout.record().fast is None


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.STARTING, Phase.PROMOTING])
def test_gates_that_change_do_not_hold_what_needs_no_evidence(phase):
    rollout = a_rollout().in_phase(phase, fast=True, weight=0.0).with_candidate_pods(4).with_gates("0" * 64)
    record = rollout.record()
    assert (record.phase, record.gates, record.fast) == (phase, "0" * 64, True)
