"""Latency as the gateway and the pods count it, with real requests."""

from __future__ import annotations

import pytest
from sandbox.rollout.kit import Open, a_release, accuracy

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

MARGIN = {"comparison": {"margin": 0.05}, "minSamples": 20}
OF_GATEWAY = {"name": "latency", "gateway": {"measure": "Latency"}, **MARGIN}
OF_PODS = {"name": "latency-in-pods", "pods": {"histogram": "model_infer_request_duration_seconds"}, **MARGIN}


async def test_a_release_that_is_as_fast_as_stable_is_promoted_on_what_gateway_and_pods_count(
    open_shops: Open,
) -> None:
    shop = await open_shops()
    await shop.serve_first_release()
    await shop.apply(a_release("v2", analysis={"metrics": [accuracy(), OF_GATEWAY, OF_PODS]}))
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
