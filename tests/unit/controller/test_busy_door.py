"""Whoever reports, and however many they are, a leader keeps its lease and looks after its rollouts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from unit.controller.builders import a_model_deployment
from unit.controller.server import until

from slipway.cluster import LEASE, MODEL_DEPLOYMENT, Cluster, LeaseTimes, transport
from slipway.controller import Settings, run

SENDERS = 32
"""As many as the door lets in at a time."""


def slow_reviews(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An API server that never says whose token something is, as while the webhook that it asks is away; returns the
    questions."""
    asked: list[str] = []
    real = transport._exchange

    async def exchange(rest: Any, request: Any, *more: Any) -> Any:
        if "tokenreviews" in request.url:
            asked.append(request.url)
            await asyncio.Event().wait()
        return await real(rest, request, *more)

    monkeypatch.setattr(transport, "_exchange", exchange)
    return asked


async def status_of(client: httpx.AsyncClient, url: str) -> int:
    with contextlib.suppress(httpx.ConnectError):
        return (await client.post(url)).status_code
    return 0


@contextlib.asynccontextmanager
async def besieged(kubeconfig: str, asked: list[str]) -> AsyncIterator[asyncio.Task[None]]:
    """An operator that leads, with senders at its door whose tokens nobody recognises."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lease, feedback = LeaseTimes.of(3), ("127.0.0.1", port)
    options = Settings(kubeconfig=kubeconfig, elect=True, lease_namespace="shop", lease=lease, feedback=feedback)
    tasks = [operator := asyncio.create_task(run(options))]
    url = f"http://127.0.0.1:{port}/v1/namespaces/shop/modeldeployments/late/feedback"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:

        async def leads() -> bool:
            return await status_of(client, url) == 401  # without a token nobody is asked whose it is

        async def send(number: int) -> None:
            await client.post(url, headers={"Authorization": f"Bearer {number}"})

        try:
            await until(leads)
            tasks += [asyncio.create_task(send(number)) for number in range(SENDERS)]
            await until(lambda: asyncio.sleep(0, bool(asked)))
            yield operator
            assert not operator.done(), operator
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_lease_is_renewed_whatever_else_the_api_server_takes_long_for(
    installed: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.feedback.doorman.AT_ONCE", SENDERS)
    asked = slow_reviews(monkeypatch)
    async with besieged(kubeconfig, asked) as operator:
        await until(lambda: asyncio.sleep(0, len(asked) >= transport.IN_FLIGHT))
        seen: set[str] = set()

        async def renewed() -> bool:
            assert not operator.done(), operator
            lease = await installed.get(LEASE, "shop", "slipway")
            seen.update([lease["spec"]["renewTime"]] if lease is not None else [])
            return len(seen) > 8  # longer than it acts on one

        await until(renewed)


async def test_senders_whose_tokens_nobody_recognises_keep_no_rollout_waiting(
    installed: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = slow_reviews(monkeypatch)
    async with besieged(kubeconfig, asked):
        declared = {key: value for key, value in a_model_deployment("v1", name="late").items() if key != "status"}
        await installed.create(declared)

        async def decided() -> bool:
            found = await installed.get(MODEL_DEPLOYMENT, "shop", "late")
            return bool(found and (found.get("status") or {}).get("conditions"))

        await until(decided)
