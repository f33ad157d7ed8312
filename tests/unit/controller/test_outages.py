"""The API that carries the route does not answer: deadlines and people are heard all the same."""

from __future__ import annotations

from unit.controller.world import World

from slipway.cluster import HTTP_ROUTE, MODEL_DEPLOYMENT, Unavailable


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
