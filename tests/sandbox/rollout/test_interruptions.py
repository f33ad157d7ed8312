"""The operator ends in mid-rollout, cleanly or not: the outcome is the same, only later, and no client notices."""

from __future__ import annotations

import asyncio

import pytest
from sandbox.rollout.kit import Open, Shop, a_release
from sandbox.rollout.strategies import tell

from demo.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

LADDER = ((25, "500ms"), (50, "500ms"))
"""Promotion needs a second pod after it: the phase lasts long enough to be interrupted."""

CLIMBED = [
    ("Pending", "RevisionCreated"),
    ("Starting", "CandidateStarting"),
    ("Evaluating", "CandidateEvaluating"),
    ("Stepping", "StepStarted"),
    ("Stepping", "StepStarted"),
    ("Promoting", "CandidatePromoting"),
    ("Stable", "CandidatePromoted"),
]


async def interrupt(platform: Stage, *, kill: bool) -> None:
    """End the operator, let the world go on without it for a moment, and start it again."""
    await platform.operator.stop(kill=kill)
    await asyncio.sleep(0.3)
    await platform.operator.start()


async def test_a_rollout_survives_kill_9_in_every_phase(platform: Stage, open_shops: Open) -> None:
    """A good release and a bad one are on their way when the operator is killed, again and again."""
    good, bad = await asyncio.gather(open_shops(), open_shops())
    await asyncio.gather(good.serve_first_release(), bad.serve_first_release())
    await good.apply(a_release("v2", steps=LADDER, replicas=2))
    for phase in ("Starting", "Evaluating", "Stepping", "Promoting"):
        await good.until_phase("v2", phase)
        await interrupt(platform, kill=True)
        if phase == "Starting":
            await bad.apply(a_release("v4", steps=((25, "1m"), (50, "1m"))))
    await good.until_ready("v2")
    await bad.until_phase("v4", "RolledBack")

    assert good.told("v2") == CLIMBED
    assert good.steps_told("v2") == ["step 1 of 2", "step 2 of 2"]
    assert good.record("v2")["attempt"] == 1
    assert good.weights("v2") == [0, 2500, 5000, 10_000]
    assert good.failed == []

    assert [phase for phase, _ in bad.told("v4")][3:] == ["Stepping", "RollingBack", "RolledBack"]
    assert bad.record("v4")["attempt"] == 1
    assert bad.weights("v4") == [0, 2500, 0]
    assert bad.lost == []
    assert bad.condition("Available")["status"] == "True"


async def test_evidence_that_was_gathered_before_a_kill_is_not_gathered_again(platform: Stage, shop: Shop) -> None:
    # The step lasts until it is told to end: how long a start takes is no matter then.
    await shop.apply(a_release("v2", steps=((50, "10m"), (100, "0s"))))

    def samples() -> int:
        metrics = {metric["name"]: metric for metric in shop.record("v2").get("metrics") or []}
        message = metrics.get("errors", {}).get("message", "")
        return int(message.partition("n=")[2].partition("/")[0] or 0)

    await shop.until("live evidence", lambda: samples() >= 5)
    before, at_weight_since = samples(), shop.record("v2")["weightObservedAt"]
    await interrupt(platform, kill=True)
    await shop.until("more evidence", lambda: samples() != before)
    assert samples() > before
    assert shop.record("v2")["weightObservedAt"] == at_weight_since
    await tell(shop, "promote", "v2", "1")
    await shop.until_ready("v2")
    assert shop.steps_told("v2") == ["step 1 of 2", "step 2 of 2"]
    # What passed the gateway while nobody looked is in the evidence too: counters are read from a cursor.
    assert samples() <= shop.answered_by("v2")
    assert shop.failed == []


async def test_what_serves_goes_on_serving_without_an_operator_and_its_successor_goes_on(
    platform: Stage, shop: Shop
) -> None:
    """This time it is told to stop, as on a node that is drained."""
    await platform.operator.stop()
    try:
        await shop.apply(a_release("v2", steps=LADDER, replicas=2))
        known = len(shop.load.answers)
        await shop.until("answers", lambda: len(shop.load.answers) > known + 20)
        assert shop.revision("v2") == {}
    finally:
        await platform.operator.start()
    for phase in ("Evaluating", "Stepping"):
        await shop.until_phase("v2", phase)
        async with asyncio.timeout(90):
            await interrupt(platform, kill=False)
    await shop.until_ready("v2")
    assert shop.told("v2") == CLIMBED
    assert shop.record("v2")["attempt"] == 1
    assert shop.weights("v2") == [0, 2500, 5000, 10_000]
    assert shop.failed == []
