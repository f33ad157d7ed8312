"""Decisions: what evidence moves a candidate, what holds it, and what hauls it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from unit.rollout.builders import (
    GATES,
    MINUTE,
    SECOND,
    V1,
    V2,
    a_batch,
    a_hash,
    a_rollout,
    a_window,
    accuracy,
    an_outage,
    errors,
)

from slipway.api import MetricSpec, NamedVector, Phase
from slipway.rollout import FULL, GoldenBatch, Shadow, SourceFailure, Step, plan, record_of


def _at_the_last_look(rollout):
    """A first look at the present weight is over, and the step's time too: the next window decides."""
    return rollout.with_evidence(a_window(None, None)).then().after(MINUTE)


# --- no data, no answer -----------------------------------------------------------------------------------------------


def test_no_data_is_neither_a_pass_nor_a_fail():
    rollout = _at_the_last_look(a_rollout().with_metrics(errors()).at_step(1))
    rollout.with_evidence(a_window((0, 0), (0, 400)))
    assert rollout.record().step == 0
    assert rollout.record().reason == "NoData"
    assert rollout.decide().weights == {V1: 9_000, V2: 1_000}


def test_a_step_is_not_passed_before_each_live_metric_was_looked_at_at_its_weight():
    rollout = a_rollout().with_metrics(errors()).at_step(1).after(60 * MINUTE)
    assert rollout.record().phase == Phase.STEPPING
    assert rollout.record().step == 0


@pytest.mark.parametrize("hours", [0, 1, 24])
def test_a_provider_outage_freezes_the_weight(hours):
    rollout = a_rollout().with_metrics(errors()).at_step(2).with_evidence(an_outage()).then()
    rollout.after(timedelta(hours=hours)).with_evidence(an_outage())
    assert rollout.decide().weights == {V1: 5_000, V2: 5_000}
    assert rollout.record().reason == "MetricsUnavailable"
    assert "connection refused" in rollout.record().message


def test_an_outage_hauls_back_only_where_that_is_asked_for_and_after_the_timeout():
    rollout = a_rollout().with_metrics(errors(), on_metric_error="Rollback").at_step(2).with_evidence(an_outage())
    assert rollout.then().after(299 * SECOND).with_evidence(an_outage()).record().phase == Phase.STEPPING
    assert rollout.after(SECOND).with_evidence(an_outage()).record().phase == Phase.ROLLING_BACK


def test_an_outage_is_announced_once():
    rollout = a_rollout().with_metrics(errors()).at_step(1).with_evidence(an_outage())
    assert [event.reason for event in rollout.decide().announcements] == ["MetricsUnavailable"]
    rollout.then().after(10 * SECOND).with_evidence(an_outage())
    assert rollout.decide().announcements == ()


def test_low_traffic_does_not_haul_back():
    rollout = _at_the_last_look(a_rollout().with_metrics(errors()).at_step(1)).with_evidence(a_window((1, 2), (0, 18)))
    assert rollout.record().reason == "GatheringEvidence"
    assert rollout.decide().weights == {V1: 9_000, V2: 1_000}


def test_a_slow_trickle_of_errors_as_frequent_as_on_stable_never_adds_up_to_a_fail():
    rollout = a_rollout().with_metrics(errors(), max_duration=timedelta(days=3)).with_steps(50).at_step(1)
    rollout.on_course(steps=(Step(5_000, timedelta(days=3)),))
    rollout.with_evidence(a_window(None, None)).then()
    for _ in range(300):
        rollout.after(5 * MINUTE).with_evidence(a_window((2, 100), (2, 100))).then()
        assert rollout.seen.revisions[V2].record.phase == Phase.STEPPING


def test_an_inconclusive_rollout_holds_and_is_not_started_again():
    rollout = a_rollout().with_metrics(accuracy(nonInferiority={"margin": 0.01})).evaluating()
    rollout.with_evidence(a_batch(right=120, size=120))
    assert rollout.record().reason == "Inconclusive"
    rollout.then().after(60 * MINUTE)
    assert [request.start for request in plan(rollout.seen, V2).golden] == [
        120
    ]  # past its end: only another set has more
    assert rollout.record().reason == "Inconclusive"
    assert rollout.decide().wake_after == 30 * SECOND


