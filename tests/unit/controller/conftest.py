"""The world as a fixture, and a real API server."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from unit.controller.server import Server, install, until
from unit.controller.world import World, a_world

from slipway.cluster import MODEL_DEPLOYMENT, MODEL_REVISION, NAMESPACE, Cluster, NotServed, connect
from slipway.controller.logs import JsonFormatter


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as found:
        yield found


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the operator logs from here on, as its JSON has it."""
    found: list[dict[str, Any]] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(JsonFormatter().format(record)))

    log, handler = logging.getLogger("slipway"), Keeps()
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield found
    log.removeHandler(handler)
    log.setLevel(before)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[str]:
    with Server() as server:
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(server.kubeconfig))
        yield str(path)


@pytest.fixture
async def cluster(kubeconfig: str) -> AsyncIterator[Cluster]:
    found = await connect(kubeconfig=kubeconfig)
    yield found
    await found.close()


@pytest.fixture
async def installed(cluster: Cluster) -> Cluster:
    """With our CRDs, and without any of the Gateway API."""
    await install(cluster)

    async def served() -> bool:
        try:
            return not await cluster.list(MODEL_DEPLOYMENT) and not await cluster.list(MODEL_REVISION)
        except NotServed:
            return False

    await until(served)
    await cluster.apply({"apiVersion": "v1", "kind": NAMESPACE.kind, "metadata": {"name": "shop"}})
    return cluster
