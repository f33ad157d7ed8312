"""Golden sets by groups, through the whole operator: what is judged, what is refused, and what status says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from unit.controller.builders import ACCURACY, a_golden_set, golden_text
from unit.controller.world import World

COUNTRIES = ("de", "fr", "it", "es")


def sliced(items: int, group: Any = lambda n: COUNTRIES[n * len(COUNTRIES) // 160]) -> str:
    """A golden set in which item n is of the group that `group` says, None being none."""
    rows = [json.loads(line) for line in golden_text(items).splitlines()]
    return "\n".join(
        json.dumps(row if group(n) is None else row | {"slices": {"country": group(n)}}) for n, row in enumerate(rows)
    )


def by_country(**gates: Any) -> dict[str, Any]:
    source = ACCURACY["goldenSet"] | {"slices": ["country"]}
    gates = gates or {"threshold": {"min": 0.6}, "comparison": {"margin": 0.02}}
    return {"metrics": [{"name": "accuracy", "goldenSet": source, **gates}]}


async def serving(world: World, text: str) -> None:
    """v1 serves, without having been judged."""
    await world.serving("v1", analysis={"metrics": [ACCURACY]})
    world.outside.golden_items = len(text.splitlines())
    world.cluster.put(a_golden_set(text))


async def test_a_release_that_is_bad_for_one_country_only_is_hauled_back_and_the_country_is_named(world: World) -> None:
    """The last 30 of 160 items are wrong: 81 % are right on the whole, which the threshold is content with."""
    await serving(world, sliced(160))
    await world.model("v2", accuracy=130 / 160)
    world.declare("v2", analysis=by_country(threshold={"min": 0.6}))
    await world.run()
    assert world.phase("v2") == "RolledBack"
    said = world.condition("Ready")["message"]
    assert re.search(r"worst of 4 groups, country=es: n=\d+ of 40; accuracy=\d+\.\d\d% \(min 60.00%\)", said)
    standing = {one["group"]: one for one in world.metric("v2", "accuracy")["slices"]}
    assert {group: one["verdict"] == "Fail" for group, one in standing.items()} == {
        "de": False,
        "fr": False,
        "it": False,
        "es": True,
    }
    assert standing["es"]["candidate"] < 0.4
    assert standing["es"]["stable"] == standing["de"]["candidate"] == 1.0


async def test_a_release_that_is_good_everywhere_is_promoted_with_its_worst_group_told(world: World) -> None:
    await serving(world, sliced(160))
    world.declare("v2", analysis=by_country())
    await world.run()
    assert world.stable == "v2"
    metric = world.metric("v2", "accuracy")
    assert "worst of 4 groups, country=" in metric["message"]
    assert [one["group"] for one in metric["slices"]] == sorted(COUNTRIES)


async def test_groups_that_are_too_small_and_items_of_no_group_are_told_of(world: World) -> None:
    await serving(world, sliced(160, lambda n: "de" if n < 100 else "fr" if n < 110 else None))
    world.declare("v2", analysis=by_country())
    await world.run()
    metric = world.metric("v2", "accuracy")
    assert "not judged for fewer than 30 items: 1 of the groups" in metric["message"]
    assert "50 items are of no country" in metric["message"]
    assert [(one["group"], one["verdict"]) for one in metric["slices"]][1] == ("fr", "NoData")


@pytest.mark.parametrize(
    ("group", "said"),
    [
        (lambda n: None, r"no item has the slice 'country' (no item has slices): name one that the items have"),
        (lambda n: str(n // 20), "no group of 'country' has 30 items, so none can be judged: label more items"),
        (lambda n: str(max(0, n - 60)), "the items are of 100 groups, and at most 64 are judged: take larger groups"),
    ],
)
async def test_groups_that_cannot_be_judged_hold_the_release_with_the_field_and_the_fix(
    world: World, group: Any, said: str
) -> None:
    await serving(world, sliced(160, group))
    world.declare("v2", analysis=by_country())
    await world.pass_time(30)
    assert world.phase("v2") == "Evaluating"
    assert world.condition("Ready")["reason"] == "MetricsUnavailable"
    assert f"spec.analysis.metrics[accuracy].goldenSet.slices: {said}" in world.condition("Ready")["message"]
    world.cluster.put(a_golden_set(sliced(160)))
    await world.run()
    assert world.stable == "v2"


async def test_a_restart_in_mid_replay_loses_and_repeats_no_item_of_any_group(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slipway.controller import golden

    monkeypatch.setattr(golden, "REPLAY_SECONDS", 0.0)
    await serving(world, sliced(160))
    world.declare("v2", analysis=by_country())
    model = await world.model("v2")
    await world.run(lambda: model.asked > 40)
    world.kill_operator()
    world.start_operator()
    await world.run()
    assert world.stable == "v2"
    standings = world.metric("v2", "accuracy")["slices"]
    assert [(one["size"], one["items"]) for one in standings] == [(40, 40)] * 4


async def test_the_times_that_answers_took_are_in_status(world: World) -> None:
    await serving(world, golden_text(40))
    world.declare("v2", analysis={"metrics": [ACCURACY]})
    await world.run()
    metric = world.metric("v2", "accuracy")
    replay = metric["replay"]
    assert 0 < replay["candidateMedianSeconds"] <= replay["candidateP99Seconds"] < 2
    assert 0 < replay["stableMedianSeconds"] <= replay["stableP99Seconds"] < 2
    assert replay["itemsPerSecond"] > 0
    assert "beside stable's" in metric["message"].rpartition(";")[2]


async def test_no_pod_is_asked_faster_than_is_allowed(world: World) -> None:
    """Two pods of a first release at 20 a second each: 40 items take a second and not the few milliseconds needed."""
    world.golden(40)
    slow = ACCURACY["goldenSet"] | {"maxRequestsPerSecond": 20}
    await world.serving("v1", analysis={"metrics": [ACCURACY | {"goldenSet": slow}]})
    assert 0 < world.metric("v1", "accuracy")["replay"]["itemsPerSecond"] <= 42
