"""An A/B test: requests with a header go to the candidate, and a share of the others, until the analysis decides."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from sandbox.rollout.kit import Open, Shop, errors
from sandbox.rollout.strategies import HELD, Strategy, StrategyStory, at_stage, pod_errors
from sandbox.runtime.kit import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

BETA = {"name": "x-group", "value": "beta"}


def block(hold: str) -> dict[str, Any]:
    """Beta users and 40 % of all others."""
    return {"abTest": {"matches": [{"header": BETA}], "weight": 40, "minDuration": hold}}


class TestAbTest(StrategyStory):
    """What holds for every strategy."""

    strategy = Strategy(
        block,
        stages=("1",),
        phases=("Starting", "Evaluating", "Stepping", "Promoting"),
        metrics=(errors(), pod_errors()),
    )

    async def test_matched_requests_all_go_to_the_candidate_and_the_others_by_weight(self, open_shops: Open) -> None:
        shop = await self._serving(open_shops)
        await shop.apply(self.strategy.release("v2", hold=HELD))
        await shop.until("the test", lambda: at_stage(shop, "v2", "1"), seconds=40)

        async def all_beta() -> bool:
            return await _versions(shop, {BETA["name"]: BETA["value"]}, 12) == ["v2"] * 12

        await eventually(all_beta, seconds=20)  # a gateway accepts a route before its data plane serves it
        others = await _versions(shop, {}, 60)
        assert 10 <= others.count("v2") <= 40
        assert others.count("v1") + others.count("v2") == 60
        assert shop.failed == []


async def _versions(shop: Shop, headers: dict[str, str], count: int) -> list[str | None]:
    """Which releases answer requests with these headers."""
    found = []
    async with aiohttp.ClientSession() as session:
        for _ in range(count):
            sent = {"host": shop.load.host, **headers}
            async with session.post(shop.load.url, data=shop.load.bodies[0], headers=sent) as answer:
                found.append(answer.headers.get("model-version"))
    return found
