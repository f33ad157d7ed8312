"""Which Gateways, GatewayClasses and ListenerSets are accepted, which are refused, and what they wait for."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from sandbox.gatewayapi.kit import Api, Object, a_gateway, a_listener, an_object

pytestmark = pytest.mark.asyncio(loop_scope="session")

LISTENERS = "spec.listeners"
CERTIFIED = {"certificateRefs": [{"name": "cert"}]}
PASSED_THROUGH = {"mode": "Passthrough"}
LONG_PREFIX = "a" * 253
_numbers = itertools.count(1)


def a_class(controller: str = "example.com/gateway", **spec: Any) -> Object:
    return an_object("GatewayClass", {"controllerName": controller, **spec}, name=f"c{next(_numbers)}")


def a_listener_set(*listeners: Object) -> Object:
    return an_object("ListenerSet", {"parentRef": {"name": "g"}, "listeners": list(listeners)})


def addresses(*found: tuple[str, str]) -> Object:
    return a_gateway(addresses=[{"type": kind, "value": value} for kind, value in found])


def annotated(key: str) -> Object:
    return a_gateway(infrastructure={"annotations": {key: "v"}})


def per_port(*ports: int) -> Object:
    settings = [{"port": port, "tls": {}} for port in ports]
    return a_gateway(tls={"frontend": {"default": {}, "perPort": settings}})


ACCEPTED = {
    "one listener": a_gateway(),
    "a listener for every protocol": a_gateway(
        a_listener("a"), a_listener("b", 443, "HTTPS", tls=CERTIFIED), a_listener("c", 444, "TLS", tls=PASSED_THROUGH),
        a_listener("d", 53, "TCP"), a_listener("e", 53, "UDP"), a_listener("f", 9, "example.com/mine")),
    "two hosts on one port": a_gateway(a_listener("a", hostname="a.example"), a_listener("b", hostname="b.example")),
    "one host and all others": a_gateway(a_listener("a", hostname="a.example"), a_listener("b")),
    "options in place of certificates": a_gateway(a_listener("a", 443, "HTTPS", tls={"options": {"x": "y"}})),
    "addresses of all types": addresses(("IPAddress", "::1"), ("Hostname", "*.example"), ("NamedAddress", "any thing")),
    "a wish for any host": a_gateway(addresses=[{"type": "Hostname"}]),
    "an annotation with a domain": annotated("example.com/a"),
    "tls for two ports": per_port(443, 444),
    "a class": a_class(),
    "a class with parameters": a_class(parametersRef={"group": "", "kind": "ConfigMap", "name": "p", "namespace": "n"}),
    "a set of listeners": a_listener_set(a_listener()),
}  # fmt: skip

REFUSED: dict[str, tuple[Object, list[str]]] = {
    "no listener": (a_gateway(listeners=[]), [LISTENERS]),
    "no class": (a_gateway(gatewayClassName=""), ["spec.gatewayClassName"]),
    "a name twice": (a_gateway(a_listener("a", 80), a_listener("a", 81)), [LISTENERS, f"{LISTENERS}[1]"]),
    "a port and protocol twice": (a_gateway(a_listener("a"), a_listener("b")), [LISTENERS]),
    "a port, protocol and host twice": (
        a_gateway(a_listener("a", hostname="a.example"), a_listener("b", hostname="a.example")), [LISTENERS]),
    "port 0": (a_gateway(a_listener(port=0)), [f"{LISTENERS}[0].port"]),
    "a name with a capital": (a_gateway(a_listener("Web")), [f"{LISTENERS}[0].name"]),
    "HTTP with tls": (a_gateway(a_listener(tls=CERTIFIED)), [LISTENERS]),
    "HTTPS passed through": (a_gateway(a_listener("a", 443, "HTTPS", tls=PASSED_THROUGH)), [LISTENERS]),
    "TLS without tls": (a_gateway(a_listener("a", 443, "TLS")), [LISTENERS]),
    "TCP with a host": (a_gateway(a_listener("a", 53, "TCP", hostname="a.example")), [LISTENERS]),
    "HTTPS without certificates": (a_gateway(a_listener("a", 443, "HTTPS", tls={})), [f"{LISTENERS}[0].tls"]),
    "a host as IPAddress": (addresses(("IPAddress", "a.example")), ["spec.addresses[0].value"]),
    "an address twice": (addresses(("IPAddress", "10.0.0.1"), ("IPAddress", "10.0.0.1")), ["spec.addresses"]),
    "a host twice": (addresses(("Hostname", "a.example"), ("Hostname", "a.example")), ["spec.addresses"]),
    "no host as Hostname": (addresses(("Hostname", "a b")), ["spec.addresses[0]"]),
    "an annotation's odd key": (annotated("a b"), ["spec.infrastructure.annotations"]),
    "an annotation's endless domain": (annotated(f"{LONG_PREFIX}/a"), ["spec.infrastructure.annotations"]),
    "tls for a port twice": (per_port(443, 443), ["spec.tls.frontend.perPort", "spec.tls.frontend.perPort[1]"]),
    "a class without a domain": (a_class("gateway"), ["spec.controllerName"]),
    "a class described at length": (a_class(description="x" * 65), ["spec.description"]),
    "a set with a port twice": (a_listener_set(a_listener("a"), a_listener("b")), [LISTENERS]),
}  # fmt: skip


@pytest.mark.parametrize("obj", ACCEPTED.values(), ids=ACCEPTED)
async def test_it_is_accepted(api: Api, obj: Object) -> None:
    verdict = await api.judge(obj)
    assert verdict.accepted, verdict.messages


@pytest.mark.parametrize(("obj", "over"), REFUSED.values(), ids=REFUSED)
async def test_it_is_refused_over_a_field(api: Api, obj: Object, over: list[str]) -> None:
    verdict = await api.judge(obj)
    assert (verdict.status, verdict.complaints) == (422, over), verdict.messages


@pytest.mark.parametrize(
    ("obj", "pending"),
    [
        (a_class(), ["Accepted"]),
        (a_gateway(), ["Accepted", "Programmed"]),
        (a_listener_set(a_listener()), ["Accepted", "Programmed"]),
    ],
    ids=["GatewayClass", "Gateway", "ListenerSet"],
)
async def test_a_new_object_waits_for_its_controller(api: Api, obj: Object, pending: list[str]) -> None:
    conditions = (await api.judge(obj)).body["status"]["conditions"]
    assert [(each["type"], each["status"], each["reason"]) for each in conditions] == [
        (kind, "Unknown", "Pending") for kind in pending
    ]


async def test_a_controller_gives_a_gateway_hosts_that_are_hosts(api: Api) -> None:
    gateway = a_gateway()
    gateway["metadata"]["name"] = "addressed"
    await api.create(gateway)
    status = {"addresses": [{"type": "Hostname", "value": "a b"}]}
    verdict = await api.call("PATCH", f"{api.path('Gateway')}/addressed/status", {"status": status})
    assert (verdict.status, verdict.complaints) == (422, ["status.addresses[0]"])


async def test_a_listener_takes_routes_of_its_own_namespace_unless_it_says_otherwise(api: Api) -> None:
    (listener,) = (await api.judge(a_gateway())).body["spec"]["listeners"]
    assert listener["allowedRoutes"] == {"namespaces": {"from": "Same"}}


async def test_tls_ends_at_the_gateway_unless_it_says_otherwise(api: Api) -> None:
    (listener,) = (await api.judge(a_gateway(a_listener("a", 443, "HTTPS", tls=CERTIFIED)))).body["spec"]["listeners"]
    assert listener["tls"] == {
        "mode": "Terminate",
        "certificateRefs": [{"group": "", "kind": "Secret", "name": "cert"}],
    }


async def test_nobody_adds_listeners_to_a_gateway_unless_it_says_so(api: Api) -> None:
    spec = (await api.judge(a_gateway(allowedListeners={}))).body["spec"]
    assert spec["allowedListeners"] == {"namespaces": {"from": "None"}}


async def test_the_controller_of_a_class_stays(api: Api) -> None:
    created = await api.create(a_class())
    path = f"{api.path('GatewayClass')}/{created.body['metadata']['name']}"
    verdict = await api.call("PATCH", path, {"spec": {"controllerName": "example.com/other"}})
    assert (verdict.status, verdict.complaints) == (422, ["spec.controllerName"])
    assert (await api.call("PATCH", path, {"spec": {"description": "now with words"}})).accepted
