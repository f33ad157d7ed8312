"""What the operator finds out by asking both releases itself, of a service that nobody uses at the time.

The stable release knows all countries. v4 fails for those of the second year and is as good as ever for the others; v3
answers a fifth of all payments otherwise.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox.rollout.kit import LADDER, Open, a_config_map, a_release, golden_text

from demo.stage import FRAUD, Manifest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

TRAFFIC = {"gateway": None, "traefik": {}}
STEPS = [{"weight": weight, "minDuration": duration} for weight, duration in LADDER]


def sliced() -> str:
    """Payments of both years, each half with its labels: of the second year those that are no fraud."""
    old = [json.loads(line) | {"slices": {"year": "first"}} for line in golden_text().splitlines()]
    live = [json.loads(line) for line in (FRAUD / "live.jsonl").read_text().splitlines()]
    new = [item for item in live if item["inputs"][1]["data"][0] == 13]
    return "".join(
        f"{json.dumps(item)}\n"
        for item in [*old, *({**item, "expected": [0], "slices": {"year": "second"}} for item in new)]
    )


def unlabelled() -> str:
    """Three hundred payments, as they were asked about."""
    lines = (FRAUD / "golden.jsonl").read_text().splitlines()[:300]
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return "".join(f"{json.dumps({'id': row['id'], 'inputs': row['inputs']})}\n" for row in rows)


def of(name: str, **more: Any) -> Manifest:
    """A source that replays a ConfigMap as fast as it can."""
    return {
        "configMap": {"name": name, "key": "items.jsonl"},
        "output": "label",
        "maxRequestsPerSecond": 1000,
        **more,
    }


async def test_an_idle_service_is_spared_a_release_that_is_bad_for_some_and_one_that_answers_otherwise(
    open_shops: Open,
) -> None:
    shop = await open_shops()
    await shop.apply(
        a_config_map("sliced", {"items.jsonl": sliced()}),
        a_config_map("payments", {"items.jsonl": unlabelled()}),
        a_release("v1", traffic=TRAFFIC, analysis={"metrics": None}),
    )
    await shop.until_ready("v1")

    # As good as stable within a margin that is wide, on the whole: one half alone is not.
    accuracy = {"name": "accuracy", "goldenSet": of("sliced", slices=["year"]), "comparison": {"margin": 0.6}}
    await shop.apply(a_release("v4", traffic=TRAFFIC, analysis={"metrics": [accuracy]}))
    await shop.until_phase("v4", "RolledBack", seconds=40)
    assert shop.record("v4")["reason"] == "AnalysisFailed"
    assert "worst of 2 groups, year=second: n=" in shop.condition("Ready")["message"]
    (metric,) = shop.record("v4")["metrics"]
    assert {one["group"]: one["verdict"] == "Fail" for one in metric["slices"]} == {"first": False, "second": True}
    assert shop.weights("v4") == [0]

    # Copies of requests would go to it, if there were any. What it is asked is enough to hold it there.
    agreement = {"name": "agreement", "agreement": of("payments"), "threshold": {"max": 0.05}}
    shadow = {"canary": {"shadow": {"minDuration": "0s"}, "steps": STEPS}}
    await shop.apply(a_release("v3", traffic=TRAFFIC, strategy=shadow, analysis={"metrics": [agreement]}))
    message = await shop.until_told("Ready", "False", "AnalysisFailed", saying="agreement: Fail", seconds=40)
    assert "answered otherwise than stable" in message
    assert "(max 5.00%)" in message
    assert shop.phase("v3") == "Shadowing"
    assert shop.weights("v3") == [0]
