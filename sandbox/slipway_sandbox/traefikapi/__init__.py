"""Traefik's own kinds (``traefik.io/v1alpha1``) as CustomResourceDefinitions.

Traefik's provider of these kinds waits until the API serves all ten of them, and serves no route before that. The two
that lead requests, IngressRoute and TraefikService, have the names, types and limits of the real ones, so that a
sandbox refuses and prunes what a cluster does. The others are taken as they come: Traefik itself reads them, and says
in its log what it does not like. None of them has a status.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["GROUP", "VERSION", "crds"]

GROUP: Final = "traefik.io"
VERSION: Final = "v1alpha1"

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_NUMBER: Final[Schema] = {"type": "integer"}
_NUMBER_OR_TEXT: Final[Schema] = {"anyOf": [_NUMBER, _TEXT], "x-kubernetes-int-or-string": True}
_ANYTHING: Final[Schema] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def crds() -> list[dict[str, Any]]:
    """The definitions, as manifests to be applied; a fresh list each time."""
    typed = {"IngressRoute": _ingress_route(), "TraefikService": _traefik_service()}
    kinds = (
        "IngressRoute",
        "IngressRouteTCP",
        "IngressRouteUDP",
        "Middleware",
        "MiddlewareTCP",
        "ServersTransport",
        "ServersTransportTCP",
        "TLSOption",
        "TLSStore",
        "TraefikService",
    )
    return [_definition(kind, typed.get(kind, _ANYTHING)) for kind in kinds]


def _definition(kind: str, spec: Schema) -> dict[str, Any]:
    singular = kind.lower()
    plural = f"{singular}s"
    properties = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"type": "object"}, "spec": spec}
    schema = {"type": "object", "properties": properties, "required": ["metadata", "spec"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": singular},
            "versions": [{"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def _fields(*required: str, **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def _items(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _choice(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def _sticky() -> Schema:
    cookie = _fields(
        name=_TEXT,
        secure=_FLAG,
        httpOnly=_FLAG,
        sameSite=_choice("none", "lax", "strict", "None", "Lax", "Strict"),
        maxAge=_NUMBER,
        path=_TEXT,
        domain=_TEXT,
    )
    return _fields(cookie=cookie)


def _named() -> Schema:
    return _items(_fields("name", name=_TEXT, namespace=_TEXT))


def _balanced(**more: Schema) -> Schema:
    """A Service, or another TraefikService, and how requests are spread over it."""
    return _fields(
        "name",
        **more,
        name=_TEXT,
        namespace=_TEXT,
        kind=_choice("Service", "TraefikService"),
        port=_NUMBER_OR_TEXT,
        scheme=_TEXT,
        strategy=_choice("wrr", "p2c", "hrw", "leasttime", "RoundRobin"),
        weight={"type": "integer", "minimum": 0},
        sticky=_sticky(),
        middlewares=_named(),
        serversTransport=_TEXT,
        passHostHeader=_FLAG,
        nativeLB=_FLAG,
        nodePortLB=_FLAG,
        responseForwarding=_fields(flushInterval=_TEXT),
        healthCheck=_ANYTHING,
        passiveHealthCheck=_ANYTHING,
    )


def _ingress_route() -> Schema:
    route = _fields(
        "match",
        kind=_choice("Rule"),
        match=_TEXT,
        priority={"type": "integer", "maximum": 9223372036854775000},
        syntax=_TEXT,
        services=_items(_balanced()),
        middlewares=_named(),
        observability=_ANYTHING,
    )
    return _fields(
        "routes",
        entryPoints=_items(_TEXT),
        ingressClassName=_TEXT,
        parentRefs=_named(),
        routes=_items(route),
        tls=_ANYTHING,
    )


def _traefik_service() -> Schema:
    return _fields(
        weighted=_fields(services=_items(_balanced()), sticky=_sticky()),
        mirroring=_balanced(
            mirrorBody=_FLAG,
            maxBodySize={"type": "integer", "format": "int64"},
            mirrors=_items(_balanced(percent=_NUMBER)),
        ),
        highestRandomWeight=_fields(services=_items(_balanced())),
        failover=_fields("errors", "fallback", "service", service=_balanced(), fallback=_balanced(), errors=_ANYTHING),
    )
