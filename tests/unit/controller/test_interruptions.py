"""A rollout comes to the same end whatever happens between two writes of the operator.

Two rollouts, one that is promoted and one that is hauled back from live traffic, are disturbed at each of their writes:
the operator is killed before it; the API refuses it as outdated; the API does not answer; the API does the work and the
answer is lost; the next look sees what was there before it. `World` checks after every change that nothing which the
gateway still sends requests to is scaled down or deleted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from unit.controller.world import Killed, World, a_world

from slipway.cluster import (
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    Conflict,
    Object,
    Request,
    Unavailable,
)

SHORT: dict[str, Any] = {"strategy": {"canary": {"steps": [{"weight": 20}, {"weight": 60}]}}}

Story = Callable[[World], Awaitable[None]]


async def promoted(world: World) -> None:
    """v2 is as good as v1."""
    world.declare("v2", **SHORT)


async def hauled_back(world: World) -> None:
    """v2 passes its golden set, and fails a third of the live requests."""
    await world.model("v2", errors=0.33)
    world.declare("v2", **SHORT)


class Evidence:
    """Follows the counters of v2 from watch events: where counting began, and where it is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._first: dict[str, float] | None = None
        world.cluster.subscribe(self._note)

    def _note(self, change: str, obj: Object) -> None:
        if self._first is None and obj["kind"] == MODEL_REVISION.kind:
            self._first = self._totals(obj) if obj["spec"]["release"]["model"]["version"] == "v2" else None

    @staticmethod
    def _totals(revision: Object) -> dict[str, float] | None:
        metrics = (revision.get("status") or {}).get("metrics") or []
        counters = next((metric.get("counters") for metric in metrics if metric["name"] == "errors"), None)
        if counters is None:
            return None
        totals = {"candidate": 0.0, "stable": 0.0}
        for counter in counters:
            totals[counter["source"].split("/")[0]] += counter["total"]
        return totals

    def check(self) -> None:
        """Every request since the first look is in the evidence once, and every golden item is."""
        revision = self._world.revision("v2")
        last = self._totals(revision)
        assert self._first is not None
        assert last is not None
        state = {vector["name"]: vector["values"] for vector in self._world.metric("v2", "errors")["state"]}
        for arm in ("candidate", "stable"):
            assert state[arm][1] == last[arm] - self._first[arm], arm
        golden = {vector["name"]: vector["values"] for vector in self._world.metric("v2", "accuracy")["state"]}
        assert sum(golden["counts"]) == 8


def outcome(world: World) -> Object:
    """What has to be the same however the rollout was disturbed."""
    return {
        "stable": world.stable,
        "weights": world.weights,
        "ready": world.condition("Ready")["status"],
        "reason": world.condition("Ready")["reason"],
        "timelines": {version: world.timeline(version) for version in world.versions()},
        "attempts": {version: world.record(version)["attempt"] for version in world.versions()},
        "fleets": {obj["metadata"]["name"]: obj["spec"]["replicas"] for obj in world.mirror.objects(DEPLOYMENT)},
    }


async def undisturbed(story: Story) -> Object:
    async with a_world() as world:
        await world.serving("v1", **SHORT)
        evidence = Evidence(world)
        await story(world)
        await world.run()
        evidence.check()
        return outcome(world)


STORIES = pytest.mark.parametrize("story", [promoted, hauled_back], ids=lambda story: story.__name__)


async def _killed_at(story: Story, index: int) -> Object | None:
    """The outcome when the operator is killed before a write; None when the rollout has no such write."""
    async with a_world() as world:
        await world.serving("v1", **SHORT)
        evidence = Evidence(world)
        left = index

        def hook(request: Request) -> None:
            nonlocal left
            left -= request.kind != EVENT  # what comes after an Event is another Event, or the next look
            if left < 0:
                raise Killed

        world.cluster.before_write = hook
        await story(world)
        try:
            await world.run()
        except Killed:
            world.cluster.before_write = None
            world.start_operator()
            await world.run()
            evidence.check()
            return outcome(world)
        return None


@STORIES
async def test_an_operator_killed_before_any_write_is_continued_by_the_next_one(story: Story) -> None:
    expected = await undisturbed(story)
    index = 0
    while (found := await _killed_at(story, index)) is not None:
        assert found == expected, f"killed before write {index}"
        index += 1
    assert index > 20, "the rollout has hardly any writes: nothing was tried"


