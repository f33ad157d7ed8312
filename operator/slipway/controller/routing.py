"""Reading the route: which router leads the traffic, what it says now, and what it can do.

Gateways and their classes are looked up only while somebody needs to know: while no gateway has taken the route up, and
while a strategy asks for something that not every gateway can do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.api import GatewayTraffic, ModelDeploymentSpec, Traffic
from slipway.cluster import (
    GATEWAY,
    GATEWAY_CLASS,
    HTTP_ROUTE,
    Cluster,
    ClusterError,
    NotServed,
    Object,
    Unavailable,
    kind_of,
)
from slipway.rollout import Beside, Need, Revision, Route
from slipway.traffic import (
    ABSENT,
    Capabilities,
    Reference,
    Router,
    RouteStatus,
    gateway_features,
    gateway_problem,
    gateways_of,
    router_name,
    router_of,
    user_rule,
)
from slipway.traffic import gateway_api as gateways

_log = logging.getLogger(__name__)

_BY_FEATURES: Final = frozenset({"mirror", "mirror_percent", "match", "cookies", "preview", "sticky"})
"""What not every implementation of a router can do."""


@dataclass(frozen=True, slots=True)
class Routing:
    """The router of a ModelDeployment, with the live objects that carry its route."""

    router: Router[Any]
    settings: Any
    """What the router is asked with: the declared settings, or those of the route where it has to stay for now."""
    live: Mapping[Reference, Object | None]
    status: RouteStatus
    capabilities: Capabilities
    problem: str | None = None
    """Why no Gateway can take the route as it is declared."""
    unread: str | None = None
    """Why the route could not be read; nothing is known of it then."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose route is read."""

    name: str
    namespace: str
    uid: str
    ready: Mapping[str, int] = field(default_factory=dict)
    """Ready pods by the name of their revision's Service."""
    settles: float | None = None
    """Seconds that what leads the traffic takes to follow a change, where an administrator said so."""


async def read_routing(
    cluster: Cluster, subject: Subject, spec: ModelDeploymentSpec, needs: Iterable[Need], now: datetime
) -> Routing:
    """Read the route and what leads to it. Raises PlanError for settings that name no router, and ClusterError when the
    cluster refuses to be read."""
    router, settings = router_of(spec.traffic)
    references = router.references(model_deployment=subject.name, traffic=settings)
    try:
        live = await read_live(cluster, subject.namespace, references)
    except Unavailable as error:
        # Deadlines do not wait for the API that carries the route: what was last asked of it is what is known.
        able = router.capabilities(traffic=settings, features=None)
        return Routing(router, settings, dict.fromkeys(references), ABSENT, able, unread=str(error))
    status = _status(router, settings, subject, live, now)
    features: frozenset[str] | None = None
    problem = None
    asks = names_revisions(spec) or any(need.capability in _BY_FEATURES for need in needs)
    if spec.traffic.gateway is not None and (asks or status.observed is None or not status.exists):
        features, problem = await _gateways(cluster, subject.namespace, spec.traffic, live, status)
    capabilities = router.capabilities(traffic=settings, features=features)
    routing = Routing(router, settings, live, status, capabilities, problem)
    if problem is None or spec.traffic.gateway is None or spec.traffic.gateway.route is not None:
        return routing
    return _kept(routing, subject, now)


def names_revisions(spec: ModelDeploymentSpec) -> bool:
    """Whether answers should say which revision gave them: somebody reports on them afterwards."""
    return any(metric.feedback is not None for metric in (spec.analysis.metrics if spec.analysis else None) or ())


def _kept(routing: Routing, subject: Subject, now: datetime) -> Routing:
    """A route that moved to a Gateway that cannot serve it would take what serves off the air: only its weights change
    until it can move."""
    reference = routing.router.references(model_deployment=subject.name, traffic=routing.settings)[0]
    found = routing.live.get(reference)
    kept = gateways.route_traffic(found) if found is not None and routing.status.owned else None
    if kept is None:
        return routing
    return replace(routing, settings=kept, status=_status(routing.router, kept, subject, routing.live, now))


def _status(
    router: Router[Any], settings: Any, subject: Subject, live: Mapping[Reference, Object | None], now: datetime
) -> RouteStatus:
    return router.status(
        model_deployment=subject.name,
        namespace=subject.namespace,
        traffic=settings,
        owner_uid=subject.uid,
        live=live,
        ready=subject.ready,
        now=now,
        takes=subject.settles,
    )


async def read_live(
    cluster: Cluster, namespace: str, references: Iterable[Reference]
) -> dict[Reference, Object | None]:
    """The objects that a router reads; None for one that does not exist, or whose kind the cluster does not know."""
    live: dict[Reference, Object | None] = {}
    for reference in references:
        kind = kind_of({"apiVersion": reference.api_version, "kind": reference.kind})
        try:
            live[reference] = await cluster.get(kind, namespace, reference.name)
        except NotServed:
            live[reference] = None
    return live


