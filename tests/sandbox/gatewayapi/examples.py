"""One object of each kind that uses as much of it as an object can, to begin from when looking for differences."""

from __future__ import annotations

import copy
import random
from typing import Any

from sandbox.gatewayapi.kit import Object, a_backend, a_filter, a_gateway, a_listener, an_object, replacing_prefix

_SECRET = {"name": "cert", "namespace": "n"}
_CONDITION = {
    "type": "Accepted", "status": "True", "reason": "Said", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    "observedGeneration": 1,
}  # fmt: skip
_PARENTS = [
    {"name": "g", "sectionName": "a"},
    {"name": "g", "sectionName": "b"},
    {"name": "h", "namespace": "n", "port": 80},
]
_HEADERS = {
    "set": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}],
    "add": [{"name": "c", "value": "3"}],
    "remove": ["d", "e"],
}


def _http_filters() -> list[Object]:
    cors = {
        "allowOrigins": ["https://a.example", "http://*.b.example:80"], "allowMethods": ["GET", "PUT"],
        "allowHeaders": ["a", "b"], "exposeHeaders": ["*"], "allowCredentials": True, "maxAge": 9,
    }  # fmt: skip
    return [
        a_filter("RequestHeaderModifier", **_HEADERS),
        a_filter("ResponseHeaderModifier", **_HEADERS),
        a_filter("RequestMirror", backendRef=a_backend("m"), fraction={"numerator": 1, "denominator": 3}),
        a_filter("RequestMirror", backendRef=a_backend("m"), percent=42),
        a_filter("CORS", **cors),
        a_filter("ExtensionRef", group="example.com", kind="Thing", name="t"),
    ]


def _http_route() -> Object:
    rewrite = a_filter("URLRewrite", hostname="a.example", path=replacing_prefix("/b"))
    redirect = a_filter(
        "RequestRedirect", scheme="https", hostname="a.example", port=443, statusCode=301, path=replacing_prefix("/b")
    )
    match = {
        "path": {"type": "PathPrefix", "value": "/a/b"}, "method": "GET",
        "headers": [{"type": "RegularExpression", "name": "a", "value": "."}, {"name": "b", "value": "2"}],
        "queryParams": [{"name": "q", "value": "1"}],
    }  # fmt: skip
    rules = [
        {
            "name": "first", "matches": [match], "filters": [*_http_filters(), rewrite],
            "backendRefs": [a_backend(weight=9, filters=_http_filters()), a_backend("other", namespace="n", weight=0)],
            "timeouts": {"request": "10s", "backendRequest": "2s500ms"},
        },
        {"matches": [{"path": {"type": "PathPrefix", "value": "/c"}}], "filters": [redirect]},
    ]  # fmt: skip
    return an_object("HTTPRoute", {"parentRefs": _PARENTS, "hostnames": ["a.example", "*.b.example"], "rules": rules})


def _grpc_route() -> Object:
    filters = [each for each in _http_filters() if each["type"] != "CORS"]
    match = {"method": {"type": "Exact", "service": "a.B", "method": "Get"}, "headers": [{"name": "a", "value": "1"}]}
    rule = {"name": "first", "matches": [match, match], "filters": filters, "backendRefs": [a_backend(filters=filters)]}
    return an_object("GRPCRoute", {"parentRefs": _PARENTS, "hostnames": ["a.example"], "rules": [rule, {}]})


def _stream_route(kind: str, **more: Any) -> Object:
    rule = {"name": "only", "backendRefs": [a_backend(weight=2), a_backend("other")]}
    return an_object(kind, {"parentRefs": _PARENTS, **more, "rules": [rule]})


_LISTENERS = [
    a_listener(hostname="*.a.example"),
    a_listener("api", 80, hostname="b.example"),
    a_listener(
        "tls", 443, "HTTPS", tls={"mode": "Terminate", "certificateRefs": [_SECRET], "options": {"a.example/b": "c"}},
        allowedRoutes={
            "namespaces": {
                "from": "Selector",
                "selector": {
                    "matchLabels": {"a": "b"},
                    "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
                },
            },
            "kinds": [{"kind": "HTTPRoute"}, {"group": "example.com", "kind": "Thing"}],
        },
    ),
    a_listener("pass", 444, "TLS", tls={"mode": "Passthrough"}),
    a_listener("tcp", 53, "TCP"),
    a_listener("udp", 53, "UDP"),
]  # fmt: skip


