"""Routes and their settings with good defaults, as a real API server returns them."""

from __future__ import annotations

import copy
from typing import Any

from unit.traffic.served import NAMESPACE, OWNER

from slipway.api import GatewayTraffic, Traffic
from slipway.traffic import Backend, RoutePlan, router_of


def a_traffic(*parents: dict[str, str], **fields: Any) -> GatewayTraffic:
    return GatewayTraffic.model_validate({"parentRefs": list(parents) or [{"name": "public"}], **fields})


def a_route(
    *, backends: list[Backend] | None = None, traffic: GatewayTraffic | None = None, name: str = "fraud"
) -> dict[str, Any]:
    """The manifest of an owned HTTPRoute."""
    shares = [Backend("fraud-old", 9000), Backend("fraud-new", 1000)] if backends is None else backends
    router, settings = router_of(Traffic(gateway=traffic or a_traffic()))
    (change,) = router.changes(
        model_deployment=name, namespace=NAMESPACE, traffic=settings, plan=RoutePlan(shares), owner=OWNER, live={}
    )
    return change.body


def an_answer(parent: dict[str, Any] | None = None, *, generation: int = 3, **statuses: Any) -> dict[str, Any]:
    """What a controller writes about one parent; a condition is a status, or a pair of status and reason."""
    conditions = []
    for kind in ("Accepted", "ResolvedRefs"):
        status = statuses.get(kind, "True")
        status, reason = status if isinstance(status, tuple) else (status, kind)
        if status is not None:
            about = {"reason": reason, "message": f"about {kind}"}
            observed = statuses.get(f"{kind}_generation", generation)
            conditions.append({"type": kind, "status": status, "observedGeneration": observed, **about})
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", **(parent or {})}
    controller = statuses.get("controller", "example.com/gw")
    return {"parentRef": reference, "controllerName": controller, "conditions": conditions}


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
