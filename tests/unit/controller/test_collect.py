"""How golden sets are asked: in parts, each once, and without holding anything up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from unit.controller.builders import ACCURACY, KEY, a_golden_set, golden_text
from unit.controller.world import World

from slipway.controller import dataset, golden
from slipway.probes import ProbeError


def counted(world: World, version: str) -> float:
    """Items in the evidence."""
    state = {vector["name"]: vector["values"] for vector in world.metric(version, "accuracy")["state"]}
    return float(sum(state["counts"]))


async def test_a_slow_model_is_asked_a_few_items_a_look_and_every_item_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.golden(14)
    monkeypatch.setattr(golden, "REPLAY_SECONDS", 0.0)
    world.declare("v1")
    seen: list[float] = []
    model = await world.model("v1")
    while world.stable is None:
        await world.run(lambda: model.asked > sum(seen) or world.stable is not None)
        if model.asked > sum(seen):
            seen.append(model.asked - sum(seen))
    assert seen == [4, 4, 4, 2]
    assert counted(world, "v1") == 14
    await world.run()


async def test_a_fast_model_is_asked_a_batch_a_look(world: World) -> None:
    world.golden(100)
    world.declare("v1")
    model = await world.model("v1")
    await world.run(lambda: model.asked > 0)
    assert model.asked == 100


async def test_an_edit_waits_for_what_has_begun_and_not_for_the_whole_set(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.serving("v1")
    world.golden(100)
    monkeypatch.setattr(golden, "REPLAY_SECONDS", 0.0)
    world.declare("v2")
    model = await world.model("v2")
    await world.run(lambda: model.asked > 0)
    world.declare("v1")
    await world.run()
    assert model.asked == 4
    assert world.phase("v2") == "Superseded"


async def test_a_part_that_was_broken_off_does_not_count(world: World) -> None:
    """As happens when kopf ends in the middle of a look: it cancels every task that is younger than itself."""
    world.golden(40)
    model = await world.model("v1")

    def end() -> None:
        if model.asked == 36:
            model.when_asked = None
            for task in asyncio.all_tasks():
                if "replay" in str(task.get_coro()):
                    task.cancel()

    model.when_asked = end
    world.declare("v1")
    await world.run(lambda: model.asked > 35)
    assert counted(world, "v1") == 32
    world.start_operator()
    await world.run()
    assert world.stable == "v1"
    assert counted(world, "v1") == 40


async def test_a_part_that_gives_no_evidence_is_asked_again_and_the_rest_stays_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.golden(40)
    model = await world.model("v1")

    async def failing(*args: Any, **more: Any) -> object:
        if model.asked >= 32:
            raise ProbeError("no pod could be reached")
        return await replay(*args, **more)

    replay = golden.replay  # type: ignore[attr-defined]
    monkeypatch.setattr(golden, "replay", failing)
    world.declare("v1")
    await world.run(lambda: model.asked > 0)
    assert counted(world, "v1") == 32
    await world.pass_time(20)
    assert "no pod could be reached" in world.metric("v1", "accuracy")["message"]
    assert counted(world, "v1") == 32
    monkeypatch.undo()
    await world.run()
    assert world.stable == "v1"
    assert counted(world, "v1") == 40


async def test_a_golden_set_is_read_once_a_version_and_beside_the_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def noting(text: str, **more: Any) -> object:
        assert threading.current_thread() is not threading.main_thread()
        read.append(text)
        return read_golden_set(text, **more)

    read_golden_set = dataset.read_golden_set  # type: ignore[attr-defined]
    monkeypatch.setattr(dataset, "read_golden_set", noting)
    monkeypatch.setattr(golden, "REPLAY_SECONDS", 0.0)
    world.golden(100)
    await world.serving("v1")
    world.declare("v2")
    await world.run()
    assert len(read) == 1
    world.golden(90)
    world.declare("v3")
    await world.run()
    assert len(read) == 2


async def test_a_golden_set_that_changes_in_mid_replay_is_asked_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.golden(100)
    monkeypatch.setattr(golden, "REPLAY_SECONDS", 0.0)
    world.declare("v1")
    model = await world.model("v1")
    await world.run(lambda: model.asked > 0)
    world.golden(50)
    await world.run()
    assert model.asked == 4 + 50
    assert counted(world, "v1") == 50


async def test_golden_sets_that_are_kept_have_a_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def noting(*args: Any, **more: Any) -> object:
        nonlocal read
        read += 1
        return read_golden_set(*args, **more)

    read_golden_set = dataset.read_golden_set  # type: ignore[attr-defined]
    monkeypatch.setattr(dataset, "read_golden_set", noting)
    monkeypatch.setattr(golden, "REPLAY_SECONDS", 0.0)
    monkeypatch.setattr(dataset, "KEPT_CHARACTERS", len(golden_text()) - 1)
    world.golden(8)
    await world.serving("v1")
    assert read == 2, "it is too large to be kept, and needs two looks"


async def test_the_same_items_under_another_schema_are_read_again(world: World) -> None:
    strict = ACCURACY["goldenSet"] | {"configMap": {**ACCURACY["goldenSet"]["configMap"], "schemaKey": "schema.json"}}
    world.cluster.put(a_golden_set(**{"schema.json": '{"required": ["weight"]}'}))
    world.declare("v1", analysis={"metrics": [ACCURACY, ACCURACY | {"name": "strict", "goldenSet": strict}]})
    await world.pass_time(30)
    assert "does not match the schema" in world.condition("Ready")["message"]
    assert KEY in world.condition("Ready")["message"]