async def claimed(cluster: Cluster, namespace: str, uid: str) -> list[str]:
    """The names of the rules in users' routes that a ModelDeployment has: of the one that leads, of one that was about
    to, and of those that it was moved away from before."""
    try:
        found = await cluster.list(HTTP_ROUTE, namespace)
    except NotServed:
        return []
    rules = [rule for route in found for rule in user_rule.claimed(route, uid)]
    return [router_name(Traffic(gateway=GatewayTraffic(route=rule))) for rule in rules]


async def _gateways(
    cluster: Cluster,
    namespace: str,
    traffic: Traffic,
    live: Mapping[Reference, Object | None],
    status: RouteStatus,
) -> tuple[frozenset[str] | None, str | None]:
    """What the Gateways can do, and why they would not serve the route, which is asked only while they do not."""
    settings = traffic.gateway
    if settings is None:
        return None, None
    found: dict[tuple[str, str], Mapping[str, Any] | None] = {}
    classes: dict[str, Mapping[str, Any] | None] = {}
    route = next(iter(live.values()), None)
    try:
        for where, name in gateways_of(settings, namespace, route):
            gateway = await cluster.get(GATEWAY, where, name)
            found[where, name] = gateway
            class_name = ((gateway or {}).get("spec") or {}).get("gatewayClassName")
            if class_name and class_name not in classes:
                classes[class_name] = await cluster.get(GATEWAY_CLASS, None, class_name)
    except NotServed:
        return None, "the Gateway API is not installed in this cluster: install its CRDs (gateway.networking.k8s.io/v1)"
    except ClusterError as error:
        # What cannot be looked at is not known to be a problem; the route's own status has the last word.
        _log.warning("whether the Gateway can take the route is not known: %s", error)
        return None, None
    problem = None
    if status.observed is None or not status.exists:
        problem = gateway_problem(found, classes, traffic=settings, namespace=namespace)
    return gateway_features(classes.values()), problem


def missing(needs: Iterable[Need], routing: Routing, spec: ModelDeploymentSpec) -> str | None:
    """The first thing that the strategy needs and the router cannot do."""
    router = next(name for name in ("gateway", "traefik", "ingressNginx", "istio", "service") if _names(spec, name))
    if routing.unread is not None:
        return None  # what a router can do is not known before it was looked at
    for need in needs:
        if not getattr(routing.capabilities, need.capability):
            return f"{need.field}: the router spec.traffic.{router} {need.why}"
    return None


def _names(spec: ModelDeploymentSpec, router: str) -> bool:
    fields = type(spec.traffic).model_fields
    return any(info.alias == router and getattr(spec.traffic, name) is not None for name, info in fields.items())


def last_asked(revisions: Mapping[str, Revision], problem: str) -> Route:
    """The route while it cannot be read: what was last asked of it, and nobody knows what came of that."""
    asked = {hash_: round((rev.record.weight or 0) * 100) for hash_, rev in revisions.items()}
    written = {hash_: weight for hash_, weight in asked.items() if weight}
    return Route(exists=bool(written), written=written, problem=f"the route cannot be read: {problem}", unread=True)


def route_of(status: RouteStatus, hashes: Mapping[str, str]) -> Route:
    """The route as the core sees it. `hashes` are the revisions by the names of their Services; a Service of somebody
    else stays under its own name, so that its share is seen to be not ours."""
    if status.exists and not status.owned:
        return Route(exists=True, foreign=True, problem=status.problem)

    def by_hash(weights: Mapping[str, int]) -> dict[str, int]:
        return {hashes.get(service, service): weight for service, weight in weights.items()}

    def known(service: str | None) -> str | None:
        return hashes.get(service, service) if service is not None else None

    return Route(
        exists=status.exists,
        written=by_hash(status.written),
        observed=by_hash(status.observed) if status.exists and status.observed is not None else None,
        problem=status.problem,
        beside=Beside(
            mirror=known(status.mirrored.service if status.mirrored else None),
            mirrored=status.mirrored.basis_points if status.mirrored else 0,
            matched=known(status.matched),
            previewed=known(status.previewed),
        ),
        settles_in=timedelta(seconds=status.settles_in) if status.settles_in is not None else None,
    )


def says(live: Object, patch: Object) -> bool:
    """Whether a merge patch would change nothing."""
    for name, value in patch.items():
        if isinstance(value, dict):
            if not says(live.get(name) or {}, value):
                return False
        elif live.get(name) != value:
            return False
    return True