def test_a_golden_set_that_decided_nothing_can_be_replaced_by_a_larger_one():
    rollout = a_rollout().with_metrics(accuracy(nonInferiority={"margin": 0.02})).evaluating()
    rollout.with_evidence(a_batch(right=20, size=20)).then().after(MINUTE)
    assert rollout.record().reason == "Inconclusive"
    rollout.with_evidence(replace(a_batch(right=400, size=400), dataset="larger"))
    assert rollout.record().phase == Phase.STEPPING
    assert "n=400 of 400" in (rollout.record().message or "")


@pytest.mark.parametrize(
    ("policy", "phase"), [("Hold", Phase.EVALUATING), ("Promote", Phase.STEPPING), ("Rollback", Phase.ROLLING_BACK)]
)
def test_what_follows_without_a_decision_is_what_the_user_says(policy, phase):
    rollout = a_rollout().with_metrics(accuracy(nonInferiority={"margin": 0.01}), on_inconclusive=policy).evaluating()
    assert rollout.with_evidence(a_batch(right=120, size=120)).record().phase == phase


# --- evidence ---------------------------------------------------------------------------------------------------------


def test_traffic_moves_on_the_whole_golden_set_and_not_on_a_part_of_it():
    rollout = a_rollout().with_metrics(accuracy()).evaluating().with_evidence(a_batch(right=128))
    assert rollout.record().phase == Phase.EVALUATING
    assert rollout.decide().wake_after == timedelta(0)
    rollout.then().with_evidence(a_batch(right=72, start=128))
    assert rollout.record().phase == Phase.STEPPING


def test_a_harmful_candidate_is_hauled_back_before_the_golden_set_ends_and_before_any_request():
    rollout = a_rollout().with_metrics(accuracy()).evaluating().with_evidence(a_batch(right=64, lost=64))
    assert rollout.record().phase == Phase.ROLLING_BACK
    assert rollout.decide().weights == {V1: FULL}


def test_a_batch_that_comes_twice_is_counted_once():
    rollout = a_rollout().with_metrics(accuracy()).evaluating().with_evidence(a_batch(right=128)).then()
    before = rollout.seen.revisions[V2].record.metrics
    assert rollout.with_evidence(a_batch(right=128)).record().metrics == before


def test_a_golden_set_that_changes_is_replayed_from_its_beginning():
    rollout = a_rollout().with_metrics(accuracy()).evaluating().with_evidence(a_batch(right=128)).then()
    rollout.with_evidence(GoldenBatch("accuracy", "other data", 150, 0, ties_right=128)).then()
    request = plan(rollout.seen, V2).golden[0]
    assert (request.start, request.dataset) == (128, "other data")


def test_items_that_no_release_answers_are_an_outage_and_are_asked_again():
    rollout = a_rollout().with_metrics(accuracy()).evaluating().with_evidence(a_batch(excluded=128)).then()
    assert rollout.seen.revisions[V2].record.reason == "MetricsUnavailable"
    rollout.after(5 * SECOND)
    assert [request.start for request in plan(rollout.seen, V2).golden] == [0]


def test_a_few_items_that_no_release_answers_are_left_out():
    rollout = a_rollout().with_metrics(accuracy()).evaluating().with_evidence(a_batch(right=190, excluded=10))
    assert rollout.record().phase == Phase.STEPPING


def test_an_outage_does_not_make_a_failed_metric_good_again():
    held = errors(comparison={"margin": 0.02}, action="Hold")
    rollout = _at_the_last_look(a_rollout().with_metrics(held).at_step(1)).with_evidence(a_window((40, 80), (0, 720)))
    assert rollout.then().with_evidence(an_outage()).record().reason == "AnalysisFailed"


