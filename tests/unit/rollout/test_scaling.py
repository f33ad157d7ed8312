"""Sizes: capacity that is shifted, shares that are made out of pods, and fleets that scale by themselves."""

from __future__ import annotations

import pytest
from unit.rollout.builders import MINUTE, V1, V2, V3, a_rollout

from slipway.api import Phase
from slipway.rollout import FULL, Shift, Step
from slipway.rollout.capacity import carried, shifted

NO_SURGE = Shift(0, 1)


# --- capacity is shifted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unavailable", [1, 2, 3])
@pytest.mark.parametrize("replicas", [2, 3, 4, 7])
def test_shifted_capacity_converges_without_a_pod_too_many_and_without_traffic_to_nobody(replicas, unavailable):
    shift, stable, candidate, weight = Shift(0, unavailable), replicas, 0, 0
    for _ in range(4 * replicas):
        stable, candidate = shifted(
            shift, replicas=replicas, wanted=replicas, candidate=candidate, stable=stable, stable_share=FULL - weight
        )
        assert stable + candidate <= replicas
        assert stable or weight == FULL
        weight = max(weight, carried(candidate, replicas, unavailable))
    assert (stable, candidate, weight) == (0, replicas, FULL)


def _shifting(written: int, *, stable: int, candidate: int, step: int = 1):
    rollout = a_rollout().on_course(shift=NO_SURGE, steps=(Step(2_500), Step(5_000), Step(FULL)))
    rollout.at_step(step + 1).with_record(weight=written / 100, weight_observed_at=None)
    rollout.with_stable_pods(stable, of=stable).with_candidate_pods(candidate)
    return rollout.routed({V1: FULL - written, V2: written})


def test_the_weight_follows_the_pods_that_are_ready():
    rollout = _shifting(2_500, stable=3, candidate=1)
    assert (rollout.replicas_of(V1), rollout.replicas_of(V2)) == (2, 1)
    rollout.with_stable_pods(2, of=2)
    assert rollout.replicas_of(V2) == 2
    assert rollout.with_candidate_pods(2).decide().weights == {V1: 5_000, V2: 5_000}


def test_stable_keeps_its_last_pod_as_long_as_it_takes_traffic():
    rollout = _shifting(5_000, stable=2, candidate=2, step=2)
    assert rollout.replicas_of(V1) == 1
    rollout = _shifting(7_500, stable=1, candidate=3, step=2)
    assert rollout.replicas_of(V1) == 1
    assert rollout.decide().weights == {V2: FULL}


def test_a_promotion_waits_for_the_pods_that_were_missing():
    rollout = a_rollout().on_course(shift=NO_SURGE).promoting().with_candidate_pods(3, of=4)
    assert rollout.record().reason == "WaitingForCapacity"
    assert rollout.with_candidate_pods(4).record().phase == Phase.STABLE


def test_an_abort_makes_room_for_stable():
    rollout = a_rollout().on_course(shift=NO_SURGE).rolling_back().with_candidate_pods(4)
    rollout.with_record(weight=100.0).with_stable_pods(0, of=4).routed({V2: FULL})
    assert rollout.replicas_of(V2) == 3
    assert rollout.decide().weights == {V2: FULL}
    assert rollout.with_stable_pods(1, of=4).decide().weights == {V1: FULL}


def test_stable_gets_pods_back_in_the_decision_that_gives_it_traffic_back():
    rollout = _shifting(5_000, stable=2, candidate=2).with_gates("0" * 64)
    assert rollout.decide().weights == {V1: FULL}
    assert rollout.replicas_of(V1) == 3


# --- shares are made out of pods --------------------------------------------------------------------------------------


def _of_pods(*, stable: int, candidate: int, written: int = 2_500, step: int = 1):
    rollout = a_rollout().on_course(by_replicas=True, shift=Shift(1, 0), steps=(Step(2_500), Step(5_000), Step(FULL)))
    rollout.at_step(step).with_stable_pods(stable, of=stable).with_candidate_pods(candidate)
    return rollout.routed({V1: FULL - written, V2: written} if written else {V1: FULL})


def test_stable_gives_up_as_many_pods_as_the_candidate_has():
    rollout = _of_pods(stable=4, candidate=1, written=2_000)
    assert (rollout.replicas_of(V1), rollout.replicas_of(V2)) == (3, 1)
    assert rollout.record().weight_observed_at is not None
    assert _of_pods(stable=3, candidate=2, written=4_000, step=2).replicas_of(V1) == 2


