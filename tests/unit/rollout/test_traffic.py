"""Traffic and capacity: what may take requests, how much of them, and what may be scaled down."""

from __future__ import annotations

import pytest
from unit.rollout.builders import MINUTE, NOW, SECOND, V1, V2, V3, a_hash, a_rollout, a_window, an_outage, errors

from slipway.api import Phase
from slipway.rollout import FULL, Role, Route
from slipway.rollout.capacity import needed, share


@pytest.mark.parametrize(
    ("replicas", "weight", "pods"),
    [(4, 1_000, 1), (4, 2_500, 1), (4, 2_600, 2), (4, 5_000, 2), (4, 7_500, 3), (4, FULL, 4), (1, 1, 1), (0, FULL, 0)],
)
def test_a_weight_needs_its_share_of_the_pods_rounded_up(replicas, weight, pods):
    assert needed(replicas, weight) == pods


# --- capacity before weight -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_revision_gets_no_traffic_before_enough_of_its_pods_are_ready_at_any_step(step):
    weight = (1_000, 5_000, FULL)[step - 1]
    before = (0, 1_000, 5_000)[step - 1]
    rollout = a_rollout().at_step(step).with_record(weight=before / 100, weight_observed_at=None)
    rollout.routed({V1: FULL - before, V2: before})
    enough = needed(4, weight)
    assert rollout.with_candidate_pods(enough - 1, of=enough).decide().weights.get(V2, 0) == before
    assert rollout.with_candidate_pods(enough).decide().weights.get(V2, 0) == weight


def test_a_promotion_needs_every_pod_before_it_takes_all_traffic():
    rollout = a_rollout().promoting().with_record(weight=50.0).routed({V1: 5_000, V2: 5_000})
    assert rollout.with_candidate_pods(3, of=4).decide().weights == {V1: 5_000, V2: 5_000}
    assert rollout.with_candidate_pods(4).decide().weights == {V2: FULL}


def test_pods_are_asked_for_before_the_weight_that_needs_them():
    rollout = a_rollout().at_step(1).after(MINUTE).then()
    assert rollout.seen.revisions[V2].record.step == 1
    assert rollout.replicas_of(V2) == 2
    assert rollout.decide().weights == {V1: 9_000, V2: 1_000}


def test_pods_of_an_older_size_of_the_fleet_are_not_counted():
    rollout = a_rollout().at_step(2).with_record(weight=10.0, weight_observed_at=None).routed({V1: 9_000, V2: 1_000})
    assert rollout.with_pods(V2, 2, of=1).decide().weights == {V1: 9_000, V2: 1_000}
    assert rollout.with_pods(V2, 2, of=2, current=False).decide().weights == {V1: 9_000, V2: 1_000}


def test_a_candidate_at_five_percent_does_not_cost_a_second_fleet():
    assert a_rollout().with_replicas(40).with_steps(5, 50).evaluating().replicas_of(V2) == 2


def test_more_replicas_in_mid_rollout_do_not_take_weight_away():
    rollout = a_rollout().at_step(2).with_replicas(8)
    assert rollout.decide().weights == {V1: 5_000, V2: 5_000}
    assert (rollout.replicas_of(V1), rollout.replicas_of(V2)) == (8, 4)


def test_no_replicas_are_asked_for_when_the_user_asks_for_none():
    rollout = a_rollout().with_replicas(0).declaring(V1)
    assert rollout.replicas_of(V1) == 0
    assert rollout.decide().weights == {V1: FULL}


# --- what the route references ----------------------------------------------------------------------------------------


def test_nothing_that_the_gateway_still_references_is_scaled_down_or_deleted():
    rollout = a_rollout().rolling_back(observed={V1: 9_000, V2: 1_000}).with_rollback(revision_history_limit=0)
    for _ in range(3):
        rollout.then().after(60 * MINUTE)
        assert rollout.record().phase == Phase.ROLLING_BACK
        assert rollout.replicas_of(V2) == 1
        assert rollout.decide().delete == ()


