"""Pods that pause before they end: from which cluster on, and that no fleet is restarted for it."""

from __future__ import annotations

from unit.controller.world import World

from slipway.cluster import DEPLOYMENT
from slipway.workload import drains


async def test_a_fleet_stays_as_it_was_made_when_the_cluster_learns_to_pause(world: World) -> None:
    await world.serving("v1")
    assert not drains(world.mirror.one(DEPLOYMENT, world.name_of("v1")))
    world.restart_operator(drain=True)
    world.declare("v2")
    await world.run()
    assert not drains(world.mirror.one(DEPLOYMENT, world.name_of("v1")))
    assert drains(world.mirror.one(DEPLOYMENT, world.name_of("v2")))
