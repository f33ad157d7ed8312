"""What to do about a right that the operator's role lacks: the chart's value that grants it."""

from __future__ import annotations

import re
from typing import Final

from slipway.cluster import Forbidden

_BY_GROUP: Final = {
    "gateway.networking.k8s.io": "permissions.gatewayApi",
    "traefik.io": "permissions.traefik",
    "networking.istio.io": "permissions.istio",
    "networking.k8s.io": "permissions.ingressNginx",
    "autoscaling": "permissions.horizontalPodAutoscalers",
    "keda.sh": "permissions.keda",
    "policy": "permissions.podDisruptionBudgets",
    "batch": "permissions.jobs",
}

_LACKING: Final = re.compile(r'User "[^"]*" cannot \w+ resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"')
"""How an API server words what RBAC refuses; what an admission plugin refuses is worded otherwise."""


def with_remedy(error: Exception) -> str:
    """The error's message; where RBAC refused, with the chart's value that adds the right to the operator's role."""
    found = _LACKING.search(str(error)) if isinstance(error, Forbidden) else None
    if found is None:
        return str(error)
    value = "permissions.secrets" if found["resource"] == "secrets" else _BY_GROUP.get(found["group"])
    what = f"set {value} in the chart's values" if value else "install the roles of the chart's present version"
    return f"{error}; the operator's role lacks this right: {what}"
