"""The Gateway API: one owned HTTPRoute for each ModelDeployment, with the shares as weights out of 10 000.

A weight is in force when every parent has said so about the route's current generation: ``Accepted`` and
``ResolvedRefs`` are True and their observedGeneration has caught up. A release at 0 is left out of the route, not
written with weight 0: a gateway that keeps sessions would go on serving it to clients that it has bound (GEP-1619).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from slipway.api import SERVICE_PORT, GatewayTraffic, ParentReference, child_labels, stamped
from slipway.traffic.router import WHOLE, Backend, Capabilities, Object, RouteStatus

API_VERSION: Final = "gateway.networking.k8s.io/v1"
KIND: Final = "HTTPRoute"

RULE_NAME: Final = "model"
"""Name of the route's one rule."""

CAPABILITIES: Final = Capabilities(resolution=1, observable=True)

_GROUP: Final = "gateway.networking.k8s.io"
_CONDITIONS: Final = ("Accepted", "ResolvedRefs")


def route_manifest(
    *,
    model_deployment: str,
    namespace: str,
    traffic: GatewayTraffic,
    backends: Sequence[Backend],
    owner: Mapping[str, Any],
) -> Object:
    """The HTTPRoute of a ModelDeployment. `owner` is its owner reference.

    Without any backend above 0 the rule has no backendRefs, and the gateway answers 500 to what matches it (some answer
    404): a caller writes a route when there is something that can serve, and this form only to take the last one out.

    Raises ValueError when a Service is named twice, or when the shares are not 10 000 in total: weights are relative,
    so a gateway would make the missing part up from the others without a word.
    """
    serving = [backend for backend in backends if backend.basis_points]
    total = sum(backend.basis_points for backend in serving)
    if len({backend.service for backend in backends}) != len(backends):
        raise ValueError(f"a Service is named twice in {[backend.service for backend in backends]}")
    if serving and total != WHOLE:
        raise ValueError(f"the shares of {[backend.service for backend in serving]} are {total} in total, not {WHOLE}")
    rule = {
        "name": RULE_NAME,
        "matches": [{"path": {"type": "PathPrefix", "value": traffic.path}}],
        "backendRefs": [
            {"name": backend.service, "port": SERVICE_PORT, "weight": backend.basis_points} for backend in serving
        ],
    }
    return stamped(
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": model_deployment,
                "namespace": namespace,
                "labels": child_labels(model_deployment=model_deployment, component="route"),
                "ownerReferences": [dict(owner)],
            },
            "spec": {
                "parentRefs": [parent.model_dump(by_alias=True, exclude_none=True) for parent in traffic.parent_refs],
                "hostnames": list(traffic.hostnames or []),  # said even when empty, so that a foreign one is removed
                "rules": [rule],
            },
        }
    )


def route_status(
    route: Mapping[str, Any] | None, *, owner_uid: str, namespace: str, traffic: GatewayTraffic
) -> RouteStatus:
    """Read a live HTTPRoute. `owner_uid` is the ModelDeployment's, `namespace` is where both of them live."""
    if route is None:
        return RouteStatus(exists=False, owned=False, written={}, accepted=False, problem=None)
    metadata = route.get("metadata") or {}
    name = metadata.get("name", "")
    if not _owned(metadata, owner_uid):
        problem = (
            f"HTTPRoute {namespace}/{name} exists and does not belong to this ModelDeployment: "
            "delete or rename it, or give the ModelDeployment another name"
        )
        return RouteStatus(exists=True, owned=False, written={}, accepted=False, problem=problem)
    generation = metadata.get("generation", 0)
    answers = (route.get("status") or {}).get("parents") or []
    problem_found = next(
        filter(None, (_refusal(parent, answers, generation, namespace) for parent in traffic.parent_refs)), None
    )
    return RouteStatus(
        exists=True,
        owned=True,
        written=_written((route.get("spec") or {}).get("rules") or [], namespace),
        accepted=problem_found is None,
        problem=problem_found,
    )


