"""The kinds of the Gateway API as CustomResourceDefinitions, standard channel.

A real cluster gets them from the project's release files. Those are megabytes of descriptions; what controllers and
users depend on is small: names, versions, limits, defaults, rules, columns. That is stated here once per shared part,
and `crds` builds the definitions from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slipway_sandbox.gatewayapi import gateways, policies, routes
from slipway_sandbox.gatewayapi.schema import GROUP, Schema

__all__ = ["GROUP", "crds"]

BUNDLE = "v1.6.0"
_APPROVAL = "https://github.com/kubernetes-sigs/gateway-api/pull/4530"
_AGE = ("Age", "date", ".metadata.creationTimestamp", 0)
_HOSTNAMES = ("Hostnames", "string", ".spec.hostnames", 0)


def _condition(name: str) -> tuple[str, str, str, int]:
    return (name, "string", f'.status.conditions[?(@.type=="{name}")].status', 0)


@dataclass(frozen=True)
class _Kind:
    kind: str
    plural: str
    schema: Schema
    versions: tuple[str, ...] = ("v1",)
    storage: str = "v1"
    short: tuple[str, ...] = ()
    columns: tuple[tuple[str, str, str, int], ...] = (_AGE,)
    cluster: bool = False
    status: bool = True


def _kinds() -> list[_Kind]:
    both = ("v1", "v1beta1")
    controller = ("Controller", "string", ".spec.controllerName", 0)
    described = ("Description", "string", ".spec.description", 1)
    gateway_class = ("Class", "string", ".spec.gatewayClassName", 0)
    address = ("Address", "string", ".status.addresses[*].value", 0)
    return [
        _Kind("GatewayClass", "gatewayclasses", gateways.gateway_class(), both, short=("gc",), cluster=True,
              columns=(controller, _condition("Accepted"), _AGE, described)),
        _Kind("Gateway", "gateways", gateways.gateway(), both, short=("gtw",),
              columns=(gateway_class, address, _condition("Programmed"), _AGE)),
        _Kind("ListenerSet", "listenersets", gateways.listener_set(), short=("lset",),
              columns=(_condition("Accepted"), _condition("Programmed"), _AGE)),
        _Kind("HTTPRoute", "httproutes", routes.http_route(), both, columns=(_HOSTNAMES, _AGE)),
        _Kind("GRPCRoute", "grpcroutes", routes.grpc_route(), columns=(_HOSTNAMES, _AGE)),
        _Kind("TLSRoute", "tlsroutes", routes.tls_route()),
        _Kind("TCPRoute", "tcproutes", routes.stream_route()),
        _Kind("UDPRoute", "udproutes", routes.stream_route()),
        _Kind("ReferenceGrant", "referencegrants", policies.reference_grant(), both, "v1beta1", ("refgrant",), status=False),  # noqa: E501
        _Kind("BackendTLSPolicy", "backendtlspolicies", policies.backend_tls_policy(), short=("btlspolicy",)),
    ]  # fmt: skip


def crds() -> list[dict[str, Any]]:
    """The definitions, to be created in a cluster or a sandbox; a fresh list each time."""
    return [_definition(kind) for kind in _kinds()]


def _definition(kind: _Kind) -> dict[str, Any]:
    plain = {"type": "string"}
    schema = {
        **kind.schema,
        "properties": {"apiVersion": plain, "kind": plain, "metadata": {"type": "object"}, **kind.schema["properties"]},
    }
    names: dict[str, Any] = {
        "kind": kind.kind, "listKind": f"{kind.kind}List", "plural": kind.plural, "singular": kind.kind.lower(), "categories": ["gateway-api"],  # noqa: E501
    }  # fmt: skip
    if kind.short:
        names["shortNames"] = list(kind.short)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{GROUP}",
            "annotations": {
                "api-approved.kubernetes.io": _APPROVAL,
                f"{GROUP}/bundle-version": BUNDLE,
                f"{GROUP}/channel": "standard",
            },
        },
        "spec": {
            "group": GROUP,
            "scope": "Cluster" if kind.cluster else "Namespaced",
            "names": names,
            "versions": [_version(kind, version, schema) for version in kind.versions],
        },
    }


def _version(kind: _Kind, name: str, schema: Schema) -> dict[str, Any]:
    columns = []
    for title, type_, path, priority in kind.columns:
        column: dict[str, Any] = {"name": title, "type": type_, "jsonPath": path}
        columns.append({**column, "priority": priority} if priority else column)
    version: dict[str, Any] = {
        "name": name,
        "served": True,
        "storage": name == kind.storage,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": columns,
    }
    return {**version, "subresources": {"status": {}}} if kind.status else version
