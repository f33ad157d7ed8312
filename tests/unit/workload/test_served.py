"""The children of a revision on an API server: what it makes of them, and two writers of one number of pods."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from unit.workload.builders import (
    CPU,
    MEMORY,
    PROMETHEUS,
    REQUESTS,
    a_deployment,
    a_disruption_budget,
    a_scaled_object,
    a_service,
    an_autoscaler,
    an_autoscaling,
)

from slipway.cluster import DEPLOYMENT, SCALED_OBJECT, Cluster, Conflict, NotServed, connect, kind_of
from slipway.rollout.capacity import replicas_within
from slipway.workload import needs_apply
from slipway_sandbox.apiserver import ApiServer

SCALED_OBJECTS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "scaledobjects.keda.sh"},
    "spec": {
        "group": "keda.sh",
        "scope": "Namespaced",
        "names": {"plural": "scaledobjects", "kind": "ScaledObject"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}

CHILDREN = {
    "a Deployment": a_deployment(),
    "an empty Deployment": a_deployment(replicas=0),
    "a Service": a_service(),
    "an autoscaler": an_autoscaler(),
    "an autoscaler by three metrics": an_autoscaler(an_autoscaling(metrics=[MEMORY, CPU, REQUESTS])),
    "an autoscaler by KEDA": a_scaled_object({"triggers": [PROMETHEUS], "pollingInterval": "15s"}),
    "a disruption budget": a_disruption_budget(),
    "a disruption budget of nothing": a_disruption_budget({"maxUnavailable": 0}),
    "a disruption budget in percent": a_disruption_budget({"minAvailable": "50%"}),
}


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    server = ApiServer(host="127.0.0.1", port=0)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def cluster(server: ApiServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(server.kubeconfig()))
    cluster = await connect(kubeconfig=str(kubeconfig))
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    yield cluster
    await cluster.close()


async def _install_keda(cluster: Cluster) -> None:
    await cluster.apply(SCALED_OBJECTS)
    async with asyncio.timeout(30):
        while True:
            try:
                await cluster.list(SCALED_OBJECT, "shop")
                return
            except NotServed:
                await asyncio.sleep(0.01)


async def _scale(server: ApiServer, deployment: dict[str, Any], replicas: int) -> int:
    """Scale as an autoscaler does, on the version that was read; the status of the answer."""
    metadata = deployment["metadata"]
    path = f"/apis/apps/v1/namespaces/shop/deployments/{metadata['name']}/scale"
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {name: metadata[name] for name in ("name", "namespace", "resourceVersion")},
        "spec": {"replicas": replicas},
    }
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{server.url}{path}?fieldManager=autoscaler", json=scale) as answer,
    ):
        return answer.status


@pytest.mark.parametrize("child", CHILDREN.values(), ids=CHILDREN.keys())
async def test_what_an_api_server_stores_is_what_was_applied(cluster: Cluster, child: Any) -> None:
    if child["kind"] == "ScaledObject":
        await _install_keda(cluster)
    stored = await cluster.apply(child)
    assert not needs_apply(stored, child)
    read = await cluster.get(kind_of(child), "shop", child["metadata"]["name"])
    assert not needs_apply(read, child)


async def test_what_an_autoscaler_decided_costs_no_write_and_survives_the_next_one(
    server: ApiServer, cluster: Cluster
) -> None:
    applied = await cluster.apply(a_deployment(replicas=2))
    assert await _scale(server, applied, 5) == 200
    live = await cluster.get(DEPLOYMENT, "shop", applied["metadata"]["name"])
    assert live is not None
    asked = replicas_within(live["spec"]["replicas"], floor=2, ceiling=10)
    assert not needs_apply(live, a_deployment(replicas=asked))
    promoted = await cluster.apply(a_deployment(replicas=asked, role="none"))
    assert promoted["spec"]["replicas"] == 5


async def test_of_two_who_write_a_number_of_pods_the_second_is_told(server: ApiServer, cluster: Cluster) -> None:
    read = await cluster.apply(a_deployment(replicas=2))
    assert await _scale(server, read, 5) == 200
    ours = a_deployment(replicas=4)
    ours["metadata"]["resourceVersion"] = read["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        await cluster.apply(ours)
    live = await cluster.get(DEPLOYMENT, "shop", read["metadata"]["name"])
    assert live is not None
    assert live["spec"]["replicas"] == 5
    await cluster.apply(a_deployment(replicas=6))
    assert await _scale(server, live, 7) == 409
