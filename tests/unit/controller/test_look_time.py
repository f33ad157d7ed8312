"""How long one look at one ModelDeployment may take, whatever its owner writes and however its models behave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from unit.controller.builders import ACCURACY, a_release
from unit.controller.outside import Model, Outside
from unit.controller.virtual_time import in_virtual_time
from unit.controller.world import World

from slipway.controller import dataset
from slipway.controller.health import STUCK
from slipway.probes import GoldenSetError

LONGEST = 60.0
"""Seconds. The alert for looks that do not end begins here."""

HANG = 24 * 3600.0


class Models:
    """Models in this process, a port each, that take their time."""

    def __init__(self) -> None:
        self.outside = Outside(models={f"v{n}": Model(f"v{n}", port=9000 + n) for n in (1, 2, 3)})
        self.takes: dict[str, Callable[[int], float]] = {}
        """By version, the seconds that it takes for the item of a number."""
        self.readiness_takes = 0.0
        self.asked: dict[str, list[int]] = {}
        """By version, the numbers of the items that it was asked."""
        self.in_flight = self.most_in_flight = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/metrics":
            return httpx.Response(200, text=self.outside.page)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        model = next(model for model in self.outside.models.values() if model.port == request.url.port)
        if request.url.path.endswith("/ready"):
            await asyncio.sleep(self.readiness_takes)
            return httpx.Response(200)
        (n,) = json.loads(request.content)["inputs"][0]["data"]
        self.asked.setdefault(model.version, []).append(n)
        await asyncio.sleep(self.takes.get(model.version, lambda _: 0.001)(n))
        right = n < model.accuracy * self.outside.golden_items
        outputs = [{"name": "label", "shape": [1], "datatype": "INT64", "data": [n % 2 if right else 1 - n % 2]}]
        return httpx.Response(200, json={"model_name": "fraud", "outputs": outputs})


@asynccontextmanager
async def a_world(models: Models) -> AsyncIterator[World]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(models.answer)) as client:
        models.outside.metrics_url = "http://127.0.0.1:8000/metrics"
        world = World(models.outside, client)
        yield world
        await world.writing_back.close()
        await world.registries.close()


async def longest_look(world: World, until: Callable[[], bool], *, looks: int = 400) -> float:
    """Looks until something is so. Seconds of the longest look."""
    loop, longest = asyncio.get_running_loop(), 0.0
    for _ in range(looks):
        await world.actors.settle()
        if until():
            return longest
        if not world.queue.statistics().depth:
            world.clock.advance_to_next()
            continue
        began = loop.time()
        await world.look()
        world.clock.advance(loop.time() - began)
        longest = max(longest, loop.time() - began)
    raise AssertionError(f"it never came to that: {world.story()}")


def measured(world: World, version: str) -> dict[str, Any]:
    """The metrics of a release by their names; none before there is a record of it."""
    metrics = (world.record(version).get("metrics") or []) if world.phase(version) else []
    return {metric["name"]: metric for metric in metrics}


def golden(name: str, timeout: str, **more: Any) -> dict[str, Any]:
    return ACCURACY | {"name": name, "goldenSet": {**ACCURACY["goldenSet"], "timeout": timeout, **more}}


def test_a_hung_candidate_is_hauled_back_and_no_look_at_it_takes_a_minute() -> None:
    async def test() -> None:
        models = Models()
        async with a_world(models) as world:
            world.golden(100)
            await world.serving("v1")
            models.takes["v2"] = lambda _: HANG
            metrics = [golden(f"accuracy-{n}", "1h") for n in range(4)]
            world.declare("v2", analysis={"maxDuration": "10h", "metrics": metrics})
            longest = await longest_look(world, lambda: world.phase("v2") == "RolledBack")
            assert longest < LONGEST < STUCK / 2
            assert "timed out after 20s" in str(world.record("v2")["metrics"])

    in_virtual_time(test())


def test_both_arms_that_hang_hold_a_release_and_no_look_at_it_takes_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once: metrics of which each has a set that is not to be had, and a model that does not answer."""

    async def test() -> None:
        models = Models()
        async with a_world(models) as world:
            world.golden(100)
            await world.serving("v1")
            models.takes = {version: lambda _: HANG for version in ("v1", "v2")}

            async def slowly(*_: Any, **__: Any) -> None:
                await asyncio.sleep(9.9)
                raise GoldenSetError("it is not to be had")

            monkeypatch.setattr(dataset, "load_golden_set", slowly)
            elsewhere = {"url": "https://sets.example/golden.jsonl", "timeout": "1h"}
            gone = [ACCURACY | {"name": f"gone-{n}", "goldenSet": elsewhere} for n in range(8)]
            slow = [golden(f"slow-{n}", "1h", maxRequestsPerSecond=1) for n in range(8)]
            world.declare("v2", analysis={"maxDuration": "10h", "errorTimeout": "9h", "metrics": [*gone, *slow]})
            told = "gone-7", "slow-7"

            def all_asked() -> bool:
                found = measured(world, "v2")
                return bool(found) and {found[name]["verdict"] for name in told} == {"Error"}

            longest = await longest_look(world, all_asked)
            assert 0 < longest < LONGEST
            assert world.stable == "v1"

    in_virtual_time(test())


