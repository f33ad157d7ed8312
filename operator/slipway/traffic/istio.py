"""Istio: one VirtualService, with the shares as weights of the destinations of its last rule.

Rules are tried in order, so the preview stands before the matches, and both before the shares. Each release is a
Service of its own, and therefore a destination of its own: there are no subsets, and no DestinationRule is needed to
define any. One for sessions would do harm: its consistent hash picks a pod after the weights have picked the
destination, so the cookie keeps no client with a release, and sessions are refused.

A VirtualService has no status unless Istio is told to track the distribution of its configuration. A change counts as
taken up when the control plane has had the time to push it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from slipway.api import SERVICE_PORT, HeaderMatch, IstioTraffic, RequestMatch
from slipway.traffic.objects import ABSENT, applied, foreign, normalised, not_ours, owned, refuse_foreign, seconds_left
from slipway.traffic.patterns import cookie_pattern, literal
from slipway.traffic.plan import copied, preview_host, serving_backends
from slipway.traffic.router import (
    REVISION_HEADER,
    WHOLE,
    Backend,
    Capabilities,
    Change,
    Live,
    Object,
    PlanError,
    Reference,
    RoutePlan,
    RouteStatus,
)

API_VERSION: Final = "networking.istio.io/v1"
KIND: Final = "VirtualService"

FIELD: Final = "spec.traffic.istio"

SETTLE_SECONDS: Final = 5.0
"""The control plane waits a tenth of a second for more changes, longer while they keep coming, and then pushes."""

_CAPABILITIES: Final = Capabilities(
    resolution=1,
    observable=False,
    mirror=True,
    mirror_percent=True,
    match=True,
    cookies=True,
    preview=True,
    counters=True,
    named=True,
)

_MODEL, _MATCH, _PREVIEW = "model", "match", "preview"


def references(*, model_deployment: str, traffic: IstioTraffic) -> tuple[Reference, ...]:  # noqa: ARG001
    """The VirtualService."""
    return (_route(model_deployment),)


def capabilities(*, traffic: IstioTraffic, features: frozenset[str] | None) -> Capabilities:  # noqa: ARG001
    """Everything but sessions."""
    return _CAPABILITIES


def changes(
    *,
    model_deployment: str,
    namespace: str,
    traffic: IstioTraffic,
    plan: RoutePlan,
    owner: Mapping[str, Any],
    live: Live,
) -> Sequence[Change]:
    """The VirtualService: everything changes at once. When nothing may serve, it goes: a rule has to lead somewhere."""
    reference = _route(model_deployment)
    refuse_foreign([reference], live, namespace=namespace, owner_uid=owner["uid"])
    serving = serving_backends(plan, _CAPABILITIES, router=FIELD)
    if not serving:
        return () if live.get(reference) is None else (Change(reference, delete=True),)
    host = preview_host(plan, traffic.hostnames, router=FIELD)
    hosts = [*traffic.hostnames, *([host] if host is not None else [])]
    gateways = {"gateways": list(traffic.gateways)} if traffic.gateways else {}
    spec = {"hosts": hosts, **gateways, "http": _rules(traffic.path, plan, serving)}
    return (applied(reference, spec, namespace=namespace, model_deployment=model_deployment, owner=owner),)


def status(
    *,
    model_deployment: str,
    namespace: str,
    traffic: IstioTraffic,  # noqa: ARG001 - what was written is all that can be read
    owner_uid: str,
    live: Live,
    ready: Mapping[str, int],  # noqa: ARG001 - shares do not depend on it here
    now: datetime,
    takes: float | None = None,
) -> RouteStatus:
    """Read the rules by their names."""
    reference = _route(model_deployment)
    found = live.get(reference)
    if found is None:
        return ABSENT
    if not owned(found, owner_uid):
        return not_ours(foreign(reference, namespace))
    rules = {str(rule.get("name")): rule for rule in (found.get("spec") or {}).get("http") or []}
    mirrored = _copy(rules.get(_MODEL) or {})
    weights = {service: 0 for rule in rules.values() for service in _services(rule)}
    if mirrored is not None:
        weights.setdefault(mirrored.service, 0)
    left = seconds_left(found, now=now, takes=SETTLE_SECONDS if takes is None else takes)
    problem = None
    if left is not None:
        problem = "Istio does not say what its proxies have taken up, and may not have had the time for the last change"
    return RouteStatus(
        exists=True,
        owned=True,
        written=normalised({**weights, **_services(rules.get(_MODEL) or {})}),
        accepted=left is None,
        problem=problem,
        mirrored=mirrored,
        matched=next(iter(_services(rules.get(_MATCH) or {})), None),
        previewed=next(iter(_services(rules.get(_PREVIEW) or {})), None),
        settles_in=left,
    )


def restored(*, traffic: IstioTraffic, owner_uid: str, live: Live) -> Sequence[Change]:  # noqa: ARG001
    """The VirtualService goes with its owner."""
    return ()


def _route(model_deployment: str) -> Reference:
    return Reference(API_VERSION, KIND, model_deployment)


# --- what is written


def _rules(path: str, plan: RoutePlan, serving: Sequence[Backend]) -> list[Object]:
    rules = []
    if plan.preview is not None and plan.previewed is not None:
        matches = _matches(path, [_preview_condition(plan)])
        rules.append(_rule(_PREVIEW, matches, [Backend(plan.previewed, WHOLE)], plan))
    if plan.matches and plan.matched is not None:
        conditions = [_match_condition(match) for match in plan.matches]
        rules.append(_rule(_MATCH, _matches(path, conditions), [Backend(plan.matched, WHOLE)], plan))
    model = _rule(_MODEL, _matches(path, [{}]), serving, plan)
    mirror = copied(plan)
    if mirror is not None:
        model |= {
            "mirror": _destination(mirror.service),
            "mirrorPercentage": {"value": mirror.basis_points / 100},
        }
    return [*rules, model]


def _rule(name: str, matches: list[Object], backends: Iterable[Backend], plan: RoutePlan) -> Object:
    routes = [
        {
            "destination": _destination(backend.service),
            "weight": backend.basis_points,
            **({"headers": {"response": {"set": {REVISION_HEADER: backend.service}}}} if plan.named else {}),
        }
        for backend in backends
    ]
    return {"name": name, "match": matches, "route": routes}


def _destination(service: str) -> Object:
    """A Service in the namespace of the VirtualService: that is how Istio reads a short name."""
    return {"host": service, "port": {"number": SERVICE_PORT}}


def _matches(path: str, conditions: Iterable[Object]) -> list[Object]:
    """Each condition together with the path. A prefix is one of characters here, and /v2 would take /v20 along."""
    exact = path.rstrip("/")
    uris = [{"exact": exact}, {"prefix": f"{exact}/"}] if exact else [{"prefix": "/"}]
    return [{"uri": uri, **condition} for condition in conditions for uri in uris]


def _match_condition(match: RequestMatch) -> Object:
    if match.cookie is not None:
        return {"headers": {"cookie": {"regex": cookie_pattern(match.cookie)}}}
    return _header_condition(match.header)


def _header_condition(header: HeaderMatch | None) -> Object:
    if header is None:  # the API's rules let none of these through
        raise PlanError("a match or a preview names neither a header nor anything else")
    return {"headers": {header.name.lower(): {"exact": header.value}}}  # Istio wants names in lower case


def _preview_condition(plan: RoutePlan) -> Object:
    if plan.preview is not None and plan.preview.hostname is not None:
        host = plan.preview.hostname
        name = f"[^:]+[.]{literal(host[2:])}" if host.startswith("*.") else literal(host)
        return {"authority": {"regex": f"{name}(:[0-9]+)?"}}  # a client may say the port
    return _header_condition(plan.preview.header if plan.preview is not None else None)


# --- what is read


def _services(rule: Mapping[str, Any]) -> dict[str, int]:
    """Weights by Service. A lone destination takes everything, whatever its weight."""
    routes = rule.get("route") or []
    weights: dict[str, int] = {}
    for route in routes:
        name = str((route.get("destination") or {}).get("host", "")).split(".")[0]
        weights[name] = weights.get(name, 0) + (WHOLE if len(routes) == 1 else int(route.get("weight", 0)))
    return weights


def _copy(rule: Mapping[str, Any]) -> Backend | None:
    host = (rule.get("mirror") or {}).get("host")
    if not host:
        return None
    percent = float((rule.get("mirrorPercentage") or {}).get("value", 100))
    return Backend(str(host).split(".")[0], max(0, min(round(percent * 100), WHOLE)))