def test_what_the_gateway_accepted_is_not_known_so_nothing_is_scaled_down():
    rollout = a_rollout().rolling_back().not_observed().after(60 * MINUTE)
    assert rollout.record().phase == Phase.ROLLING_BACK
    assert rollout.replicas_of(V2) == 1


def test_pods_end_after_the_delay_that_follows_the_last_observed_reference():
    rollout = a_rollout().rolling_back().then().after(29 * SECOND)
    assert rollout.replicas_of(V2) == 1
    assert rollout.decide().wake_after == SECOND
    assert rollout.after(SECOND).replicas_of(V2) == 0


def test_a_gateway_that_is_silent_for_a_moment_does_not_restart_the_delay():
    rollout = a_rollout().rolling_back().then().after(20 * SECOND)
    idle_since = rollout.seen.revisions[V2].record.idle_since
    assert rollout.not_observed().record().idle_since == idle_since


def test_a_release_declared_again_keeps_the_pods_that_still_take_requests():
    rollout = a_rollout().starting().with_record(weight=50.0).with_candidate_pods(2)
    rollout.routed({V1: FULL}, observed={V1: 5_000, V2: 5_000})
    assert rollout.replicas_of(V2) == 2


def test_a_release_that_comes_and_goes_keeps_its_pods_until_the_gateway_lets_go():
    rollout = a_rollout().at_step(2).with_pods(V1, 4).declaring(V1).then(accepted=False)
    rollout.declaring(V2).then().declaring(V1).then().then().after(60 * MINUTE)
    assert rollout.replicas_of(V2) == 2


# --- what was observed ------------------------------------------------------------------------------------------------


def test_a_weight_counts_as_applied_only_when_it_was_read_back():
    rollout = a_rollout().at_step(1).with_record(weight_observed_at=None)
    assert rollout.not_observed().record().weight_observed_at is None
    assert rollout.record().reason == "WaitingForRoute"
    assert rollout.routed({V1: 9_000, V2: 1_000}).record().weight_observed_at == NOW


def test_a_promotion_waits_for_the_gateway():
    rollout = a_rollout().promoting().not_observed("the gateway did not accept it yet")
    assert rollout.record().phase == Phase.PROMOTING
    assert "did not accept it yet" in rollout.record().message


@pytest.mark.parametrize("place", [lambda: a_rollout().at_step(1), lambda: a_rollout().at_step(3)])
def test_no_step_passes_while_someone_elses_weights_are_on_the_route(place):
    rollout = place().after(MINUTE).routed({V1: 2_000, V2: 8_000})
    step = rollout.seen.revisions[V2].record.step
    assert (rollout.record().phase, rollout.record().step) == (Phase.STEPPING, step)
    assert rollout.then().record().step != step or rollout.record().phase == Phase.PROMOTING


def test_no_promotion_ends_while_someone_elses_weights_are_on_the_route():
    rollout = a_rollout().promoting().with_record(weight_observed_at=NOW).routed({V1: 2_000, V2: 8_000})
    assert rollout.record().phase == Phase.PROMOTING
    assert rollout.decide().weights == {V2: FULL}


def test_drift_on_the_route_is_repaired_without_touching_the_weights_or_the_evidence():
    rollout = a_rollout().at_step(2).with_metrics(errors()).with_evidence(a_window((0, 400), (0, 400))).then()
    before = rollout.seen.revisions[V2].record
    rollout.after(SECOND).routed({V1: FULL})
    assert rollout.decide().weights == {V1: 5_000, V2: 5_000}
    after = rollout.record()
    assert (after.metrics, after.step, after.weight_observed_at) == (
        before.metrics,
        before.step,
        before.weight_observed_at,
    )


def test_a_backend_without_weight_is_left_out_of_the_route():
    assert a_rollout().starting().decide().weights == {V1: FULL}
    assert a_rollout().at_step(3).decide().weights == {V2: FULL}
    assert a_rollout().rolling_back().decide().weights == {V1: FULL}


