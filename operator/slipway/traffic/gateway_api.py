"""The Gateway API: one owned HTTPRoute for each ModelDeployment, or a rule of one that the user owns (`user_rule`).

Shares are weights out of 10 000. A release at 0 is left out of the route, not written with weight 0: a gateway that
keeps sessions would go on serving it to clients that it has bound (GEP-1619). Hostnames belong to a whole route, so a
preview host takes a second route, ``<name>-preview``.

Sessions are refused: ``sessionPersistence`` is in the experimental channel alone, and an API server of the standard
channel drops the field without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from slipway.api import GatewayTraffic, ParentReference
from slipway.traffic import user_rule
from slipway.traffic.acceptance import refused_by
from slipway.traffic.features import HEADER_PATTERNS, MIRROR, MIRROR_PERCENT, RESPONSE_HEADERS
from slipway.traffic.http_rules import (
    MATCH_RULE,
    MODEL_RULE,
    PREVIEW_RULE,
    backend_of,
    backend_references,
    header_match,
    mirror_filter,
    mirror_of,
    named,
    path_match,
    request_matches,
    shares,
    sole_backend,
)
from slipway.traffic.objects import ABSENT, applied, foreign, not_ours, owned, refuse_foreign
from slipway.traffic.plan import copied, preview_host, serving_backends
from slipway.traffic.router import (
    Backend,
    Capabilities,
    Change,
    Live,
    Object,
    Reference,
    RoutePlan,
    RouteStatus,
)

API_VERSION: Final = "gateway.networking.k8s.io/v1"
KIND: Final = "HTTPRoute"

FIELD: Final = "spec.traffic.gateway"

_EVERYTHING: Final = frozenset({MIRROR, MIRROR_PERCENT, HEADER_PATTERNS, RESPONSE_HEADERS})


def references(*, model_deployment: str, traffic: GatewayTraffic) -> tuple[Reference, ...]:
    """The user's route, or the owned one and the one of a preview host."""
    if traffic.route is not None:
        return (user_rule.reference(traffic.route),)
    return _route(model_deployment), _preview_route(model_deployment)


def capabilities(*, traffic: GatewayTraffic, features: frozenset[str] | None) -> Capabilities:
    """What the implementation can do; `features` are those of `gateway_features`. What is not known is left out."""
    able = features or frozenset()
    ours = traffic.route is None
    return Capabilities(
        resolution=1,
        observable=True,
        mirror=MIRROR in able,
        mirror_percent={MIRROR, MIRROR_PERCENT} <= able,
        match=ours,
        cookies=ours and HEADER_PATTERNS in able,
        preview=ours,
        counters=True,
        named=RESPONSE_HEADERS in able,
    )


def changes(
    *,
    model_deployment: str,
    namespace: str,
    traffic: GatewayTraffic,
    plan: RoutePlan,
    owner: Mapping[str, Any],
    live: Live,
) -> Sequence[Change]:
    """The routes. What depends on the implementation is not refused here: its capabilities were asked before.

    Without any backend above 0 the rule has no backendRefs, and the gateway answers 500 to what matches it (some answer
    404): a caller writes a route when there is something that can serve, and this form only to take the last one out.
    """
    serving = serving_backends(plan, capabilities(traffic=traffic, features=_EVERYTHING), router=FIELD)
    if traffic.route is not None:
        return user_rule.changes(
            model_deployment=model_deployment,
            namespace=namespace,
            route=traffic.route,
            backends=serving,
            mirror=copied(plan),
            named=plan.named,
            owner_uid=str(owner["uid"]),
            live=live,
        )
    main, preview = _route(model_deployment), _preview_route(model_deployment)
    host, standing = preview_host(plan, traffic.hostnames, router=FIELD), live.get(preview)
    used = (main, preview) if host is not None else (main,)
    refuse_foreign(used, live, namespace=namespace, owner_uid=owner["uid"])

    def manifest(reference: Reference, hostnames: list[str], rules: list[Object]) -> Change:
        parents = [_as_written(parent) for parent in traffic.parent_refs or []]
        # Hostnames are said even when there are none, so that a foreign one is removed.
        spec = {"parentRefs": parents, "hostnames": hostnames, "rules": rules}
        return applied(reference, spec, namespace=namespace, model_deployment=model_deployment, owner=owner)

    result = [manifest(main, list(traffic.hostnames or []), _rules(traffic.path, plan, serving))]
    if host is not None and plan.previewed is not None:
        rule = _rule(PREVIEW_RULE, [path_match(traffic.path)], plan.previewed, named=plan.named)
        result.append(manifest(preview, [host], [rule]))
    elif standing is not None and owned(standing, owner["uid"]):
        result.append(Change(preview, delete=True))
    return result


