"""Fairness limits through the whole operator: what fails, what passes, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.controller.builders import ACCURACY, a_golden_set, golden_text
from unit.controller.world import World

ITEMS = 240


def by_sex(items: int = ITEMS, last: str = "women") -> str:
    """Labels alternate in both halves; the second half is of another group."""
    rows = [json.loads(line) for line in golden_text(items).splitlines()]
    return "\n".join(
        json.dumps(row | {"slices": {"sex": "men" if n < items / 2 else last}}) for n, row in enumerate(rows)
    )


def fair(**fairness: Any) -> dict[str, Any]:
    limits = fairness or {"equalOpportunity": {"max": 0.3}}
    source = ACCURACY["goldenSet"] | {"fairness": {"slice": "sex", "positive": "1", **limits}}
    return {"metrics": [{"name": "accuracy", "goldenSet": source, "threshold": {"min": 0.5}}]}


async def serving(world: World, text: str) -> None:
    await world.serving("v1", analysis={"metrics": []})
    world.outside.golden_items = len(text.splitlines())
    world.cluster.put(a_golden_set(text))


async def test_a_release_that_misses_those_of_one_group_fails_with_the_gap_and_the_groups(world: World) -> None:
    """The last 80 of 240 are answered wrongly: of the women two thirds, of the men none."""
    await serving(world, by_sex())
    await world.model("v2", accuracy=2 / 3)
    world.declare("v2", analysis=fair())
    await world.run()
    assert world.phase("v2") == "RolledBack"
    said = world.condition("Ready")["message"]
    assert "accuracy: Fail equal opportunity: gap=66.67pp (max 30.00pp) between men with 100.00% of 60" in said
    assert "and women with 33.33% of 60" in said
    told = world.metric("v2", "accuracy")["fairness"]
    (gap,) = told["gaps"]
    assert (gap["measure"], gap["verdict"], gap["more"], gap["less"]) == ("equalOpportunity", "Fail", "men", "women")
    assert gap["max"] < gap["low"] < gap["gap"] < gap["high"]
    assert told["groups"] == [
        {"group": "men", "items": 120, "predicted": 60, "labelled": 60, "hits": 60},
        {"group": "women", "items": 120, "predicted": 60, "labelled": 60, "hits": 20},
    ]


async def test_a_release_that_treats_groups_alike_is_promoted(world: World) -> None:
    await serving(world, by_sex())
    world.declare("v2", analysis=fair(demographicParity={"max": 0.2}, equalOpportunity={"max": 0.2}))
    await world.run()
    assert world.stable == "v2"
    assert "demographic parity: gap=0.00pp (max 20.00pp)" in world.metric("v2", "accuracy")["message"]


async def test_a_limit_that_so_few_items_cannot_show_to_be_kept_holds_the_release(world: World) -> None:
    await serving(world, by_sex())
    world.declare("v2", analysis=fair(demographicParity={"max": 0.01}))
    await world.pass_time(60)
    assert (world.phase("v2"), world.record("v2")["reason"]) == ("Evaluating", "Inconclusive")


@pytest.mark.parametrize(
    ("text", "fairness", "said"),
    [
        (by_sex(), {"positive": "yes"}, "fairness.positive: no item is labelled 'yes' (the labels are 0, 1)"),
        (by_sex(), {"slice": "age"}, "fairness.slice: no item has the slice 'age' (they have sex)"),
        (by_sex(last="men"), {}, "fairness.equalOpportunity: no two groups of 'sex' have 30 items labelled '1'"),
    ],
)
async def test_what_cannot_be_judged_holds_the_release_with_the_field_and_the_fix(
    world: World, text: str, fairness: dict[str, str], said: str
) -> None:
    await serving(world, text)
    world.declare("v2", analysis=fair(equalOpportunity={"max": 0.3}, **fairness))
    await world.pass_time(30)
    assert world.condition("Ready")["reason"] == "MetricsUnavailable"
    assert f"spec.analysis.metrics[accuracy].goldenSet.{said}" in world.condition("Ready")["message"]