def test_a_route_of_someone_else_is_not_touched():
    rollout = a_rollout().pending().with_route(Route(exists=True, foreign=True))
    assert rollout.decide().weights is None
    assert rollout.record().reason == "RouteConflict"
    assert "remove the route" in rollout.record().message


# --- hauling back -----------------------------------------------------------------------------------------------------


def _failing(rollout):
    return rollout.with_metrics(errors()).with_evidence(a_window((200, 400), (0, 400)))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_an_abort_takes_the_weight_to_nothing_at_once(step):
    assert _failing(a_rollout().at_step(step)).decide().weights == {V1: FULL}


def test_an_under_sized_stable_never_delays_an_abort():
    assert _failing(a_rollout().at_step(2).with_stable_pods(1)).decide().weights == {V1: FULL}


def test_traffic_does_not_move_from_ready_pods_to_none():
    rollout = _failing(a_rollout().at_step(2).with_stable_pods(0))
    assert rollout.decide().weights == {V1: 5_000, V2: 5_000}
    rollout.then()
    available = rollout.conditions()["Available"]
    assert (available.status, available.reason) == ("False", "StableUnavailable")
    assert "release 2 keeps 50%" in available.message
    assert rollout.with_stable_pods(1).decide().weights == {V1: FULL}


def test_a_weight_that_was_hauled_back_never_rises_again():
    rollout = _failing(a_rollout().at_step(2).with_stable_pods(1)).then()
    rollout.with_stable_pods(0).routed({V1: 2_000, V2: 8_000})
    assert rollout.decide().weights == {V1: FULL}


def test_when_nothing_is_ready_the_stable_release_has_the_route():
    rollout = a_rollout().at_step(2).with_candidate_pods(0, of=2).with_stable_pods(0)
    assert rollout.record().phase == Phase.STEPPING
    rollout.then().after(10 * MINUTE)
    assert rollout.record().phase == Phase.ROLLING_BACK
    assert rollout.decide().weights == {V1: FULL}


def test_a_candidate_whose_pods_are_all_lost_is_hauled_back_at_once():
    rollout = a_rollout().at_step(2).with_candidate_pods(0, of=2, problem="CrashLoopBackOff: exit code 137")
    assert rollout.decide().weights == {V1: FULL}
    assert rollout.record().reason == "CapacityLost"
    assert "CrashLoopBackOff" in rollout.record().message


def test_a_flap_of_some_pods_moves_nothing():
    rollout = a_rollout().at_step(2).with_candidate_pods(1, of=2)
    assert rollout.decide().weights == {V1: 5_000, V2: 5_000}
    rollout.then().with_candidate_pods(2)
    assert rollout.record().capacity_lost_at is None


# --- releases that come in between ------------------------------------------------------------------------------------


def test_a_new_release_in_mid_rollout_gets_no_traffic_before_it_was_verified_itself():
    rollout = a_rollout().at_step(2).with_revision(V3).declaring(V3).then()
    assert rollout.seen.route.written == {V1: FULL}
    assert rollout.seen.revisions[V2].record.phase == Phase.SUPERSEDED
    rollout.then()
    assert rollout.seen.revisions[V3].record.phase == Phase.STARTING
    assert rollout.decide().weights == {V1: FULL}


def test_a_revert_in_mid_rollout_gives_stable_all_traffic():
    rollout = a_rollout().at_step(2).declaring(V1)
    assert rollout.decide().weights == {V1: FULL}
    assert rollout.record().phase == Phase.SUPERSEDED
    assert rollout.replicas_of(V1) == 4


def test_a_first_release_that_takes_traffic_keeps_it_until_the_next_one_can_take_it():
    rollout = a_rollout().first_release().promoting().with_revision(V3).declaring(V3)
    for _ in range(4):
        assert rollout.decide().weights == {V2: FULL}
        assert rollout.replicas_of(V2) == 4
        rollout.then()


