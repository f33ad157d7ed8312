"""The weights inside one named rule of an HTTPRoute that the user owns.

Of that rule the backends are ours, and one filter that copies requests; everything else in the route stays as the user
wrote it. What the rule said before is kept in an annotation on the route itself, so that it survives this operator and
can be put back when the ModelDeployment goes; the same annotation tells two ModelDeployments apart that want the rule.

A GitOps tool that holds the route in git has to leave ``backendRefs`` and ``filters`` of the rule alone. In Argo CD:
``ignoreDifferences`` with ``jqPathExpressions: ['.spec.rules[] | select(.name == "<rule>") | .backendRefs, .filters']``
and the sync option ``RespectIgnoreDifferences=true``. Flux applies lists of rules as a whole: there the route needs the
annotation ``kustomize.toolkit.fluxcd.io/ssa: IfNotPresent``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from slipway.api import GROUP, RouteReference
from slipway.traffic.acceptance import refused_by
from slipway.traffic.http_rules import backend_references, mirror_filter, mirror_of, shares
from slipway.traffic.router import Backend, Change, Live, Object, PlanError, Reference, RouteStatus

_FIELD: Final = "spec.traffic.gateway.route"
_ANNOTATION: Final = f"{GROUP}/rule-"


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the annotation holds: who has the rule, what it said before, and who gets copies by our doing."""

    model_deployment: str
    uid: str
    backends: list[Object] | None
    mirror: str | None = None

    def text(self, rule: str) -> str:
        """As it is written into the annotation."""
        content = {
            "modelDeployment": self.model_deployment,
            "uid": self.uid,
            "rule": rule,
            "backendRefs": self.backends,
            "mirror": self.mirror,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))


def reference(route: RouteReference) -> Reference:
    """The user's route."""
    return Reference("gateway.networking.k8s.io/v1", "HTTPRoute", route.name)


def annotation(rule: str) -> str:
    """Name of the annotation; a rule's name may be longer than that of an annotation."""
    return f"{_ANNOTATION}{sha256(rule.encode()).hexdigest()[:8]}"


def changes(
    *,
    model_deployment: str,
    namespace: str,
    route: RouteReference,
    backends: Sequence[Backend],
    mirror: Backend | None,
    named: bool,
    owner_uid: str,
    live: Live,
) -> Sequence[Change]:
    """One merge patch: the rules as they are, with ours changed. It has to carry the resourceVersion that was read."""
    found, rule, claim = _ours(live, route, namespace, owner_uid)
    before = claim.backends if claim is not None else rule.get("backendRefs")
    filters = _without_ours(rule, claim)
    ours = [mirror_filter(mirror)] if mirror is not None else []
    said = _Claim(model_deployment, owner_uid, before, mirror.service if mirror is not None else None)
    changed = _with(rule, backends=backend_references(backends, named=named), filters=[*filters, *ours])
    return (_patched(found, route, changed, said.text(route.rule)),)


def status(*, namespace: str, route: RouteReference, owner_uid: str, live: Live) -> RouteStatus:
    """Read the rule, and what the parents say of the route. A rule that cannot be had is not ours to change."""
    try:
        found, rule, claim = _ours(live, route, namespace, owner_uid)
    except PlanError as error:
        exists = live.get(reference(route)) is not None
        return RouteStatus(exists=exists, owned=False, written={}, accepted=False, problem=str(error))
    parents = (found.get("spec") or {}).get("parentRefs") or []
    refused = refused_by(parents, found) if parents else f"HTTPRoute {namespace}/{route.name} names no parentRefs"
    ours = [entry for entry in rule.get("filters") or [] if entry not in _without_ours(rule, claim)]
    return RouteStatus(
        exists=True,
        owned=True,
        written=shares([rule], namespace, rule_name=route.rule),
        accepted=refused is None,
        problem=refused,
        mirrored=mirror_of(ours),
    )


def restored(*, route: RouteReference, owner_uid: str, live: Live) -> Sequence[Change]:
    """The rule with the backends that it had before; nothing where it is not ours, or gone."""
    found = live.get(reference(route))
    claim = _claim(found, route.rule) if found is not None else None
    if found is None or claim is None or claim.uid != owner_uid:
        return ()
    matching = _named(found, route.rule)
    if len(matching) != 1:
        return (Change(reference(route), {"metadata": {"annotations": {annotation(route.rule): None}}}, patch=True),)
    changed = _with(matching[0], backends=claim.backends, filters=_without_ours(matching[0], claim))
    return (_patched(found, route, changed, None),)