def _gateway() -> Object:
    authorities = {"validation": {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}}
    return a_gateway(
        *_LISTENERS,
        addresses=[{"value": "10.0.0.1"}, {"value": "::1"}, {"type": "Hostname", "value": "*.a.example"}],
        infrastructure={
            "labels": {"a": "b", "c.example/d": ""},
            "annotations": {"e": "f"},
            "parametersRef": {"group": "", "kind": "ConfigMap", "name": "p"},
        },
        allowedListeners={"namespaces": {"from": "All"}},
        tls={
            "backend": {"clientCertificateRef": _SECRET},
            "frontend": {
                "default": {},
                "perPort": [{"port": 443, "tls": authorities}, {"port": 444, "tls": {}}],
            },
        },
    )


def _gateway_class() -> Object:
    parameters = {"group": "", "kind": "ConfigMap", "name": "p", "namespace": "n"}
    spec = {"controllerName": "example.com/a-b", "parametersRef": parameters, "description": "d"}
    return an_object("GatewayClass", spec, name="c")


def _policy() -> Object:
    target = {"group": "", "kind": "Service", "name": "s"}
    validation = {
        "hostname": "a.example", "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}],
        "subjectAltNames": [{"type": "Hostname", "hostname": "*.a"}, {"type": "URI", "uri": "spiffe://a/b"}],
    }  # fmt: skip
    targets = [{**target, "sectionName": "a"}, {**target, "sectionName": "b"}]
    return an_object("BackendTLSPolicy", {"targetRefs": targets, "validation": validation, "options": {"a/b": ""}})


def _grant() -> Object:
    origin = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "n"}
    return an_object("ReferenceGrant", {"from": [origin], "to": [{"group": "", "kind": "Service", "name": "s"}]})


def examples() -> dict[str, Object]:
    """By kind."""
    found = [
        _gateway_class(), _gateway(), _http_route(), _grpc_route(), _grant(), _policy(),
        _stream_route("TLSRoute", hostnames=["a.example", "*.b.example"]), _stream_route("TCPRoute"),
        _stream_route("UDPRoute"),
        an_object("ListenerSet", {"parentRef": {"name": "g", "namespace": "n"}, "listeners": _LISTENERS}),
    ]  # fmt: skip
    return {each["kind"]: each for each in found}


_WORDS = (
    "", "a", "b", "n", "A", "a.b", "*.a.b", "*", "a.*", "1.2.3.4", "::1", "/a", "/", "//x", "/a/../b", "/x/..", "/x/.",
    "/./x", "/a%2fb", "/é", "/a#b", "/a%20b", "/a%zz", ".A_b.c", "1x", "a b", "a/b", "http://x", "1s", "0s", "99h",
    "1d", "x" * 300, "Exact", "PathPrefix", "RegularExpression", "Hostname", "URI", "Service", "System", "HTTP",
    "HTTPS", "TLS", "TCP", "Passthrough", "Terminate", "URLRewrite", "RequestRedirect", "CORS", "RequestMirror",
    "ReplaceFullPath",
)  # fmt: skip


def changed(obj: Object, chance: random.Random) -> Object:
    """The object with one or two accidents: something left out, repeated, moved, or said in another word."""
    found = copy.deepcopy(obj)
    for _ in range(chance.choice((1, 1, 2))):
        _accident(chance.choice(list(_places(found["spec"]))), chance)
    return found


def _places(value: Any) -> Any:
    """All pairs of a container and a key in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _accident(place: tuple[Any, Any], chance: random.Random) -> None:
    holder, key = place
    value = holder[key]
    if isinstance(holder, list) and chance.random() < 0.4:
        holder.append(copy.deepcopy(chance.choice(holder)))
    elif chance.random() < 0.3:
        del holder[key]
    elif isinstance(value, str):
        holder[key] = chance.choice(_WORDS)
    elif isinstance(value, int):
        holder[key] = chance.choice((-1, 0, 1, 80, 65536, 1_000_001, "1"))
    elif isinstance(value, list):
        holder[key] = chance.choice(([], value * 2, value * 40))
    else:
        holder[key] = chance.choice(({}, None, [], {"unheard": "of"}))
