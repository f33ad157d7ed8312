"""A real API server for the tests of what watches and of what starts."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import yaml

from slipway.cluster import Cluster, Object
from slipway_sandbox.apiserver import ApiServer

CRDS = Path(__file__).parents[3] / "crds"


class Server:
    """An API server in a thread of its own, so that kopf, which cancels all tasks of its loop, does not end it."""

    def __init__(self) -> None:
        self.kubeconfig: Object = {}
        self._started = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="apiserver")

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    async def _serve(self) -> None:
        server = ApiServer(host="127.0.0.1", port=0)
        await server.start()
        self.kubeconfig = server.kubeconfig()
        self._started.set()
        await asyncio.to_thread(self._stop.wait)
        await server.stop()


async def until(what: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)


async def install(cluster: Cluster) -> None:
    """Our CRDs, and nothing of the Gateway API."""
    for crd in sorted(CRDS.glob("*.yaml")):
        await cluster.apply(yaml.safe_load(crd.read_text()))