def test_what_a_candidate_hangs_on_counts_although_nothing_is_heard_of_the_first_items_of_a_look() -> None:
    """A first release: nothing but its own answers tells its silence from an outage."""

    async def test() -> None:
        models = Models()
        models.takes["v1"] = lambda n: HANG if n % 10 else 0.001
        async with a_world(models) as world:
            world.golden(100)
            world.declare("v1", analysis={"maxDuration": "10h", "metrics": [golden("accuracy", "5s")]})

            def judged() -> bool:
                return bool(found := measured(world, "v1")) and found["accuracy"]["verdict"] == "Fail"

            assert await longest_look(world, judged) < LONGEST
            asked = models.asked["v1"]
            assert len(asked) == len(set(asked)), "an item that it hung on was asked again"

    in_virtual_time(test())


def test_a_model_from_which_nothing_is_heard_is_no_bad_release() -> None:
    async def test() -> None:
        models = Models()
        models.takes["v1"] = lambda _: HANG
        async with a_world(models) as world:
            world.golden(100)
            world.declare("v1", analysis={"maxDuration": "10h", "metrics": [golden("accuracy", "5s")]})
            await longest_look(world, lambda: len(models.asked.get("v1", ())) > 64)
            metric = world.metric("v1", "accuracy")
            assert metric["verdict"] == "Error"
            assert "golden items was answered (the pod timed out after 5s)" in metric["message"]
            assert not metric.get("state"), "an outage was counted"
            models.takes.clear()
            await longest_look(world, lambda: world.stable == "v1")

    in_virtual_time(test())


def test_metrics_take_turns_where_a_look_has_time_for_one_of_them() -> None:
    async def test() -> None:
        models = Models()
        async with a_world(models) as world:
            world.golden(40)
            await world.serving("v1")
            models.takes["v2"] = lambda _: 3.0
            metrics = [golden(name, "5s") for name in ("first", "second", "third")]
            world.declare("v2", analysis={"maxDuration": "10h", "metrics": metrics})

            def all_begun() -> bool:
                found = measured(world, "v2").values()
                return len(found) == 3 and all(one.get("state") for one in found)

            await longest_look(world, all_begun)
            assert len(models.asked["v2"]) == 3 * 4
            await longest_look(world, lambda: world.stable == "v2")
            assert sorted(models.asked["v2"]) == sorted([*range(40)] * 3)

    in_virtual_time(test())


MANY = [f"fraud-{n}" for n in range(16)]


def many_models(version: str) -> dict[str, Any]:
    release = a_release(version)
    return {**release, "model": {**release["model"], "alsoServes": MANY}}


def test_many_models_on_many_pods_are_asked_side_by_side_whether_they_are_ready() -> None:
    async def test() -> None:
        models = Models()
        models.readiness_takes = 0.3
        async with a_world(models) as world:
            world.declare("v1", replicas=20, release=many_models("v1"), analysis={"metrics": []})
            assert await longest_look(world, lambda: world.stable == "v1") < 10
            assert models.most_in_flight == 16

    in_virtual_time(test())


def test_a_release_whose_models_take_too_long_to_say_that_they_are_ready_is_told_so() -> None:
    async def test() -> None:
        models = Models()
        models.readiness_takes = 1.9
        async with a_world(models) as world:
            world.declare("v1", replicas=20, release=many_models("v1"), analysis={"metrics": []})
            told = "of 340 questions whether a model is ready were answered within 20s"
            assert await longest_look(world, lambda: told in world.story()) < LONGEST
            assert world.phase("v1") == "Starting"

    in_virtual_time(test())
