"""A rolling update: pods are replaced a few at a time, traffic follows them, and no pod needs an extra place."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.rollout.kit import Open, Shop, errors
from sandbox.rollout.strategies import Strategy, StrategyStory, pod_errors, tell
from sandbox.runtime.kit import eventually

from slipway_sandbox.client import DEPLOYMENTS

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


def block(hold: str) -> dict[str, Any]:
    """One pod is taken away before another is added, as where accelerators are scarce."""
    return {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


class TestRollingUpdate(StrategyStory):
    """What holds for every strategy."""

    strategy = Strategy(
        block,
        stages=("1",),
        phases=("Starting", "Evaluating", "Stepping"),
        replicas=3,
        metrics=(errors(), pod_errors()),
    )

    async def _reach(self, shop: Shop, version: str, stage: str) -> None:
        """A pause holds it at its first step."""
        await shop.until_phase(version, "Evaluating", "Stepping", seconds=40)
        await shop.until("the first step", lambda: shop.phase(version) == "Stepping")
        await tell(shop, "pause", version)

    async def test_there_are_never_more_pods_than_replicas(self, open_shops: Open) -> None:
        shop = await self._serving(open_shops)
        pods: list[int] = []
        await shop.apply(self.strategy.release("v2"))

        async def stable() -> bool:
            found, _ = await shop.stage.sandbox.client.list_all(DEPLOYMENTS, shop.namespace)
            pods.append(sum(obj["spec"]["replicas"] for obj in found))
            return shop.phase("v2") == "Stable"

        await eventually(stable, seconds=60)
        assert max(pods) <= 3
        weights = shop.weights("v2")
        assert weights == sorted(weights)
        assert weights[-1] == 10_000
        assert len(weights) > 2, "traffic follows the pods"
        assert shop.failed == []
