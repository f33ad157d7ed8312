"""`git revert` in whatever phase a rollout is: the release before is declared again, and all is well at once."""

from __future__ import annotations

import pytest
from unit.controller.builders import a_gateway_class
from unit.controller.world import World, a_world
from unit.gitops.lua import health
from unit.gitops.recorded import APPROVED, SLOW, holding, paused, rolled_back, stepping
from unit.gitops.test_kstatus import kstatus

from slipway.cluster import Object

AT_ONCE_SECONDS = 5.0
"""The shortest step of these rollouts lasts a minute."""


async def in_phase(world: World, phase: str, strategy: Object) -> None:
    await world.serving("v1", strategy=strategy)
    world.declare("v2")
    await world.run(lambda: world.phase("v2") == phase)


async def pending(world: World) -> None:
    await in_phase(world, "Pending", SLOW)


async def starting(world: World) -> None:
    await in_phase(world, "Starting", SLOW)


async def evaluating(world: World) -> None:
    await in_phase(world, "Evaluating", SLOW)


async def shadowing(world: World) -> None:
    features = [{"name": "HTTPRouteRequestMirror"}, {"name": "HTTPRouteRequestPercentageMirror"}]
    world.cluster.put(a_gateway_class() | {"status": {"supportedFeatures": features}})
    await in_phase(world, "Shadowing", {"canary": {"shadow": {"minDuration": "1h"}, **SLOW["canary"]}})


async def approval(world: World) -> None:
    await world.serving("v1", strategy=APPROVED)
    world.declare("v2")
    await world.run(lambda: world.status.get("phase") == "AwaitingApproval")


async def promoting(world: World) -> None:
    await in_phase(world, "Promoting", {"canary": {"steps": [{"weight": 10}, {"weight": 100}]}})


async def watching(world: World) -> None:
    await world.serving("v1", rollback={"watch": "1h", "progressDeadline": "2m", "scaleDownDelay": "30s"})
    world.declare("v2")
    await world.run(lambda: world.phase("v2") == "Watching" and world.condition("Ready").get("status") == "True")


async def held_by_the_manifest(world: World) -> None:
    await stepping(world)
    world.edit(world.deployment, spec=world.deployment["spec"] | {"paused": True})
    await world.run(lambda: world.status.get("phase") == "Paused")


BEFORE_ITS_END = [
    pending,
    starting,
    evaluating,
    shadowing,
    stepping,
    approval,
    paused,
    held_by_the_manifest,
    holding,
    promoting,
    rolled_back,
]


@pytest.mark.parametrize("story", BEFORE_ITS_END, ids=lambda story: story.__name__)
async def test_a_revert_is_healthy_at_once_and_runs_no_step_again(story) -> None:
    async with a_world() as world:
        await story(world)
        known, since = world.timeline("v1"), world.clock.time()
        world.declare("v1")
        await world.run(lambda: world.condition("Ready").get("status") == "True")
        assert world.clock.time() - since < AT_ONCE_SECONDS
        assert health(world.deployment)["status"] == "Healthy"
        assert kstatus(world.deployment) == "Current"
        assert world.weights.get("v1") == 10_000
        await world.pass_time(120)
        assert world.timeline("v1") == known
        assert world.condition("Ready")["status"] == "True"
        assert world.stable == "v1"


async def test_a_revert_after_a_promotion_returns_to_the_release_before_without_a_step() -> None:
    async with a_world() as world:
        await watching(world)
        known = world.timeline("v1")
        world.declare("v1")
        await world.run(lambda: world.condition("Ready").get("status") == "True" and world.stable == "v1")
        await world.pass_time(60)
        assert health(world.deployment)["status"] == "Healthy"
        assert kstatus(world.deployment) == "Current"
        assert "StepStarted" not in [reason for _, reason in world.timeline("v1")[len(known) :]]


async def test_a_pause_outlives_its_annotation_which_flux_takes_away_from_kubectl() -> None:
    async with a_world() as world:
        await paused(world)
        metadata = world.deployment["metadata"]
        kept = {key: value for key, value in metadata["annotations"].items() if key != "slipway.dev/command"}
        world.edit(world.deployment, metadata=metadata | {"annotations": kept})
        await world.pass_time(120)
        assert world.status["phase"] == "Paused"
