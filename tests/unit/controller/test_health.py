"""What a kubelet and an administrator are told."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from unit.controller.server import until

from slipway.api.crd import definitions
from slipway.cluster import (
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    Forbidden,
    Kind,
    MemoryCluster,
    Object,
    Objects,
    Throttled,
    Unavailable,
)
from slipway.controller.health import STUCK, AddressError, Health, listen_address, serving
from slipway.controller.surroundings import Surroundings


async def answer(health: Health, path: str) -> tuple[int, str]:
    async with serving(health, "127.0.0.1:0") as url, httpx.AsyncClient(trust_env=False) as client:
        found = await client.get(url + path)
        return found.status_code, found.text


async def test_a_replica_that_leads_or_stands_by_is_ready() -> None:
    for role in ("leading", "standing by"):
        assert await answer(Health(role=role), "/readyz") == (200, f"{role}\n")
    for role in ("starting", "stopping"):
        assert await answer(Health(role=role), "/readyz") == (503, f"{role}\n")


async def test_readiness_names_what_is_missing_and_what_is_restricted() -> None:
    health = Health(role="standing by")
    health.needs += [lambda: None, lambda: "the lease may not be written"]
    health.wishes.append(lambda: "no metrics server")
    status, text = await answer(health, "/readyz")
    assert status == 503
    assert text == "standing by\nthe lease may not be written\nrestricted: no metrics server\n"
    health.needs.pop()
    assert (await answer(health, "/readyz"))[0] == 200


async def test_a_look_that_never_ends_is_no_life() -> None:
    health = Health(role="leading", longest_look=lambda: STUCK + 1)
    assert await answer(health, "/healthz") == (503, "a look has lasted 301 s\n")
    health.longest_look = lambda: STUCK - 1
    assert await answer(health, "/healthz") == (200, "leading\n")


async def test_metrics_and_further_pages_are_served_and_nothing_else() -> None:
    health = Health(metrics=lambda: b"slipway_up 1\n", pages={"/debug/queue": lambda: "{}"})
    assert await answer(health, "/metrics") == (200, "slipway_up 1\n")
    assert await answer(health, "/debug/queue") == (200, "{}")
    assert (await answer(health, "/debug"))[0] == 404


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":8081", (None, 8081)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:8081", ("::1", 8081)),
        ("localhost:1", ("localhost", 1)),
    ],
)
def test_an_address_to_listen_on_is_read(text: str, expected: tuple[str | None, int]) -> None:
    assert listen_address(text) == expected


@pytest.mark.parametrize("text", ["", "8081", "host.example:80", ":http", ":70000", "127.0.0.1", ":-1"])
def test_an_address_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(AddressError, match=r"such as 0\.0\.0\.0:8081"):
        listen_address(text)


def a_cluster(*, absent_apis: frozenset[str] = frozenset()) -> MemoryCluster:
    cluster = MemoryCluster()
    cluster.absent_apis |= absent_apis
    for kind in (MODEL_DEPLOYMENT, MODEL_REVISION):
        crd = definitions()[f"{kind.plural}.{kind.group}"]
        cluster.schemas[kind] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return cluster


async def test_a_cluster_with_everything_leaves_nothing_to_say() -> None:
    around = Surroundings(a_cluster(), ())
    assert await around.look()
    assert (around.missing, around.restricted) == (None, None)


async def test_missing_crds_are_told_and_found_once_they_are_there(caplog: pytest.LogCaptureFixture) -> None:
    cluster = a_cluster()
    cluster.absent.add(MODEL_REVISION)
    around = Surroundings(cluster, ())
    assert not await around.look()
    assert around.missing == (
        "the cluster does not know ModelRevision: install the CRDs first (kubectl apply -f crds/)"
    )
    assert not await around.look()
    assert [record.getMessage() for record in caplog.records] == [f"waiting: {around.missing}"]
    cluster.absent.clear()
    assert await around.look()
    assert around.missing is None


@pytest.mark.parametrize("error", [Forbidden("no such right"), Unavailable("connection refused")])
async def test_what_may_not_or_cannot_be_read_is_waited_for(error: Exception) -> None:
    cluster = a_cluster()
    cluster.fail_next("list", MODEL_DEPLOYMENT, error)
    around = Surroundings(cluster, ())
    assert not await around.look()
    assert around.missing is not None
    assert str(error) in around.missing
    assert await around.look()


@pytest.mark.parametrize(
    ("api", "told"),
    [
        (
            "gateway.networking.k8s.io/v1",
            "no gateway.networking.k8s.io/v1: what a Gateway routes waits for the Gateway API to be installed",
        ),
        (
            "metrics.k8s.io/v1beta1",
            "no metrics.k8s.io/v1beta1: autoscalers on CPU or memory do nothing without a metrics server",
        ),
    ],
)
async def test_apis_that_only_some_need_are_told_once_and_keep_nobody_waiting(
    api: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    around = Surroundings(a_cluster(absent_apis=frozenset({api})), ())
    health = Health(role="leading", needs=[lambda: around.missing], wishes=[lambda: around.restricted])
    for _ in range(2):
        assert await around.look()
    assert await answer(health, "/readyz") == (200, f"leading\nrestricted: {told}\n")
    assert [record.getMessage() for record in caplog.records if "slipway" in record.name] == [f"restricted: {told}"]


async def test_an_older_crd_is_told_with_the_fields_that_it_drops() -> None:
    cluster = a_cluster()
    schema: Object = cluster.schemas[MODEL_DEPLOYMENT]
    del schema["properties"]["spec"]["properties"]["rollback"]
    del schema["properties"]["status"]["properties"]["conditions"]["items"]["properties"]["reason"]
    around = Surroundings(cluster, ())
    assert await around.look()
    assert around.restricted == (
        "the CRD of ModelDeployment is older than the operator, and lacks spec.rollback, status.conditions[].reason: "
        "apply the CRDs of this version"
    )


# --- while all was well


@pytest.mark.parametrize("error", [Unavailable("503"), Throttled("429", 1.0), Forbidden("for a moment")])
async def test_an_api_server_that_fails_once_makes_nobody_unready_and_one_that_fails_twice_does(
    error: Exception,
) -> None:
    cluster = a_cluster()
    around = Surroundings(cluster, ())
    await around.look()
    cluster.fail_next("get", MODEL_DEPLOYMENT, error)
    assert await around.look(thorough=False)
    assert around.missing is None
    assert await around.look(thorough=False)
    for ready in (True, False):
        cluster.fail_next("get", MODEL_DEPLOYMENT, error)
        assert await around.look(thorough=False) is ready
    assert str(error) in str(around.missing)
    assert await around.look()


async def test_a_definition_that_is_deleted_is_told_at_the_next_look() -> None:
    cluster = a_cluster()
    around = Surroundings(cluster, ())
    await around.look()
    cluster.absent.add(MODEL_DEPLOYMENT)
    assert not await around.look(thorough=False)
    assert "does not know ModelDeployment" in str(around.missing)


async def test_readiness_follows_what_is_there_without_anything_else_happening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slipway.controller.surroundings.GLANCE", 0.02)
    monkeypatch.setattr("slipway.controller.surroundings.LOOK_AROUND", 0.02)
    cluster = a_cluster()
    around = Surroundings(cluster, ())
    await around.look()
    looking = asyncio.create_task(around.keep_looking())
    try:
        cluster.absent.add(MODEL_REVISION)
        await until(lambda: asyncio.sleep(0, around.missing is not None))
        cluster.absent.clear()
        await until(lambda: asyncio.sleep(0, around.missing is None))
        before = len(cluster.requests)
        await until(lambda: asyncio.sleep(0, len(cluster.requests) > before))
        assert {request.verb for request in cluster.requests[before:]} == {"get"}, "a glance lists nothing"
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def test_a_right_to_list_that_is_taken_away_is_told_although_that_to_read_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Closed(MemoryCluster):
        closed = False

        async def list(self, kind: Kind, namespace: str | None = None, **given: Any) -> Objects:
            if self.closed:
                raise Forbidden("cannot list")
            return await super().list(kind, namespace, **given)

    monkeypatch.setattr("slipway.controller.surroundings.GLANCE", 0.02)
    monkeypatch.setattr("slipway.controller.surroundings.LOOK_AROUND", 0.02)
    monkeypatch.setattr("slipway.controller.surroundings.THOROUGH", 0.1)
    cluster = Closed()
    around = Surroundings(cluster, ())
    await around.look()
    cluster.closed = True
    looking = asyncio.create_task(around.keep_looking())
    try:
        await until(lambda: asyncio.sleep(0, around.missing is not None), 5)
        assert "modeldeployments.slipway.dev may not be listed" in str(around.missing)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def test_an_api_that_is_installed_restricts_nobody_from_the_next_look_on() -> None:
    cluster = a_cluster(absent_apis=frozenset({"gateway.networking.k8s.io/v1"}))
    around = Surroundings(cluster, ())
    await around.look()
    assert around.restricted is not None
    cluster.absent_apis.clear()
    await around.look(thorough=False)
    assert around.restricted is None


async def test_of_several_namespaces_those_are_named_that_may_not_be_read() -> None:
    class Closed(MemoryCluster):
        async def list(self, kind: Kind, namespace: str | None = None, **given: Any) -> Objects:
            if namespace in {"b", "c"}:
                raise Forbidden(f"cannot list in {namespace}")
            return await super().list(kind, namespace, **given)

    around = Surroundings(Closed(), ("a", "b", "c"))
    assert not await around.look()
    assert around.missing == (
        "modeldeployments.slipway.dev may not be listed in b, c: check the operator's role and scope: cannot list in b"
    )
