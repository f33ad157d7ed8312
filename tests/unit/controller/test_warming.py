"""Warm-ups through a whole operator: a candidate is judged when its pods have answered, and not before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.controller.builders import a_golden_set, a_model_deployment, a_release
from unit.controller.test_runtimes import a_runtime, by_format
from unit.controller.world import World

from slipway.cluster import CONFIG_MAP, Object

ITEM = json.dumps([{"name": "x", "shape": [1], "datatype": "INT64", "data": [0]}])


def warmed(version: str, **warm_up: Any) -> Object:
    return a_release(version) | {"warmUp": {"requests": 20, **(warm_up or {"item": ITEM})}}


async def starting(world: World, release: Object) -> None:
    """Release v2 comes up beside v1, without metrics: whatever its model is asked, it is asked to warm up."""
    await world.serving("v1", analysis={})
    world.edit(world.deployment, spec=world.deployment["spec"] | {"release": release})


async def holds(world: World) -> str:
    await world.run(lambda: world.phase("v2") == "Starting" and world.record("v2")["reason"] == "WarmingUp")
    await world.pass_time(20)
    assert world.record("v2")["reason"] == "WarmingUp"
    assert world.weights == {"v1": 10_000}
    return str(world.record("v2")["message"])


async def test_a_candidate_is_asked_so_many_requests_for_each_pod_before_it_gets_traffic(world: World) -> None:
    model = await world.model("v2")
    await starting(world, warmed("v2"))
    await world.run(lambda: world.phase("v2") not in {None, "Pending", "Starting"})
    assert model.asked == 20, "one pod, which is what its first step needs"


async def test_a_release_without_a_warm_up_is_asked_nothing(world: World) -> None:
    model = await world.model("v2")
    await starting(world, a_release("v2"))
    await world.run()
    assert (world.stable, model.asked) == ("v2", 0)


async def test_the_items_of_the_golden_set_are_asked_in_turns(world: World) -> None:
    await world.serving("v1")
    world.golden(3)
    model = await world.model("v2")
    spec = world.deployment["spec"]
    world.edit(world.deployment, spec=spec | {"release": warmed("v2", fromGoldenSet=True)})
    await world.run(lambda: world.phase("v2") == "Evaluating")
    assert model.asked >= 20, "more than the set has items"


async def test_a_pod_that_fails_holds_the_start_and_is_named_with_its_answer(world: World) -> None:
    broken = json.dumps([{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["words"]}])
    await starting(world, warmed("v2", item=broken))
    message = await holds(world)
    assert message.startswith("spec.release.warmUp: request 1 of 20: pod ")
    assert "answered HTTP 500" in message
    await world.run()
    assert world.timeline("v2")[-2:] == [("RollingBack", "StartDeadlineExceeded"), ("RolledBack", "RolledBack")]
    assert world.stable == "v1"


@pytest.mark.parametrize(
    ("warm_up", "said"),
    [
        ({"item": "{"}, "spec.release.warmUp.item: it is no JSON text"),
        ({"item": "null"}, "spec.release.warmUp.item: it is null"),
        ({"item": "[]"}, "spec.release.warmUp.item: inputs: "),
        ({"fromGoldenSet": True}, "spec.release.warmUp.fromGoldenSet: spec.analysis.metrics has no golden set"),
    ],
)
async def test_what_cannot_be_asked_holds_the_start_and_names_its_field(
    world: World, warm_up: Object, said: str
) -> None:
    await starting(world, warmed("v2", **warm_up))
    assert (await holds(world)).startswith(said)


async def test_a_golden_set_that_is_not_there_holds_the_start_until_it_is(world: World) -> None:
    await world.serving("v1")
    await world.cluster.delete(CONFIG_MAP, "shop", "fraud-golden-set")
    spec = world.deployment["spec"]
    world.edit(world.deployment, spec=spec | {"release": warmed("v2", fromGoldenSet=True)})
    assert "does not exist: create it" in await holds(world)
    world.cluster.put(a_golden_set())
    await world.run()
    assert world.stable == "v2", world.story()


async def test_after_a_restart_of_the_operator_the_pods_are_asked_again_and_the_release_goes_on(world: World) -> None:
    model = await world.model("v2")
    await starting(world, warmed("v2"))
    await world.run(lambda: world.phase("v2") == "Starting")
    world.kill_operator()
    world.start_operator()
    await world.run()
    assert world.stable == "v2", world.story()
    assert model.asked >= 20


async def test_the_runtime_says_it_where_the_release_does_not_and_what_it_said_is_frozen(world: World) -> None:
    runtime = a_runtime()
    runtime["spec"]["warmUp"] = {"requests": 5, "item": ITEM}
    world.cluster.put(runtime)
    model = await world.model("v1")
    world.cluster.put(a_model_deployment(release=by_format("v1"), analysis={}))
    await world.run()
    assert (world.stable, model.asked) == ("v1", 10), "each of two pods"
    assert world.revision("v1")["spec"]["runtime"]["warmUp"] == runtime["spec"]["warmUp"]


async def test_what_the_release_says_replaces_what_the_runtime_says(world: World) -> None:
    runtime = a_runtime()
    runtime["spec"]["warmUp"] = {"requests": 5, "item": ITEM}
    world.cluster.put(runtime)
    model = await world.model("v1")
    release = by_format("v1", warmUp={"requests": 2, "item": ITEM})
    world.cluster.put(a_model_deployment(release=release, analysis={}))
    await world.run()
    assert (world.stable, model.asked) == ("v1", 4), "each of two pods"
