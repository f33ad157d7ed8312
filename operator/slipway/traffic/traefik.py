"""Traefik's own resources: an IngressRoute says what is matched, a TraefikService who gets which share.

The IngressRoute ``<name>`` leads to the TraefikService ``<name>-mirror``, and that to the TraefikService ``<name>``
with the shares. The one for copies is always there, with or without any: Traefik watches each kind by itself, and a
route that leads to an object which it has not seen yet answers 404. So no route of users ever changes where it leads,
and copies begin and end inside an object.

The routes of an IngressRoute have no names, so priorities tell them apart: by default a rule's priority is its length;
the route for matches has one more than the route for everybody, and the preview two.

None of these kinds has a status. A change counts as taken up when Traefik has had the time for it: it applies changes
at most every two seconds unless ``providersThrottleDuration`` says otherwise.

Traefik drops a whole split when one Service in it has no ready pod, unless the provider is started with
``--providers.kubernetescrd.allowEmptyServices``, as Traefik's Helm chart does. Without that, a candidate that loses
its pods takes the stable release off the air with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from slipway.api import SERVICE_PORT, HeaderMatch, RequestMatch, TraefikTraffic
from slipway.traffic.objects import ABSENT, applied, foreign, normalised, not_ours, owned, refuse_foreign, seconds_left
from slipway.traffic.patterns import cookie_pattern
from slipway.traffic.plan import copied, preview_host, serving_backends
from slipway.traffic.router import (
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

API_VERSION: Final = "traefik.io/v1alpha1"

FIELD: Final = "spec.traffic.traefik"

SETTLE_SECONDS: Final = 4.0
"""Twice Traefik's default throttle: one for a change that comes right after another, one for reading and loading it."""

_CAPABILITIES: Final = Capabilities(
    resolution=1,
    observable=False,
    mirror=True,
    mirror_percent=True,
    mirror_resolution=100,
    match=True,
    cookies=True,
    preview=True,
    sticky=True,
    counters=True,
)

_MATCH, _PREVIEW = 1, 2
"""How far the priority of a route is above that of the route for everybody."""


def references(*, model_deployment: str, traffic: TraefikTraffic) -> tuple[Reference, ...]:  # noqa: ARG001
    """The IngressRoute, and the TraefikServices of the shares and of the copies."""
    return _route(model_deployment), _split(model_deployment), _mirror(model_deployment)


def capabilities(*, traffic: TraefikTraffic, features: frozenset[str] | None) -> Capabilities:  # noqa: ARG001
    """What every Traefik 3 can do."""
    return _CAPABILITIES


