"""No gateway: one Service over the pods of the releases that serve, and shares made out of pods."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from sandbox.rollout.kit import NAME, Open, Shop
from sandbox.rollout.strategies import HELD, Strategy, StrategyStory, pod_errors

from demo.load import Load
from demo.stage import Stage
from slipway_sandbox.client import ENDPOINT_SLICES, Informer

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class ThroughService(Load):
    """Requests to the Service's ready endpoints in turn, as kube-proxy leads them."""

    namespace: str = ""
    slices: Informer | None = None
    _turn: itertools.count[int] = field(default_factory=itertools.count)

    def address(self) -> str:
        """The next ready endpoint."""
        assert self.slices is not None
        ready = sorted(
            f"http://{endpoint['addresses'][0]}:{found['ports'][0]['port']}/v2/models/{NAME}/infer"
            for found in self.slices.in_namespace(self.namespace)
            if found["metadata"]["labels"]["kubernetes.io/service-name"] == NAME
            for endpoint in found["endpoints"] or []
            if endpoint["conditions"]["ready"]
        )
        return ready[next(self._turn) % len(ready)] if ready else "http://127.0.0.1:1/nobody"


@pytest_asyncio.fixture(loop_scope="module")
async def slices(platform: Stage) -> AsyncIterator[Informer]:
    """EndpointSlices as they are."""
    informer = Informer(platform.sandbox.client, ENDPOINT_SLICES)
    watch = asyncio.create_task(informer.run())
    await asyncio.wait_for(informer.synced(), 60)
    yield informer
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


@pytest_asyncio.fixture(loop_scope="module")
async def open_shops(open_shops: Open, slices: Informer) -> Open:
    """Shops whose clients go through the Service."""
    opened = open_shops

    async def new() -> Shop:
        shop = await opened()
        load = shop.load
        shop.load = ThroughService(load.url, load.host, load.bodies, load.rate, namespace=shop.namespace, slices=slices)
        return shop

    return new


def block(hold: str) -> dict[str, Any]:
    """Half of the traffic, and all of it."""
    return {"canary": {"steps": [{"weight": 50, "minDuration": hold}, {"weight": 100, "minDuration": hold}]}}


class TestServiceRouter(StrategyStory):
    """What holds for every strategy."""

    strategy = Strategy(
        block,
        stages=("1", "2"),
        aborted=("1",),
        phases=("Starting", "Evaluating", "Stepping", "Promoting"),
        traffic={"service": {}},
        replicas=2,
        metrics=(pod_errors(),),
    )

    async def test_a_weight_that_the_replicas_cannot_make_is_held_and_says_which_they_can(
        self, open_shops: Open
    ) -> None:
        shop = await self._serving(open_shops)
        steps = {"strategy": {"canary": {"steps": [{"weight": 30}, {"weight": 100}]}}}
        await shop.apply(self.strategy.release("v2", hold=HELD, **steps))
        message = await shop.until_told("Ready", "False", "StrategyUnsupported")
        assert "spec.strategy.canary.steps[0].weight" in message
        assert "it can be 50, 100 percent" in message
        assert await self._only(shop, "v1")
        await shop.apply(self.strategy.release("v2"))
        await shop.until_ready("v2")
        assert shop.failed == []
