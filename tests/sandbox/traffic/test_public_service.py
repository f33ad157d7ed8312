"""A Service without a gateway shares requests by the pods that are ready: real pods, asked through its endpoints.

Nothing in the sandbox stands behind a Service's own address, so the client does what kube-proxy does: it reads the
EndpointSlices, and asks each endpoint as often as any other.
"""

from __future__ import annotations

from collections import Counter

import pytest
from sandbox.traffic.kit import Place, Route, eventually

from slipway.api import ReleaseSpec
from slipway.cluster import CONFIG_MAP, DEPLOYMENT, ENDPOINT_SLICE
from slipway.traffic import WHOLE, Backend, RoutePlan
from slipway.workload import Owner, deployment_manifest, fleet_status

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

OLD_HASH, NEW_HASH = "0a" * 32, "1b" * 32
OLD, NEW = "fraud-0a0a0a0a", "fraud-1b1b1b1b"

SERVER = """
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["SLIPWAY_MODEL_VERSION"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer((os.environ["POD_IP"], int(sys.argv[1])), Handler).serve_forever()
"""


async def run(route: Route, full_hash: str, service: str, replicas: int, port: int) -> None:
    """The pods of a revision; each revision listens on a port of its own, under the same name."""
    release = ReleaseSpec.model_validate(
        {
            "model": {"name": "fraud", "version": service, "uri": "file:///models/fraud", "format": "onnx"},
            "container": {
                "image": "localhost/python:3",
                "args": ["-S", "-c", SERVER, str(port)],
                "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "ports": [{"name": "rest", "containerPort": port}],
                "readinessProbe": {"httpGet": {"path": "/", "port": "rest"}, "periodSeconds": 1},
            },
        }
    )
    manifest = deployment_manifest(
        model_deployment=route.name,
        namespace=route.place.namespace,
        release=release,
        full_hash=full_hash,
        replicas=replicas,
        role="none",
        owner=Owner("v1", CONFIG_MAP.kind, route.name, route.uid),
    )
    await route.place.cluster.apply(manifest)


async def ready(place: Place, *services: str) -> dict[str, int]:
    found = {service: await place.cluster.get(DEPLOYMENT, place.namespace, service) for service in services}
    return {service: fleet_status(deployment).ready for service, deployment in found.items()}


async def answers(place: Place, name: str) -> Counter[str]:
    """Who answers at the endpoints of a Service."""
    slices = await place.cluster.list(ENDPOINT_SLICE, place.namespace, labels={"kubernetes.io/service-name": name})
    found: Counter[str] = Counter()
    for entry in slices:
        (port,) = [port["port"] for port in entry["ports"] or [] if port["name"] == "http"] or [None]
        for endpoint in entry.get("endpoints") or []:
            if endpoint["conditions"].get("ready") and port is not None:
                found[(await place.http.get(f"http://{endpoint['addresses'][0]}:{port}/")).text] += 1
    return found


async def test_requests_are_shared_by_the_pods_that_are_ready(place: Place) -> None:
    route = await place.route({"service": {}})
    await run(route, OLD_HASH, OLD, 3, 8080)
    await run(route, NEW_HASH, NEW, 1, 9090)

    async def expected(plan: RoutePlan, by_pods: dict[str, int]) -> None:
        async def led() -> bool:
            return await answers(place, "fraud") == by_pods

        await route.write(plan)
        await eventually(led)
        status = await route.status(ready=await ready(place, OLD, NEW))
        total = sum(by_pods.values())
        assert {service: share for service, share in status.written.items() if share} == {
            service: pods * WHOLE // total for service, pods in by_pods.items()
        }

    old, new = Backend(OLD, 7500, target_port="rest"), Backend(NEW, 2500, target_port="rest")

    async def up() -> bool:
        return await ready(place, OLD, NEW) == {OLD: 3, NEW: 1}

    await eventually(up)
    await expected(RoutePlan([Backend(OLD, WHOLE, target_port="rest")]), {OLD: 3})
    await expected(RoutePlan([old, new]), {OLD: 3, NEW: 1})
    await expected(RoutePlan([Backend(NEW, WHOLE, target_port="rest")]), {NEW: 1})
    await expected(RoutePlan([]), {})
