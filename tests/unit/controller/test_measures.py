"""Golden sets by other measures, through the whole operator."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.controller.builders import ACCURACY, a_golden_set, golden_text
from unit.controller.world import World


def measured(measure: str, **more: Any) -> dict[str, Any]:
    source = ACCURACY["goldenSet"] | {"measure": measure, **more}
    return {"metrics": [{"name": "measured", "goldenSet": source, "nonInferiority": {"margin": 0.1}}]}


async def serving(world: World, items: int, text: str | None = None) -> None:
    await world.serving("v1", analysis={"metrics": []})
    world.outside.golden_items = items
    world.cluster.put(a_golden_set(text or golden_text(items)))


@pytest.mark.parametrize(
    ("measure", "more"), [("AbsoluteError", {"scale": 4.0}), ("BalancedAccuracy", {}), ("Brier", {})]
)
async def test_a_release_is_promoted_or_hauled_back_by_what_its_items_score(
    world: World, measure: str, more: dict[str, Any]
) -> None:
    await serving(world, 200)
    await world.model("v2", accuracy=0.3)
    world.declare("v2", analysis=measured(measure, **more))
    await world.run()
    assert world.phase("v2") == "RolledBack"
    assert "beside stable's 100.00%" in world.metric("v2", "measured")["message"]
    world.declare("v3", analysis=measured(measure, **more))
    await world.run()
    assert world.stable == "v3"


async def test_a_rare_class_that_is_missed_shows_in_balanced_accuracy(world: World) -> None:
    """Of 320 items v2 misses the 40 of the second class: 87.5 % are right, and balanced it is a half."""
    rows = [json.loads(line) for line in golden_text(640).splitlines()]
    common, rare = rows[0:560:2], rows[561:640:2]
    await serving(world, 640, "\n".join(map(json.dumps, [*common, *rare])))
    await world.model("v2", accuracy=560 / 640)
    world.declare("v2", analysis=measured("BalancedAccuracy"))
    await world.run()
    assert world.phase("v2") == "RolledBack"
    assert "loss=+" in world.condition("Ready")["message"]


async def test_labels_that_a_measure_cannot_take_hold_the_release(world: World) -> None:
    rows = [json.loads(line) | {"expected": ["yes"]} for line in golden_text(40).splitlines()]
    await serving(world, 40, "\n".join(map(json.dumps, rows)))
    world.declare("v2", analysis=measured("AbsoluteError", scale=1.0))
    await world.pass_time(30)
    assert world.condition("Ready")["reason"] == "MetricsUnavailable"
    assert "usable answer" in world.condition("Ready")["message"]


async def test_a_rare_label_that_is_missed_shows_in_f1(world: World) -> None:
    """The same v2 finds none of the 40 items of the second class."""
    rows = [json.loads(line) for line in golden_text(640).splitlines()]
    common, rare = rows[0:560:2], rows[561:640:2]
    await serving(world, 640, "\n".join(map(json.dumps, [*common, *rare])))
    await world.model("v2", accuracy=560 / 640)
    world.declare("v2", analysis=measured("F1", positive="1"))
    await world.run()
    assert world.phase("v2") == "RolledBack"
    assert "F1 0.00% beside stable's 100.00%" in world.metric("v2", "measured")["message"]
    world.declare("v3", analysis=measured("F1", positive="1"))
    await world.run()
    assert world.stable == "v3"


async def test_f1_of_a_label_that_no_item_has_holds_the_release_and_names_the_labels(world: World) -> None:
    await serving(world, 40)
    world.declare("v2", analysis=measured("F1", positive="fraud"))
    await world.pass_time(30)
    message = world.condition("Ready")["message"]
    assert "goldenSet.positive: no item is labelled 'fraud' (the labels are 0, 1)" in message