def test_stable_keeps_its_pods_until_the_candidate_has_a_share():
    assert _of_pods(stable=4, candidate=1, written=0).replicas_of(V1) == 4


def test_a_share_of_pods_may_be_off_by_what_rounding_makes():
    steps = (Step(6_666, MINUTE), Step(FULL))
    rollout = a_rollout().with_replicas(3).on_course(by_replicas=True, shift=Shift(1, 0), steps=steps)
    rollout.at_step(1).with_record(weight_observed_at=None).with_stable_pods(1, of=1)
    assert rollout.routed({V1: 3_333, V2: 6_667}).record().weight_observed_at is not None
    assert rollout.routed({V1: 3_340, V2: 6_660}).record().weight_observed_at is None


def test_a_share_does_not_begin_while_a_third_release_has_pods():
    rollout = _of_pods(stable=4, candidate=1, written=0)
    rollout.in_phase(Phase.SUPERSEDED, of=V3, weight=0.0).with_pods(V3, 1)
    assert rollout.decide().weights == {V1: FULL}
    assert rollout.record().reason == "WaitingForRoute"
    assert "release 3" in (rollout.record().message or "")
    assert rollout.with_pods(V3, 0).decide().weights == {V1: 7_500, V2: 2_500}


def test_a_candidate_gives_pods_up_for_a_smaller_share_only_as_stable_has_them():
    rollout = _of_pods(stable=2, candidate=2, written=5_000, step=1)
    assert (rollout.replicas_of(V1), rollout.replicas_of(V2)) == (3, 2)
    assert rollout.with_stable_pods(3, of=3).replicas_of(V2) == 1


# --- fleets that scale by themselves ----------------------------------------------------------------------------------


def test_stable_keeps_its_size_while_a_candidate_is_on_trial():
    rollout = a_rollout().with_autoscaler(2, 8).with_replicas(6).at_step(1).with_stable_pods(6, of=6)
    target = rollout.target_of(V1)
    assert (target.replicas, target.floor, target.ceiling) == (6, 6, 8)
    alone = a_rollout().with_autoscaler(2, 8).with_replicas(6).with_stable_pods(6, of=6).declaring(V1).target_of(V1)
    assert (alone.replicas, alone.floor, alone.ceiling) == (6, 2, 8)


def test_the_floor_of_a_candidate_is_what_its_weight_needs():
    rollout = a_rollout().with_autoscaler(2, 8).with_replicas(6).at_step(2)
    target = rollout.target_of(V2)
    assert (target.replicas, target.floor, target.ceiling) == (3, 3, 8)
    assert rollout.with_candidate_pods(5).target_of(V2).replicas == 5


def test_a_promotion_drops_no_pods():
    rollout = a_rollout().with_autoscaler(2, 8).with_replicas(6).promoting().with_candidate_pods(7)
    target = rollout.target_of(V2)
    assert rollout.record().phase == Phase.STABLE
    assert (target.replicas, target.floor) == (7, 2)


def test_all_traffic_needs_what_it_needed_when_the_attempt_began():
    rollout = a_rollout().with_autoscaler(2, 8).with_replicas(2).at_step(3).with_record(size=6, weight=50.0)
    rollout.routed({V1: 5_000, V2: 5_000}).with_candidate_pods(3)
    assert rollout.replicas_of(V2) == 6
    assert rollout.decide().weights == {V1: 5_000, V2: 5_000}


def test_a_standby_is_not_scaled_down_by_an_autoscaler():
    rollout = a_rollout().watching().with_autoscaler(2, 8).with_replicas(5).with_candidate_pods(5)
    target = rollout.target_of(V1)
    assert (target.replicas, target.floor) == (5, None)
    assert rollout.target_of(V2).floor == 5


def test_capacity_that_is_shifted_is_not_added_by_an_autoscaler():
    rollout = _shifting(5_000, stable=2, candidate=2, step=2).with_autoscaler(2, 8)
    stable, candidate = rollout.target_of(V1), rollout.target_of(V2)
    assert (stable.replicas, stable.floor) == (1, 1)
    assert (candidate.replicas, candidate.floor) == (2, 2)