def test_a_metric_that_holds_stops_the_weight_and_hauls_nothing_back():
    held = errors(comparison={"margin": 0.02}, action="Hold")
    rollout = _at_the_last_look(a_rollout().with_metrics(held).at_step(1)).with_evidence(a_window((40, 80), (0, 720)))
    assert rollout.decide().weights == {V1: 9_000, V2: 1_000}
    assert rollout.record().phase == Phase.STEPPING


def test_a_metric_that_is_observed_blocks_nothing():
    observed = errors(comparison={"margin": 0.02}, action="Observe")
    rollout = _at_the_last_look(a_rollout().with_metrics(observed).at_step(1))
    assert rollout.with_evidence(a_window((40, 80), (0, 720))).record().step == 1


def test_a_breach_while_waiting_for_pods_still_hauls_back():
    rollout = a_rollout().with_metrics(errors()).at_step(2).with_candidate_pods(1, of=2)
    rollout.with_record(weight=10.0, weight_observed_at=None).routed({V1: 9_000, V2: 1_000})
    assert [metric.name for metric in plan(rollout.seen, V2).counters] == ["errors"]
    rollout.with_evidence(a_window((40, 80), (0, 720)))
    assert rollout.record().phase == Phase.ROLLING_BACK


def test_no_window_is_folded_before_the_weight_was_observed():
    rollout = a_rollout().with_metrics(errors()).at_step(1).with_record(weight_observed_at=None).not_observed()
    assert plan(rollout.seen, V2).counters == ()


def test_counters_are_read_once_an_interval():
    rollout = a_rollout().with_metrics(errors()).at_step(1).with_evidence(a_window(None, None)).then()
    assert plan(rollout.after(9 * SECOND).seen, V2).counters == ()
    assert len(plan(rollout.after(SECOND).seen, V2).counters) == 1


def test_a_source_that_failed_is_asked_again_wherever_the_weight_is():
    rollout = a_rollout().with_metrics(errors()).at_step(1).with_evidence(an_outage()).then()
    rollout.with_candidate_pods(0, of=1).with_stable_pods(0).with_record(weight=0.0, weight_observed_at=None)
    assert [metric.name for metric in plan(rollout.after(5 * SECOND).seen, V2).counters] == ["errors"]


def test_an_unhealthy_stable_does_not_stop_a_candidate_with_passing_gates():
    rollout = a_rollout().at_step(2).with_stable_pods(0).after(MINUTE).then().with_candidate_pods(4)
    assert rollout.decide().weights == {V2: FULL}
    assert rollout.then().then().after(MINUTE).record().phase == Phase.PROMOTING


# --- the first release ------------------------------------------------------------------------------------------------


def test_the_first_release_is_checked_too():
    minimum = accuracy(threshold={"min": 0.8})
    rollout = a_rollout().first_release().with_metrics(minimum).evaluating()
    assert rollout.with_evidence(a_batch(right=100, ties_wrong=100)).record().phase == Phase.ROLLING_BACK
    assert rollout.decide().weights is None
    assert rollout.with_evidence(a_batch(right=190, ties_wrong=10)).record().phase == Phase.PROMOTING


def test_a_first_release_that_does_not_come_up_does_not_become_ready():
    rollout = a_rollout().first_release().starting().with_candidate_pods(0, of=4, problem="ImagePullBackOff: no:such")
    rollout.after(10 * MINUTE)
    assert rollout.record().phase == Phase.ROLLING_BACK
    assert "ImagePullBackOff" in rollout.record().message
    conditions = rollout.then().then().conditions()
    assert (conditions["Ready"].status, conditions["Available"].status) == ("False", "False")
    assert conditions["Stalled"].status == "True"


def test_a_first_release_has_nothing_to_be_compared_with():
    rollout = a_rollout().first_release().with_metrics(accuracy(), errors()).evaluating()
    assert plan(rollout.seen, V2).golden == ()
    assert rollout.record().phase == Phase.PROMOTING
    assert "no stable release" in rollout.record().message


# --- what is promoted -------------------------------------------------------------------------------------------------


