"""What autoscalers are told: CPU and memory from the node's summary, everything else from the pods' own `/metrics`."""

import re
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from slipway_sandbox.client import NODES, Client, Manifest

WINDOW_SECONDS: Final = 6.0
"""How far back CPU time is compared: one look at a process that works in bursts says nothing."""
KEPT_SECONDS: Final = 60.0
_SAMPLE: Final = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_UNREACHABLE: Final = (aiohttp.ClientError, TimeoutError, OSError)


class PodMetrics:
    """Collects for all autoscalers; a look at the node that is younger than a second serves everybody."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[tuple[str, str], deque[tuple[float, int, int]]] = {}
        self._looked_at = -KEPT_SECONDS

    async def resource(self, session: aiohttp.ClientSession, name: str, pod: Manifest, container: str) -> float | None:
        """Cores or bytes that a pod uses now, or one container of it; None when that is not known (yet)."""
        await self._look(session)
        uid = pod["metadata"]["uid"]
        names = [container] if container else [entry["name"] for entry in pod["spec"]["containers"]]
        values = [self._value(name, self._seen.get((uid, each))) for each in names]
        return None if None in values else sum(value for value in values if value is not None)

    @staticmethod
    def _value(name: str, seen: "deque[tuple[float, int, int]] | None") -> float | None:
        if not seen:
            return None
        if name == "memory":
            return float(seen[-1][2])
        (before, cpu_before, _), (now, cpu_now, _) = seen[0], seen[-1]
        return (cpu_now - cpu_before) / (now - before) / 1e9 if now - before >= 1.0 else None

    async def _look(self, session: aiohttp.ClientSession) -> None:
        if time.monotonic() - self._looked_at < 1.0:
            return
        self._looked_at = time.monotonic()
        for node in (await self._client.list_all(NODES))[0]:
            try:
                async with session.get(f"{_kubelet(node)}/stats/summary") as response:
                    document = await response.json()
            except _UNREACHABLE:
                continue
            for pod in document["pods"]:
                for entry in pod["containers"]:
                    self._take((pod["podRef"]["uid"], entry["name"]), entry)
        alive = time.monotonic() - KEPT_SECONDS
        self._seen = {key: seen for key, seen in self._seen.items() if seen[-1][0] > alive}

    def _take(self, key: tuple[str, str], entry: Mapping[str, Any]) -> None:
        now, cpu = time.monotonic(), int(entry["cpu"]["usageCoreNanoSeconds"])
        seen = self._seen.setdefault(key, deque())
        if seen and cpu < seen[-1][1]:
            seen.clear()  # the container was started anew
        seen.append((now, cpu, int(entry["memory"]["workingSetBytes"])))
        while len(seen) > 2 and now - seen[1][0] >= WINDOW_SECONDS:
            seen.popleft()

    async def own(self, session: aiohttp.ClientSession, metric: Manifest, pod: Manifest) -> float | None:
        """The sum of a metric's samples in the pod's `/metrics`; None when it does not have it."""
        annotations = pod["metadata"].get("annotations") or {}
        declared = [port["containerPort"] for entry in pod["spec"]["containers"] for port in entry.get("ports") or ()]
        port = annotations.get("prometheus.io/port") or next(iter(declared), None)
        address = pod.get("status", {}).get("podIP")
        if not (port and address):
            return None
        try:
            path = annotations.get("prometheus.io/path", "/metrics")
            async with session.get(f"http://{address}:{port}{path}") as response:
                text = await response.text() if response.status == 200 else ""
        except _UNREACHABLE:
            return None
        wanted = (metric.get("selector") or {}).get("matchLabels") or {}
        values = [
            float(value)
            for name, labels, value in map(_sample, text.splitlines())
            if name == metric["name"] and wanted.items() <= labels.items()
        ]
        return sum(values) if values else None


def _sample(line: str) -> tuple[str, dict[str, str], str]:
    match = None if line.startswith("#") else _SAMPLE.match(line)
    return (match[1], dict(_LABEL.findall(match[2] or "")), match[3]) if match else ("", {}, "")


def _kubelet(node: Manifest) -> str:
    status = node.get("status", {})
    address = next((entry["address"] for entry in status.get("addresses") or () if entry["type"] == "InternalIP"), "")
    return f"http://{address}:{status.get('daemonEndpoints', {}).get('kubeletEndpoint', {}).get('Port')}"
