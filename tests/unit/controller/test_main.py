"""The process: what it does with each end of a look, and how it starts, watches and stops against a real API server."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import time
from datetime import timedelta

import httpx
import kopf
import pytest
from unit.controller.builders import a_golden_set, a_model_deployment, a_release
from unit.controller.fake_clock import FakeClock
from unit.controller.server import install, until

from slipway.cluster import (
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    SERVICE,
    Cluster,
    ClusterError,
    Conflict,
    Kind,
    Object,
    Throttled,
    Unavailable,
    connection_info,
)
from slipway.controller import Settings, run
from slipway.controller.handlers import registry, settings
from slipway.controller.health import Health
from slipway.controller.main import Ending, _stop_in_order
from slipway.controller.queue import QueueShutDown, WorkQueue
from slipway.controller.reconciler import Key, RefusedError
from slipway.controller.workers import LONGEST_PAUSE, look

KEY = ("shop", "fraud")


class Ends:
    """A reconciler whose looks end in one way."""

    def __init__(self, end: timedelta | Exception | None) -> None:
        self._end = end

    async def reconcile(self, key: Key) -> timedelta | None:
        if isinstance(self._end, Exception):
            raise self._end
        return self._end


async def pause_after(end: timedelta | Exception | None, *, looks: int = 1) -> float | None:
    """Seconds until the key is due again after some looks; None when it is not."""
    clock = FakeClock()
    queue: WorkQueue[Key] = WorkQueue(clock=clock, rng=random.Random(1), max_delay=LONGEST_PAUSE)
    queue.add(KEY)
    ended = clock.time()
    for _ in range(looks):
        key = await queue.get()
        await look(queue, Ends(end), key)  # type: ignore[arg-type]
        queue.done(key)
        ended = clock.time()
        if queue.statistics().depth:
            return 0.0
        if not queue.statistics().delayed:
            return None
        clock.advance_to_next()
    return clock.time() - ended


async def test_a_look_that_asks_for_nothing_is_not_repeated() -> None:
    assert await pause_after(None) is None


async def test_a_look_is_repeated_when_it_asked_to_be() -> None:
    assert await pause_after(timedelta(seconds=7)) == 7
    assert await pause_after(timedelta(0)) == 0


@pytest.mark.parametrize("error", [Conflict("changed"), Unavailable("away"), ClusterError("odd"), KeyError("a defect")])
async def test_a_look_that_failed_is_repeated_soon_and_then_less_and_less_often(error: Exception) -> None:
    first, tenth = await pause_after(error), await pause_after(error, looks=12)
    assert first is not None
    assert tenth is not None
    assert 0 < first < 1
    assert 10 < tenth <= 30


async def test_a_server_that_asks_for_patience_gets_it_and_always_some() -> None:
    assert await pause_after(Throttled("slower", retry_after=9)) == 9
    assert await pause_after(Throttled("slower", retry_after=0)) == 1


async def test_evidence_stays_due_while_something_is_refused() -> None:
    assert await pause_after(RefusedError("quota", wake_after=timedelta(seconds=5)), looks=12) == 5
    often = await pause_after(RefusedError("quota", wake_after=None), looks=12)
    assert often is not None
    assert often > 5


async def test_a_look_that_did_well_makes_the_next_failure_the_first() -> None:
    clock = FakeClock()
    queue: WorkQueue[Key] = WorkQueue(clock=clock, rng=random.Random(1))
    for end in [Unavailable("away")] * 10 + [None, Unavailable("away")]:
        queue.add(KEY)
        key = await queue.get()
        await look(queue, Ends(end), key)  # type: ignore[arg-type]
        queue.done(key)
    before = clock.time()
    clock.advance_to_next()
    assert clock.time() - before < 1


# --- against a real API server --------------------------------------------------------------------------------------


async def page(url: str) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
    return answer.status_code, answer.text


async def test_an_operator_without_its_crds_waits_for_them_and_says_so(
    cluster: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.controller.main.LOOK_AROUND", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    operator = asyncio.create_task(run(Settings(kubeconfig=kubeconfig, health=f"127.0.0.1:{port}")))

    async def answers(path: str, status: int, words: str) -> bool:
        assert not operator.done(), operator
        try:
            found, text = await page(f"http://127.0.0.1:{port}{path}")
        except httpx.ConnectError:
            return False
        return found == status and words in text

    await until(lambda: answers("/readyz", 503, "does not know ModelDeployment: install the CRDs first"))
    assert await answers("/healthz", 200, "starting")  # a restart would not bring them about
    await install(cluster)
    await until(lambda: answers("/readyz", 200, "leading\nrestricted: no gateway.networking.k8s.io/v1: "))
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(operator, 15)


async def test_an_operator_that_waits_ends_when_it_is_told_to(kubeconfig: str) -> None:
    operator = asyncio.create_task(run(Settings(kubeconfig=kubeconfig)))
    await asyncio.sleep(0)  # the signals are taken now
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(operator, 15)


def a_child(kind: Kind, name: str, spec: Object) -> Object:
    labels = {"slipway.dev/model-deployment": name}
    metadata = {"name": f"{name}-child", "namespace": "shop", "labels": labels}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}


async def test_every_kind_that_is_watched_brings_its_key(installed: Cluster, kubeconfig: str) -> None:
    queue: WorkQueue[Key] = WorkQueue()
    stop, ready = asyncio.Event(), asyncio.Event()
    watching = kopf.operator(
        registry=registry(queue, lambda: connection_info(kubeconfig=kubeconfig)),
        settings=settings(),
        standalone=True,
        clusterwide=True,
        ready_flag=ready,
        stop_flag=stop,
    )
    operator = asyncio.create_task(watching)
    await asyncio.wait_for(ready.wait(), 10)
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "model", "image": "i"}]}}
    release = a_release("v1")
    for child in (
        a_child(SERVICE, "of-service", {"ports": [{"port": 80}]}),
        a_child(DEPLOYMENT, "of-deployment", {"selector": {"matchLabels": {"a": "b"}}, "template": pod}),
        a_child(MODEL_REVISION, "of-revision", {"modelDeployment": "fraud", "hash": "0" * 64, "release": release}),
    ):
        await installed.apply(child)
    await installed.create(a_model_deployment("v1", name="itself"))
    keys = set()
    async with asyncio.timeout(10):
        while len(keys) < 4:
            key = await queue.get()
            queue.done(key)
            keys.add(key)
    assert keys == {("shop", name) for name in ("of-service", "of-deployment", "of-revision", "itself")}
    stop.set()
    await asyncio.wait_for(operator, 15)


async def test_the_operator_watches_decides_and_stops_on_a_signal(installed: Cluster, kubeconfig: str) -> None:
    cluster = installed
    await cluster.apply(a_golden_set())
    operator = asyncio.create_task(run(Settings(kubeconfig=kubeconfig)))

    async def said(reason: str) -> bool:
        assert not operator.done(), operator
        found = await cluster.get(MODEL_DEPLOYMENT, "shop", "fraud")
        conditions = ((found or {}).get("status") or {}).get("conditions") or []
        return any(condition["type"] == "Ready" and condition["reason"] == reason for condition in conditions)

    declared = a_model_deployment("v1")
    del declared["status"]
    await cluster.create(declared)
    await until(lambda: said("GatewayNotReady"))  # nothing of the Gateway API is installed here
    (revision,) = await cluster.list(MODEL_REVISION, "shop")
    assert revision["status"]["phase"] == "Pending"
    live = await cluster.get(MODEL_DEPLOYMENT, "shop", "fraud")
    assert live is not None
    assert "finalizers" not in live["metadata"]
    assert live["metadata"]["annotations"] == declared["metadata"]["annotations"]
    began = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(operator, 15)
    assert time.monotonic() - began < 5


async def test_on_a_signal_the_looks_that_have_begun_end_before_the_watches() -> None:
    queue: WorkQueue[Key] = WorkQueue()
    ready, stop = asyncio.Event(), asyncio.Event()
    queue.add(KEY)
    key = await queue.get()
    queue.add(("shop", "waits"))
    ending = Ending(asyncio.Event(), None, None, Health())
    stopping = asyncio.create_task(_stop_in_order(queue, ready, stop, ending))
    ready.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the signals are taken now
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: asyncio.sleep(0, queue.statistics().depth == 0))
    with pytest.raises(QueueShutDown):
        await queue.get()
    assert not stop.is_set()
    queue.done(key)
    await asyncio.wait_for(stopping, 15)
    assert stop.is_set()
