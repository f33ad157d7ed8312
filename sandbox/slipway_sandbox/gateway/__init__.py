"""The gateway: Traefik, a real Gateway API implementation, run from its PyPI wheel as one more process.

It is started with nothing but the address of the API, watches Gateways, HTTPRoutes, Ingresses and its own kinds there
like in any cluster, writes their status, and sends requests to the pods' loopback addresses that EndpointSlices hold.
"""

from slipway_sandbox.gateway.objects import gateway_objects
from slipway_sandbox.gateway.traefik import GatewayError, Traefik, find_traefik

__all__ = ["GatewayError", "Traefik", "find_traefik", "gateway_objects"]
