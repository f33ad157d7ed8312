"""``spec.traffic``: how clients reach the model, through exactly one router."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slipway.api.common import Label63, ObjectName, SpecModel, validations
from slipway.api.strategy import Hostname

PathPrefix = Annotated[
    str,
    Field(
        max_length=1024,
        pattern=r"^(/|(/[A-Za-z0-9._~!$&'()*+,;=:@-]*[A-Za-z0-9_~!$&'()*+,;=:@-])+/?)$",
        description="Path prefix that the route matches, without //, /../ and percent signs. Default: /.",
    ),
]
Hostnames = Annotated[
    list[Hostname] | None, Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"})
]


class ParentReference(SpecModel):
    """A Gateway that the owned HTTPRoute attaches to, in the ModelDeployment's namespace unless it says otherwise."""

    name: Annotated[ObjectName, Field(description="Name of the Gateway.")]
    namespace: Annotated[
        Label63 | None, Field(description="Namespace of the Gateway. Default: the ModelDeployment's.")
    ] = None
    section_name: Annotated[
        ObjectName | None, Field(description="Name of one listener of the Gateway. Default: all that take the route.")
    ] = None


class RouteReference(SpecModel):
    """A rule of an HTTPRoute that the user owns. Slipway sets the backends of this rule, and nothing else."""

    name: Annotated[ObjectName, Field(description="Name of the HTTPRoute, in the ModelDeployment's namespace.")]
    rule: Annotated[ObjectName, Field(description="Name of the rule (spec.rules[].name).")]


class GatewayTraffic(SpecModel):
    """An HTTPRoute: one that Slipway owns, or a named rule of one that the user owns."""

    model_config = validations(
        (
            "[has(self.parentRefs), has(self.route)].filter(x, x).size() == 1",
            "name exactly one of parentRefs and route",
        ),
        (
            "!has(self.route) || !(has(self.hostnames) || has(self.path))",
            "hostnames and path are the route's own where it belongs to the user",
        ),
    )

    parent_refs: Annotated[
        list[ParentReference] | None,
        Field(
            description="Gateways that the owned HTTPRoute attaches to.",
            min_length=1,
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None
    hostnames: Annotated[
        Hostnames, Field(description="Host names of the owned HTTPRoute. Default: those of the listener.")
    ] = None
    path: PathPrefix = "/"
    route: RouteReference | None = None


class TraefikTraffic(SpecModel):
    """Traefik's own resources: an IngressRoute that leads to a TraefikService, which splits and mirrors."""

    entry_points: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9_-]+$")]] | None,
        Field(
            min_length=1,
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
            description="Traefik's entry points. Default: its default ones.",
        ),
    ] = None
    hostnames: Annotated[Hostnames, Field(description="Host names that the IngressRoute matches. Default: all.")] = None
    path: PathPrefix = "/"


class IngressNginxTraffic(SpecModel):
    """Two Ingresses of ingress-nginx: the second one carries its canary annotations."""

    ingress_class_name: Annotated[ObjectName, Field(description="IngressClass of the Ingresses. Default: nginx.")] = (
        "nginx"
    )
    hostnames: Annotated[
        list[Hostname],
        Field(
            description="Host names of the Ingresses.",
            min_length=1,
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ]
    path: PathPrefix = "/"


class IstioTraffic(SpecModel):
    """An Istio VirtualService over the Services of the releases."""

    gateways: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=253, pattern=r"^([a-z0-9-]+/)?[a-z0-9.-]+$")]] | None,
        Field(
            min_length=1,
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
            description="Istio Gateways, as name or namespace/name. Default: the mesh.",
        ),
    ] = None
    hostnames: Annotated[
        list[Hostname],
        Field(
            description="Hosts of the VirtualService.",
            min_length=1,
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ]
    path: PathPrefix = "/"


class ServiceTraffic(SpecModel):
    """No gateway: one Service, named after the ModelDeployment, over the pods of the releases that serve.

    A release's share is its share of the ready pods, so only weights that the replicas can make up are possible.
    """


class Traffic(SpecModel):
    """How clients reach the model: exactly one router."""

    model_config = validations(
        (
            "[has(self.gateway), has(self.traefik), has(self.ingressNginx), has(self.istio), has(self.service)].filter(x, x).size() == 1",
            "name exactly one router: gateway, traefik, ingressNginx, istio or service",
        )
    )

    gateway: GatewayTraffic | None = None
    traefik: TraefikTraffic | None = None
    ingress_nginx: IngressNginxTraffic | None = None
    istio: IstioTraffic | None = None
    service: ServiceTraffic | None = None
