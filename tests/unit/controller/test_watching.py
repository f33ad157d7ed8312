"""A leader whose watches fail goes on leading: they begin anew, with what the cluster serves then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import kopf
import pytest
import yaml
from unit.controller.builders import a_model_deployment
from unit.controller.server import CRDS, until

from slipway.cluster import (
    CRD,
    HTTP_ROUTE,
    LEASE,
    MODEL_DEPLOYMENT,
    Cluster,
    Forbidden,
    Object,
    Throttled,
    Unavailable,
    connect,
    connection_info,
)
from slipway.controller import Settings, run
from slipway.controller.listening import Listener
from slipway.controller.queue import WorkQueue
from slipway.controller.reconciler import Key
from slipway.controller.surroundings import Surroundings
from slipway.controller.watching import Watches, in_thread

WATCHING = "slipway.controller.watching"


class Refuses:
    """A cluster that answers some lists with an error."""

    def __init__(self, cluster: Cluster, *errors: Exception) -> None:
        self._cluster = cluster
        self.errors = list(errors)

    async def list(self, *args: Any, **kwargs: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return await self._cluster.list(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{WATCHING}.SOONEST", 0.1)
    monkeypatch.setattr(f"{WATCHING}.CHECK", 0.1)
    monkeypatch.setattr(f"{WATCHING}.LOOK_AROUND", 0.05)


@contextlib.asynccontextmanager
async def watching(cluster: Cluster, kubeconfig: str, around: Surroundings) -> AsyncIterator[tuple[Watches, Hears]]:
    listener = Listener(WorkQueue())
    watches = Watches(cluster, around, listener, lambda: connection_info(kubeconfig=kubeconfig))
    keeping = asyncio.create_task(watches.keep())
    try:
        yield watches, Hears(cluster, listener.queue, keeping)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


class Hears:
    """Whether events arrive."""

    def __init__(self, cluster: Cluster, queue: WorkQueue[Key], keeping: asyncio.Task[None]) -> None:
        self._cluster, self._queue, self._keeping = cluster, queue, keeping

    async def of(self, obj: Object) -> Key:
        """The key that the creation of an object brings."""
        while self._queue.statistics().depth:
            self._queue.done(await self._queue.get())
        await self._cluster.create(obj)
        return await self.next()

    async def next(self) -> Key:
        """The next key."""
        assert not self._keeping.done(), self._keeping
        key = await asyncio.wait_for(self._queue.get(), 15)
        self._queue.done(key)
        return key


def declared(name: str) -> Object:
    return {key: value for key, value in a_model_deployment("v1", name=name).items() if key != "status"}


def an_error(code: int) -> dict[str, Any]:
    status = {"kind": "Status", "code": code, "reason": "InternalError", "message": "etcdserver: no leader"}
    return {"type": "ERROR", "object": status}


def broken_once(monkeypatch: pytest.MonkeyPatch, plural: str) -> asyncio.Event:
    """The first watch of a kind meets an error in its stream, once the event that this returns is set."""
    from kopf._cogs.clients import watching as beneath

    real, due, broken = beneath.watch_objs, asyncio.Event(), []

    async def watch_objs(*, resource: Any, **rest: Any) -> AsyncIterator[Any]:
        if resource.plural == plural and not broken:
            while not due.is_set():  # noqa: ASYNC110 - it belongs to another event loop
                await asyncio.sleep(0.02)
            broken.append(resource)
            yield an_error(500)
            return
        async for event in real(resource=resource, **rest):
            yield event

    monkeypatch.setattr(beneath, "watch_objs", watch_objs)
    return due


async def held(cluster: Cluster) -> str:
    lease = await cluster.get(LEASE, "shop", "slipway")
    return str(lease["spec"]["holderIdentity"]) if lease is not None else ""


async def decided_upon(cluster: Cluster, name: str) -> bool:
    found = await cluster.get(MODEL_DEPLOYMENT, "shop", name)
    return bool(found and found["status"].get("conditions"))


async def test_a_leader_whose_watch_meets_an_error_leads_on_and_hears_what_comes_after(
    installed: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_now = broken_once(monkeypatch, "services")
    operator = asyncio.create_task(run(Settings(kubeconfig=kubeconfig, elect=True, lease_namespace="shop")))
    try:
        await installed.create(declared("before"))
        await until(lambda: decided_upon(installed, "before"))
        leader = await held(installed)
        break_now.set()
        await until(lambda: asyncio.sleep(0, "the watches ended: WatchingError" in caplog.text))
        await installed.create(declared("after"))
        await until(lambda: decided_upon(installed, "after"))
        assert not operator.done(), operator
        assert await held(installed) == leader
    finally:
        operator.cancel()
        await asyncio.gather(operator, return_exceptions=True)
    assert await held(installed) == "", "whatever ends the process, the lease is given back"
    told = [line for line in caplog.records if line.name == WATCHING and line.levelno >= logging.WARNING]
    assert len(told) == 1


async def test_watches_go_on_without_a_kind_whose_definition_is_deleted_and_with_it_once_it_is_back(
    installed: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.controller.handlers.WATCH_SECONDS", 1)
    monkeypatch.setattr(f"{WATCHING}.RECOUNT", 0.2)
    around = Surroundings(installed, ())
    await around.look()
    async with watching(installed, kubeconfig, around) as (watches, hears):
        assert await hears.of(declared("one")) == ("shop", "one")
        definition = yaml.safe_load((CRDS / "slipway.dev_modelruntimes.yaml").read_text())
        await installed.delete(CRD, None, definition["metadata"]["name"])
        await asyncio.sleep(2)  # longer than a watch lasts here
        assert await hears.of(declared("two")) == ("shop", "two")
        assert watches.problem is None
        await installed.apply(definition)
        assert await hears_a_runtime(installed, hears)


async def hears_a_runtime(cluster: Cluster, hears: Hears) -> bool:
    """Whether an edit of a runtime brings a look at what it may serve, at last."""
    wanting = declared("wanting")
    release = wanting["spec"]["release"]
    del release["container"]
    release["runtime"] = {"name": "house"}
    await cluster.create(wanting)
    metadata = {"name": "house", "namespace": "shop"}
    spec = {
        "supportedFormats": [{"name": "sklearn"}],
        "container": {"name": "model", "image": "models.example/fraud:1"},
    }
    runtime = {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelRuntime", "metadata": metadata, "spec": spec}
    for number in range(100):
        spec["container"]["image"] = f"models.example/fraud:{number}"
        with contextlib.suppress(Exception):
            await cluster.apply(runtime)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while await hears.next() != ("shop", "wanting"):
                    pass
                return True
    return False


async def test_a_list_that_expires_between_two_pages_ends_no_leader(
    installed: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kopf._cogs.clients import errors, fetching

    real, expired = fetching.fetch_objs, []

    async def fetch_objs(*, resource: Any, **rest: Any) -> AsyncIterator[Any]:
        async for page in real(resource=resource, **rest):
            yield page
        if resource.plural == "services" and not expired:
            expired.append(resource)
            status: Any = {"kind": "Status", "code": 410, "message": "The provided continue parameter is too old"}
            raise errors.APIClientError(status, status=410, headers={})

    monkeypatch.setattr(fetching, "fetch_objs", fetch_objs)
    around = Surroundings(installed, ())
    await around.look()
    async with watching(installed, kubeconfig, around) as (_watches, hears):
        await until(lambda: asyncio.sleep(0, bool(expired)))
        await installed.create(declared("late"))
        assert await hears.next() == ("shop", "late")


async def test_a_kind_that_is_installed_later_is_watched_without_a_restart(installed: Cluster, kubeconfig: str) -> None:
    around = Surroundings(installed, ())
    await around.look()
    async with watching(installed, kubeconfig, around) as (_watches, hears):
        assert await hears.of(declared("one")) == ("shop", "one")
        await installed.apply(a_route_definition())
        await until(lambda: served(installed))
        await around.look(thorough=False)
        metadata = {"name": "r", "namespace": "shop", "labels": {"slipway.dev/model-deployment": "routed"}}
        route = {"apiVersion": HTTP_ROUTE.api_version, "kind": HTTP_ROUTE.kind, "metadata": metadata, "spec": {}}
        await installed.create(route)
        async with asyncio.timeout(60):
            while await hears.next() != ("shop", "routed"):
                pass


async def served(cluster: Cluster) -> bool:
    return HTTP_ROUTE.api_version in await cluster.served()


def a_route_definition() -> Object:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    names = {"kind": "HTTPRoute", "listKind": "HTTPRouteList", "plural": "httproutes", "singular": "httproute"}
    spec = {"group": HTTP_ROUTE.group, "scope": "Namespaced", "names": names, "versions": [version]}
    metadata = {
        "name": "httproutes.gateway.networking.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "https://example.com"},
    }
    return {"apiVersion": CRD.api_version, "kind": CRD.kind, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    "error", [Throttled("list HTTPRoute: 429 TooManyRequests", 1.0), Unavailable("list HTTPRoute: 503")]
)
async def test_an_api_server_that_is_busy_as_the_watches_begin_is_asked_again(
    installed: Cluster, kubeconfig: str, error: Exception
) -> None:
    around = Surroundings(installed, ())
    await around.look()
    busy: Any = Refuses(installed, error, error)
    async with watching(busy, kubeconfig, around) as (watches, hears):
        await until(lambda: asyncio.sleep(0, watches.problem is not None))
        assert str(error) in str(watches.problem)
        await until(lambda: asyncio.sleep(0, not busy.errors))
        await installed.create(declared("one"))
        assert await hears.next() == ("shop", "one")
        await until(lambda: asyncio.sleep(0, watches.problem is None))


async def test_what_may_not_be_listed_is_not_watched_and_keeps_nothing_else_from_being(
    installed: Cluster, kubeconfig: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    class Closed(Refuses):
        async def list(self, kind: Any, *args: Any, **kwargs: Any) -> Any:
            if kind.kind == "Job":
                raise Forbidden("jobs is forbidden")
            return await self._cluster.list(kind, *args, **kwargs)

    around = Surroundings(installed, ())
    await around.look()
    closed: Any = Closed(installed)
    async with watching(closed, kubeconfig, around) as (_watches, hears):
        assert await hears.of(declared("one")) == ("shop", "one")
    assert "Job is not watched, and its changes are noticed later: jobs is forbidden" in caplog.text


async def test_an_api_server_that_is_busy_as_a_replica_takes_over_delays_it_and_ends_nothing(
    installed: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.controller.main.LOOK_AROUND", 0.05)
    refusals = [Unavailable("503 ServiceUnavailable"), Throttled("429 TooManyRequests", 1.0)] * 2
    real = type(await connect(kubeconfig=kubeconfig)).version

    async def version(self: Any) -> tuple[int, int]:
        if refusals:
            raise refusals.pop()
        found: tuple[int, int] = await real(self)
        return found

    monkeypatch.setattr("slipway.cluster.client.HttpCluster.version", version)
    operator = asyncio.create_task(run(Settings(kubeconfig=kubeconfig, elect=True, lease_namespace="shop")))
    try:
        await installed.create(declared("one"))
        await until(lambda: decided_upon(installed, "one"))
        assert not refusals
    finally:
        operator.cancel()
        await asyncio.gather(operator, return_exceptions=True)


async def test_work_in_a_thread_ends_when_its_caller_is_cancelled_and_its_error_is_told() -> None:
    seen: list[str] = []

    async def until_stopped(here: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        here.call_soon_threadsafe(seen.append, "begun")
        await stop.wait()
        here.call_soon_threadsafe(seen.append, "stopped")

    working = asyncio.create_task(in_thread(until_stopped))
    await until(lambda: asyncio.sleep(0, seen == ["begun"]))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert seen == ["begun", "stopped"]

    async def fails(here: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        raise kopf.LoginError("no credentials")

    told = await in_thread(fails)
    assert isinstance(told, kopf.LoginError)


async def test_tasks_that_began_meanwhile_outlive_watches_that_end(
    installed: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_now = broken_once(monkeypatch, "services")
    around = Surroundings(installed, ())
    await around.look()
    async with watching(installed, kubeconfig, around) as (watches, hears):
        assert await hears.of(declared("one")) == ("shop", "one")
        asking = asyncio.create_task(asyncio.sleep(60))
        break_now.set()
        await until(lambda: asyncio.sleep(0, watches.problem is not None))
        await installed.create(declared("two"))
        await until(lambda: heard(hears, ("shop", "two")))
        assert not asking.done()
        asking.cancel()


async def test_watches_begin_anew_although_one_takes_no_notice_of_its_end_at_first(
    installed: Cluster, kubeconfig: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kopf._cogs.clients import watching as beneath

    monkeypatch.setattr(f"{WATCHING}.PATIENCE", 1.0)
    break_now = broken_once(monkeypatch, "services")
    real, told, begun = beneath.watch_objs, [], threading.Event()

    async def watch_objs(*, resource: Any, **rest: Any) -> AsyncIterator[Any]:
        while resource.plural == "deployments" and not told:
            begun.set()
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                told.append(resource)
        async for event in real(resource=resource, **rest):
            yield event

    monkeypatch.setattr(beneath, "watch_objs", watch_objs)
    around = Surroundings(installed, ())
    await around.look()
    async with watching(installed, kubeconfig, around) as (watches, hears):
        assert await hears.of(declared("one")) == ("shop", "one")
        await until(lambda: asyncio.sleep(0, begun.is_set()))
        break_now.set()
        await until(lambda: asyncio.sleep(0, bool(told) and watches.problem is not None))
        await installed.create(declared("two"))
        await until(lambda: heard(hears, ("shop", "two")))


async def test_nobody_waits_for_a_task_in_a_thread_that_takes_no_notice_of_its_end() -> None:
    let_go = threading.Event()
    deaf: list[asyncio.Task[None]] = []

    async def ignore() -> None:
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.02)

    async def fails(here: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        deaf.append(asyncio.create_task(ignore()))
        await asyncio.sleep(0)
        raise kopf.LoginError("no credentials")

    try:
        told = await asyncio.wait_for(in_thread(fails), 30)
        assert isinstance(told, kopf.LoginError)
        assert not deaf[0].done()
    finally:
        let_go.set()
    await until(lambda: asyncio.sleep(0, deaf[0].done()))


async def heard(hears: Hears, key: Key) -> bool:
    return await hears.next() == key