def claimed(found: Mapping[str, Any], owner_uid: str) -> list[RouteReference]:
    """The rules of a route that this ModelDeployment has, whether they lead to it or not."""
    metadata = found.get("metadata") or {}
    rules = []
    for name, text in (metadata.get("annotations") or {}).items():
        with contextlib.suppress(ValueError):
            content = json.loads(text) if name.startswith(_ANNOTATION) else None
            if isinstance(content, dict) and content.get("uid") == owner_uid and isinstance(content.get("rule"), str):
                rules.append(RouteReference(name=metadata["name"], rule=content["rule"]))
    return rules


def _ours(
    live: Live, route: RouteReference, namespace: str, owner_uid: str
) -> tuple[Mapping[str, Any], Object, _Claim | None]:
    """The route, its rule and what is kept of it. Raises PlanError where the rule cannot be had."""
    found, where = live.get(reference(route)), f"HTTPRoute {namespace}/{route.name}"
    if found is None:
        raise PlanError(f"{_FIELD}.name: {where} does not exist: create it, or name another one")
    owner = _model_deployment(found)
    if owner is not None:
        raise PlanError(
            f"{_FIELD}.name: {where} is what Slipway writes for ModelDeployment {owner}: name a route of yours"
        )
    matching = _named(found, route.rule)
    if not matching:
        names = [str(rule["name"]) for rule in _rules(found) if rule.get("name")]
        has = f"its rules are named {', '.join(names)}" if names else "none of its rules has a name"
        raise PlanError(f"{_FIELD}.rule: {where} has no rule named {route.rule}: {has}")
    if len(matching) > 1:
        raise PlanError(
            f"{_FIELD}.rule: {where} has {len(matching)} rules named {route.rule}: give each a name of its own"
        )
    claim = _claim(found, route.rule)
    if claim is None and _annotation_text(found, route.rule) is not None:
        raise PlanError(
            f"{where}: its annotation {annotation(route.rule)} cannot be read, and without it the rule could not "
            "be put back: write the rule's own backends into it by hand, and remove the annotation"
        )
    if claim is not None and claim.uid != owner_uid:
        raise PlanError(
            f"{_FIELD}.rule: rule {route.rule} of {where} belongs to ModelDeployment {claim.model_deployment}: name "
            f"another rule. If that ModelDeployment is gone, remove the annotation {annotation(route.rule)}"
        )
    return found, matching[0], claim


def _model_deployment(found: Mapping[str, Any]) -> str | None:
    """The ModelDeployment that a route belongs to as a whole."""
    for owner in (found.get("metadata") or {}).get("ownerReferences") or []:
        if owner.get("kind") == "ModelDeployment" and str(owner.get("apiVersion", "")).startswith(f"{GROUP}/"):
            return str(owner.get("name"))
    return None


def _annotation_text(found: Mapping[str, Any], rule: str) -> str | None:
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    text = annotations.get(annotation(rule))
    return None if text is None else str(text)


def _claim(found: Mapping[str, Any], rule: str) -> _Claim | None:
    """What the annotation says; None where there is none, or somebody made it unreadable."""
    text = _annotation_text(found, rule)
    try:
        content = json.loads(text) if text is not None else None
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    name, uid, backends, mirror = (content.get(key) for key in ("modelDeployment", "uid", "backendRefs", "mirror"))
    if not (isinstance(name, str) and isinstance(uid, str) and isinstance(backends, list | None)):
        return None
    return _Claim(name, uid, backends, mirror if isinstance(mirror, str) else None)


def _rules(found: Mapping[str, Any]) -> list[Object]:
    return list((found.get("spec") or {}).get("rules") or [])


def _named(found: Mapping[str, Any], name: str) -> list[Object]:
    return [rule for rule in _rules(found) if rule.get("name") == name]


def _without_ours(rule: Mapping[str, Any], claim: _Claim | None) -> list[Object]:
    """The filters of the user: all but the one that copies to the Service that we wrote there."""
    filters = rule.get("filters") or []
    return [entry for entry in filters if claim is None or claim.mirror is None or _target(entry) != claim.mirror]


def _target(entry: Mapping[str, Any]) -> str | None:
    """The Service that a filter copies requests to."""
    target = (entry.get("requestMirror") or {}).get("backendRef") or {}
    return target.get("name")


def _with(rule: Mapping[str, Any], *, backends: list[Object] | None, filters: list[Object]) -> Object:
    """The rule with other backends and filters; neither field is left behind where the rule did not have it."""
    changed = {name: value for name, value in rule.items() if name not in {"backendRefs", "filters"}}
    if filters:
        changed["filters"] = filters
    if backends is not None:
        changed["backendRefs"] = backends
    return changed


def _patched(found: Mapping[str, Any], route: RouteReference, changed: Object, text: str | None) -> Change:
    """The merge patch. Lists are replaced as a whole by it, so it carries every rule."""
    rules = [changed if rule.get("name") == route.rule else rule for rule in _rules(found)]
    body = {"metadata": {"annotations": {annotation(route.rule): text}}, "spec": {"rules": rules}}
    return Change(reference(route), body, patch=True)
