"""Strategies: the course that each one sets, and a candidate's way along it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from unit.rollout.builders import (
    GATES,
    MINUTE,
    NOW,
    SECOND,
    V1,
    V2,
    ARollout,
    a_rollout,
    a_window,
    errors,
    errors_in_pods,
)
from unit.rollout.strategies import STRATEGIES

from slipway.api import ModelDeploymentSpec, Phase, Strategy
from slipway.rollout import FULL, Beside, Judging, Shadow, Shift, Step, course_of, needs, problems

TEN = timedelta(seconds=10)


def a_course(by_replicas=False, replicas=4, **strategy):
    return course_of(Strategy.model_validate(strategy), replicas=replicas, by_replicas=by_replicas)


def a_spec(traffic=None, analysis=None, **strategy) -> ModelDeploymentSpec:
    container = {"image": "serve:1", "ports": [{"name": "http", "containerPort": 80}]}
    release = {"model": {"name": "fraud", "version": "2", "uri": "s3://models/fraud/2"}, "container": container}
    gateway = {"gateway": {"parentRefs": [{"name": "main"}]}}
    declared = {"release": release, "strategy": strategy, "traffic": traffic or gateway}
    return ModelDeploymentSpec.model_validate(declared | ({"analysis": analysis} if analysis else {}))


# --- courses ----------------------------------------------------------------------------------------------------------


def test_a_canary_climbs_its_steps():
    steps = [
        {"weight": 0.25, "minDuration": "10s", "analysis": "observe"},
        {"weight": 50, "approval": "Required", "replicas": 3},
    ]
    assert a_course(canary={"steps": steps}).steps == (
        Step(25, TEN, Judging.OBSERVE),
        Step(5_000, approval=True, replicas=3),
    )


@pytest.mark.parametrize(
    ("linear", "weights"),
    [
        ({"from": 10, "to": 50, "by": 20}, [1_000, 3_000, 5_000]),
        ({"from": 10, "to": 100, "by": 40}, [1_000, 5_000, 9_000, FULL]),
        ({"from": 30, "to": 30, "by": 10}, [3_000]),
        ({"from": 0.5, "to": 2, "by": 1}, [50, 150, 200]),
    ],
)
def test_linear_steps_end_at_their_last_weight(linear, weights):
    course = a_course(canary={"linear": linear | {"every": "10s"}})
    assert [(step.weight, step.min_duration) for step in course.steps] == [(weight, TEN) for weight in weights]


def test_a_blue_green_switches_at_once_and_bakes():
    course = STRATEGIES["approved blue-green"]
    before, after = course_of(course, replicas=4).steps
    assert (before.weight, before.preview, before.approval, before.judging) == (0, True, True, Judging.OBSERVE)
    assert (after.weight, after.min_duration, after.judging) == (FULL, 5 * SECOND, Judging.GUARD)
    assert course_of(course, replicas=4).full_size


def test_an_ab_test_is_one_step_with_its_own_deadline():
    course = a_course(abTest={"weight": 20, "maxDuration": "14h", "minDuration": "10s"})
    assert course.steps == (Step(2_000, TEN),)
    assert course.max_duration == timedelta(hours=14)
    assert not course.full_size
    assert a_course(abTest={"matches": [{"header": {"name": "x", "value": "y"}}]}).full_size


@pytest.mark.parametrize(
    ("replicas", "surge", "weights"),
    [
        (4, {}, [2_500, 5_000, 7_500, FULL]),
        (3, {}, [3_333, 6_666, FULL]),
        (4, {"maxSurge": 1, "maxUnavailable": 1}, [5_000, FULL]),
        (5, {"maxSurge": 2}, [4_000, 8_000, FULL]),
        (1, {}, [FULL]),
        (0, {}, [FULL]),
    ],
)
def test_a_rolling_update_has_a_step_for_every_few_pods(replicas, surge, weights):
    course = a_course(replicas=replicas, rollingUpdate=surge)
    assert [step.weight for step in course.steps] == weights
    assert {step.judging for step in course.steps} == {Judging.GUARD}


def test_a_large_fleet_is_replaced_in_few_steps():
    assert len(a_course(replicas=1000, rollingUpdate={}).steps) == 20


def test_a_surge_of_nothing_shifts_capacity():
    course = a_course(canary={"steps": [{"weight": 10}], "maxSurge": 0, "maxUnavailable": 1})
    assert course.shift == Shift(0, 1)
    assert a_course(by_replicas=True, canary={"steps": [{"weight": 25}]}).shift == Shift(1, 0)


def test_a_shadow_alone_has_no_steps():
    assert a_course(shadow={"percent": 25, "minDuration": "10s"}) == course_of(
        Strategy.model_validate({"shadow": {"percent": 25, "minDuration": "10s"}}), replicas=9
    )
    course = a_course(shadow={"percent": 25, "approval": "Required"})
    assert (course.shadow, course.steps) == (Shadow(2_500, approval=True), ())


@pytest.mark.parametrize("strategy", [{}, {"shadow": {}, "rollingUpdate": {}}, {"canary": {}}])
def test_anything_but_one_strategy_is_refused(strategy):
    with pytest.raises(ValueError, match="exactly one"):
        a_course(**strategy)


# --- what the router has to be able to do, and what makes no sense ----------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "asked"),
    [
        ({"canary": {"steps": [{"weight": 10}]}}, []),
        ({"shadow": {}}, [("mirror", "spec.strategy.shadow")]),
        (
            {"blueGreen": {"shadow": {"percent": 5}}},
            [
                ("mirror", "spec.strategy.blueGreen.shadow"),
                ("mirror_percent", "spec.strategy.blueGreen.shadow.percent"),
            ],
        ),
        ({"blueGreen": {"preview": {"hostname": "next.shop"}}}, [("preview", "spec.strategy.blueGreen.preview")]),
        (
            {"abTest": {"matches": [{"cookie": {"name": "a", "value": "b"}}], "sticky": {"cookie": "c"}}},
            [
                ("match", "spec.strategy.abTest.matches"),
                ("cookies", "spec.strategy.abTest.matches"),
                ("sticky", "spec.strategy.abTest.sticky"),
            ],
        ),
    ],
)
def test_a_strategy_names_what_it_asks_of_the_router(strategy, asked):
    found = needs(a_spec(**strategy), a_course(**strategy))
    assert [(need.capability, need.field) for need in found] == asked


def _problems(replicas=4, by_replicas=False, resolution=1, analysis=None, **strategy):
    course = a_course(by_replicas=by_replicas, replicas=replicas, **strategy)
    return list(problems(a_spec(analysis=analysis, **strategy), course, replicas=replicas, resolution=resolution))


def test_a_weight_that_pods_cannot_make_says_which_can():
    (problem,) = _problems(by_replicas=True, canary={"steps": [{"weight": 10}]})
    assert problem.startswith("spec.strategy.canary.steps[0].weight: ")
    assert "it can be 25, 50, 75, 100 percent" in problem
    assert not _problems(by_replicas=True, canary={"steps": [{"weight": 25}]})


def test_fields_that_shares_of_pods_rule_out_are_not_ignored():
    (capacity,) = _problems(by_replicas=True, canary={"steps": [{"weight": 25}], "capacity": "Full"})
    assert capacity.startswith("spec.strategy.canary.capacity: ")
    (pods,) = _problems(by_replicas=True, canary={"steps": [{"weight": 25, "replicas": 3}]})
    assert pods.startswith("spec.strategy.canary.steps[0].replicas: ")


def test_too_few_pods_for_a_step_are_refused():
    (problem,) = _problems(replicas=10, canary={"steps": [{"weight": 50, "replicas": 2}]})
    assert "2 pods are too few" in problem
    assert "it takes 5" in problem


def test_a_weight_between_the_steps_of_the_router_is_refused():
    (problem,) = _problems(resolution=100, canary={"steps": [{"weight": 0.5}]})
    assert "steps of 1%" in problem


def test_a_comparison_of_releases_that_never_take_requests_together_is_refused():
    metric = {"name": "errors", "gateway": {}, "nonInferiority": {"margin": 0.01}}
    (problem,) = _problems(analysis={"metrics": [metric]}, blueGreen={})
    assert problem.startswith("spec.analysis.metrics[0].nonInferiority: ")
    assert not _problems(analysis={"metrics": [metric]}, canary={"steps": [{"weight": 50}]})


# --- the way along ----------------------------------------------------------------------------------------------------


def walked(rollout: ARollout, *, looks: int = 80) -> list[tuple[str, int | None, int, int]]:
    """Each phase, step, weight and number of pods that a candidate goes through when nothing is in its way."""
    way: list[tuple[str, int | None, int, int]] = []
    for _ in range(looks):
        for hash_, revision in dict(rollout.seen.revisions).items():
            size = revision.fleet.replicas
            rollout.with_pods(hash_, size) if revision.fleet.exists else None
            rollout._revision(hash_, answers=True)
        rollout.then().after(5 * SECOND)
        record, pods = rollout.seen.revisions[V2].record, rollout.seen.revisions[V2].fleet.replicas
        step = record.step if record.phase == Phase.STEPPING else None
        place = (str(record.phase), step, rollout.seen.route.written.get(V2, 0), pods)
        if place not in way:
            way.append(place)
        if record.phase == Phase.STABLE:
            break
    return way


def a_walk(name: str) -> ARollout:
    rollout = a_rollout()
    rollout.seen = rollout.seen.__class__(
        **{field: getattr(rollout.seen, field) for field in rollout.seen.__slots__}
        | {"course": course_of(STRATEGIES[name], replicas=4)}
    )
    return rollout


def test_a_canary_gets_pods_before_weight_at_each_step():
    assert walked(a_walk("canary")) == [
        ("Pending", None, 0, 0),
        ("Starting", None, 0, 1),
        ("Evaluating", None, 0, 1),
        ("Stepping", 0, 1_000, 1),
        ("Stepping", 1, 1_000, 2),
        ("Stepping", 1, 5_000, 2),
        ("Stepping", 2, 5_000, 4),
        ("Stepping", 2, FULL, 4),
        ("Promoting", None, FULL, 4),
        ("Stable", None, FULL, 4),
    ]


def test_a_blue_green_is_at_full_size_before_it_switches():
    way = walked(a_walk("blue-green"))
    assert {pods for phase, _, _, pods in way if phase != "Pending"} == {4}
    assert [weight for phase, _, weight, _ in way if phase == "Stepping"] == [0, FULL]


def test_a_shadow_gets_copies_and_then_all_traffic():
    way = walked(a_walk("shadow"))
    assert [phase for phase, *_ in way] == ["Pending", "Starting", "Evaluating", "Shadowing", "Promoting", "Stable"]
    assert {weight for phase, _, weight, _ in way if phase == "Shadowing"} == {0}


def test_a_rolling_update_replaces_pod_after_pod():
    weights = [weight for phase, _, weight, _ in walked(a_walk("rolling update")) if phase == "Stepping"]
    assert list(dict.fromkeys(weights)) == [2_500, 5_000, 7_500, FULL] or weights == sorted(weights)


@pytest.mark.parametrize("name", [name for name in STRATEGIES if "approv" not in name])
def test_every_strategy_ends_with_a_stable_release(name):
    way = walked(a_walk(name))
    assert way[-1] == ("Stable", None, FULL, 4)


@pytest.mark.parametrize("name", [name for name in STRATEGIES if "approv" in name])
def test_a_strategy_with_an_approval_goes_no_further_without_it(name):
    rollout = a_walk(name)
    assert walked(rollout)[-1][0] in ("Shadowing", "Stepping")
    assert rollout.status().phase == "AwaitingApproval"


# --- stages -----------------------------------------------------------------------------------------------------------


def test_copies_are_asked_for_once_the_pods_for_them_are_ready():
    rollout = a_rollout().on_course(shadow=Shadow(5_000, MINUTE)).in_phase(Phase.SHADOWING).with_candidate_pods(1, of=2)
    assert rollout.decide().beside == Beside()
    assert rollout.replicas_of(V2) == 2
    assert rollout.with_candidate_pods(2).decide().beside == Beside(mirror=V2, mirrored=5_000)
    assert rollout.decide().weights == {V1: FULL}


def test_the_time_of_copies_counts_from_when_they_were_seen():
    rollout = a_rollout().on_course(shadow=Shadow(FULL, MINUTE)).in_phase(Phase.SHADOWING).with_candidate_pods(4)
    rollout.after(60 * MINUTE).then()
    assert rollout.record().phase == Phase.SHADOWING
    assert rollout.then().after(MINUTE).record().phase == Phase.STEPPING


def test_what_fails_on_copies_is_hauled_back_and_no_user_saw_it():
    rollout = a_rollout().with_metrics(errors_in_pods()).shadowing().with_evidence(a_window((40, 80), (0, 720)))
    assert rollout.record().phase == Phase.ROLLING_BACK
    assert rollout.decide().beside == Beside()
    assert rollout.decide().weights == {V1: FULL}


def test_nothing_that_copies_go_to_is_scaled_down():
    rollout = a_rollout().shadowing().declaring(V1).then(accepted=False).after(60 * MINUTE)
    assert rollout.replicas_of(V2) == 4


def test_a_gateway_counts_no_copies_so_that_its_metrics_wait_for_the_steps():
    rollout = a_rollout().with_metrics(errors()).shadowing().after(MINUTE)
    assert rollout.record().phase == Phase.STEPPING


def test_an_observed_step_records_and_blocks_nothing():
    rollout = a_rollout().with_metrics(errors()).on_course(steps=(Step(1_000, MINUTE, Judging.OBSERVE),)).at_step(1)
    rollout.with_evidence(a_window(None, None)).then().after(MINUTE).with_evidence(a_window((40, 80), (0, 720)))
    assert rollout.record().phase == Phase.PROMOTING
    assert "Fail" in str(rollout.record().metrics)


def test_a_preview_is_there_before_the_switch_and_gone_after_it():
    rollout = a_walk("approved blue-green").in_phase(Phase.STEPPING, step=0, weight=0.0, gates=GATES)
    rollout.with_candidate_pods(4)
    assert rollout.decide().beside == Beside(previewed=V2)
    assert rollout.then().record().reason == "AwaitingApproval"
    rollout.commanded("approve").then().then()
    assert rollout.seen.route.written == {V2: FULL}
    assert rollout.seen.route.beside == Beside()


def test_a_blue_green_bakes_before_it_is_stable_and_keeps_the_old_fleet():
    rollout = a_walk("blue-green").at_step(2).with_pods(V1, 4)
    assert rollout.after(9 * SECOND).record().phase == Phase.STEPPING
    assert rollout.replicas_of(V1) == 4
    assert rollout.after(SECOND).record().phase == Phase.PROMOTING


def test_matched_requests_find_a_whole_fleet():
    rollout = a_walk("A-B test").in_phase(Phase.STEPPING, step=0).with_candidate_pods(3, of=4)
    assert rollout.decide().beside == Beside()
    assert rollout.with_candidate_pods(4).decide().beside == Beside(matched=V2)
    assert rollout.decide().weights == {V1: 8_000, V2: 2_000}


def test_an_ab_test_that_decides_nothing_ends_at_its_own_deadline():
    rollout = a_rollout().with_metrics(errors(nonInferiority={"margin": 0.001}), on_inconclusive="Rollback")
    rollout.on_course(steps=(Step(5_000),), max_duration=10 * MINUTE).at_step(1)
    rollout.with_evidence(a_window(None, None)).then().after(10 * MINUTE - SECOND)
    assert rollout.with_evidence(a_window((1, 200), (1, 200))).record().phase == Phase.STEPPING
    assert rollout.then().after(SECOND).with_evidence(a_window((1, 200), (1, 200))).record().reason == "Inconclusive"


def test_a_strategy_without_steps_that_comes_under_a_climbing_candidate_judges_it_anew():
    rollout = a_rollout().at_step(2).on_course(steps=(), shadow=Shadow())
    assert rollout.record().phase == Phase.EVALUATING
    assert rollout.decide().weights == {V1: FULL}


def test_a_shadow_stage_that_is_edited_away_is_over():
    assert a_rollout().shadowing().on_course(shadow=None).record().phase == Phase.STEPPING


def test_a_release_begins_with_the_time_of_now():
    assert a_rollout().record().phase_since == NOW
