"""Builders with good defaults, and what tests of the running sandbox do all the time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from slipway_sandbox import Sandbox
from slipway_sandbox.client import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    PODS,
    REPLICA_SETS,
    Client,
    Manifest,
    Resource,
)

BACKOFF_SECONDS = 0.4

SERVER = """
import http.server, json, os, signal, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        fine = not os.path.exists("broken") if self.path == "/ready" else True
        body = json.dumps({"ip": os.environ["POD_IP"], "version": os.environ.get("VERSION")}).encode()
        self.send_response(200 if fine else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer((os.environ["POD_IP"], 8080), Handler)
def leave(*_):
    print("goodbye", flush=True)
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, leave)
print("serving", flush=True)
server.serve_forever()
"""


@dataclass
class Space:
    """A namespace of the shared sandbox, and what tests do in it."""

    sandbox: Sandbox
    name: str

    @property
    def client(self) -> Client:
        return self.sandbox.client

    async def apply(self, *objects: Manifest) -> list[Manifest]:
        for obj in objects:
            obj["metadata"]["namespace"] = self.name
        return await self.sandbox.apply(objects)

    async def get(self, resource: Resource, name: str) -> Manifest:
        return await self.client.get(resource, self.name, name)

    async def pods(self, app: str | None = None) -> list[Manifest]:
        items, _ = await self.client.list_all(PODS, self.name, **({"labelSelector": f"app={app}"} if app else {}))
        return sorted(items, key=lambda pod: pod["metadata"]["name"])

    async def deployment(self, name: str) -> Manifest:
        return await self.get(DEPLOYMENTS, name)

    async def replica_sets(self) -> list[Manifest]:
        return (await self.client.list_all(REPLICA_SETS, self.name))[0]

    async def rolled_out(self, name: str, seconds: float = 60) -> Manifest:
        async def done() -> Manifest | None:
            deployment = await self.deployment(name)
            status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
            current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
            counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
            return deployment if current and counts == [wanted] * 3 else None

        return await eventually(done, seconds)

    async def endpoints(self, service: str) -> list[Manifest]:
        items, _ = await self.client.list_all(
            ENDPOINT_SLICES, self.name, labelSelector=f"kubernetes.io/service-name={service}"
        )
        return [endpoint for item in items for endpoint in item["endpoints"] or ()]


async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = 60, every: float = 0.03) -> Any:
    """The first true answer of the condition; fails with the last one when there is none in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = await condition()
        if answer:
            return answer
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s"
        await asyncio.sleep(every)


async def get(url: str, **headers: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, await response.json() if response.status == 200 else {}


def a_container(**fields: Any) -> Manifest:
    """A container that answers HTTP on its pod's address; `version` is what it says of itself."""
    version = fields.pop("version", "1")
    return {
        "name": "main",
        "image": "localhost/python:3",
        "args": ["-S", "-c", SERVER],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "VERSION", "value": version},
        ],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1},
        **fields,
    }


def a_pod_spec(**fields: Any) -> Manifest:
    container = {name: fields.pop(name) for name in list(fields) if name not in POD_FIELDS}
    return {"terminationGracePeriodSeconds": 5, "containers": [a_container(**container)], **fields}


POD_FIELDS = frozenset({"volumes", "initContainers", "containers", "restartPolicy", "terminationGracePeriodSeconds"})


def a_pod(name: str = "pod", **fields: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": a_pod_spec(**fields),
    }


def a_deployment(name: str = "web", *, replicas: int = 1, strategy: Manifest | None = None, **fields: Any) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            **({"strategy": strategy} if strategy else {}),
            "template": {"metadata": {"labels": {"app": name}}, "spec": a_pod_spec(**fields)},
        },
    }


def a_service(name: str = "web", app: str | None = None, **fields: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": {"app": app or name},
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            **fields,
        },
    }


def a_route(host: str, **weights: int) -> Manifest:
    backends = [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "route"},
        "spec": {
            "parentRefs": [{"name": "sandbox", "namespace": "default"}],
            "hostnames": [host],
            "rules": [{"backendRefs": backends}],
        },
    }
