"""Inputs without labels, through the whole operator: answers that differ from stable's hold a release."""

from __future__ import annotations

import json
from typing import Any

from unit.controller.builders import ACCURACY, a_golden_set, golden_text
from unit.controller.world import World


def agreement(**more: Any) -> dict[str, Any]:
    return {"metrics": [{"name": "agreement", "agreement": ACCURACY["goldenSet"], **more}]}


def without_labels(items: int) -> str:
    rows = [json.loads(line) for line in golden_text(items).splitlines()]
    return "\n".join(json.dumps({name: row[name] for name in ("id", "inputs")}) for row in rows)


async def serving(world: World, items: int = 100) -> None:
    await world.serving("v1", analysis={"metrics": []})
    world.outside.golden_items = items
    world.cluster.put(a_golden_set(without_labels(items)))


async def test_a_release_that_answers_like_stable_goes_on_and_its_answers_are_counted(world: World) -> None:
    await serving(world)
    await world.model("v2", accuracy=0.97)
    world.declare("v2", analysis=agreement())
    await world.run()
    assert world.stable == "v2"
    assert (
        "n=100 of 100, 3 answered otherwise than stable, 3.00% (max 10.00%)"
        in world.metric("v2", "agreement")["message"]
    )


async def test_a_release_that_answers_otherwise_is_held_and_not_hauled_back_unless_that_is_asked_for(
    world: World,
) -> None:
    await serving(world, items=30)
    await world.model("v2", accuracy=0.6)
    world.declare("v2", analysis=agreement())
    await world.pass_time(60)
    assert (world.phase("v2"), world.record("v2")["reason"]) == ("Evaluating", "AnalysisFailed")
    assert "answered otherwise than stable" in world.condition("Ready")["message"]
    assert "stable answered [" in world.metric("v2", "agreement")["message"]
    world.declare("v2", analysis=agreement(action="Rollback"))
    await world.run()
    assert world.phase("v2") == "RolledBack"


async def test_a_release_is_told_of_its_limit(world: World) -> None:
    await serving(world)
    await world.model("v2", accuracy=0.7)
    world.declare("v2", analysis=agreement(threshold={"max": 0.5}))
    await world.run()
    assert world.stable == "v2"


async def test_items_without_labels_are_refused_by_a_golden_set(world: World) -> None:
    await serving(world)
    world.declare("v2", analysis={"metrics": [ACCURACY]})
    await world.pass_time(30)
    assert "'expected' is a required property" in world.condition("Ready")["message"]


async def test_a_bad_set_is_named_by_its_field(world: World) -> None:
    await serving(world)
    world.cluster.put(a_golden_set("not json"))
    world.declare("v2", analysis=agreement())
    await world.pass_time(30)
    assert "spec.analysis.metrics[agreement].agreement.configMap" in world.condition("Ready")["message"]


async def test_a_first_release_has_nothing_to_agree_with(world: World) -> None:
    world.declare("v1", analysis=agreement())
    await world.run()
    assert world.stable == "v1"
