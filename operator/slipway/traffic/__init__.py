"""How traffic is led to the revisions of a ModelDeployment. Pure: dicts in, dicts out.

One interface (`router`), and one module for each way of doing it: `gateway_api`, `traefik`, `ingress_nginx`, `istio`
and `public_service`. A weight that was written is a wish; the weight that counts is the one that the data plane has
taken up, so reading back is half of the interface, and the word for it is ``observed``.

A router that cannot do something says so in its capabilities, and refuses it with a `PlanError`: nothing that a user
asked for is left out without a word. `parents` says what is wrong with the Gateways when nobody answers, and
`features` what an implementation of the Gateway API says of itself.
"""

from typing import Any, Final

from slipway.api import (
    GatewayTraffic,
    IngressNginxTraffic,
    IstioTraffic,
    ServiceTraffic,
    TraefikTraffic,
    Traffic,
)
from slipway.traffic import gateway_api, ingress_nginx, istio, public_service, traefik
from slipway.traffic.features import gateway_features
from slipway.traffic.gateway_api import route_traffic
from slipway.traffic.names import router_name, router_named
from slipway.traffic.objects import ABSENT
from slipway.traffic.parents import gateway_problem, gateways_of
from slipway.traffic.plan import refusal
from slipway.traffic.public_service import reachable
from slipway.traffic.router import (
    REVISION_HEADER,
    WHOLE,
    Backend,
    Capabilities,
    Change,
    Live,
    PlanError,
    Reference,
    RoutePlan,
    Router,
    RouteStatus,
)

_GATEWAY: Final[Router[GatewayTraffic]] = gateway_api
_TRAEFIK: Final[Router[TraefikTraffic]] = traefik
_INGRESS_NGINX: Final[Router[IngressNginxTraffic]] = ingress_nginx
_ISTIO: Final[Router[IstioTraffic]] = istio
_SERVICE: Final[Router[ServiceTraffic]] = public_service


def router_of(traffic: Traffic) -> tuple[Router[Any], Any]:
    """The router that the settings name, and its settings. Raises PlanError when none of them can be had."""
    if traffic.gateway is not None:
        return _GATEWAY, traffic.gateway
    if traffic.traefik is not None:
        return _TRAEFIK, traffic.traefik
    if traffic.ingress_nginx is not None:
        return _INGRESS_NGINX, traffic.ingress_nginx
    if traffic.istio is not None:
        return _ISTIO, traffic.istio
    if traffic.service is not None:
        return _SERVICE, traffic.service
    raise PlanError("spec.traffic: name exactly one router: gateway, traefik, ingressNginx, istio or service")


__all__ = [
    "ABSENT",
    "Backend",
    "Capabilities",
    "Change",
    "Live",
    "PlanError",
    "REVISION_HEADER",
    "Reference",
    "RoutePlan",
    "RouteStatus",
    "Router",
    "WHOLE",
    "gateway_features",
    "gateway_problem",
    "gateways_of",
    "reachable",
    "refusal",
    "route_traffic",
    "router_name",
    "router_named",
    "router_of",
]