def test_gates_that_change_void_the_evidence_that_was_collected_under_others():
    rollout = a_rollout().with_metrics(accuracy()).evaluating().with_evidence(a_batch(right=128)).then()
    rollout.with_gates(a_hash("stricter"))
    assert [request.start for request in plan(rollout.seen, V2).golden] == [0]
    assert rollout.record().metrics is None
    assert rollout.record().gates == a_hash("stricter")


def test_what_is_promoted_has_passed_the_gates_of_now():
    rollout = a_rollout().promoting().with_gates(a_hash("stricter"))
    assert rollout.record().phase == Phase.EVALUATING


# --- declared again ---------------------------------------------------------------------------------------------------


def test_a_release_that_was_hauled_back_is_not_tried_again_by_itself():
    rollout = a_rollout().rolled_back().after(timedelta(days=30))
    assert rollout.record().phase == Phase.ROLLED_BACK
    assert rollout.decide().wake_after is None or rollout.replicas_of(V2) == 0


def test_changed_gates_try_it_again():
    rollout = a_rollout().rolled_back().with_gates(a_hash("looser"))
    assert (rollout.record().phase, rollout.record().attempt) == (Phase.PENDING, 2)


@pytest.mark.parametrize("phase", [Phase.ROLLING_BACK, Phase.ROLLED_BACK])
def test_a_release_that_was_hauled_back_withdrawn_and_declared_again_waits_for_a_person(phase):
    rollout = a_rollout().rolling_back() if phase == Phase.ROLLING_BACK else a_rollout().rolled_back()
    rollout.declaring(V1).then().then().declaring(V2).then().then()
    record = rollout.seen.revisions[V2].record
    assert (record.phase, record.attempt, record.gates) == (Phase.ROLLED_BACK, 1, GATES)
    assert rollout.commanded("retry").record().attempt == 2


def test_a_second_attempt_begins_without_the_evidence_of_the_first():
    rollout = a_rollout().rolled_back().with_record(metrics=[], step=2).with_gates(a_hash("looser"))
    record = rollout.record()
    assert (record.metrics, record.step, record.weight_observed_at) == (None, None, None)


# --- what is said of it -----------------------------------------------------------------------------------------------


def test_the_reason_of_a_rollback_names_metric_value_margin_samples_and_evidence():
    rollout = _at_the_last_look(a_rollout().with_metrics(errors()).at_step(1)).with_evidence(
        a_window((40, 80), (0, 720))
    )
    announcement = rollout.decide().announcements[-1]
    for words in ("errors: Fail", "n=80/720", "diff=+50.00pp", "margin 2.00pp", "evidence of harm"):
        assert words in announcement.message
        assert words in rollout.status().message
    assert (announcement.type, announcement.reason) == ("Warning", "AnalysisFailed")


def test_a_long_story_is_cut_to_what_the_api_takes():
    rollout = a_rollout().with_metrics(errors()).at_step(1).with_evidence(SourceFailure("errors", "x" * 9000))
    record = rollout.record()
    assert record.__class__.model_validate(record.model_dump(mode="json", by_alias=True)) == record


def test_each_metric_has_its_share_of_the_budget_for_false_rollbacks():
    rollout = a_rollout().with_metrics(accuracy(), errors()).evaluating().with_evidence(a_batch(right=128))
    status = record_of(rollout.record(), "accuracy")
    gates = {vector.name: vector.values for vector in status.state}
    assert any(pytest.approx(value) == 0.005 for values in gates.values() for value in values)


def test_evidence_that_another_version_wrote_is_collected_anew():
    rollout = a_rollout().with_metrics(errors(), accuracy()).at_step(1)
    rollout.with_evidence(a_window((0, 50), (0, 450))).then().after(MINUTE)
    metrics = rollout.record().metrics
    foreign = [
        status.model_copy(update={"state": [NamedVector(name="of-another-version", values=[1.0])]})
        for status in metrics or ()
    ]
    rollout.with_record(metrics=foreign).with_evidence(a_window((0, 5), (0, 45)))
    found = record_of(rollout.record(), "errors")
    assert found is not None
    assert "n=5/45" in found.message
    assert rollout.record().phase == Phase.STEPPING


