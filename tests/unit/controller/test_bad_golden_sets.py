"""Golden sets that cannot be used, through the whole operator: each has a verdict, and none is a Pass.

| input | without tolerance | within the tolerance |
|---|---|---|
| duplicate ids, missing labels, mixed types, NaN | Error with the place and the fix | left out and counted |
| a label that the model never gives | wrong on both arms, which decides for neither | the same |
| a million rows | Error, without reading them all | the same |
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.controller.builders import ACCURACY, a_golden_set, golden_text
from unit.controller.world import World

GOOD = [json.loads(line) for line in golden_text(60).splitlines()]
CSV_INPUTS = json.dumps(GOOD[1]["inputs"]).replace('"', '""')

BAD = {
    "a duplicate id": (GOOD[3] | {"id": "g0001"}, "id 'g0001' is that of line 2 too", "duplicate id"),
    "a missing label": (
        {name: GOOD[3][name] for name in ("id", "inputs")},
        "'expected' is a required property",
        "missing label",
    ),
    "a label of nothing": (GOOD[3] | {"expected": [None]}, "expected[0]: None is not of type", "missing label"),
    "a text among numbers": (GOOD[3] | {"expected": ["one"]}, "expected holds text where most items hold numbers", ""),
    "not a number": (GOOD[3] | {"expected": [float("nan")]}, "NaN is not JSON, nor a value to judge by", "unreadable"),
    "infinity": (GOOD[3] | {"expected": [float("inf")]}, "Infinity is not JSON", "unreadable"),
}


def text(items: list[Any]) -> str:
    return "\n".join(map(json.dumps, items))


async def serving(world: World, found: str) -> None:
    await world.serving("v1", analysis={"metrics": []})
    world.outside.golden_items = 60
    world.cluster.put(a_golden_set(found))


def judged(**source: Any) -> dict[str, Any]:
    metric = {"name": "accuracy", "goldenSet": ACCURACY["goldenSet"] | source, "threshold": {"min": 0.6}}
    return {"metrics": [metric]}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_item_holds_the_release_with_its_line_and_is_counted_where_some_may_be_bad(
    world: World, what: str
) -> None:
    item, said, reason = BAD[what]
    await serving(world, text([*GOOD[:3], item, *GOOD[4:]]))
    world.declare("v2", analysis=judged())
    await world.pass_time(30)
    assert world.condition("Ready")["reason"] == "MetricsUnavailable"
    message = world.condition("Ready")["message"]
    assert "spec.analysis.metrics[accuracy].goldenSet.configMap: ConfigMap shop/fraud-golden-set" in message
    assert "line 4" in message
    assert said in message
    assert world.phase("v2") == "Evaluating"
    world.declare("v2", analysis=judged(tolerance=0.05))
    await world.run()
    assert world.stable == "v2"
    told = world.metric("v2", "accuracy")["message"]
    assert "n=59 of 59" in told
    assert f"1 of 60 items are bad and left out: 1 {reason or 'mixed types'}" in told


async def test_more_bad_items_than_are_tolerated_hold_the_release_with_their_numbers(world: World) -> None:
    await serving(world, text([*GOOD[:50], *(item | {"expected": []} for item in GOOD[50:])]))
    world.declare("v2", analysis=judged(tolerance=0.1))
    await world.pass_time(30)
    assert (
        "10 of 60 items are bad (10 missing label), which is more than 10.00% allows"
        in world.condition("Ready")["message"]
    )


async def test_a_class_that_the_model_does_not_know_is_wrong_on_both_arms_and_decides_for_neither(world: World) -> None:
    await serving(world, text([*GOOD[:40], *(item | {"expected": [7]} for item in GOOD[40:])]))
    world.declare("v2", analysis={"metrics": [judged()["metrics"][0] | {"comparison": {"margin": 0.02}}]})
    await world.pass_time(30)
    assert world.phase("v2") == "Evaluating"
    assert "accuracy 66.67% beside stable's 66.67%, 0 lost and 0 won" in world.metric("v2", "accuracy")["message"]


async def test_a_million_rows_are_refused_with_what_to_do(world: World) -> None:
    await serving(world, "{}\n" * 1_000_000)
    world.declare("v2", analysis=judged())
    await world.pass_time(30)
    assert "has 1000000 items: keep at most 10000, chosen at random" in world.condition("Ready")["message"]
    assert world.phase("v2") == "Evaluating"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("nan", "line 3: column 'expected': nan is not a finite number"),
        ("", "line 3: the item: 'expected' is a required property"),
        ("one", "line 3: column 'expected': 'one' where the column holds integers"),
    ],
)
async def test_a_table_with_a_bad_label_holds_the_release_with_its_line(world: World, cell: str, said: str) -> None:
    rows = [f'g{n},"{CSV_INPUTS}",{cell if n == 2 else n % 2}' for n in range(1, 40)]
    await serving(world, "\n".join(["id,inputs,expected", *rows]))
    world.declare("v2", analysis=judged(format="CSV"))
    await world.pass_time(30)
    assert world.condition("Ready")["reason"] == "MetricsUnavailable"
    assert said in world.condition("Ready")["message"]