def test_a_first_release_that_failed_serves_nobody():
    rollout = a_rollout().first_release().promoting().in_phase(Phase.ROLLING_BACK, weight=100.0)
    assert rollout.decide().weights == {}


def test_promotion_moves_a_pointer_and_restarts_nothing():
    decision = a_rollout().promoting().decide()
    assert decision.weights == {V2: FULL}
    assert {(target.hash, target.replicas, target.role) for target in decision.fleets} == {
        (V2, 4, Role.STABLE),
        (V1, 4, Role.NONE),
    }


def test_a_promotion_is_written_before_the_end_of_the_release_that_it_replaces():
    assert list(a_rollout().promoting().decide().records) == [V2, V1]


def test_of_two_stable_revisions_the_latest_one_is_meant():
    rollout = a_rollout().promoting().in_phase(Phase.STABLE, weight=100.0)
    assert rollout.decide().weights == {V2: FULL}
    assert rollout.record(V1).phase == Phase.SUPERSEDED


def test_a_revert_after_a_half_written_promotion_is_a_rollout_like_any_other():
    rollout = a_rollout().promoting().in_phase(Phase.STABLE, weight=100.0).declaring(V1)
    assert rollout.decide().weights == {V2: FULL}
    rollout.then().then()
    assert rollout.seen.revisions[V1].record.phase == Phase.PENDING
    assert rollout.seen.revisions[V2].record.phase == Phase.STABLE


# --- ladders ----------------------------------------------------------------------------------------------------------


def test_a_ladder_that_does_not_end_at_all_traffic_is_promoted_from_its_last_step():
    rollout = a_rollout().with_steps(10, 40).at_step(2).after(MINUTE).then().with_candidate_pods(4)
    assert rollout.decide().weights == {V2: FULL}


def test_a_ladder_of_one_step_is_enough():
    rollout = a_rollout().with_steps(20).at_step(1).after(MINUTE)
    assert rollout.record().phase == Phase.PROMOTING


def test_a_ladder_shortened_in_mid_rollout_lowers_the_weight_and_takes_no_pods():
    rollout = a_rollout().at_step(2).with_steps(10)
    assert rollout.decide().weights == {V1: 9_000, V2: 1_000}
    assert rollout.replicas_of(V2) == 2
    assert rollout.then().record().weight_observed_at == NOW


def test_an_outage_stops_a_candidate_on_its_way_to_a_weight_it_had_earned():
    rollout = a_rollout().with_metrics(errors()).at_step(2).with_record(weight=10.0, weight_observed_at=None)
    rollout.routed({V1: 9_000, V2: 1_000}).with_evidence(an_outage())
    assert rollout.decide().weights == {V1: 9_000, V2: 1_000}
    assert rollout.record().reason == "MetricsUnavailable"


def test_an_outage_does_not_promote():
    rollout = a_rollout().with_metrics(errors()).promoting().with_evidence(an_outage())
    assert rollout.record().phase == Phase.PROMOTING
    assert rollout.decide().weights == {V2: FULL}


def test_what_nobody_needs_goes_to_stable_and_sums_are_exact():
    held = {V3: 3_000}
    arguments = {"stable": V1, "candidate": V2, "candidate_weight": 3_333, "held": held}
    assert share(stable_ready=True, **arguments) == {V2: 3_333, V1: 6_667}
    assert share(stable_ready=False, **arguments) == {V2: 3_333, V3: 3_000, V1: 3_667}


def test_a_gate_that_changed_gives_the_traffic_back_and_begins_with_the_golden_set():
    rollout = a_rollout().at_step(3).with_gates(a_hash("stricter"))
    assert rollout.decide().weights == {V1: FULL}
    assert rollout.record().phase == Phase.EVALUATING
    assert rollout.record().metrics is None
    assert rollout.replicas_of(V2) == 4, "the gateway still references it"