# --- margins that are a share of stable's own rate --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [({"comparison": {"relative": 0.5}}, "Fail"), ({"comparison": {"relative": 3}}, "Continue")],
)
def test_a_relative_margin_is_a_share_of_stables_own_rate(gate, verdict):
    """Twice the failures of stable are more than half as many again, and fewer than four times as many."""
    rollout = a_rollout().with_metrics(errors(**gate)).at_step(2).with_evidence(a_window(None, None)).then()
    for _ in range(20):
        rollout.after(10 * SECOND).with_evidence(a_window((40, 1_000), (20, 1_000))).then()
    status = record_of(rollout.seen.revisions[V2].record, "errors")
    assert status is not None
    assert status.verdict == verdict
    assert f"margin {100 * gate['comparison']['relative']:g}% of stable" in status.message


def test_a_relative_proof_lets_the_rollout_go_on():
    gate = {"nonInferiority": {"relative": 1.0}}
    rollout = a_rollout().with_metrics(errors(**gate)).at_step(2).with_evidence(a_window(None, None)).then()
    for _ in range(10):
        rollout.after(10 * SECOND).with_evidence(a_window((50, 1_000), (50, 1_000))).then()
    assert rollout.seen.revisions[V2].record.step == 2


# --- agreement --------------------------------------------------------------------------------------------------------


def _agreement(alike, otherwise, size=200):
    return GoldenBatch("agreement", "data", size, 0, losses=otherwise, ties_right=alike)


AGREEMENT = MetricSpec.model_validate({"name": "agreement", "agreement": {"url": "https://models.example/a.csv"}})


def test_a_shadow_stage_is_held_by_disagreement_and_passed_by_agreement():
    rollout = a_rollout().with_metrics(AGREEMENT).shadowing()
    assert [request.labelled for request in plan(rollout.seen, V2).golden] == [False]
    rollout.after(MINUTE).with_evidence(_agreement(120, 80))
    assert (rollout.record().phase, rollout.record().reason) == (Phase.SHADOWING, "AnalysisFailed")
    rollout.with_evidence(_agreement(196, 4))
    assert rollout.record().phase == Phase.STEPPING
    assert "agreement: Pass n=200 of 200, 4 answered otherwise" in rollout.record().message


def test_where_requests_are_copied_agreement_waits_for_that_and_the_evaluation_does_not_wait_for_it():
    rollout = a_rollout().on_course(shadow=Shadow(min_duration=MINUTE)).with_metrics(AGREEMENT).evaluating()
    assert plan(rollout.seen, V2).golden == ()
    assert rollout.record().phase == Phase.SHADOWING


def test_without_a_shadow_stage_agreement_is_looked_at_before_any_traffic():
    rollout = a_rollout().with_metrics(AGREEMENT).evaluating().with_evidence(_agreement(120, 80))
    assert (rollout.record().phase, rollout.record().reason) == (Phase.EVALUATING, "AnalysisFailed")


def test_disagreement_that_a_person_let_pass_does_not_hold_the_steps():
    rollout = a_rollout().with_metrics(AGREEMENT).evaluating().with_evidence(_agreement(120, 80)).then()
    rollout.commanded("promote", step="golden").then()
    assert rollout.record().phase != Phase.EVALUATING
    rollout.at_step(1).after(MINUTE)
    assert rollout.record().step == 1


def test_an_undecided_set_of_inputs_can_be_replaced_in_the_shadow_stage():
    rollout = a_rollout().with_metrics(AGREEMENT).shadowing().with_evidence(_agreement(10, 1, size=11)).then()
    rollout.after(MINUTE)
    assert [request.start for request in plan(rollout.seen, V2).golden] == [11]
    rollout.with_evidence(replace(_agreement(196, 4), dataset="larger"))
    assert rollout.record().phase == Phase.STEPPING
