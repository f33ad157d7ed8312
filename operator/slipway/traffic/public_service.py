"""No gateway: one Service, named after the ModelDeployment, that leads to the pods of the releases that serve.

A Service gives every ready pod the same share, so a release's share is its share of the ready pods. The selector names
one revision while one serves, and the whole ModelDeployment while two do: labels are compared for equality, so there
is nothing in between. While two serve, the pods of a third revision would be selected as well. Nobody else can keep
them away, so this is said as a problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from slipway.api import LABEL_MODEL_DEPLOYMENT, LABEL_REVISION, SERVICE_PORT, ServiceTraffic
from slipway.traffic.objects import ABSENT, applied, foreign, normalised, not_ours, owned, refuse_foreign, seconds_left
from slipway.traffic.plan import serving_backends
from slipway.traffic.router import (
    WHOLE,
    Backend,
    Capabilities,
    Change,
    Live,
    PlanError,
    Reference,
    RoutePlan,
    RouteStatus,
)

FIELD: Final = "spec.traffic.service"

SETTLE_SECONDS: Final = 2.0
"""Time for the endpoints of a changed selector to reach every node: the controller and kube-proxy take about one."""

NOBODY: Final = "none"
"""A revision that no pod is labelled with: the selector of a Service that leads nowhere."""

_CAPABILITIES: Final = Capabilities(resolution=1, observable=False, by_replicas=True)


def reachable(replicas: int) -> tuple[int, ...]:
    """The shares that so many pods can make up, in basis points, 0 and 10 000 among them."""
    return tuple(round(pods * WHOLE / replicas) for pods in range(replicas + 1)) if replicas > 0 else ()


def references(*, model_deployment: str, traffic: ServiceTraffic) -> tuple[Reference, ...]:  # noqa: ARG001
    """The public Service."""
    return (_service(model_deployment),)


def capabilities(*, traffic: ServiceTraffic, features: frozenset[str] | None) -> Capabilities:  # noqa: ARG001
    """Shares by replica count, and nothing else."""
    return _CAPABILITIES


def changes(
    *,
    model_deployment: str,
    namespace: str,
    traffic: ServiceTraffic,  # noqa: ARG001 - there is nothing to set
    plan: RoutePlan,
    owner: Mapping[str, Any],
    live: Live,
) -> Sequence[Change]:
    """The Service. Of the shares it only matters which are above 0: the pods make up the rest."""
    reference = _service(model_deployment)
    refuse_foreign([reference], live, namespace=namespace, owner_uid=owner["uid"])
    serving = serving_backends(plan, _CAPABILITIES, router=FIELD)
    spec = {
        "type": "ClusterIP",
        "selector": _selector(model_deployment, serving),
        "publishNotReadyAddresses": False,
        "ports": [{"name": "http", "port": SERVICE_PORT, "targetPort": _target_port(serving), "protocol": "TCP"}],
    }
    return (applied(reference, spec, namespace=namespace, model_deployment=model_deployment, owner=owner),)


def status(
    *,
    model_deployment: str,
    namespace: str,
    traffic: ServiceTraffic,  # noqa: ARG001 - there is nothing to set
    owner_uid: str,
    live: Live,
    ready: Mapping[str, int],
    now: datetime,
    takes: float | None = None,
) -> RouteStatus:
    """Read the selector, and what the ready pods make of it."""
    reference = _service(model_deployment)
    found = live.get(reference)
    if found is None:
        return ABSENT
    if not owned(found, owner_uid):
        return not_ours(foreign(reference, namespace))
    written, problem = _selected(found, model_deployment, ready)
    left = seconds_left(found, now=now, takes=SETTLE_SECONDS if takes is None else takes)
    if left is not None and problem is None:
        problem = f"the endpoints of Service {namespace}/{reference.name} may still be those of its last version"
    return RouteStatus(
        exists=True, owned=True, written=written, accepted=left is None, problem=problem, settles_in=left
    )


def restored(*, traffic: ServiceTraffic, owner_uid: str, live: Live) -> Sequence[Change]:  # noqa: ARG001
    """The Service goes with its owner."""
    return ()


def _service(model_deployment: str) -> Reference:
    return Reference("v1", "Service", model_deployment)


def _selector(model_deployment: str, serving: Sequence[Backend]) -> dict[str, str]:
    everything = {LABEL_MODEL_DEPLOYMENT: model_deployment}
    match [backend.service for backend in serving]:
        case []:
            return {**everything, LABEL_REVISION: NOBODY}
        case [service]:
            return {**everything, LABEL_REVISION: service.removeprefix(f"{model_deployment}-")}
        case _:
            return everything


def _target_port(serving: Sequence[Backend]) -> str:
    """The name of the pods' port: each pod has its own number for it."""
    names = sorted({backend.target_port for backend in serving})
    if len(names) > 1:
        raise PlanError(
            f"{FIELD}: one Service leads to one name of a port, and the releases name theirs {' and '.join(names)}: "
            "give spec.release.container.ports[0] (behind a transformer: transformer.container.ports[0]) the same name "
            "in both"
        )
    return names[0] if names else "http"


def _selected(
    found: Mapping[str, Any], model_deployment: str, ready: Mapping[str, int]
) -> tuple[dict[str, int], str | None]:
    """Shares by Service, and what is wrong with them."""
    selector = (found.get("spec") or {}).get("selector") or {}
    revision = selector.get(LABEL_REVISION)
    if set(selector) - {LABEL_MODEL_DEPLOYMENT, LABEL_REVISION} or selector.get(LABEL_MODEL_DEPLOYMENT) != (
        model_deployment
    ):
        return {}, f"Service {model_deployment} selects {selector}, which is not what Slipway wrote"
    if revision is not None:
        return ({} if revision == NOBODY else {f"{model_deployment}-{revision}": WHOLE}), None
    shares = normalised(ready)
    serving = sorted(service for service, share in shares.items() if share)
    if len(serving) > 2:
        return shares, (
            f"pods of {len(serving)} revisions are ready ({', '.join(serving)}), and a Service cannot tell them apart "
            "while two of them serve: the others have to be scaled to 0"
        )
    return shares, None
