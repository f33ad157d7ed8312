"""What lint can say of two ModelDeployments that want the same requests. Pure.

A Gateway gives all requests for a host name and path to the older one of two routes, and says nothing of it: the other
ModelDeployment says that it serves all traffic, and gets none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from slipway.api import MODEL_DEPLOYMENT_KIND, GatewayTraffic, ModelDeployment
from slipway.cli.manifests import Manifest


def ground_problem(
    gateway: GatewayTraffic | None, document: Mapping[str, Any], beside: Sequence[Manifest]
) -> str | None:
    """Which ModelDeployment of the same namespace wants requests of this one; begins with the field."""
    namespace, name = _identity(document)
    ours = set(_places(gateway))
    for other in beside:
        if other.document.get("kind") != MODEL_DEPLOYMENT_KIND or _identity(other.document)[0] != namespace:
            continue
        shared = sorted(ours & set(_places(_gateway_of(other.document))))
        if _identity(other.document)[1] != name and shared:
            gate, host, path = shared[0]
            return (
                f"spec.traffic.gateway.hostnames: ModelDeployment {_identity(other.document)[1]} takes requests for "
                f"{host or 'every host'}{path} at Gateway {gate} too, and one of the two would get none: give each a "
                "host name or a path of its own"
            )
    return None


def _places(gateway: GatewayTraffic | None) -> Iterator[tuple[str, str, str]]:
    """Gateway (with its listener), host name and path of all that is asked for by a route of our own."""
    if gateway is None:
        return
    for parent in gateway.parent_refs or ():
        where = "/".join(part for part in (parent.namespace, parent.name, parent.section_name) if part is not None)
        for host in gateway.hostnames or ("",):
            yield where, host, gateway.path


def _gateway_of(document: Mapping[str, Any]) -> GatewayTraffic | None:
    try:
        return ModelDeployment.model_validate({"spec": document.get("spec")}).spec.traffic.gateway
    except ValidationError:  # what is wrong with it is said where it is looked at
        return None


def _identity(document: Mapping[str, Any]) -> tuple[Any, Any]:
    metadata = document.get("metadata")
    return (metadata.get("namespace"), metadata.get("name")) if isinstance(metadata, Mapping) else (None, None)
