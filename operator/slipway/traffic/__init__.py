"""How traffic is led to the revisions of a ModelDeployment. Pure: dicts in, dicts out.

One interface (`router`), one module for each way of doing it (`gateway_api`). A weight that was written is a wish;
the weight that counts is the one that the data plane has taken up, so reading back is half of the interface, and the
word for it is ``observed``. `parents` says what is wrong with the Gateways when nobody answers.
"""

from typing import Final

from slipway.api import GatewayTraffic
from slipway.traffic import gateway_api
from slipway.traffic.gateway_api import route_manifest, route_status, route_traffic
from slipway.traffic.parents import gateway_problem
from slipway.traffic.router import WHOLE, Backend, Capabilities, Router, RouteStatus

GATEWAY_API: Final[Router[GatewayTraffic]] = gateway_api
"""The Gateway API as a router."""

__all__ = [
    "Backend",
    "Capabilities",
    "GATEWAY_API",
    "RouteStatus",
    "Router",
    "WHOLE",
    "gateway_problem",
    "route_manifest",
    "route_status",
    "route_traffic",
]
