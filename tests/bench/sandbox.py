"""What the sandbox costs: request times, watch throughput, memory, and the time from nothing to an answered request.

Run it with ``python tests/bench/sandbox.py``; each line shows its budget. Client and server share the machine, so the
times include the client's own work.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from slipway_sandbox import Sandbox

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}
CREATE = {"Content-Type": "application/json"}


def a_map(name: str, value: str = "v") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "data": {"key": value, "text": "x" * 200},
    }


def a_deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    container = {
        "name": "web",
        "image": "localhost/python:3",
        "args": ["-m", "http.server", "--bind", "$(POD_IP)", "8080"],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}  # fmt: skip  # noqa: E501
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def report(what: str, value: float, unit: str, budget: str) -> None:
    print(f"{what:<58} {value:>9.2f} {unit:<9} (budget: {budget})", flush=True)


@contextlib.asynccontextmanager
async def a_server(*options: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An API server in a process of its own, and a client of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "slipway_sandbox.apiserver", *options, stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None:
        raise RuntimeError("the server has no standard output")
    try:
        url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession(url) as session:
            yield session
    finally:
        process.terminate()
        await process.wait()


async def send(session: aiohttp.ClientSession, method: str, path: str, body: Any, headers: dict[str, str]) -> None:
    data = json.dumps(body).encode() if body is not None else None
    async with session.request(method, path, data=data, headers=headers) as answer:
        answer.raise_for_status()
        await answer.read()


async def median(times: int, call: Callable[[int], Awaitable[None]]) -> float:
    """The median time of a call, in milliseconds."""
    taken = []
    for number in range(times):
        begin = time.perf_counter()
        await call(number)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1000


async def fill(session: aiohttp.ClientSession, path: str, objects: list[dict[str, Any]]) -> None:
    """Create objects, eight at a time."""
    waiting = iter(objects)

    async def work() -> None:
        for obj in waiting:
            await send(session, "POST", path, obj, CREATE)

    await asyncio.gather(*(work() for _ in range(8)))


async def requests(session: aiohttp.ClientSession, kept: str) -> None:
    await send(session, "POST", MAPS, a_map("one"), CREATE)
    read = await median(500, lambda _: send(session, "GET", f"{MAPS}/one", None, {}))
    report(f"GET, median{kept}", read, "ms", "2 ms")
    change = await median(500, lambda n: send(session, "PATCH", f"{MAPS}/one", {"data": {"key": str(n)}}, MERGE))
    report(f"PATCH, median{kept}", change, "ms", "3 ms")
    path = f"{MAPS}/applied?fieldManager=bench&force=true"
    apply = await median(500, lambda n: send(session, "PATCH", path, a_map("applied", str(n)), APPLY))
    report(f"server-side apply, median{kept}", apply, "ms", "3 ms")
    path = f"{DEPLOYMENTS}/applied?fieldManager=bench&force=true"
    apply = await median(200, lambda n: send(session, "PATCH", path, a_deployment("applied", n), APPLY))
    report(f"server-side apply of a Deployment, median{kept}", apply, "ms", "-")


async def lists(session: aiohttp.ClientSession) -> None:
    await fill(session, MAPS, [a_map(f"m{number}") for number in range(1000)])
    begin = time.perf_counter()
    await send(session, "GET", MAPS, None, {})
    report("list of 1,000, the first time", (time.perf_counter() - begin) * 1000, "ms", "60 ms")
    report("list of 1,000, median", await median(20, lambda _: send(session, "GET", MAPS, None, {})), "ms", "60 ms")


async def watches(session: aiohttp.ClientSession) -> None:
    """Events that come as fast as they can: 4,000 objects deleted at once under an open watch."""
    path = "/api/v1/namespaces/kube-public/configmaps"
    await fill(session, path, [a_map(f"m{number}") for number in range(4000)])
    async with session.get(path) as answer:
        version = (await answer.json())["metadata"]["resourceVersion"]
    async with session.get(path, params={"watch": "1", "resourceVersion": version}) as stream:
        begin = time.perf_counter()
        deletion = asyncio.create_task(send(session, "DELETE", path, None, {}))
        for _ in range(4000):
            json.loads(await stream.content.readline())
        report("watch events to one watcher", 4000 / (time.perf_counter() - begin), "events/s", "2000 events/s")
        await deletion


def resident(pid: int) -> float:
    """The resident memory of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} is gone")


async def memory() -> None:
    async with Sandbox(gateway=False) as sandbox, aiohttp.ClientSession(sandbox.api_url) as session:
        empty = resident(sandbox.pid)
        await fill(session, MAPS, [a_map(f"m{number}") for number in range(10_000)])
        await fill(session, DEPLOYMENTS, [a_deployment(f"d{number}", 0) for number in range(1_000)])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            async with session.get("/apis/apps/v1/replicasets") as answer:
                if len((await answer.json())["items"]) >= 1_000:
                    break
            await asyncio.sleep(0.5)
        else:
            raise RuntimeError("the controllers did not make a ReplicaSet for every Deployment in time")
        report("memory of an empty sandbox", empty, "MiB", "-")
        report("memory with 10,000 ConfigMaps and 1,000 Deployments", resident(sandbox.pid), "MiB", "500 MiB")


async def from_nothing() -> None:
    """Start, deploy, route, and wait for the first answer of the application."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}  # fmt: skip  # noqa: E501
    begin = time.perf_counter()
    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:
        ready = time.perf_counter() - begin
        async with session.get(sandbox.api_url + "/apis/gateway.networking.k8s.io/v1/gateways") as answer:
            found = (await answer.json())["items"][0]["metadata"]
            parent = {"name": found["name"], "namespace": found["namespace"]}
        route = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"parentRefs": [parent], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
        }
        await sandbox.apply([a_deployment("web", 1), service, route])
        while True:
            async with session.get(sandbox.gateway_url) as answer:
                if answer.status == 200:
                    break
            if time.perf_counter() - begin > 60:
                raise RuntimeError("the application did not answer through the gateway within a minute")
            await asyncio.sleep(0.01)
        report("`up` until the sandbox is ready", ready, "s", "-")
        report("`up` until an application answers through the gateway", time.perf_counter() - begin, "s", "3 s")


async def main() -> None:
    async with a_server() as session:
        await requests(session, "")
        await lists(session)
        await watches(session)
    with tempfile.TemporaryDirectory() as folder:
        async with a_server("--state-file", f"{folder}/state") as session:
            await requests(session, ", with a state file")
    await from_nothing()
    await memory()


if __name__ == "__main__":
    asyncio.run(main())