def status(
    *,
    model_deployment: str,
    namespace: str,
    traffic: GatewayTraffic,
    owner_uid: str,
    live: Live,
    ready: Mapping[str, int],  # noqa: ARG001 - shares do not depend on it here
    now: datetime,  # noqa: ARG001 - the parents say when they are there
    takes: float | None = None,  # noqa: ARG001 - and how long that took
) -> RouteStatus:
    """Read the routes, and what their parents say of them."""
    if traffic.route is not None:
        return user_rule.status(namespace=namespace, route=traffic.route, owner_uid=owner_uid, live=live)
    reference = _route(model_deployment)
    main, preview = live.get(reference), live.get(_preview_route(model_deployment))
    if main is None:
        return ABSENT
    if not owned(main, owner_uid):
        return not_ours(foreign(reference, namespace))
    if preview is not None and not owned(preview, owner_uid):
        preview = None  # it is in nobody's way until there is a preview host
    parents = [_as_written(parent) for parent in traffic.parent_refs or []]
    problem_found = next(filter(None, (refused_by(parents, route) for route in (main, preview) if route)), None)
    rules, preview_rules = _rules_of(main), _rules_of(preview)
    model = named(rules, MODEL_RULE) or {}
    return RouteStatus(
        exists=True,
        owned=True,
        written={**dict.fromkeys(shares(preview_rules, namespace), 0), **shares(rules, namespace)},
        accepted=problem_found is None,
        problem=problem_found,
        mirrored=mirror_of(model.get("filters") or []),
        matched=backend_of(named(rules, MATCH_RULE)),
        previewed=backend_of(named(rules, PREVIEW_RULE)) or backend_of(named(preview_rules, PREVIEW_RULE)),
    )


def restored(*, traffic: GatewayTraffic, owner_uid: str, live: Live) -> Sequence[Change]:
    """The user's route as it was; an owned one goes with its owner."""
    return () if traffic.route is None else user_rule.restored(route=traffic.route, owner_uid=owner_uid, live=live)


def route_traffic(route: Mapping[str, Any]) -> GatewayTraffic | None:
    """Where a live HTTPRoute of ours attaches and what it matches; None when somebody made it say what we never do.

    A route stays where it was while no Gateway could serve it elsewhere: moved there, it would take what serves off
    the air.
    """
    spec = route.get("spec") or {}
    model = named(_rules_of(route), MODEL_RULE) or {}
    matches = model.get("matches") or [{}]
    fields = ("name", "namespace", "sectionName")
    try:
        return GatewayTraffic.model_validate(
            {
                "parentRefs": [
                    {name: parent[name] for name in fields if name in parent} for parent in spec.get("parentRefs") or []
                ],
                "hostnames": spec.get("hostnames") or [],
                "path": (matches[0].get("path") or {}).get("value", "/"),
            }
        )
    except ValidationError:
        return None


def _route(model_deployment: str) -> Reference:
    return Reference(API_VERSION, KIND, model_deployment)


def _preview_route(model_deployment: str) -> Reference:
    return Reference(API_VERSION, KIND, f"{model_deployment}-preview")


def _as_written(parent: ParentReference) -> Object:
    return parent.model_dump(by_alias=True, exclude_none=True)


def _rules(path: str, plan: RoutePlan, serving: Sequence[Backend]) -> list[Object]:
    rules = []
    if plan.preview is not None and plan.preview.header is not None and plan.previewed is not None:
        match = {**path_match(path), "headers": [header_match(plan.preview.header)]}
        rules.append(_rule(PREVIEW_RULE, [match], plan.previewed, named=plan.named))
    if plan.matches and plan.matched is not None:
        rules.append(_rule(MATCH_RULE, request_matches(path, plan.matches), plan.matched, named=plan.named))
    mirror = copied(plan)
    filters = {"filters": [mirror_filter(mirror)]} if mirror is not None else {}
    backends = backend_references(serving, named=plan.named)
    return [*rules, {"name": MODEL_RULE, "matches": [path_match(path)], **filters, "backendRefs": backends}]


def _rule(name: str, matches: list[Object], service: str, *, named: bool) -> Object:
    return {"name": name, "matches": matches, "backendRefs": sole_backend(service, named=named)}


def _rules_of(route: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return list(((route or {}).get("spec") or {}).get("rules") or [])
