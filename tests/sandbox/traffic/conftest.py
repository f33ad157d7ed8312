"""One sandbox for each module of this folder, and a namespace of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from sandbox.traffic.kit import Place

from slipway.cluster import NAMESPACE, Cluster, connect
from slipway_sandbox import Sandbox

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(sandbox: Sandbox) -> AsyncIterator[Cluster]:
    connected = await connect(kubeconfig=str(sandbox.kubeconfig_path))
    yield connected
    await connected.close()


@pytest_asyncio.fixture(loop_scope="module")
async def place(sandbox: Sandbox, cluster: Cluster) -> AsyncIterator[Place]:
    """A namespace with the models of three revisions."""
    name = f"shop{next(_numbers)}"
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    async with httpx.AsyncClient(trust_env=False) as http:
        there = Place(cluster, name, sandbox.gateway_url, http)
        yield there
        for model in there.models.values():
            await model.stop()
    await cluster.delete(NAMESPACE, None, name)