def changes(
    *,
    model_deployment: str,
    namespace: str,
    traffic: TraefikTraffic,
    plan: RoutePlan,
    owner: Mapping[str, Any],
    live: Live,
) -> Sequence[Change]:
    """What is led to comes before what leads there."""
    serving = serving_backends(plan, _CAPABILITIES, router=FIELD)
    route, split, mirror = references(model_deployment=model_deployment, traffic=traffic)
    copies, host = copied(plan), preview_host(plan, traffic.hostnames, router=FIELD)
    refuse_foreign((route, split, mirror), live, namespace=namespace, owner_uid=owner["uid"])

    def manifest(reference: Reference, spec: Object) -> Change:
        return applied(reference, spec, namespace=namespace, model_deployment=model_deployment, owner=owner)

    sticky = {"sticky": {"cookie": {"name": plan.sticky.cookie, "httpOnly": True}}} if plan.sticky is not None else {}
    services = [{**_service(backend.service), "weight": backend.basis_points} for backend in serving]
    mirrors = [] if copies is None else [{**_service(copies.service), "percent": copies.basis_points // 100}]
    points = {"entryPoints": list(traffic.entry_points)} if traffic.entry_points else {}
    return (
        manifest(split, {"weighted": {"services": services, **sticky}}),
        manifest(mirror, {"mirroring": {**_traefik_service(split), "mirrors": mirrors}}),
        manifest(route, {**points, "routes": _routes(traffic, plan, host, _traefik_service(mirror))}),
    )


def status(
    *,
    model_deployment: str,
    namespace: str,
    traffic: TraefikTraffic,
    owner_uid: str,
    live: Live,
    ready: Mapping[str, int],  # noqa: ARG001 - shares do not depend on it here
    now: datetime,
    takes: float | None = None,
) -> RouteStatus:
    """Follow the route for everybody to the shares."""
    named = references(model_deployment=model_deployment, traffic=traffic)
    for reference in named:
        found = live.get(reference)
        if found is not None and not owned(found, owner_uid):
            return not_ours(foreign(reference, namespace))
    route, split, mirror = (live.get(reference) for reference in named)
    if route is None:
        return ABSENT
    main, match, preview = _read_routes(route)
    mirroring, weighted = _spec(mirror).get("mirroring") or {}, _spec(split).get("weighted") or {}
    leads = _target(main) == _target_of(named[2])
    splits = leads and (mirroring.get("kind"), mirroring.get("name")) == _target_of(named[1])
    mirrored = _copy(mirroring) if leads else None
    shares = _shares(weighted.get("services") or []) if splits else {}
    matched, previewed = _service_of(match), _service_of(preview)
    others = (mirrored.service if mirrored is not None else None, matched, previewed)
    problem = None
    if split is None or not splits:
        problem = (
            f"IngressRoute {namespace}/{named[0].name} does not lead to the shares in the TraefikService of that name"
        )
    left = seconds_left(
        *(found for found in (route, split, mirror) if found is not None),
        now=now,
        takes=SETTLE_SECONDS if takes is None else takes,
    )
    if problem is None and left is not None:
        problem = "Traefik does not say what it has taken up, and may not have had the time for the last change"
    return RouteStatus(
        exists=True,
        owned=True,
        written={**{name: 0 for name in others if name is not None}, **shares},
        accepted=problem is None,
        problem=problem,
        mirrored=mirrored,
        matched=matched,
        previewed=previewed,
        settles_in=left,
    )


def restored(*, traffic: TraefikTraffic, owner_uid: str, live: Live) -> Sequence[Change]:  # noqa: ARG001
    """Everything here goes with its owner."""
    return ()


# --- names


def _route(model_deployment: str) -> Reference:
    return Reference(API_VERSION, "IngressRoute", model_deployment)


def _split(model_deployment: str) -> Reference:
    return Reference(API_VERSION, "TraefikService", model_deployment)


def _mirror(model_deployment: str) -> Reference:
    return Reference(API_VERSION, "TraefikService", f"{model_deployment}-mirror")


def _target_of(reference: Reference) -> tuple[str, str]:
    return reference.kind, reference.name


# --- what is written


def _service(name: str) -> Object:
    return {"kind": "Service", "name": name, "port": SERVICE_PORT}


def _traefik_service(reference: Reference) -> Object:
    return {"kind": reference.kind, "name": reference.name}


def _routes(traffic: TraefikTraffic, plan: RoutePlan, host: str | None, target: Object) -> list[Object]:
    path, everybody = _path_rule(traffic.path), _rule(traffic.hostnames or [], traffic.path)
    routes = []
    if plan.preview is not None and plan.previewed is not None:
        if host is not None:
            rule = f"{_host_rule(host)} && {path}"
        else:
            rule = f"{everybody} && {_header_rule(plan.preview.header)}"
        routes.append(_as_route(rule, len(everybody) + _PREVIEW, _service(plan.previewed)))
    if plan.matches and plan.matched is not None:
        any_of = " || ".join(_match_rule(match) for match in plan.matches)
        routes.append(_as_route(f"{everybody} && ({any_of})", len(everybody) + _MATCH, _service(plan.matched)))
    return [*routes, _as_route(everybody, len(everybody), target)]


def _as_route(rule: str, priority: int, target: Object) -> Object:
    return {"kind": "Rule", "match": rule, "priority": priority, "services": [target]}


def _rule(hostnames: Sequence[str], path: str) -> str:
    hosts = " || ".join(_host_rule(hostname) for hostname in hostnames)
    return f"({hosts}) && {_path_rule(path)}" if hosts else _path_rule(path)


def _host_rule(hostname: str) -> str:
    """A host, or all below one: any number of labels may stand for the asterisk, as in the Gateway API."""
    if not hostname.startswith("*."):
        return f"Host({_quoted(hostname)})"
    below = hostname.removeprefix("*.").replace(".", "[.]")
    return f"HostRegexp({_quoted(f'^([a-z0-9-]+[.])+{below}$')})"


def _path_rule(path: str) -> str:
    """Whole elements of a path: Traefik's own prefix is one of characters, and /v2 would take /v20 along."""
    exact = path.rstrip("/")
    return f"(Path({_quoted(exact)}) || PathPrefix({_quoted(f'{exact}/')}))" if exact else 'PathPrefix("/")'


def _match_rule(match: RequestMatch) -> str:
    if match.cookie is not None:
        return f'HeaderRegexp("Cookie", {_quoted(cookie_pattern(match.cookie))})'
    return _header_rule(match.header)


def _header_rule(header: HeaderMatch | None) -> str:
    if header is None:  # the API's rules let none of these through
        raise PlanError("a match or a preview names neither a header nor anything else")
    return f"Header({_quoted(header.name)}, {_quoted(header.value)})"


def _quoted(text: str) -> str:
    """A string as Go writes it; of printable ASCII that is how JSON writes it."""
    return json.dumps(text)


# --- what is read


def _read_routes(route: Mapping[str, Any]) -> tuple[Object | None, Object | None, Object | None]:
    """The routes for everybody, for matches and for the preview. The first is the last in the list."""
    routes = _spec(route).get("routes") or []
    if not routes:
        return None, None, None
    base = routes[-1].get("priority", len(str(routes[-1].get("match", ""))))
    above = {entry.get("priority", 0) - base: entry for entry in routes[:-1]}
    return routes[-1], above.get(_MATCH), above.get(_PREVIEW)


def _target(route: Mapping[str, Any] | None) -> tuple[Any, Any]:
    services = (route or {}).get("services") or [{}]
    return services[0].get("kind", "Service"), services[0].get("name")


def _service_of(route: Mapping[str, Any] | None) -> str | None:
    kind, name = _target(route)
    return str(name) if kind == "Service" and name else None


def _copy(mirroring: Mapping[str, Any]) -> Backend | None:
    mirrors = mirroring.get("mirrors") or []
    if not mirrors:
        return None
    return Backend(str(mirrors[0].get("name")), max(0, min(int(mirrors[0].get("percent", 0)), 100)) * 100)


def _shares(services: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    weights: dict[str, int] = {}
    for service in services:
        if service.get("kind", "Service") == "Service" and service.get("name"):
            weights[service["name"]] = weights.get(service["name"], 0) + int(service.get("weight", 1))
    return normalised(weights)


def _spec(live: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return (live or {}).get("spec") or {}
