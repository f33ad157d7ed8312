"""What every strategy has to hold with real requests in flight, whichever way its traffic moves.

A module names its strategy and the stages that it goes through; the statements are the same for all. A stage is held by
its shortest time, which a person ends by a command: so every stage can be looked at for as long as a test needs.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.rollout.kit import NAME, Open, Shop, a_release, accuracy, merge
from sandbox.runtime.kit import eventually

from demo.stage import Manifest, Stage

HELD, SHORT = "5m", "600ms"
_nonces = itertools.count(1)


def pod_errors() -> Manifest:
    """Failures as the pods count them: where no gateway counts, and while requests are copies."""
    return {
        "name": "pod-errors",
        "pods": {
            "bad": ["model_infer_request_failure_total"],
            "total": ["model_infer_request_success_total", "model_infer_request_failure_total"],
        },
        "comparison": {"margin": 0.005},
        "minSamples": 5,
    }


@dataclass(frozen=True)
class Strategy:
    """A strategy as a user declares it, and what it leads through."""

    block: Any
    """From the shortest time of each stage to ``spec.strategy``."""
    stages: tuple[str, ...]
    """Names of the stages at which it can be held, as commands name them."""
    phases: tuple[str, ...]
    """Phases that last long enough for the operator to be killed in."""
    traffic: Mapping[str, Any] | None = None
    replicas: int = 1
    metrics: tuple[Manifest, ...] = field(default_factory=tuple)
    rollback: Mapping[str, Any] = field(default_factory=dict)
    aborted: tuple[str, ...] | None = None
    """Stages at which it is aborted; all of them, but where another module does the same behind another router."""

    def release(self, version: str, *, hold: str = SHORT, weights: str | None = None, **spec: Any) -> Manifest:
        """A release under this strategy; ``weights`` are those of another version of the example."""
        manifest = a_release(weights or version)
        del manifest["spec"]["strategy"]
        changes: Manifest = {
            "spec": {
                "replicas": self.replicas,
                "strategy": self.block(hold),
                "analysis": {"metrics": [accuracy(), *(self.metrics or (pod_errors(),))]},
                "rollback": dict(self.rollback),
                "release": {"model": {"version": version}},
            }
        }
        if self.traffic is not None:
            changes["spec"]["traffic"] = {"gateway": None, **self.traffic}
        return merge(merge(manifest, changes), {"spec": spec})


async def tell(shop: Shop, verb: str, version: str, step: str | None = None) -> None:
    """A person's command, as the CLI would write it, and its answer: it has to be accepted."""
    text = f"{verb}@{shop.revision(version)['spec']['hash'][:8]}{f'/{step}' if step else ''}#{next(_nonces)}"
    await shop.kubectl("annotate", "mdep", NAME, f"slipway.dev/command={text}", "--overwrite")

    def answered() -> bool:
        return bool(shop.deployment.get("status", {}).get("lastCommand", {}).get("command") == text)

    await shop.until(f"an answer to {text}", answered, seconds=20)
    last = shop.deployment["status"]["lastCommand"]
    assert last["outcome"] == "Accepted", last


def at_stage(shop: Shop, version: str, stage: str) -> bool:
    """Whether a release is in a stage and the gateway was seen to lead requests as it asks for."""
    record = shop.record(version)
    phase = {"golden": "Evaluating", "shadow": "Shadowing"}.get(stage, "Stepping")
    if record.get("phase") != phase or not record.get("weightObservedAt"):
        return False
    return phase != "Stepping" or record.get("step") == int(stage) - 1


class StrategyStory:
    """The statements. A subclass names the strategy."""

    strategy: Strategy

    async def _serving(self, open_shops: Open) -> Shop:
        shop = await open_shops()
        await shop.apply(self.strategy.release("v1"))
        await shop.until_ready("v1")
        await shop.load.first_answer(seconds=60)
        shop.load.start()
        return shop

    async def _reach(self, shop: Shop, version: str, stage: str) -> None:
        """Go through the stages before this one by a person's word."""
        for name in self.strategy.stages:
            await shop.until(f"{version} at {name}", lambda name=name: at_stage(shop, version, name), seconds=40)
            if name == stage:
                return
            await tell(shop, "promote", version, name)

    async def test_it_is_promoted_though_the_operator_is_killed_in_every_phase(
        self, platform: Stage, open_shops: Open
    ) -> None:
        shop = await self._serving(open_shops)
        await shop.apply(self.strategy.release("v2", rollback={"watch": "2s"}))
        for phase in (*self.strategy.phases, "Watching"):
            await shop.until_phase("v2", phase, "Stable", seconds=40)
            await platform.operator.stop(kill=True)
            await asyncio.sleep(0.2)
            await platform.operator.start()
        await shop.until_ready("v2")
        assert shop.record("v2")["attempt"] == 1
        told = [phase for phase, _ in shop.told("v2")]
        assert [phase for phase, _ in itertools.groupby(told)] == ["Pending", *self._way(), "Stable"]
        await shop.until_served_by("v2")
        assert await self._only(shop, "v2")
        assert shop.failed == []

    def _way(self) -> list[str]:
        shadowed = ["Shadowing"] if "shadow" in self.strategy.stages else []
        stepping = ["Stepping"] if self.strategy.stages != ("shadow",) else []
        return ["Starting", "Evaluating", *shadowed, *stepping, "Promoting", "Watching"]

    async def _only(self, shop: Shop, version: str) -> bool:
        """Whether a second's worth of answers all come from one release."""
        await eventually(lambda: _all(shop, version), seconds=20)
        return True

    async def test_it_is_aborted_at_every_stage_replaced_in_the_middle_and_deleted_in_the_middle(
        self, open_shops: Open
    ) -> None:
        """One shop for all of it: what served users before goes on serving them, whatever becomes of the candidate."""
        shop = await self._serving(open_shops)
        await shop.apply(self.strategy.release("v2", hold=HELD))
        aborted = self.strategy.aborted or self.strategy.stages
        for stage in aborted:
            if stage != aborted[0]:
                await tell(shop, "retry", "v2")
            await self._reach(shop, "v2", stage)
            await tell(shop, "abort", "v2")
            await shop.until("the candidate getting nothing", lambda: shop.phase("v2") == "RolledBack", seconds=20)
            assert shop.record("v2")["reason"] == "Aborted"
            assert await self._only(shop, "v1")
            assert shop.condition("Available")["status"] == "True"

        await tell(shop, "retry", "v2")
        await self._reach(shop, "v2", self.strategy.stages[-1])
        await shop.apply(self.strategy.release("v5", weights="v2"))
        await shop.until_ready("v5", seconds=50)
        assert shop.phase("v2") == "Superseded"
        assert shop.record("v5")["attempt"] == 1
        assert await self._only(shop, "v5")

        await shop.apply(self.strategy.release("v6", weights="v2", hold=HELD))
        await self._reach(shop, "v6", self.strategy.stages[0])
        await shop.load.stop()
        assert shop.failed == []
        await shop.kubectl("delete", "mdep", NAME, "--wait=true", "--timeout=120s")
        await shop.until_gone()


async def _all(shop: Shop, version: str) -> bool:
    known = len(shop.load.answers)
    await shop.until("answers", lambda: len(shop.load.answers) >= known + 12, seconds=20)
    return {answer.version for answer in shop.load.answers[known:]} == {version}
