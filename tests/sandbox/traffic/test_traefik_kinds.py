"""Traefik's own kinds in the sandbox's API: what is taken, what is refused, and that our own routes are taken whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from sandbox.gatewayapi.kit import Api, Verdict, serving
from unit.traffic.served import NEW, OLD, Served, settings

from slipway.api import HeaderMatch, Preview, RequestMatch, Sticky
from slipway.traffic import Backend, RoutePlan
from slipway_sandbox.traefikapi import GROUP, VERSION, crds

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTE: dict[str, Any] = {"routes": [{"match": 'Host("a")', "services": [{"name": "a", "port": "http", "weight": 1}]}]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncIterator[Api]:
    async with serving(crds()) as found:
        yield found


async def judged(api: Api, kind: str, spec: dict[str, Any]) -> Verdict:
    obj = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    path = f"/apis/{GROUP}/{VERSION}/namespaces/default/{kind.lower()}s"
    return await api.call("POST", path, obj, dryRun="All", fieldValidation="Strict")


async def test_traefik_finds_the_ten_kinds_that_it_waits_for(api: Api) -> None:
    listed = (await api.call("GET", f"/apis/{GROUP}/{VERSION}")).body["resources"]
    kinds = {entry["kind"] for entry in listed if "/" not in entry["name"]}
    assert {"IngressRoute", "TraefikService", "Middleware", "ServersTransport", "TLSOption", "TLSStore"} <= kinds
    assert len(kinds) == 10


async def test_everything_that_the_router_writes_is_taken_without_a_complaint(api: Api) -> None:
    header = HeaderMatch(name="X-Group", value="b")
    plan = RoutePlan(
        [Backend(OLD, 9975), Backend(NEW, 25)],
        mirror=Backend(NEW, 5000),
        matches=[RequestMatch(header=header)],
        matched=NEW,
        preview=Preview(header=header),
        previewed=NEW,
        sticky=Sticky(cookie="seat"),
    )
    at = Served(settings("traefik", hostnames=["a.example"], entryPoints=["web"])).lead(plan)
    for reference, obj in at.objects.items():
        verdict = await judged(api, reference.kind, obj["spec"])
        assert verdict.accepted, verdict.messages
        assert verdict.body["spec"] == obj["spec"]
    assert len(at.objects) == 3


@pytest.mark.parametrize(
    "edit",
    [
        lambda spec: spec["routes"][0].pop("match"),
        lambda spec: spec["routes"][0].update(kind="Host"),
        lambda spec: spec["routes"][0].update(priority="high"),
        lambda spec: spec["routes"][0]["services"][0].pop("name"),
        lambda spec: spec["routes"][0]["services"][0].update(weight=-1),
        lambda spec: spec["routes"][0]["services"][0].update(kind="ServiceImport"),
        lambda spec: spec["routes"][0]["services"][0].update(wieght=1),
        lambda spec: spec.pop("routes"),
    ],
)
async def test_a_route_that_a_cluster_would_refuse_is_refused(
    api: Api, edit: Callable[[dict[str, Any]], object]
) -> None:
    assert (await judged(api, "IngressRoute", ROUTE)).accepted
    spec = {"routes": [{**ROUTE["routes"][0], "services": [dict(ROUTE["routes"][0]["services"][0])]}]}
    edit(spec)
    assert not (await judged(api, "IngressRoute", spec)).accepted


async def test_what_traefik_alone_reads_is_taken_as_it_comes(api: Api) -> None:
    spec = {"stripPrefix": {"prefixes": ["/v2"]}}
    verdict = await judged(api, "Middleware", spec)
    assert (verdict.accepted, verdict.body["spec"]) == (True, spec)
