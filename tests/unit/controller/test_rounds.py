"""What a watch missed is healed by the next round: ModelDeployments that are gone, and namespaces that left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from unit.controller.builders import a_model_deployment
from unit.controller.server import until
from unit.controller.world import World

from slipway.cluster import MODEL_DEPLOYMENT, NAMESPACE, Kind, MemoryCluster, Objects, Unavailable
from slipway.controller.listening import Listener
from slipway.controller.queue import WorkQueue
from slipway.controller.reconciler import Key
from slipway.controller.rounds import Rounds
from slipway.controller.shard import Shard
from slipway.controller.telemetry import Telemetry
from slipway.controller.workers import working

KEY = ("shop", "fraud")


class Memory:
    """Something that remembers ModelDeployments."""

    def __init__(self, *keys: Key) -> None:
        self.remembered = set(keys)

    def keys(self) -> set[Key]:
        return self.remembered

    def forget(self, key: Key) -> None:
        self.remembered.discard(key)


class Late(MemoryCluster):
    """Something happens while namespaces are listed, after the list was made."""

    meanwhile: Any = staticmethod(lambda: None)

    async def list(self, kind: Kind, namespace: str | None = None, **given: Any) -> Objects:
        found = await super().list(kind, namespace, **given)
        if kind == NAMESPACE:
            self.meanwhile()
        return found


def deployed(cluster: MemoryCluster, namespace: str = "shop", name: str = "fraud") -> None:
    obj = a_model_deployment("v1", name=name)
    obj["metadata"]["namespace"] = namespace
    cluster.put(obj)


def labelled(cluster: MemoryCluster, name: str, **labels: str) -> None:
    cluster.put({"apiVersion": "v1", "kind": NAMESPACE.kind, "metadata": {"name": name, "labels": labels}})


async def due(queue: WorkQueue[Key]) -> set[Key]:
    return {await queue.get() for _ in range(queue.statistics().depth)}


@asynccontextmanager
async def at_work(queue: WorkQueue[Key], shard: Shard, *memories: Memory) -> AsyncIterator[list[Key]]:
    """Workers that only note what they looked at."""
    looked: list[Key] = []

    class Notes:
        async def reconcile(self, key: Key) -> None:
            looked.append(key)

    def let_go(key: Key) -> None:
        for memory in memories:
            memory.forget(key)

    idle = asyncio.sleep(60)
    async with working(queue, Notes(), Telemetry(), idle, shard=shard, let_go=let_go):  # type: ignore[arg-type]
        yield looked


# --- what is gone


async def test_what_a_watch_did_not_see_go_is_forgotten_and_everything_that_is_there_looked_at() -> None:
    cluster, queue = MemoryCluster(), WorkQueue[Key]()
    deployed(cluster)
    memory = Memory(KEY, ("shop", "gone"))
    await Rounds(cluster, (), Listener(queue), (memory,)).resync()
    assert memory.remembered == {KEY}
    assert await due(queue) == {KEY, ("shop", "gone")}


async def test_a_list_that_failed_lets_nothing_be_forgotten() -> None:
    cluster, queue = MemoryCluster(), WorkQueue[Key]()
    deployed(cluster, "a")
    memory = Memory(("a", "gone"), ("b", "fraud"))
    rounds = Rounds(cluster, ("b", "a"), Listener(queue), (memory,))
    cluster.fail_next("list", MODEL_DEPLOYMENT, Unavailable("away"))
    await rounds.resync()
    assert memory.remembered == {("b", "fraud")}


async def test_the_series_of_a_model_deployment_end_whose_deletion_was_missed(world: World) -> None:
    await world.serving("v1")
    assert b'name="fraud"' in world.telemetry.page()
    rounds = Rounds(world.cluster, (), Listener(WorkQueue()), (world.telemetry, world.registries))
    await rounds.resync()
    assert b'name="fraud"' in world.telemetry.page()
    await world.cluster.delete(MODEL_DEPLOYMENT, "shop", "fraud")
    await rounds.resync()
    assert b'name="fraud"' not in world.telemetry.page()


async def test_runtimes_concern_no_model_deployment_whose_deletion_was_missed() -> None:
    cluster, listener = MemoryCluster(), Listener(WorkQueue())
    obj = a_model_deployment("v1")
    del obj["spec"]["release"]["container"]
    listener.deployment(obj, gone=False)
    runtime = {"metadata": {"name": "house"}}
    assert listener.wanting.concerned(runtime) == [KEY]
    await Rounds(cluster, (), listener).resync()
    assert listener.wanting.concerned(runtime) == []


# --- namespaces that come and go


async def test_a_namespace_that_left_while_nobody_watched_is_let_go_and_one_that_came_is_taken() -> None:
    cluster, queue = MemoryCluster(), WorkQueue[Key]()
    for namespace, shard_ in (("shop", "b"), ("office", "a")):
        labelled(cluster, namespace, shard=shard_)
    shard = Shard("shard in (a)")
    listener = Listener(queue, shard)
    shard.joined("shop")
    for namespace in ("shop", "office"):
        obj = a_model_deployment("v1")
        obj["metadata"]["namespace"] = namespace
        listener.deployment(obj, gone=False)
    memory, other = Memory(KEY), ("office", "fraud")
    async with at_work(queue, shard, memory) as looked:
        await until(lambda: asyncio.sleep(0, KEY in looked))
        await Rounds(cluster, (), listener).reshard()
        assert not shard.admits(KEY)
        await until(lambda: asyncio.sleep(0, other in looked and not memory.remembered))
    assert looked == [KEY, other]


async def test_a_list_of_namespaces_that_an_event_overtook_changes_nothing() -> None:
    cluster, queue = Late(), WorkQueue[Key]()
    labelled(cluster, "shop", shard="a")
    shard = Shard("shard=a")
    listener = Listener(queue, shard)
    shard.joined("shop")
    cluster.meanwhile = lambda: listener.namespace("shop", gone=True)
    await Rounds(cluster, (), listener).reshard()
    assert not shard.admits(KEY)


async def test_a_namespace_that_leaves_and_returns_is_looked_at_at_once() -> None:
    queue = WorkQueue[Key]()
    shard = Shard("shard=a")
    listener = Listener(queue, shard)
    listener.namespace("shop", gone=False)
    async with at_work(queue, shard) as looked:
        listener.deployment(a_model_deployment("v1"), gone=False)
        await until(lambda: asyncio.sleep(0, looked == [KEY]))
        listener.namespace("shop", gone=True)
        await until(lambda: asyncio.sleep(0, not queue.statistics().depth and not queue.statistics().busy))
        listener.namespace("shop", gone=False)
        await until(lambda: asyncio.sleep(0, looked == [KEY, KEY]))


async def test_of_a_namespace_that_left_no_series_and_no_polling_stays() -> None:
    queue = WorkQueue[Key]()
    shard = Shard("shard=a")
    listener = Listener(queue, shard)
    listener.namespace("shop", gone=False)
    listener.deployment(a_model_deployment("v1"), gone=False)
    memory = Memory(KEY)
    async with at_work(queue, shard, memory):
        listener.namespace("shop", gone=True)
        await until(lambda: asyncio.sleep(0, not memory.remembered))


async def test_what_is_deleted_is_not_remembered_with_its_namespace() -> None:
    shard = Shard("shard=a")
    listener = Listener(WorkQueue(), shard)
    listener.deployment(a_model_deployment("v1"), gone=False)
    assert shard.keys() == {KEY}
    listener.deployment(a_model_deployment("v1"), gone=True)
    assert shard.keys() == set()
