"""Several models in one server: all have to be ready, and golden sets may ask for each."""

from __future__ import annotations

from typing import Any

import pytest
from unit.controller.builders import ACCURACY, a_release
from unit.controller.world import World

from slipway.cluster import Object

OTHERS = ["fraud-eu", "fraud-us"]


def serving(version: str, *others: str) -> Object:
    release = a_release(version)
    return {**release, "model": {**release["model"], **({"alsoServes": list(others)} if others else {})}}


def asking(model: str) -> dict[str, Any]:
    golden = {**ACCURACY, "name": "eu", "goldenSet": {**ACCURACY["goldenSet"], "model": model}}
    return {"interval": "10s", "metrics": [golden]}


async def test_a_release_waits_until_each_of_its_models_is_ready(world: World) -> None:
    model = await world.model("v1")
    model.others = {"fraud-eu"}
    world.declare("v1", release=serving("v1", *OTHERS))
    await world.pass_time(30)
    assert world.phase("v1") == "Starting"
    assert "fraud-us" in world.record("v1")["message"]
    model.others.add("fraud-us")
    await world.run()
    assert world.stable == "v1", world.story()


async def test_a_golden_set_is_asked_of_the_model_that_it_names(world: World) -> None:
    model = await world.model("v1")
    model.others, model.accuracy = {"fraud-eu"}, 0.0
    world.declare("v1", release=serving("v1", "fraud-eu"), analysis=asking("fraud-eu"))
    await world.run()
    assert world.stable == "v1", world.story()
    assert (model.asked, model.asked_of_others) == (0, 8)


async def test_a_golden_set_of_the_main_model_may_name_it(world: World) -> None:
    model = await world.model("v1")
    world.declare("v1", release=a_release("v1"), analysis=asking("fraud"))
    await world.run()
    assert world.stable == "v1", world.story()
    assert model.asked == 8


@pytest.mark.parametrize("before", [[], ["fraud-eu"]])
async def test_a_model_that_a_release_does_not_say_that_it_serves_is_not_asked_for(
    world: World, before: list[str]
) -> None:
    for version in ("v1", "v2"):
        (await world.model(version)).others = {"fraud-eu"}
    await world.serving("v1", release=serving("v1", *before))
    missing = ["fraud-eu"] if not before else []
    spec = {**world.deployment["spec"], "release": serving("v2", *missing), "analysis": asking("fraud-eu")}
    world.edit(world.deployment, spec=spec)
    await world.pass_time(30)
    status = world.metric("v2", "eu")
    assert status["verdict"] == "Error"
    assert f"release {'v2' if before else 'v1'} does not say that it serves fraud-eu" in status["message"]
    assert "spec.release.model.alsoServes" in status["message"]
    assert world.weights == {"v1": 10000}
