"""The process: what it does with each end of a look, and how it starts, watches and stops against a real API server."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

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
    Elector,
    Kind,
    LeaseTimes,
    MemoryCluster,
    Object,
    Throttled,
    Unavailable,
    connection_info,
)
from slipway.controller import Settings, run
from slipway.controller.handlers import registry, settings
from slipway.controller.health import Health
from slipway.controller.listening import Listener
from slipway.controller.main import Ending, _meanwhile, _stop_in_order
from slipway.controller.queue import QueueShutDown, WorkQueue
from slipway.controller.reconciler import Key, RefusedError
from slipway.controller.surroundings import Surroundings
from slipway.controller.watching import Watches
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
    assert await answers("/debug/queue", 404, "")  # nobody asked for it
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(operator, 30)


async def test_an_operator_that_may_not_write_its_lease_says_so_stands_by_and_leads_once_it_may(
    installed: Cluster,
    kubeconfig: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("slipway.controller.main.LOOK_AROUND", 0.05)
    config = json.loads(await asyncio.to_thread(Path(kubeconfig).read_text))
    async with administrator(config) as client:
        token = await an_account(client)
        await allow(client, "reads", ["slipway.dev"], ["*"], ["get", "list", "watch"])
    user = {"name": config["users"][0]["name"], "user": {"token": token}}
    (tmp_path / "restricted").write_text(json.dumps(config | {"users": [user]}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here = Settings(
        kubeconfig=str(tmp_path / "restricted"),
        health=f"127.0.0.1:{port}",
        elect=True,
        lease_namespace="shop",
        lease=LeaseTimes.of(3),
        debug=True,
    )
    operator = asyncio.create_task(run(here))
    told = "lease shop/slipway: may not be held, grant get, create and patch: "

    async def answers(status: int, words: str) -> bool:
        assert not operator.done(), operator
        try:
            return (found := await page(f"http://127.0.0.1:{port}/readyz"))[0] == status and words in found[1]
        except httpx.ConnectError:
            return False

    await until(lambda: answers(503, f"standing by\n{told}"))
    assert sum(record.getMessage().startswith(told) for record in caplog.records) == 1
    async with administrator(config) as client:
        await allow(client, "all", ["*"], ["*"], ["*"])
    await until(lambda: answers(200, "leading"))

    async def dumped() -> bool:
        status, text = await page(f"http://127.0.0.1:{port}/debug/queue")
        return status == 200 and json.loads(text).keys() >= {"ready", "busy", "due"}

    await until(dumped)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(operator, 30)


def administrator(config: Object) -> httpx.AsyncClient:
    user = config["users"][0]["user"]
    server = config["clusters"][0]["cluster"]["server"]
    return httpx.AsyncClient(trust_env=False, base_url=server, auth=(user["username"], user["password"]))


async def an_account(client: httpx.AsyncClient) -> str:
    """The token of a service account `shop/operator`, which may do nothing yet."""
    accounts = "/api/v1/namespaces/shop/serviceaccounts"
    await made(client, accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}})
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await made(client, f"{accounts}/operator/token", asked)
    return str(answer["status"]["token"])


async def allow(client: httpx.AsyncClient, name: str, groups: list[str], plurals: list[str], verbs: list[str]) -> None:
    """Let the account do this, beside what it may already."""
    api = "rbac.authorization.k8s.io"
    rule = {"apiGroups": groups, "resources": plurals, "verbs": verbs}
    named = {"apiVersion": f"{api}/v1", "metadata": {"name": name}}
    role = {"apiGroup": api, "kind": "ClusterRole", "name": name}
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": "shop"}
    binding = {"kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]}
    await made(client, f"/apis/{api}/v1/clusterroles", named | {"kind": "ClusterRole", "rules": [rule]})
    await made(client, f"/apis/{api}/v1/clusterrolebindings", named | binding)


async def made(client: httpx.AsyncClient, path: str, body: Object) -> Object:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    found: Object = answer.json()
    return found


async def test_an_operator_that_waits_ends_when_it_is_told_to(kubeconfig: str) -> None:
    operator = asyncio.create_task(run(Settings(kubeconfig=kubeconfig)))
    await asyncio.sleep(0)  # the signals are taken now
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(operator, 30)


def a_child(kind: Kind, name: str, spec: Object) -> Object:
    labels = {"slipway.dev/model-deployment": name}
    metadata = {"name": f"{name}-child", "namespace": "shop", "labels": labels}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}


async def test_every_kind_that_is_watched_brings_its_key(installed: Cluster, kubeconfig: str) -> None:
    queue: WorkQueue[Key] = WorkQueue()
    stop, ready = asyncio.Event(), asyncio.Event()
    watching = kopf.operator(
        registry=registry(Listener(queue), lambda: connection_info(kubeconfig=kubeconfig)),
        settings=settings(),
        standalone=True,
        clusterwide=True,
        ready_flag=ready,
        stop_flag=stop,
    )
    operator = asyncio.create_task(watching)
    await asyncio.wait_for(ready.wait(), 30)
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
    async with asyncio.timeout(30):
        while len(keys) < 4:
            key = await queue.get()
            queue.done(key)
            keys.add(key)
    assert keys == {("shop", name) for name in ("of-service", "of-deployment", "of-revision", "itself")}
    stop.set()
    await asyncio.wait_for(operator, 30)


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
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(operator, 30)


async def test_when_it_is_told_to_stop_the_looks_that_have_begun_end_before_the_lease_is_given_back() -> None:
    cluster = MemoryCluster()
    elector = Elector(cluster, "shop", "slipway", "one")
    await elector.acquire()
    queue: WorkQueue[Key] = WorkQueue()
    queue.add(KEY)
    key = await queue.get()
    queue.add(("shop", "waits"))
    ending = Ending(asyncio.Event(), asyncio.create_task(elector.keep()), elector, Health())
    watching = asyncio.create_task(asyncio.sleep(60))
    ending.told.set()
    await ending.wait(watching)
    stopping = asyncio.create_task(_stop_in_order(queue, watching, ending))
    await until(lambda: asyncio.sleep(0, queue.statistics().depth == 0))
    with pytest.raises(QueueShutDown):
        await queue.get()
    assert elector.leading
    queue.done(key)
    await asyncio.wait_for(stopping, 15)
    assert not elector.leading


async def test_an_operator_that_ends_waits_for_its_watches_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is left to itself writes into a log that is being closed."""
    ended: list[str] = []

    async def operate(self: Watches, kinds: Any, here: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        here.call_soon_threadsafe(ended.append, "begun")
        await stop.wait()
        await asyncio.sleep(0.3)  # as connections are closed
        ended.append("ended")

    monkeypatch.setattr(Watches, "_operate", operate)
    cluster, queue, told = MemoryCluster(), WorkQueue[Key](), asyncio.Event()
    watches = Watches(cluster, Surroundings(cluster, ()), Listener(queue), connection_info)
    ending = Ending(told, None, None, Health())
    async with _meanwhile(watches.keep(), "watches") as watching:
        await until(lambda: asyncio.sleep(0, ended == ["begun"]))
        told.set()
        await ending.wait(watching)
        await _stop_in_order(queue, watching, ending)
    assert ended == ["begun", "ended"]
