"""A canary on the Gateway API, held and let go by commands."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.rollout.kit import NAME, Open, errors
from sandbox.rollout.strategies import HELD, Strategy, StrategyStory, pod_errors, tell

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


def block(hold: str) -> dict[str, Any]:
    """Half of the traffic, and all of it."""
    return {"canary": {"steps": [{"weight": 50, "minDuration": hold}, {"weight": 100, "minDuration": hold}]}}


class TestCanary(StrategyStory):
    """What holds for every strategy."""

    strategy = Strategy(
        block,
        stages=("1", "2"),
        phases=("Starting", "Evaluating", "Stepping", "Promoting"),
        metrics=(errors(), pod_errors()),
    )

    async def test_an_abort_is_acted_on_at_once_during_a_long_pause(self, open_shops: Open) -> None:
        shop = await self._serving(open_shops)
        await shop.apply(self.strategy.release("v2", hold=HELD))
        await self._reach(shop, "v2", "1")
        await tell(shop, "pause", "v2")
        await shop.until_told("Paused", "True", "Paused")
        assert shop.status["phase"] == "Paused"
        await tell(shop, "abort", "v2")
        await shop.until("weight 0", lambda: shop.weight("v2") == 0, seconds=20)
        assert shop.condition("Paused") == {}
        assert shop.failed == []

    async def test_a_stale_or_unknown_command_is_answered_and_changes_nothing(self, open_shops: Open) -> None:
        shop = await self._serving(open_shops)
        await shop.apply(self.strategy.release("v2", hold=HELD))
        await self._reach(shop, "v2", "1")
        known = shop.told("v2")
        stale = shop.revision("v1")["spec"]["hash"][:8]
        for text in (f"promote@{stale}/1#a", f"approve@{shop.revision('v2')['spec']['hash']}/2#b", "launch@now"):
            await shop.kubectl("annotate", "mdep", NAME, f"slipway.dev/command={text}", "--overwrite")

            def last(text: str = text) -> bool:
                return bool(shop.deployment["status"].get("lastCommand", {}).get("command") == text)

            await shop.until(f"an answer to {text}", last, seconds=20)
            assert shop.deployment["status"]["lastCommand"]["outcome"] == "Refused"
        events = await shop.kubectl("get", "events", "--output=jsonpath={.items[*].reason}")
        assert events.split().count("CommandRefused") == 3
        assert shop.told("v2") == known
        assert shop.failed == []

    async def test_late_harm_after_the_promotion_hauls_back_to_the_release_that_is_kept_warm(
        self, open_shops: Open
    ) -> None:
        shop = await self._serving(open_shops)
        watched = {"rollback": {"watch": "5m"}}
        await shop.apply(self.strategy.release("v2", **watched))
        await shop.until_phase("v2", "Watching", seconds=60)
        await shop.until_told("Ready", "True", "ReleaseServing")
        assert shop.status["standby"]["version"] == "v1"
        assert shop.status["standby"]["readyReplicas"] == 1
        await tell(shop, "abort", "v2")
        await shop.until("v1 serving again", lambda: shop.weight("v1") == 10_000, seconds=20)
        assert shop.phase("v1") == "Stable"
        await shop.until_phase("v2", "RolledBack")
        assert await self._only(shop, "v1")
        assert shop.failed == []

    async def test_going_back_within_the_window_waits_for_capacity_alone(self, open_shops: Open) -> None:
        shop = await self._serving(open_shops)
        await shop.apply(self.strategy.release("v2"))
        await shop.until_ready("v2")
        await shop.until("v1's pods ending", lambda: shop.record("v1").get("idleSince"))
        await shop.apply(self.strategy.release("v1", hold=HELD))
        await shop.until_ready("v1")
        way = [phase for phase, _ in shop.told("v1")]
        assert way[way.index("Superseded") :] == ["Superseded", "Pending", "Starting", "Promoting", "Stable"]
        assert shop.failed == []
