"""Names of routers, to remember which one has led the traffic: an edit that takes another one leaves objects behind.

``gateway``, ``traefik`` and so on, as in ``spec.traffic``; a rule of a user's route is ``gateway/<route>/<rule>``.
"""

from __future__ import annotations

from slipway.api import (
    GatewayTraffic,
    IngressNginxTraffic,
    IstioTraffic,
    RouteReference,
    ServiceTraffic,
    TraefikTraffic,
    Traffic,
)
from slipway.traffic.router import PlanError

_ANY_HOST = ["any"]
"""Settings that only name a router need no host of their own."""


def router_name(traffic: Traffic) -> str:
    """The router that the settings name. Raises PlanError when they name none."""
    if traffic.gateway is not None and traffic.gateway.route is not None:
        return f"gateway/{traffic.gateway.route.name}/{traffic.gateway.route.rule}"
    for name, info in Traffic.model_fields.items():
        if getattr(traffic, name) is not None:
            return info.alias or name
    raise PlanError("spec.traffic: name exactly one router")


def router_named(name: str) -> Traffic | None:
    """Settings that are enough to find the objects of a router that was used before; None for a name of no router."""
    kind, *rest = name.split("/")
    match kind, rest:
        case "gateway", [route, rule]:
            return Traffic(gateway=GatewayTraffic(route=RouteReference(name=route, rule=rule)))
        case "gateway", []:
            return Traffic(gateway=GatewayTraffic())
        case "traefik", []:
            return Traffic(traefik=TraefikTraffic())
        case "ingressNginx", []:
            return Traffic(ingress_nginx=IngressNginxTraffic(hostnames=_ANY_HOST))
        case "istio", []:
            return Traffic(istio=IstioTraffic(hostnames=_ANY_HOST))
        case "service", []:
            return Traffic(service=ServiceTraffic())
    return None
