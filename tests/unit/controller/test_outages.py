"""An API does not answer, that of routes or a webhook of fleets: deadlines, people and gates are heard all the same."""

from __future__ import annotations

import pytest
from unit.controller.world import World

from slipway.cluster import (
    DEPLOYMENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    ClusterError,
    Conflict,
    Kind,
    Request,
    Throttled,
    Unavailable,
)

PASSING = pytest.mark.parametrize(
    "answer",
    [
        Unavailable('apply Deployment: 500 InternalError: failed calling webhook "validate.example.com"'),
        Throttled("apply Deployment: 429 TooManyRequests", 1.0),
        Conflict("apply Deployment: 409 Conflict"),
    ],
    ids=lambda answer: type(answer).__name__,
)
"""Answers to a write that may be another one next time."""


def silence(world: World, *verbs: str) -> None:
    """Every use of these verbs on routes fails for the rest of the test."""
    for verb in verbs:
        for _ in range(400):
            world.cluster.fail_next(verb, HTTP_ROUTE, Unavailable(f"{verb} HTTPRoute: 500 InternalError"))  # type: ignore[arg-type]


async def test_a_deadline_fires_although_the_api_of_the_gateway_answers_500(world: World) -> None:
    await world.serving("v1")
    await world.model("v2", starts=False)
    world.declare("v2", rollback={"progressDeadline": "60s"})
    await world.run(until=lambda: world.phase("v2") == "Starting")
    silence(world, "get", "apply")
    await world.run(until=lambda: world.phase("v2") == "RollingBack")
    assert world.record("v2")["reason"] == "StartDeadlineExceeded"
    assert world.condition("Ready")["reason"] == "StartDeadlineExceeded"
    assert world.condition("Available")["status"] == "True"


async def test_a_candidate_that_takes_traffic_is_hauled_back_where_the_route_can_be_written_but_not_read(
    world: World,
) -> None:
    await world.serving("v1")
    world.declare("v2")
    await world.run(until=lambda: world.weights.get("v2") == 1_000)
    silence(world, "get")
    hash_ = world.revision("v2")["spec"]["hash"]
    found = world.deployment
    world.edit(found, metadata=found["metadata"] | {"annotations": {"slipway.dev/command": f"abort@{hash_}#1"}})
    await world.run(until=lambda: world.weights == {"v1": 10_000})
    assert world.record("v2")["reason"] == "Aborted"


def refuse_writes(world: World, kind: Kind, answer: ClusterError) -> None:
    """Every write of the kind fails for the rest of the test."""

    def answered(request: Request) -> None:
        if request.kind == kind:
            raise answer

    world.cluster.before_write = answered


async def failing_on_trial(world: World) -> None:
    """v1 serves, and v2, which fails often, takes its first requests."""
    await world.serving("v1")
    await world.model("v2", errors=0.33)
    world.declare("v2")
    await world.run(lambda: "v2" in world.weights)


def abort(world: World, version: str) -> None:
    hash_ = world.revision(version)["spec"]["hash"]
    found = world.deployment
    world.edit(found, metadata=found["metadata"] | {"annotations": {"slipway.dev/command": f"abort@{hash_}#1"}})


@PASSING
async def test_a_release_under_watch_loses_its_traffic_while_no_deployment_can_be_written(
    world: World, answer: ClusterError
) -> None:
    await world.serving("v1", rollback={"watch": "10m"})
    world.declare("v2")
    await world.run(lambda: world.phase("v2") == "Watching")
    refuse_writes(world, DEPLOYMENT, answer)
    abort(world, "v2")
    await world.pass_time(60)
    assert world.weights == {"v1": 10_000}
    assert (world.phase("v2"), world.condition("Ready")["reason"]) == ("RolledBack", "RolledBack")


@PASSING
async def test_a_candidate_that_fails_loses_its_traffic_while_no_deployment_can_be_written(
    world: World, answer: ClusterError
) -> None:
    await failing_on_trial(world)
    refuse_writes(world, DEPLOYMENT, answer)
    stable = world.mirror.one(DEPLOYMENT, world.name_of("v1"))
    world.edit(stable, metadata=stable["metadata"] | {"annotations": {}})
    await world.run(lambda: world.weights == {"v1": 10_000})
    assert world.record("v2")["reason"] == "AnalysisFailed"
    assert world.condition("Ready")["reason"] == "AnalysisFailed"


@PASSING
async def test_what_another_router_left_behind_goes_although_a_deployment_could_not_be_written_meanwhile(
    world: World, answer: ClusterError
) -> None:
    await world.serving("v1")
    refuse_writes(world, DEPLOYMENT, answer)
    stable = world.mirror.one(DEPLOYMENT, world.name_of("v1"))
    world.edit(stable, metadata=stable["metadata"] | {"annotations": {}})
    world.edit(world.deployment, spec=world.deployment["spec"] | {"traffic": {"service": {}}})
    await world.pass_time(60)
    assert world.status["router"] == "gateway", "its route is still there"
    world.cluster.before_write = None
    await world.pass_time(60)
    assert world.status["router"] == "service"
    assert world.mirror.objects(HTTP_ROUTE) == []


@PASSING
async def test_a_rollback_is_counted_and_told_once_although_the_write_after_it_failed(
    world: World, answer: ClusterError
) -> None:
    await failing_on_trial(world)
    answers = [answer]

    def answered(request: Request) -> None:
        if request.kind == HTTP_ROUTE and world.phase("v2") == "RollingBack" and answers:
            raise answers.pop()

    world.cluster.before_write = answered
    await world.run()
    assert (world.phase("v2"), answers) == ("RolledBack", [])
    counted = 'slipway_phases_entered_total{phase="RollingBack",reason="AnalysisFailed"} 1.0'
    assert counted in world.telemetry.page().decode().splitlines()
    assert [reason for kind, reason, _ in world.events() if kind == "Warning"].count("AnalysisFailed") == 1


async def test_no_rollout_begins_before_the_route_can_be_read(world: World) -> None:
    silence(world, "get")
    world.declare("v1")
    await world.run(until=lambda: world.condition("Ready").get("reason") == "WaitingForRoute")
    assert "the route cannot be read" in world.condition("Ready")["message"]
    assert world.phase("v1") == "Pending"


async def test_a_model_deployment_waits_for_its_turn_and_says_for_whom(world: World) -> None:
    world.limit(per_namespace=1)
    await world.serving("v1")
    world.declare("v7", name="other")
    await world.run()
    world.declare("v2", strategy={"canary": {"steps": [{"weight": 10, "minDuration": "2m"}, {"weight": 100}]}})
    await world.run(until=lambda: world.phase("v2") == "Stepping")
    world.declare("v8", name="other")
    await world.run(until=lambda: world.condition("Ready", "other").get("reason") == "WaitingForTurn")
    assert "fraud" in world.condition("Ready", "other")["message"]
    await world.run(limit=2000)
    assert world.mirror.one(MODEL_DEPLOYMENT, "other")["status"]["stable"]["version"] == "v8"
