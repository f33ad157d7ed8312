"""Replicas' clocks differ, and clocks are set: a rollout goes on by the clock of whoever leads now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from unit.controller.world import World


def set_clock(world: World, monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """From now on another replica leads, whose clock is off by this much."""
    right = world.now
    world.kill_operator()
    monkeypatch.setattr(world, "now", lambda: right() + by)
    world.start_operator()


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("outage", [False, True])
async def test_a_candidate_that_begins_to_fail_is_hauled_back_whatever_the_clock_of_the_next_leader_says(
    world: World, monkeypatch: pytest.MonkeyPatch, hours: int, outage: bool
) -> None:
    await world.serving("v1")
    model = await world.model("v2")
    world.declare("v2")

    def counted() -> bool:
        return any(metric["name"] == "errors" and metric.get("cursor") for metric in world.record("v2")["metrics"])

    await world.run(lambda: world.phase("v2") == "Stepping" and counted())
    if outage:
        world.outside.page_status = 500
        await world.pass_time(30)
    set_clock(world, monkeypatch, timedelta(hours=hours))
    model.errors, world.outside.page_status = 0.33, 200
    began = world.clock.time()
    await world.run(lambda: world.weights == {"v1": 10_000})
    assert world.record("v2")["reason"] == "AnalysisFailed"
    assert world.clock.time() - began < 120
