"""Latency as the gateway and the pods count it, with real requests."""

from __future__ import annotations

import re
import sys

import pytest
from sandbox.rollout.kit import Open, Shop, a_release, accuracy, errors

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

MARGIN = {"comparison": {"margin": 0.05}, "minSamples": 20}
OF_GATEWAY = {"name": "latency", "gateway": {"measure": "Latency"}, **MARGIN}
OF_PODS = {"name": "latency-in-pods", "pods": {"histogram": "model_infer_request_duration_seconds"}, **MARGIN}


async def test_a_release_that_is_as_fast_as_stable_is_promoted_on_what_gateway_and_pods_count(
    open_shops: Open,
) -> None:
    shop = await open_shops()
    await shop.serve_first_release()
    # At its only step stable goes on being asked: what a busy machine does to single answers is outweighed in time.
    metrics = [accuracy(), OF_GATEWAY, OF_PODS]
    await shop.apply(a_release("v2", steps=((50, "500ms"),), analysis={"metrics": metrics}))
    await shop.until_ready("v2")
    judged = {metric["name"]: metric for metric in shop.record("v2")["metrics"]}
    for name in ("latency", "latency-in-pods"):
        assert "slower than" in judged[name]["message"], judged[name]
        edges = next(vector["values"] for vector in judged[name]["state"] if vector["name"] == "edges")
        assert len(edges) in {4, 8, 12}
        assert {counter["source"].partition("@")[0].partition("/")[0] for counter in judged[name]["counters"]} == {
            "candidate",
            "stable",
        }
    assert shop.failed == []


SLOW = """
import asyncio, sys
from slipway_sandbox.modelserver import __main__ as server
quick = server.create_app
def slow(*arguments):
    app = quick(*arguments)
    async def later(scope, receive, send):
        if scope["path"].endswith("/infer"):
            await asyncio.sleep(0.15)
        await app(scope, receive, send)
    return later
server.create_app = slow
sys.exit(server.main())
"""
"""The example's server, with a pause before each answer: beyond the first edge of the gateway's histogram."""


async def test_a_release_that_answers_as_well_and_later_is_hauled_back(shop: Shop) -> None:
    slow = {"model": {"version": "v5"}, "container": {"command": [sys.executable, "-c", SLOW]}}
    metrics = [accuracy(), errors(), OF_GATEWAY]
    await shop.apply(a_release("v2", steps=((50, "10m"), (100, "0s")), release=slow, analysis={"metrics": metrics}))
    await shop.until_phase("v5", "RolledBack", seconds=60)
    assert shop.record("v5")["reason"] == "AnalysisFailed"
    assert re.search(r"latency: Fail n=\d+.*slower than", shop.record("v5")["message"])
    assert shop.weights("v5") == [0, 5000, 0]
    assert shop.failed == [], "slow answers are good ones"