async def _disturbed(story: Story, disturb: Callable[[World], None]) -> Object:
    async with a_world() as world:
        await world.serving("v1", **SHORT)
        evidence = Evidence(world)
        disturb(world)
        await story(world)
        await world.run()
        evidence.check()
        return outcome(world)


def _every_other_write(error: Exception, parity: int) -> Callable[[World], None]:
    def disturb(world: World) -> None:
        writes = 0

        def hook(request: Request) -> None:
            nonlocal writes
            writes += 1
            if writes % 2 == parity and request.kind != EVENT:
                raise error

        world.cluster.before_write = hook

    return disturb


@STORIES
@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.parametrize("error", [Conflict("it has changed"), Unavailable("no answer")], ids=["outdated", "outage"])
async def test_a_write_that_fails_is_decided_on_again(story: Story, error: Exception, parity: int) -> None:
    assert await _disturbed(story, _every_other_write(error, parity)) == await undisturbed(story)


@STORIES
async def test_a_write_whose_answer_is_lost_is_not_repeated(story: Story) -> None:
    def disturb(world: World) -> None:
        for verb in ("create", "apply", "apply_status", "delete"):
            for _ in range(100):
                world.cluster.fail_next(verb, None, Unavailable("the answer was lost"), after_write=True)

    assert await _disturbed(story, disturb) == await undisturbed(story)


@STORIES
@pytest.mark.parametrize("reads", [3, 8])
async def test_a_look_at_what_was_there_before_the_last_write_overwrites_nothing(story: Story, reads: int) -> None:
    def disturb(world: World) -> None:
        world.cluster.before_write = lambda request: world.cluster.stale_reads(reads)

    assert await _disturbed(story, disturb) == await undisturbed(story)


@pytest.mark.parametrize("verb", ["apply_status", "apply"], ids=["at the record", "at the route"])
async def test_a_look_that_was_held_up_brings_back_nothing_that_another_operator_hauled_back(
    world: World, verb: str
) -> None:
    """As when a node was frozen, and the operator on it wakes up beside its successor."""
    await world.serving("v1", **SHORT)
    model = await world.model("v2")
    world.declare("v2", **SHORT)
    await world.run(lambda: "v2" in world.weights)
    write = getattr(world.cluster, verb)
    held_up = False
    sixty = {"apply_status": "'weight': 60.0, ", "apply": "'weight': 6000"}[verb]
    routes: list[Object] = []

    async def freezing(obj: Object) -> Object:
        nonlocal held_up
        if obj["kind"] in {HTTP_ROUTE.kind, MODEL_REVISION.kind} and sixty in str(obj) and not held_up:
            held_up = True
            frozen = world.queue
            model.errors = 0.9
            world.start_operator()
            await world.pass_time(25)
            assert world.weights == {"v1": 10_000}
            routes.clear()
            world.queue = frozen
        return await write(obj)  # type: ignore[no-any-return]

    setattr(world.cluster, verb, freezing)
    world.cluster.subscribe(lambda change, obj: routes.append(obj))
    await world.run()
    assert held_up
    assert not [route for route in routes if route["kind"] == HTTP_ROUTE.kind and world.name_of("v2") in str(route)]
    assert ("RollingBack", "AnalysisFailed") in world.timeline("v2")
    assert world.phase("v2") == "RolledBack"


@STORIES
async def test_what_is_on_record_is_told_although_a_later_write_conflicts(story: Story) -> None:
    async def told(disturb: Callable[[World], None]) -> list[str]:
        async with a_world() as world:
            await world.serving("v1", **SHORT)
            disturb(world)
            await story(world)
            await world.run()
            return [reason for _, reason, _ in world.events()]

    def conflicts(world: World) -> None:
        failed: set[str] = set()

        def hook(request: Request) -> None:
            if request.kind in {MODEL_DEPLOYMENT, HTTP_ROUTE, DEPLOYMENT} and str(request.body) not in failed:
                failed.add(str(request.body))
                raise Conflict("it has changed")

        world.cluster.before_write = hook

    assert await told(conflicts) == await told(lambda world: None)
