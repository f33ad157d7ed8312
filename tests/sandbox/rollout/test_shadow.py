"""Shadow: live requests are copied to the candidate by Traefik's own router, and users see only the stable release."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.rollout.kit import Open
from sandbox.rollout.strategies import HELD, Strategy, StrategyStory, at_stage, pod_errors

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


def block(hold: str) -> dict[str, Any]:
    """Every request is copied."""
    return {"shadow": {"minDuration": hold}}


class TestShadow(StrategyStory):
    """What holds for every strategy."""

    strategy = Strategy(
        block,
        stages=("shadow",),
        phases=("Starting", "Evaluating", "Shadowing", "Promoting"),
        traffic={"traefik": {}},
        metrics=(pod_errors(),),
    )

    async def test_the_candidate_sees_every_request_and_users_see_none_of_its_answers(self, open_shops: Open) -> None:
        shop = await self._serving(open_shops)
        await shop.apply(self.strategy.release("v2", hold=HELD))
        await shop.until("the shadow", lambda: at_stage(shop, "v2", "shadow"), seconds=40)

        def samples() -> int:
            metrics = {metric["name"]: metric for metric in shop.record("v2").get("metrics") or []}
            return int(metrics.get("pod-errors", {}).get("message", "").partition("n=")[2].partition("/")[0] or 0)

        await shop.until("copies being counted", lambda: samples() >= 20)
        assert shop.status["progress"] == "shadow 100%"
        assert shop.answered_by("v2") == 0
        assert shop.failed == []

    async def test_a_candidate_that_fails_on_copies_is_hauled_back_before_any_user_saw_it(
        self, open_shops: Open
    ) -> None:
        shop = await self._serving(open_shops)
        await shop.apply(self.strategy.release("v4", hold=HELD, analysis={"metrics": [pod_errors()]}))
        await shop.until_phase("v4", "RolledBack", seconds=60)
        assert shop.record("v4")["reason"] == "AnalysisFailed"
        assert shop.answered_by("v4") == 0
        assert shop.failed == []
