"""The names that the installed Traefik really gives its series: a patch release changed them once."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from unit.probes.builders import a_server

from slipway.api import Counter
from slipway.cluster.endpoints import http_client
from slipway.metrics import GatewayCounters, Reading, ServiceRef, SourceError, delta, snapshot

pytestmark = pytest.mark.e2e

KINDS = {
    "gatewayclasses": "GatewayClass", "gateways": "Gateway", "httproutes": "HTTPRoute", "grpcroutes": "GRPCRoute",
    "tlsroutes": "TLSRoute", "backendtlspolicies": "BackendTLSPolicy", "referencegrants": "ReferenceGrant",
    "services": "Service", "endpointslices": "EndpointSlice", "namespaces": "Namespace", "secrets": "Secret",
    "configmaps": "ConfigMap",
}  # fmt: skip
NAMESPACE = "ml-prod"
STABLE = ServiceRef(NAMESPACE, "fraud-1a2b3c4d", 80, "fraud")
CANDIDATE = ServiceRef(NAMESPACE, "fraud-9e8f7a6b", 80, "fraud")
GATEWAY_API = "gateway.networking.k8s.io/v1"


def an_object(api_version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"{kind}-{name}", "resourceVersion": "1", "generation": 1}
    if kind in ("GatewayClass", "Namespace"):
        del metadata["namespace"]
    metadata |= fields.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def a_route(version: int, *services: ServiceRef) -> dict[str, Any]:
    backends = [{"group": "", "kind": "Service", "name": s.name, "port": s.port, "weight": 1} for s in services]
    return an_object(
        GATEWAY_API, "HTTPRoute", "fraud", metadata={"resourceVersion": str(version), "generation": version},
        spec={
            "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}],
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": backends}],
        },
    )  # fmt: skip


def the_objects(port: int, backends: Mapping[ServiceRef, int]) -> dict[str, list[dict[str, Any]]]:
    listener = {"name": "web", "port": port, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}
    controller = {"controllerName": "traefik.io/gateway-controller"}
    gateway = {"gatewayClassName": "traefik", "listeners": [listener]}
    return {
        "gatewayclasses": [an_object(GATEWAY_API, "GatewayClass", "traefik", spec=controller)],
        "gateways": [an_object(GATEWAY_API, "Gateway", "public", spec=gateway)],
        "httproutes": [a_route(1, *backends)],
        "namespaces": [an_object("v1", "Namespace", NAMESPACE)],
        "services": [
            an_object("v1", "Service", s.name, spec={"ports": [{"name": "http", "port": s.port, "protocol": "TCP"}]})
            for s in backends
        ],
        "endpointslices": [
            an_object(
                "discovery.k8s.io/v1", "EndpointSlice", s.name, addressType="IPv4",
                metadata={"labels": {"kubernetes.io/service-name": s.name}},
                ports=[{"name": "http", "port": backend, "protocol": "TCP"}],
                endpoints=[{"addresses": ["127.0.0.1"], "conditions": {"ready": True, "serving": True}}],
            )
            for s, backend in backends.items()
        ],
    }  # fmt: skip


class Api:
    """Just enough of a Kubernetes API for one gateway: lists, and watches that show a new version of the route."""

    def __init__(self) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {}
        self._watches: list[asyncio.Queue[dict[str, Any]]] = []

    def change(self, route: dict[str, Any]) -> None:
        self.objects["httproutes"] = [route]
        for watch in self._watches:
            watch.put_nowait({"type": "MODIFIED", "object": route})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        if request.method != "GET":
            return web.json_response(await request.json())
        if request.query.get("sendInitialEvents"):
            return web.json_response({"kind": "Status", "reason": "Invalid", "code": 422}, status=422)
        if request.query.get("watch"):
            return await self._watch(request, parts[-1])
        if parts[-1] not in KINDS:
            found = [o for o in self.objects.get(parts[-2], []) if o["metadata"]["name"] == parts[-1]]
            return web.json_response(found[0] if found else {}, status=200 if found else 404)
        version = "/".join(parts[1:3]) if parts[0] == "apis" else "v1"
        items = self.objects.get(parts[-1], [])
        metadata = {"resourceVersion": "1"}
        kind = f"{KINDS[parts[-1]]}List"
        return web.json_response({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json"})
        await response.prepare(request)
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        if plural == "httproutes":
            self._watches.append(events)
        while True:
            await response.write(json.dumps(await events.get()).encode() + b"\n")


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def a_traefik(api: int, port: int, metrics: int) -> Iterator[None]:
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("traefik"),
            f"--entrypoints.web.address=127.0.0.1:{port}",
            f"--entrypoints.metrics.address=127.0.0.1:{metrics}",
            "--providers.kubernetesgateway=true",
            f"--providers.kubernetesgateway.endpoint=http://127.0.0.1:{api}",
            "--providers.providersthrottleduration=50ms",
            "--metrics.prometheus.entrypoint=metrics",
            "--metrics.prometheus.addserviceslabels=true",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            "--log.level=ERROR",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def statuses(client: httpx.AsyncClient, port: int, count: int) -> list[int]:
    return [(await client.get(f"http://127.0.0.1:{port}/v2")).status_code for _ in range(count)]


async def test_the_installed_traefik_is_counted_right_while_a_backend_changes_its_place() -> None:
    async def good(_: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def bad(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    api, port, metrics = Api(), a_free_port(), a_free_port()
    async with (
        a_server(good) as stable,
        a_server(bad) as candidate,
        a_server(api.handle) as address,
        http_client() as client,
    ):
        api.objects = the_objects(port, {STABLE: stable, CANDIDATE: candidate})
        counters = GatewayCounters(client, [f"http://127.0.0.1:{metrics}/metrics"])
        memory: tuple[Counter, ...] = ()

        async def look() -> dict[str, tuple[int, int]]:
            nonlocal memory
            readings: Mapping[str, tuple[Reading, ...]] = await counters.read({"s": STABLE, "c": CANDIDATE})
            windows = {arm: delta(memory, found) for arm, found in readings.items()}
            memory = snapshot(memory, [reading for found in readings.values() for reading in found])
            return windows

        with a_traefik(address, port, metrics):
            async with asyncio.timeout(60):
                while True:
                    try:
                        await look()
                        if (await statuses(client, port, 1))[0] != 404:
                            break
                    except (SourceError, httpx.TransportError):
                        await asyncio.sleep(0.05)
                await look()
                served = await statuses(client, port, 40)
                assert served.count(500) == 20
                assert await look() == {"s": (0, 20), "c": (20, 20)}

                api.change(a_route(2, CANDIDATE))
                window = {"s": (0, 0), "c": (0, 0)}
                asked = answered = 0
                while answered < 8:  # 8 answers in a row by the candidate: the gateway has dropped stable
                    status = (await statuses(client, port, 1))[0]
                    asked, answered = asked + 1, answered + 1 if status == 500 else 0
                    window = {arm: (window[arm][0] + b, window[arm][1] + n) for arm, (b, n) in (await look()).items()}
                await look()
                assert window["s"][1] + window["c"][1] == asked
                assert window["c"][0] == window["c"][1] >= 8
