"""Edits in mid-rollout that change what a candidate has to pass."""

from __future__ import annotations

from unit.controller.world import World

LONG = {"canary": {"steps": [{"weight": 10, "minDuration": "10m"}, {"weight": 100}]}}
APPROVED = {"blueGreen": {"approval": "Required"}}


async def test_another_kind_of_strategy_asks_for_its_own_approval(world: World) -> None:
    await world.serving("v1")
    world.declare("v2", strategy=LONG)
    await world.run(until=lambda: world.weights.get("v2") == 1_000)
    world.declare("v2", strategy=APPROVED)
    await world.run(until=lambda: world.condition("Ready").get("reason") == "AwaitingApproval")
    assert world.weights == {"v1": 10_000}
    assert ("Evaluating", "GatesChanged") in world.timeline("v2")


async def test_an_edit_of_the_steps_alone_voids_no_evidence(world: World) -> None:
    await world.serving("v1")
    world.declare("v2", strategy=LONG)
    await world.run(until=lambda: world.weights.get("v2") == 1_000)
    world.declare("v2", strategy={"canary": {"steps": [{"weight": 10}, {"weight": 100}]}})
    await world.run(until=lambda: world.stable == "v2")
    assert "GatesChanged" not in [reason for _, reason in world.timeline("v2")]
