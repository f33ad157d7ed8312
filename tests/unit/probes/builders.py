"""Builders and a model server on loopback for the tests of probes and metrics."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from aiohttp import web

from slipway.cluster.endpoints import Endpoint
from slipway.probes import GoldenItem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def an_item(name: str = "g1", expected: tuple[Any, ...] = (1,)) -> GoldenItem:
    return GoldenItem(name, ({"name": "x", "shape": [1], "datatype": "FP32", "data": [0.5]},), expected)


def a_line(**fields: Any) -> str:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1]}
    return json.dumps({"id": "g1", "inputs": [tensor], "expected": [1]} | fields)


def an_endpoint(
    pod: str = "pod-a", port: int = 8080, *, address: str = "127.0.0.1", ready: bool = True, terminating: bool = False
) -> Endpoint:
    return Endpoint(pod, address, {"http": port}, ready, terminating)


def an_answer(*values: Any, shape: list[int] | None = None, name: str = "label") -> dict[str, Any]:
    tensor = {"name": name, "shape": shape or [len(values)], "datatype": "INT64", "data": list(values)}
    return {"model_name": "fraud", "outputs": [tensor]}


def a_client(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncClient:
    """A client whose requests are all answered by a function."""
    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


@asynccontextmanager
async def a_server(handler: Handler) -> AsyncIterator[int]:
    """A real HTTP server on loopback; yields its port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