def route_traffic(route: Mapping[str, Any]) -> GatewayTraffic | None:
    """Where a live HTTPRoute of ours attaches and what it matches; None when somebody made it say what we never do."""
    spec = route.get("spec") or {}
    rules = [rule for rule in spec.get("rules") or [] if rule.get("name") == RULE_NAME]
    matches = [match for rule in rules for match in rule.get("matches") or []] or [{}]
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


def _owned(metadata: Mapping[str, Any], owner_uid: str) -> bool:
    """The owner reference decides: a label that somebody removed is drift, and is put back."""
    return any(owner.get("uid") == owner_uid for owner in metadata.get("ownerReferences") or [])


def _written(rules: Sequence[Mapping[str, Any]], namespace: str) -> dict[str, int]:
    """Shares of the rule ``model``, and 0 for a Service that stands elsewhere in the route or has weight 0 in it."""
    weights: dict[str, int] = {}
    for rule in rules:
        ours = rule.get("name") == RULE_NAME
        for reference in _references(rule):
            if reference.get("kind", "Service") != "Service" or reference.get("namespace", namespace) != namespace:
                continue
            weight = int(reference.get("weight", 1)) if ours else 0
            weights[reference["name"]] = weights.get(reference["name"], 0) + weight
    return _normalised(weights)


def _references(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from rule.get("backendRefs") or []
    for entry in rule.get("filters") or []:
        mirror = (entry.get("requestMirror") or {}).get("backendRef")
        if mirror:
            yield {**mirror, "weight": 0}


def _normalised(weights: Mapping[str, int]) -> dict[str, int]:
    """Weights as shares of 10 000. Each is rounded down, and what is left goes to the largest remainders (Hamilton)."""
    total = sum(weights.values())
    if total == 0:
        return dict(weights)
    shares = {name: weight * WHOLE // total for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: (-(weights[name] * WHOLE % total), name))
    for name in by_remainder[: WHOLE - sum(shares.values())]:
        shares[name] += 1
    return shares


def _refusal(
    parent: ParentReference, answers: Sequence[Mapping[str, Any]], generation: int, namespace: str
) -> str | None:
    """Why one parent has not taken up the route as it is now; None when it has.

    More than one controller may have written about the same parent, for instance when a Gateway moved to another
    implementation. Answers about older generations do not count, and one current refusal does.
    """
    mine = [answer for answer in answers if _answers_for(answer.get("parentRef") or {}, parent, namespace)]
    gateway = _name_of(parent, namespace)
    if not mine:
        return f"no controller has answered for {gateway}"
    states = [_state(answer.get("conditions") or [], generation, gateway) for answer in mine]
    refusals = [problem for current, problem in states if current and problem]
    if refusals:
        return refusals[0]
    if any(current for current, _ in states):
        return None
    return f"{gateway} has not taken up the latest version of the route yet (generation {generation})"


def _answers_for(reference: Mapping[str, Any], parent: ParentReference, namespace: str) -> bool:
    return (
        reference.get("group", _GROUP) == _GROUP
        and reference.get("kind", "Gateway") == "Gateway"
        and reference.get("name") == parent.name
        and (reference.get("namespace") or namespace) == (parent.namespace or namespace)
        and (reference.get("sectionName") or None) == parent.section_name
    )


def _state(conditions: Sequence[Mapping[str, Any]], generation: int, gateway: str) -> tuple[bool, str | None]:
    """Whether the answer is about the current generation, and what it refuses."""
    by_type = {condition.get("type"): condition for condition in conditions}
    current = True
    for kind in _CONDITIONS:
        condition = by_type.get(kind, {})
        if condition.get("observedGeneration", -1) < generation:
            current = False
        elif condition.get("status") != "True":
            message = " ".join(str(condition.get("message", "")).split())
            return True, f"{gateway}: {kind} is {condition.get('status')} ({condition.get('reason')}): {message}"
    return current, None


def _name_of(parent: ParentReference, namespace: str) -> str:
    listener = f", listener {parent.section_name}" if parent.section_name else ""
    return f"Gateway {parent.namespace or namespace}/{parent.name}{listener}"
