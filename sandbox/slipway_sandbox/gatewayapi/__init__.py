"""The kinds of the Gateway API as CustomResourceDefinitions: standard channel, bundle v1.6.

A cluster gets them from the project's release files, megabytes that are mostly descriptions. What controllers and users
depend on is small: names, versions, limits, defaults, rules, columns. Those facts are stated here in a vocabulary of
their own (`schema` for shapes, `rules` for CEL, `parts` for the types that kinds share), one function for each kind, so
that a sandbox accepts, completes and refuses a route as a cluster does. What is no longer served is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slipway_sandbox.gatewayapi import gateways, policies, routes
from slipway_sandbox.gatewayapi.parts import GROUP
from slipway_sandbox.gatewayapi.schema import Schema

__all__ = ["GROUP", "crds"]

_BUNDLE = "v1.6.0"
_APPROVAL = "https://github.com/kubernetes-sigs/gateway-api/pull/4530"
"""API servers want to see where an API in a `k8s.io` group was approved."""


@dataclass(frozen=True)
class _Column:
    """What `kubectl get` shows of an object; 1 is for `-o wide` only."""

    title: str
    path: str
    type: str = "string"
    priority: int = 0

    def manifest(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": self.title, "type": self.type, "jsonPath": self.path}
        return {**shown, "priority": self.priority} if self.priority else shown


_AGE = _Column("Age", ".metadata.creationTimestamp", "date")
_HOSTNAMES = _Column("Hostnames", ".spec.hostnames")


def _condition(name: str) -> _Column:
    return _Column(name, f'.status.conditions[?(@.type=="{name}")].status')


@dataclass(frozen=True)
class _Kind:
    """A kind and what is particular to it; `storage` is among the served `versions`."""

    kind: str
    plural: str
    schema: Callable[[], Schema]
    versions: tuple[str, ...] = ("v1",)
    storage: str = "v1"
    short: tuple[str, ...] = ()
    columns: tuple[_Column, ...] = (_AGE,)
    cluster: bool = False
    status: bool = True
    labels: tuple[tuple[str, str], ...] = ()


_BOTH = ("v1", "v1beta1")
_KINDS = (
    _Kind(
        "GatewayClass",
        "gatewayclasses",
        gateways.gateway_class,
        _BOTH,
        short=("gc",),
        columns=(
            _Column("Controller", ".spec.controllerName"),
            _condition("Accepted"),
            _AGE,
            _Column("Description", ".spec.description", priority=1),
        ),
        cluster=True,
    ),
    _Kind(
        "Gateway",
        "gateways",
        gateways.gateway,
        _BOTH,
        short=("gtw",),
        columns=(
            _Column("Class", ".spec.gatewayClassName"),
            _Column("Address", ".status.addresses[*].value"),
            _condition("Programmed"),
            _AGE,
        ),
    ),
    _Kind(
        "ListenerSet",
        "listenersets",
        gateways.listener_set,
        short=("lset",),
        columns=(_condition("Accepted"), _condition("Programmed"), _AGE),
    ),
    _Kind("HTTPRoute", "httproutes", routes.http_route, _BOTH, columns=(_HOSTNAMES, _AGE)),
    _Kind("GRPCRoute", "grpcroutes", routes.grpc_route, columns=(_HOSTNAMES, _AGE)),
    _Kind("TLSRoute", "tlsroutes", routes.tls_route),
    _Kind("TCPRoute", "tcproutes", routes.stream_route),
    _Kind("UDPRoute", "udproutes", routes.stream_route),
    _Kind(
        "ReferenceGrant",
        "referencegrants",
        policies.reference_grant,
        _BOTH,
        storage="v1beta1",
        short=("refgrant",),
        status=False,
    ),
    _Kind(
        "BackendTLSPolicy",
        "backendtlspolicies",
        policies.backend_tls_policy,
        short=("btlspolicy",),
        labels=((f"{GROUP}/policy", "Direct"),),
    ),
)


def crds() -> list[dict[str, Any]]:
    """The definitions, as manifests to be applied; a fresh list each time."""
    return [_definition(kind) for kind in _KINDS]


def _definition(kind: _Kind) -> dict[str, Any]:
    names: dict[str, Any] = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        "categories": ["gateway-api"],
    }
    metadata: dict[str, Any] = {
        "name": f"{kind.plural}.{GROUP}",
        "annotations": {
            "api-approved.kubernetes.io": _APPROVAL,
            f"{GROUP}/bundle-version": _BUNDLE,
            f"{GROUP}/channel": "standard",
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {**metadata, "labels": dict(kind.labels)} if kind.labels else metadata,
        "spec": {
            "group": GROUP,
            "scope": "Cluster" if kind.cluster else "Namespaced",
            "names": {**names, "shortNames": list(kind.short)} if kind.short else names,
            "versions": [_version(kind, version) for version in kind.versions],
        },
    }


def _version(kind: _Kind, name: str) -> dict[str, Any]:
    plain = {"type": "string"}
    schema = kind.schema()
    about = (kind.schema.__doc__ or "").strip()
    known = {"apiVersion": plain, "kind": plain, "metadata": {"type": "object"}, **schema["properties"]}
    version: dict[str, Any] = {
        "name": name,
        "served": True,
        "storage": name == kind.storage,
        "schema": {"openAPIV3Schema": {**schema, "properties": known, "description": about}},
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
    }
    return {**version, "subresources": {"status": {}}} if kind.status else version
