"""Routes and Gateways as a real API server returns them."""

from __future__ import annotations

import copy
from typing import Any

from slipway.api import GatewayTraffic
from slipway.traffic import Backend, route_manifest

UID = "uid-of-fraud"
OWNER = {
    "apiVersion": "slipway.dev/v1alpha1",
    "kind": "ModelDeployment",
    "name": "fraud",
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": False,
}


def a_traffic(*parents: dict[str, str], **fields: Any) -> GatewayTraffic:
    return GatewayTraffic.model_validate({"parentRefs": list(parents) or [{"name": "public"}], **fields})


def a_route(
    *, backends: list[Backend] | None = None, traffic: GatewayTraffic | None = None, name: str = "fraud"
) -> dict[str, Any]:
    shares = [Backend("fraud-old", 9000), Backend("fraud-new", 1000)] if backends is None else backends
    return route_manifest(
        model_deployment=name, namespace="shop", traffic=traffic or a_traffic(), backends=shares, owner=OWNER
    )


def an_answer(parent: dict[str, Any] | None = None, *, generation: int = 3, **statuses: Any) -> dict[str, Any]:
    """What a controller writes about one parent; a condition is a status, or a pair of status and reason."""
    conditions = []
    for kind in ("Accepted", "ResolvedRefs"):
        status = statuses.get(kind, "True")
        status, reason = status if isinstance(status, tuple) else (status, kind)
        if status is not None:
            conditions.append(
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": f"about {kind}",
                    "observedGeneration": statuses.get(f"{kind}_generation", generation),
                }
            )
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", **(parent or {})}
    return {
        "parentRef": reference,
        "controllerName": statuses.get("controller", "example.com/gw"),
        "conditions": conditions,
    }


def as_served_route(manifest: dict[str, Any], *answers: dict[str, Any], generation: int = 3) -> dict[str, Any]:
    """The HTTPRoute as an API server returns it, with what the controllers wrote."""
    live = copy.deepcopy(manifest)
    live["metadata"] |= {
        "uid": "77aa",
        "resourceVersion": "4711",
        "generation": generation,
        "creationTimestamp": "2025-03-01T10:00:00Z",
    }
    for parent in live["spec"]["parentRefs"]:
        parent |= {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    for rule in live["spec"]["rules"]:
        for backend in rule["backendRefs"]:
            backend |= {"group": "", "kind": "Service"}
    live["status"] = {"parents": list(answers)}
    return live
