"""How kopf is used: for watches and login, and for nothing that writes."""

from __future__ import annotations

import itertools
from typing import Any

import kopf
import pytest
from kopf._cogs.structs.references import Resource
from unit.controller.fake_clock import FakeClock

from slipway.cluster import (
    DEPLOYMENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    POD,
    SERVICE,
    ConnectionInfo,
    Kind,
)
from slipway.controller.handlers import RUNTIMES, WATCHED, WHERE_SERVED, Backoffs, registry, settings
from slipway.controller.listening import Listener, key_of
from slipway.controller.queue import WorkQueue
from slipway.controller.reconciler import Key

LABEL = "slipway.dev/model-deployment"


def a_body(kind: Kind, name: str = "fraud-1a2b3c4d", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": "shop"} | metadata,
    }


def test_kopf_watches_with_selectors_of_the_server_and_writes_nothing() -> None:
    found = settings()
    assert found.persistence.finalizer == "slipway.dev/unused"
    assert found.persistence.progress_storage.prefix == "slipway.dev"  # type: ignore[attr-defined]
    body, patch = kopf.Body({"spec": {"replicas": 1}}), kopf.Patch()
    found.persistence.diffbase_storage.store(body=body, patch=patch, essence=kopf.BodyEssence(spec={"replicas": 1}))
    assert (found.persistence.diffbase_storage.build(body=body), dict(patch)) == ({}, {})
    assert not found.posting.enabled
    assert found.scanning.disabled
    assert found.peering.standalone
    assert (found.networking.request_timeout, found.networking.connect_timeout) == (30, 10)
    assert (found.watching.server_timeout, found.watching.client_timeout) == (600, 660)
    assert str(found.watching.server_timeout) == "600", "an API server refuses anything but a whole number"
    assert found.queueing.worker_limit is None
    assert found.process.ultimate_exiting_timeout is None, "watches that fail do not kill the process later"


def test_of_children_only_our_own_are_asked_for() -> None:
    selectors = settings().watching.label_selectors
    kinds = (*WATCHED, *WHERE_SERVED)
    asked = {kind: list(selectors.collect(Resource(kind.group, kind.version, kind.plural))) for kind in kinds}
    assert asked == {kind: [] if kind == MODEL_DEPLOYMENT else [LABEL] for kind in kinds}
    assert {MODEL_DEPLOYMENT, MODEL_REVISION, DEPLOYMENT, SERVICE, HTTP_ROUTE} <= set(asked)
    assert POD not in asked
    assert not [kind for kind in RUNTIMES if list(selectors.collect(Resource(kind.group, kind.version, kind.plural)))]


def test_failed_requests_are_repeated_without_end_and_begin_anew_each_time() -> None:
    backoffs = Backoffs()
    delays = list(itertools.islice(backoffs, 50))
    assert 0.3 < delays[0] < 0.7
    assert max(delays) < 40
    assert min(delays[10:]) > 20
    assert next(iter(backoffs)) < 0.7


@pytest.mark.parametrize("kind", [MODEL_REVISION, DEPLOYMENT, SERVICE, HTTP_ROUTE])
def test_a_child_stands_for_the_model_deployment_that_its_label_names(kind: Kind) -> None:
    assert key_of(a_body(kind, labels={LABEL: "fraud"})) == ("shop", "fraud")


def test_a_model_deployment_stands_for_itself_whatever_its_labels_say() -> None:
    assert key_of(a_body(MODEL_DEPLOYMENT, "fraud")) == ("shop", "fraud")
    assert key_of(a_body(MODEL_DEPLOYMENT, "fraud", labels={LABEL: "other"})) == ("shop", "fraud")


@pytest.mark.parametrize("metadata", [{}, {"labels": None}, {"labels": {}}, {"labels": {LABEL: ""}}])
def test_an_object_without_the_label_stands_for_nothing(metadata: dict[str, Any]) -> None:
    assert key_of(a_body(DEPLOYMENT, **metadata)) is None


def a_registry(queue: WorkQueue[Key]) -> kopf.OperatorRegistry:
    async def login() -> ConnectionInfo:
        return ConnectionInfo(server="http://127.0.0.1:1")

    return registry(Listener(queue), login)


def test_there_are_event_handlers_and_a_login_and_nothing_that_keeps_state() -> None:
    found = a_registry(WorkQueue(clock=FakeClock()))
    assert len(found._watching.get_all_handlers()) == len((*WATCHED, *WHERE_SERVED))
    assert [handler.activity for handler in found._activities.get_all_handlers()] == [
        kopf._core.intents.causes.Activity.AUTHENTICATION  # type: ignore[attr-defined]
    ]
    for kept in (found._changing, found._indexing, found._spawning, found._webhooks):
        assert not kept.get_all_handlers()


async def test_an_event_of_a_runtime_puts_those_on_the_queue_that_it_may_serve() -> None:
    async def login() -> ConnectionInfo:
        return ConnectionInfo(server="http://127.0.0.1:1")

    queue: WorkQueue[Key] = WorkQueue(clock=FakeClock())
    handlers = {
        handler.id: handler.fn
        for handler in registry(Listener(queue), login, (*WATCHED, *RUNTIMES))._watching.get_all_handlers()
    }

    async def told(plural: str, body: dict[str, Any], type_: str = "MODIFIED") -> set[Key]:
        await handlers[f"look-{plural}"](body=body, type=type_)  # type: ignore[call-arg]
        keys = {await queue.get() for _ in range(queue.statistics().depth)}
        for key in keys:
            queue.done(key)
        return keys

    def declared(name: str, release: dict[str, Any], namespace: str = "shop") -> dict[str, Any]:
        return a_body(MODEL_DEPLOYMENT, name=name, namespace=namespace) | {"spec": {"release": release}}

    image = {"container": {"image": "models.example/fraud:1"}}
    for name, release in (("own", image), ("format", {}), ("named", {"runtime": {"name": "house"}, **image})):
        await told("modeldeployments", declared(name, release))
    await told("modeldeployments", declared("far", {"runtime": {"name": "house"}}, "elsewhere"))
    house = {"kind": "ModelRuntime", "metadata": {"name": "house", "namespace": "shop"}}
    wide = {"kind": "ClusterModelRuntime", "metadata": {"name": "wide"}}
    assert await told("modelruntimes", house) == {("shop", "format"), ("shop", "named")}
    assert await told("clustermodelruntimes", wide) == {("shop", "format")}
    await told("modeldeployments", declared("format", {}), "DELETED")
    await told("modeldeployments", declared("named", image))
    wide["metadata"]["name"] = "house"
    assert await told("clustermodelruntimes", wide) == {("elsewhere", "far")}


async def test_an_event_only_puts_a_key_on_the_queue() -> None:
    queue: WorkQueue[Key] = WorkQueue(clock=FakeClock())
    handlers = a_registry(queue)._watching.get_all_handlers()
    for handler in handlers:
        assert await handler.fn(body=a_body(DEPLOYMENT, "fraud", labels={LABEL: "fraud"}), type="ADDED") is None  # type: ignore[call-arg]
        assert await handler.fn(body=a_body(DEPLOYMENT, "fraud")) is None  # type: ignore[call-arg]
    assert queue.statistics().depth == 1
    assert await queue.get() == ("shop", "fraud")
