"""Several groups of replicas share a cluster: each works in the namespaces that it selects, and in no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import kopf
from unit.controller.builders import a_model_deployment
from unit.controller.server import until

from slipway.cluster import NAMESPACE, Cluster, ConnectionInfo, connection_info
from slipway.controller.handlers import WATCHED, registry, settings
from slipway.controller.listening import Listener
from slipway.controller.queue import WorkQueue
from slipway.controller.reconciler import Key
from slipway.controller.shard import Shard


def test_without_a_selector_everything_is_ours() -> None:
    shard = Shard()
    assert shard.admits(("shop", "fraud"))
    assert shard.lease_name("slipway") == "slipway"


def test_what_was_heard_before_its_namespace_becomes_due_with_it() -> None:
    shard = Shard("shard=a")
    assert not shard.takes(("shop", "fraud"))
    assert shard.joined("other") == set()
    assert shard.joined("shop") == {("shop", "fraud")}
    assert shard.takes(("shop", "fraud"))


def test_a_namespace_that_leaves_takes_its_objects_along() -> None:
    shard = Shard("shard=a")
    shard.joined("shop")
    shard.left("shop")
    assert not shard.admits(("shop", "fraud"))


def test_each_part_of_the_cluster_has_a_lease_of_its_own() -> None:
    names = {Shard(selector).lease_name("slipway") for selector in (None, "shard=a", "shard=b")}
    assert len(names) == 3


async def test_the_api_server_says_which_namespaces_are_ours_and_when_that_changes(
    installed: Cluster,
    kubeconfig: str,
) -> None:
    async def label(namespace: str, value: str | None) -> None:
        metadata = {"metadata": {"labels": {"shard": value}}}
        await installed.merge_patch(NAMESPACE, None, namespace, metadata)

    await installed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    await label("shop", "a")
    for namespace in ("shop", "other"):
        declared = a_model_deployment("v1")
        declared["metadata"]["namespace"] = namespace
        del declared["status"]
        await installed.create(declared)
    shard = Shard("shard=a")
    queue: WorkQueue[Key] = WorkQueue()
    stop, ready = asyncio.Event(), asyncio.Event()

    def login() -> Awaitable[ConnectionInfo]:
        return connection_info(kubeconfig=kubeconfig)

    watching = kopf.operator(
        registry=registry(Listener(queue, shard), login, (*WATCHED, NAMESPACE)),
        settings=settings(shard.selector),
        standalone=True,
        clusterwide=True,
        ready_flag=ready,
        stop_flag=stop,
    )
    operator = asyncio.create_task(watching)

    async def next_key() -> Key:
        key = await asyncio.wait_for(queue.get(), 30)
        queue.done(key)
        return key

    try:
        assert await next_key() == ("shop", "fraud")
        await label("other", "a")
        assert await next_key() == ("other", "fraud")
        await label("shop", "b")
        await until(lambda: asyncio.sleep(0, not shard.admits(("shop", "fraud"))))
    finally:
        stop.set()
        await asyncio.wait_for(operator, 30)
