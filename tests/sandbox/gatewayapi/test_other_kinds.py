"""GRPCRoute, TLSRoute, TCPRoute, UDPRoute, ReferenceGrant and BackendTLSPolicy: accepted, refused, completed."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.gatewayapi.kit import Api, Object, a_backend, a_filter, an_object

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALIDATION = "spec.validation"


def a_grpc_route(**rule: Any) -> Object:
    return an_object("GRPCRoute", {"rules": [{"backendRefs": [a_backend()], **rule}]})


def a_call(**call: str) -> Object:
    return a_grpc_route(matches=[{"method": call}])


def a_tls_route(*hosts: str) -> Object:
    return an_object("TLSRoute", {"hostnames": list(hosts), "rules": [{"backendRefs": [a_backend()]}]})


def a_stream_route(kind: str, *rules: Object) -> Object:
    return an_object(kind, {"rules": list(rules) or [{"backendRefs": [a_backend()]}]})


def a_grant(**spec: Any) -> Object:
    usual = {
        "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a"}],
        "to": [{"group": "", "kind": "Service"}],
    }
    return an_object("ReferenceGrant", {**usual, **spec}, version="v1beta1")


def a_policy(*targets: Object, known: str = "System", **validation: Any) -> Object:
    certificates = {"wellKnownCACertificates": known} if known else {}
    validation = {"hostname": "a.example", **certificates, **validation}
    return an_object("BackendTLSPolicy", {"targetRefs": list(targets) or [a_target()], "validation": validation})


def a_target(section: str = "") -> Object:
    target = {"group": "", "kind": "Service", "name": "s"}
    return {**target, "sectionName": section} if section else target


def named(**name: str) -> Object:
    return a_policy(subjectAltNames=[name])


CERTIFICATES = [{"group": "", "kind": "ConfigMap", "name": "ca"}]

ACCEPTED = {
    "a gRPC service": a_call(service="shop.v1.Prices"),
    "a gRPC method": a_call(method="Get"),
    "a gRPC pattern": a_call(type="RegularExpression", service="shop\\..*"),
    "a gRPC filter": a_grpc_route(filters=[a_filter("RequestHeaderModifier", remove=["a"])]),
    "TLS by host": a_tls_route("a.example", "*.example"),
    "TCP": a_stream_route("TCPRoute"),
    "UDP": a_stream_route("UDPRoute"),
    "a grant": a_grant(),
    "a grant for one object": a_grant(to=[{"group": "", "kind": "Service", "name": "s"}]),
    "a policy with known certificates": a_policy(),
    "a policy with own certificates": a_policy(known="", caCertificateRefs=CERTIFICATES),
    "a policy for two ports": a_policy(a_target("http"), a_target("grpc")),
    "a policy with another name": named(type="URI", uri="spiffe://a/b"),
}

REFUSED: dict[str, tuple[Object, list[str]]] = {
    "a gRPC match of nothing": (a_call(), ["spec.rules[0].matches[0].method"]),
    "a gRPC service with a slash": (a_call(service="a/b"), ["spec.rules[0].matches[0].method"]),
    "a gRPC method with a dot": (a_call(method="a.b"), ["spec.rules[0].matches[0].method"]),
    "a gRPC filter without its settings": (
        a_grpc_route(filters=[{"type": "RequestMirror"}]), ["spec.rules[0].filters[0]"]),
    "TLS without a host": (a_tls_route(), ["spec.hostnames"]),
    "TLS by address": (a_tls_route("10.0.0.1"), ["spec.hostnames"]),
    "TLS by a wildcard within": (a_tls_route("a.*.example"), ["spec.hostnames", "spec.hostnames[0]"]),
    "TLS by no host": (a_tls_route("a_b"), ["spec.hostnames", "spec.hostnames[0]"]),
    "TCP without a backend": (a_stream_route("TCPRoute", {"backendRefs": []}), ["spec.rules[0].backendRefs"]),
    "TCP to a Service without a port": (
        a_stream_route("TCPRoute", {"backendRefs": [a_backend(port=None)]}), ["spec.rules[0].backendRefs[0]"]),
    "UDP with two rules": (a_stream_route("UDPRoute", *[{"backendRefs": [a_backend()]}] * 2), ["spec.rules"]),
    "a grant to nobody": (a_grant(**{"from": []}), ["spec.from"]),
    "a grant from no namespace": (
        a_grant(**{"from": [{"group": "", "kind": "Pod"}]}), ["spec.from[0].namespace"]),
    "a policy without certificates": (a_policy(known=""), [VALIDATION]),
    "a policy with unknown certificates": (a_policy(known="Mine"), [f"{VALIDATION}.wellKnownCACertificates"]),
    "a policy with two kinds of certificates": (a_policy(caCertificateRefs=CERTIFICATES), [VALIDATION]),
    "a policy for one target twice": (a_policy(a_target(), a_target()), ["spec.targetRefs"]),
    "a policy for a target and its port": (a_policy(a_target(), a_target("http")), ["spec.targetRefs"]),
    "a policy without the host it means": (named(type="Hostname"), [f"{VALIDATION}.subjectAltNames[0]"]),
    "a policy without the URI it means": (named(type="URI"), [f"{VALIDATION}.subjectAltNames[0]"]),
    "a policy with a URI beside its host": (
        named(type="Hostname", hostname="a", uri="a://b"), [f"{VALIDATION}.subjectAltNames[0]"]),
    "a policy with a host beside its URI": (
        named(type="URI", hostname="a", uri="a://b"), [f"{VALIDATION}.subjectAltNames[0]"]),
    "a policy for a wildcard": (a_policy(hostname="*.example"), [f"{VALIDATION}.hostname"]),
}  # fmt: skip


@pytest.mark.parametrize("obj", ACCEPTED.values(), ids=ACCEPTED)
async def test_it_is_accepted(api: Api, obj: Object) -> None:
    verdict = await api.judge(obj)
    assert verdict.accepted, verdict.messages


@pytest.mark.parametrize(("obj", "over"), REFUSED.values(), ids=REFUSED)
async def test_it_is_refused_over_a_field(api: Api, obj: Object, over: list[str]) -> None:
    verdict = await api.judge(obj)
    assert (verdict.status, verdict.complaints) == (422, over), verdict.messages


@pytest.mark.parametrize("kind", ["TLSRoute", "TCPRoute", "UDPRoute"])
async def test_a_backend_of_a_stream_is_a_service_with_weight_one(api: Api, kind: str) -> None:
    route = a_tls_route("a.example") if kind == "TLSRoute" else a_stream_route(kind)
    (rule,) = (await api.judge(route)).body["spec"]["rules"]
    assert rule["backendRefs"] == [{"group": "", "kind": "Service", "name": "shop", "port": 80, "weight": 1}]
