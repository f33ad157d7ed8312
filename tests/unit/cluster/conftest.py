"""The two clusters that the contract is held against."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest
from unit.cluster.builders import a_crd, a_namespace

from slipway.cluster import (
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    Cluster,
    Kind,
    MemoryCluster,
    NotServed,
    Object,
    connect,
    kind_of,
)
from slipway_sandbox.apiserver import ApiServer


class SomebodyElse(Protocol):
    """Another client of the same cluster: a user, a GitOps tool, a controller."""

    async def patch(self, obj: Object, patch: Object, subresource: str | None = None) -> None:
        """Merges a patch into an object, or into its status."""


class InMemory:
    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    async def patch(self, obj: Object, patch: Object, subresource: str | None = None) -> None:
        live = await self._cluster.get(kind_of(obj), obj["metadata"].get("namespace"), obj["metadata"]["name"])
        assert live is not None
        self._cluster.put(merged(live, patch))


class OverHttp:
    def __init__(self, url: str) -> None:
        self._url = url

    async def patch(self, obj: Object, patch: Object, subresource: str | None = None) -> None:
        path = kind_of(obj).path(obj["metadata"].get("namespace"), obj["metadata"]["name"], subresource)
        url = f"{self._url}{path}?fieldManager=somebody-else"
        headers = {"Content-Type": "application/merge-patch+json"}
        async with aiohttp.ClientSession() as session, session.patch(url, json=patch, headers=headers) as response:
            assert response.status == 200, await response.text()


def merged(value: Object, patch: Object) -> Object:
    result = dict(value)
    for key, item in patch.items():
        if isinstance(item, dict):
            result[key] = merged(result.get(key) or {}, item)
        elif item is None:
            result.pop(key, None)
        else:
            result[key] = item
    return result


@pytest.fixture(params=["memory", "server"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Cluster, SomebodyElse]]:
    """A cluster with the namespace `shop`, ModelDeployments and no Gateway API, and somebody else who uses it too."""
    if request.param == "memory":
        memory = MemoryCluster(absent={HTTP_ROUTE})
        yield memory, InMemory(memory)
        return
    server = ApiServer(host="127.0.0.1", port=0)
    await server.start()
    try:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(server.kubeconfig()))
        cluster = await connect(kubeconfig=str(kubeconfig))
        try:
            await cluster.apply(a_namespace("shop"))
            await cluster.apply(a_crd())
            await served(cluster, MODEL_DEPLOYMENT)
            yield cluster, OverHttp(server.url)
        finally:
            await cluster.close()
    finally:
        await server.stop()


async def served(cluster: Cluster, kind: Kind) -> None:
    """A CRD is served a moment after it was written."""
    async with asyncio.timeout(30):
        while True:
            try:
                await cluster.list(kind)
                return
            except NotServed:
                await asyncio.sleep(0.01)


@pytest.fixture
def cluster(world: tuple[Cluster, SomebodyElse]) -> Cluster:
    return world[0]


@pytest.fixture
def somebody_else(world: tuple[Cluster, SomebodyElse]) -> SomebodyElse:
    return world[1]
