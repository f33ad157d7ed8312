"""Evidence that is not there: sources that go away in mid-rollout and come back, and a service that nobody asks."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from sandbox.rollout.kit import Open, Shop, a_release, accuracy, errors, merge, processes_of

from demo.stage import Manifest, Stage, stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

HOST = f"127.240.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""An address that no pod and no other process has: its ports stay free while nobody listens."""


class Sources:
    """A server with the gateway's page of metrics and with a ledger of the shop's requests. It can go and come back."""

    def __init__(self) -> None:
        self.upstream = ""
        self.shop: Shop | None = None
        self._port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    async def open(self) -> None:
        app = web.Application()
        app.router.add_get("/gateway", self._gateway)
        app.router.add_get("/ledger/{service}", self._ledger)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def _gateway(self, _: web.Request) -> web.Response:
        async with aiohttp.ClientSession() as session, session.get(self.upstream) as answer:
            return web.Response(text=await answer.text())

    async def _ledger(self, request: web.Request) -> web.Response:
        shop = self.shop
        assert shop is not None
        counted = [v for v in ("v1", "v2") if shop.revision(v) and shop.service(v) == request.match_info["service"]]
        return web.json_response({"failed": 0, "all": sum(shop.answered_by(version) for version in counted)})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sources() -> AsyncIterator[Sources]:
    """The server, open."""
    served = Sources()
    await served.open()
    yield served
    await served.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory, sources: Sources) -> AsyncIterator[Stage]:
    """A platform whose operator reads the gateway's counts, and whatever users name, from the server."""
    state = tmp_path_factory.mktemp("platform")
    async with stage(state_dir=state, options=(f"--egress={HOST}",)) as running:
        await running.operator.stop()
        sources.upstream, running.operator.gateway_metrics = running.operator.gateway_metrics, f"{sources.url}/gateway"
        await running.operator.start()
        yield running
    assert processes_of(state) == []


def ledger(sources: Sources) -> Manifest:
    """Failures as a system of the user's own counts them."""
    page = {"url": f"{sources.url}/ledger/{{{{service}}}}", "bad": "$.failed", "total": "$.all"}
    return {"name": "ledger", "web": page, "comparison": {"margin": 0.005}, "minSamples": 5}


def samples(shop: Shop, metric: str) -> int:
    """Requests of v2 that a metric's evidence holds."""
    found = {status["name"]: status for status in shop.record("v2").get("metrics") or []}
    state = {vector["name"]: vector["values"] for vector in found.get(metric, {}).get("state") or []}
    return int(state["candidate"][1]) if "candidate" in state else 0


async def test_sources_that_go_away_hold_the_weight_and_when_they_are_back_nothing_was_lost(
    shop: Shop, sources: Sources
) -> None:
    sources.shop = shop
    metrics = [accuracy(), errors(), ledger(sources)]
    await shop.apply(a_release("v2", steps=((50, "10m"), (100, "0s")), analysis={"metrics": metrics}))
    await shop.until("evidence of both", lambda: min(samples(shop, "errors"), samples(shop, "ledger")) >= 5)

    await sources.close()
    before, answered = [samples(shop, name) for name in ("errors", "ledger")], shop.answered_by("v2")
    for name in ("errors", "ledger"):
        await shop.until_told("Ready", "False", "MetricsUnavailable", saying=name)
    # Only the sources keep it from being promoted now: the step has lasted long enough, and shown enough.
    await shop.apply(a_release("v2", steps=((50, "0s"), (100, "0s")), analysis={"metrics": metrics}))
    for name in ("errors", "ledger"):
        await shop.until_told("Ready", "False", "MetricsUnavailable", saying=name)
    await shop.until("requests meanwhile", lambda: shop.answered_by("v2") >= answered + 40)
    assert shop.status["phase"] == "Holding"
    assert shop.weight("v2") == 5000
    assert shop.condition("Available")["status"] == "True"

    meanwhile = shop.answered_by("v2") - answered
    await sources.open()
    await shop.until_ready("v2")
    await shop.load.stop()
    for name, known in zip(("errors", "ledger"), before, strict=True):
        assert samples(shop, name) >= known + meanwhile, f"{name}: requests of the outage are missing"
        assert samples(shop, name) <= shop.answered_by("v2"), f"{name}: requests were counted twice"
    assert shop.record("v2")["attempt"] == 1
    assert shop.weights("v2") == [0, 5000, 10_000]
    assert shop.failed == []


async def test_where_nobody_asks_the_golden_set_decides_and_a_weight_waits_for_requests(open_shops: Open) -> None:
    shop = await open_shops()
    await shop.apply(a_release("v1"))
    await shop.until_ready("v1")
    strict = merge(accuracy(), {"threshold": {"min": 0.999}})
    await shop.apply(a_release("v3", analysis={"metrics": [strict, errors()]}))
    await shop.until_phase("v3", "RolledBack")
    assert shop.record("v3")["reason"] == "AnalysisFailed"
    assert "accuracy: Fail" in shop.record("v3")["message"]
    assert shop.weights("v3") == [0]

    await shop.apply(a_release("v2", steps=((50, "0s"), (100, "0s"))))
    await shop.until_told("Ready", "False", "NoData", seconds=40)
    looks: set[str] = set()

    def looked() -> int:
        looks.update(status["lookedAt"] for status in shop.record("v2")["metrics"] if status.get("lookedAt"))
        return len(looks)

    await shop.until("more looks", lambda: looked() >= 5)
    assert {status["name"]: status["verdict"] for status in shop.record("v2")["metrics"]} == {
        "accuracy": "Pass",
        "errors": "NoData",
    }
    assert shop.weights("v2") == [0, 5000]

    shop.load.start()
    await shop.until_ready("v2")
    assert shop.failed == []
