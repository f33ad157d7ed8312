"""What answers the operator over HTTP: models that speak the V2 protocol, and a gateway's page of metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Model:
    """How the pods of one version behave. What is wrong with it, the tests say."""

    version: str
    accuracy: float = 1.0
    """Share of the golden items that it gets right, the last ones wrong."""
    errors: float = 0.0
    """Share of live requests that it fails."""
    answers: bool = True
    """Whether it says that it is ready once its pods are."""
    starts: bool = True
    """Whether its pods become ready."""
    others: set[str] = field(default_factory=set)
    """Names of further models that its server offers."""
    asked_of_others: int = 0
    """Golden items that those were asked. They get each one right."""
    port: int = 0
    counted: str = ""
    """What its pods count of features and predictions."""
    asked: int = 0
    """Golden items that it was asked."""
    page: Callable[[], str] | None = None
    """What its pods show as their metrics."""
    when_asked: Callable[[], None] | None = None
    """Called before it answers a golden item."""


@dataclass
class Outside:
    """One process on loopback that plays every model, on a port each, and the gateway's metrics page."""

    models: dict[str, Model] = field(default_factory=dict)
    golden_items: int = 8
    page: str = ""
    page_status: int = 200
    hooked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    """What a receiver of events was told: content type, headers and body."""
    hook_status: int = 204
    hook_opens: asyncio.Event | None = None
    """What the receiver waits for before it answers."""
    runner: web.AppRunner | None = None
    metrics_url: str = ""

    async def model(self, version: str) -> Model:
        """The model of a version, listening."""
        if version not in self.models:
            self.models[version] = Model(version, port=await self._listen())
        return self.models[version]

    async def _listen(self) -> int:
        assert self.runner is not None
        known = set(self.runner.addresses)
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        (address,) = set(self.runner.addresses) - known
        return int(address[1])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/hook"):
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.hooked.append((request.content_type, headers, await request.json()))
            if self.hook_opens is not None:
                await self.hook_opens.wait()
            return web.Response(status=self.hook_status)
        assert request.transport is not None
        port = request.transport.get_extra_info("sockname")[1]
        model = next((model for model in self.models.values() if model.port == port), None)
        if request.path == "/metrics" and (model is None or model.page is None):
            return web.Response(text=self.page, status=self.page_status)
        assert model is not None
        if request.path == "/counted":
            return web.Response(text=model.counted)
        if model.page is not None and request.path == "/metrics":
            return web.Response(text=model.page())
        if request.path == "/v2/models/fraud/ready":
            return web.Response(status=200 if model.answers else 503)
        if request.path == "/alive/fraud":
            return web.Response(status=200 if model.answers else 503)
        if request.path == "/ask/fraud":
            return web.json_response({"label": self._label(model, (await request.json())["n"])})
        _, _, name, verb = request.path.strip("/").split("/")[:4] if request.path.count("/") == 4 else [""] * 4
        if name in model.others and verb == "ready":
            return web.Response(status=200)
        if verb != "infer" or name not in {"fraud", *model.others}:
            return web.Response(status=404)
        n = (await request.json())["inputs"][0]["data"][0]
        if name in model.others:
            model.asked_of_others += 1
            label = n % 2
        else:
            label = self._label(model, n)
        outputs = [{"name": "label", "shape": [1], "datatype": "INT64", "data": [label]}]
        return web.json_response({"model_name": "fraud", "outputs": outputs})

    def _label(self, model: Model, n: int) -> int:
        model.asked += 1
        if model.when_asked is not None:
            model.when_asked()
        right = n < model.accuracy * self.golden_items
        return n % 2 if right else 1 - n % 2


@asynccontextmanager
async def an_outside() -> AsyncIterator[Outside]:
    """Listens until the test is over."""
    outside = Outside()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", outside.answer)
    outside.runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await outside.runner.setup()
    try:
        site = web.TCPSite(outside.runner, "127.0.0.1", 0)
        await site.start()
        outside.metrics_url = f"http://127.0.0.1:{outside.runner.addresses[0][1]}/metrics"
        yield outside
    finally:
        await outside.runner.cleanup()
