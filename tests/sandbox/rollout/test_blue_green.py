"""Blue-green: a whole second fleet under a preview address takes all traffic at once."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from sandbox.rollout.kit import Open, errors
from sandbox.rollout.strategies import HELD, Strategy, StrategyStory, pod_errors, tell
from sandbox.runtime.kit import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PREVIEW = {"name": "x-preview", "value": "yes"}


def block(hold: str) -> dict[str, Any]:
    """A header leads to the preview; the switch is held as long as the bake."""
    return {"blueGreen": {"preview": {"header": PREVIEW}, "minDuration": hold, "bakeTime": hold}}


class TestBlueGreen(StrategyStory):
    """What holds for every strategy."""

    strategy = Strategy(
        block,
        stages=("1", "2"),
        phases=("Starting", "Evaluating", "Stepping", "Promoting"),
        metrics=(errors(), pod_errors()),
    )

    async def test_the_candidate_is_reached_under_its_preview_and_by_nobody_else_until_the_switch_is_approved(
        self, open_shops: Open
    ) -> None:
        shop = await self._serving(open_shops)
        approved = {"strategy": {"blueGreen": {"approval": "Required", "minDuration": "0s", "bakeTime": "500ms"}}}
        await shop.apply(self.strategy.release("v2", hold=HELD, **approved))
        await shop.until_told("Ready", "False", "AwaitingApproval", seconds=40)
        assert shop.status["phase"] == "AwaitingApproval"
        assert shop.answered_by("v2") == 0
        async with aiohttp.ClientSession(headers={PREVIEW["name"]: PREVIEW["value"]}) as session:

            async def previewed() -> bool:
                async with session.post(
                    shop.load.url, data=shop.load.bodies[0], headers={"host": shop.load.host}
                ) as answer:
                    return (answer.status, answer.headers.get("model-version")) == (200, "v2")

            # A gateway says that it has taken a route a moment before it leads by it.
            await eventually(previewed)
        assert shop.answered_by("v2") == 0
        await tell(shop, "approve", "v2", "1")
        await shop.until_ready("v2")
        assert shop.weights("v2") == [0, 10_000]
        assert shop.failed == []
