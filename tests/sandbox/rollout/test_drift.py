"""The world changes and the release does not: drift is found by what pods count, told once, and trained for once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from sandbox.rollout.kit import Open, a_release, processes_of

from demo.stage import Stage, stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """An operator that may reach receivers on this machine."""
    state = tmp_path_factory.mktemp("platform")
    async with stage(state_dir=state, options=("--egress=127.0.0.0/8",)) as running:
        yield running
    assert processes_of(state) == []


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """An address, and the events that came there."""
    events: list[dict[str, Any]] = []

    async def hear(request: web.Request) -> web.Response:
        assert request.content_type == "application/cloudevents+json"
        events.append(await request.json())
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/drift", hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/drift", events
    finally:
        await runner.cleanup()


def shifted(body: bytes) -> bytes:
    """A payment a hundred times as large."""
    request = json.loads(body)
    request["inputs"][0]["data"][0] *= 100
    return json.dumps(request).encode()


async def test_inputs_that_shift_are_told_once_and_a_job_is_created_once_over_a_restart_of_the_operator(
    platform: Stage, open_shops: Open, receiver: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    url, events = receiver
    drift = {
        "interval": "1s",
        "features": [
            {"name": "amount", "pods": {"histogram": 'model_tensor_value{tensor="features_0"}'}},
        ],
        "predictions": [
            {"name": "label", "pods": {"counter": 'model_tensor_class_total{tensor="label"}', "label": "class"}}
        ],
        "reference": {"minSamples": 100, "minDuration": "0s"},
        "minSamples": 50,
        "onDrift": {"webhook": {"url": url}, "job": {"image": "train.example/fraud:1"}},
    }
    shop = await open_shops()
    shop.load.rate = 100.0
    await shop.apply(a_release("v1", drift=drift))
    await shop.until_ready("v1")
    await shop.load.first_answer(seconds=60)
    shop.load.start()
    await shop.until_told("Drifted", "False", "NoDrift")

    await shop.load.stop()
    shop.load.bodies = [shifted(body) for body in shop.load.bodies]
    shop.load.start()
    message = await shop.until_told("Drifted", "True", "DriftFound", saying="feature amount")
    assert "over" in message

    def done() -> bool:
        actions = shop.record("v1")["drift"]["firing"]["actions"]
        return {action["kind"]: action["state"] for action in actions} == {"Webhook": "Done", "Job": "Done"}

    await shop.until("the receiver being told", done)
    await platform.operator.stop(kill=True)
    await platform.operator.start()
    looked_at = shop.record("v1")["drift"]["signals"][0]["lookedAt"]
    await shop.until("another look", lambda: shop.record("v1")["drift"]["signals"][0]["lookedAt"] > looked_at)

    (event,) = events
    firing = shop.record("v1")["drift"]["firing"]
    assert event["id"] == firing["id"]
    assert event["source"] == f"/apis/slipway.dev/v1alpha1/namespaces/{shop.namespace}/modeldeployments/fraud"
    assert event["data"]["findings"][0]["name"] == "amount"
    jobs = json.loads(await shop.kubectl("get", "jobs", "-o", "json"))["items"]
    assert [job["metadata"]["name"] for job in jobs] == [f"fraud-drift-{firing['id'][:8]}"]
    assert shop.phase("v1") == "Stable"
    assert shop.failed == []
