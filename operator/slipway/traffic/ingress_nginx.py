"""ingress-nginx: an Ingress for the main release, and a second one whose canary annotations say what the other takes.

The controller allows one canary for a rule, so two releases can serve at a time. Which of them is the main one stays as
it is for as long as it serves: changing places takes two writes, with other shares between them.

What it cannot do, by its documentation: match a cookie by its value (only the words ``always`` and ``never`` count),
match two different headers, or copy requests without making the original wait for a slow copy. So cookies and copies
are refused. A Service with a share cannot be the main release of a preview host as well: the controller keeps one role
for each Service.

An Ingress does not say when it was taken up, and one that is gone says nothing at all. Therefore the main Ingress
carries a line about all of them: whatever changes, it changes too, and its time is known. The project behind
ingress-nginx ended its releases in March 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from slipway.api import GROUP, SERVICE_PORT, HeaderMatch, IngressNginxTraffic
from slipway.traffic.objects import ABSENT, applied, foreign, normalised, not_ours, owned, refuse_foreign, seconds_left
from slipway.traffic.patterns import literal
from slipway.traffic.plan import preview_host, serving_backends
from slipway.traffic.router import (
    WHOLE,
    Capabilities,
    Change,
    Live,
    Object,
    PlanError,
    Reference,
    RoutePlan,
    RouteStatus,
)

API_VERSION: Final = "networking.k8s.io/v1"
KIND: Final = "Ingress"

FIELD: Final = "spec.traffic.ingressNginx"

SETTLE_SECONDS: Final = 6.0
"""The controller syncs at most every 3.3 s (``--sync-rate-limit`` is 0.3 a second); the rest is for a reload."""

_CAPABILITIES: Final = Capabilities(resolution=1, observable=False, match=True, preview=True, sticky=True)

_NGINX: Final = "nginx.ingress.kubernetes.io"
_LEADS: Final = f"{GROUP}/leads-to"
"""On the main Ingress: whom all of them lead to."""
_TAKES: Final = f"{GROUP}/takes"
"""On the canary: which requests its header takes, those with a match or those of a preview."""
_MATCHED, _PREVIEWED = "matched", "previewed"

_PLAIN: Final = re.compile(r"[-._~a-zA-Z0-9/:]*")
"""What the controller lets into the annotations for headers; it ignores an annotation with anything else in it."""

_STRICT_PATH: Final = re.compile(r"/[A-Za-z0-9._/-]*")
"""What a path of type Prefix may hold (``strict-validate-path-type``, on by default)."""


@dataclass(frozen=True, slots=True)
class _Ingress:
    """One of the Ingresses as it shall be; without a Service it shall not be."""

    reference: Reference
    service: str | None
    hostnames: Sequence[str]
    annotations: Mapping[str, str]

    def spec(self, traffic: IngressNginxTraffic) -> Object:
        """Its hosts, each with the path that leads to the Service."""
        backend = {"service": {"name": self.service, "port": {"number": SERVICE_PORT}}}
        paths = [{"path": traffic.path, "pathType": "Prefix", "backend": backend}]
        return {
            "ingressClassName": traffic.ingress_class_name,
            "rules": [{"host": hostname, "http": {"paths": paths}} for hostname in self.hostnames],
        }


def references(*, model_deployment: str, traffic: IngressNginxTraffic) -> tuple[Reference, ...]:  # noqa: ARG001
    """The main Ingress, the canary, and the one of a preview host."""
    return tuple(Reference(API_VERSION, KIND, f"{model_deployment}{suffix}") for suffix in ("", "-canary", "-preview"))


def capabilities(*, traffic: IngressNginxTraffic, features: frozenset[str] | None) -> Capabilities:  # noqa: ARG001
    """What its annotations say, see above."""
    return _CAPABILITIES


def changes(
    *,
    model_deployment: str,
    namespace: str,
    traffic: IngressNginxTraffic,
    plan: RoutePlan,
    owner: Mapping[str, Any],
    live: Live,
) -> Sequence[Change]:
    """The Ingresses. A canary that goes while the main release stays goes first: then the main Ingress has the time of
    it. One that becomes the main release goes last: until then it takes what it would take anyway.
    """
    if not _STRICT_PATH.fullmatch(traffic.path):
        raise PlanError(f"{FIELD}.path: ingress-nginx takes letters, digits and ._-/ only, and not {traffic.path}")
    weights = {backend.service: backend.basis_points for backend in serving_backends(plan, _CAPABILITIES, router=FIELD)}
    named = references(model_deployment=model_deployment, traffic=traffic)
    before = _service(live.get(named[0]))
    main, canary = _roles(plan, weights, before)
    host = preview_host(plan, traffic.hostnames, router=FIELD)
    if host is not None and plan.previewed == canary:
        raise PlanError(
            f"{FIELD}: {plan.previewed} takes requests of users, and ingress-nginx would not lead a preview host to it "
            "as well: leave out strategy.blueGreen.preview"
        )
    wanted = (
        _Ingress(named[0], main, traffic.hostnames, _main_annotations(plan, weights, canary)),
        _Ingress(named[1], canary, traffic.hostnames, _canary_annotations(plan, weights.get(canary or "", 0))),
        _Ingress(named[2], plan.previewed if host else None, [host] if host else [], {}),
    )
    needed = [ingress.reference for ingress in wanted if ingress.service is not None]
    refuse_foreign([named[0], *needed], live, namespace=namespace, owner_uid=owner["uid"])
    result: list[Change] = []
    for ingress in wanted:
        standing = live.get(ingress.reference)
        if ingress.service is not None:
            result.append(
                applied(
                    ingress.reference,
                    ingress.spec(traffic),
                    namespace=namespace,
                    model_deployment=model_deployment,
                    owner=owner,
                    annotations=ingress.annotations,
                )
            )
        elif standing is not None and owned(standing, owner["uid"]):
            result.append(Change(ingress.reference, delete=True))
    stays = before is None or main == before
    return sorted(result, key=lambda change: change.delete != stays)


def status(
    *,
    model_deployment: str,
    namespace: str,
    traffic: IngressNginxTraffic,
    owner_uid: str,
    live: Live,
    ready: Mapping[str, int],  # noqa: ARG001 - shares do not depend on it here
    now: datetime,
    takes: float | None = None,
) -> RouteStatus:
    """Read the annotations the way the controller does."""
    named = references(model_deployment=model_deployment, traffic=traffic)
    main = live.get(named[0])
    if main is None:
        return ABSENT
    if not owned(main, owner_uid):
        return not_ours(foreign(named[0], namespace))
    found = [live.get(reference) for reference in named[1:]]
    canary, preview = (obj if obj is not None and owned(obj, owner_uid) else None for obj in found)
    service, other, host = _service(main), _service(canary), _service(preview)
    annotations = _annotations(canary)
    by_header = f"{_NGINX}/canary-by-header" in annotations
    taken = annotations.get(_TAKES, "").split() if by_header else []
    share = _canary_share(annotations) if other not in (None, service) else 0
    written = {name: 0 for name in (other, host) if name is not None}
    if service is not None:
        written[service] = WHOLE - share
    if other is not None and share:
        written[other] = share
    left = seconds_left(
        *(obj for obj in (main, canary, preview) if obj is not None),
        now=now,
        takes=SETTLE_SECONDS if takes is None else takes,
    )
    problem = None
    if left is not None:
        problem = "ingress-nginx does not say what it has taken up, and may not have had the time for the last change"
    return RouteStatus(
        exists=True,
        owned=True,
        written=normalised(written),
        accepted=left is None,
        problem=problem,
        matched=other if _MATCHED in taken else None,
        previewed=other if _PREVIEWED in taken else host,
        settles_in=left,
    )


def restored(*, traffic: IngressNginxTraffic, owner_uid: str, live: Live) -> Sequence[Change]:  # noqa: ARG001
    """Everything here goes with its owner."""
    return ()


def _roles(plan: RoutePlan, weights: Mapping[str, int], before: str | None) -> tuple[str | None, str | None]:
    """The Services of the main Ingress and of the canary; the main one is `before` for as long as it can be."""
    by_header = plan.preview is not None and plan.preview.header is not None
    picked = {service for service in (plan.matched, plan.previewed if by_header else None) if service is not None}
    mains = [service for service in weights if service not in picked] or list(weights)
    main = before if before in mains else (mains[0] if mains else None)
    others = (set(weights) | picked) - {main}
    if len(others) > 1 or (picked and (main is None or not others)):
        raise PlanError(
            f"{FIELD}: it leads to one main release and to one other, and this needs more than that: "
            f"{', '.join(sorted(set(weights) | picked))}"
        )
    return main, next(iter(others), None)


def _main_annotations(plan: RoutePlan, weights: Mapping[str, int], canary: str | None) -> dict[str, str]:
    roles = {"canary": canary, _MATCHED: plan.matched, _PREVIEWED: plan.previewed}
    parts = [f"{service}={weight}" for service, weight in sorted(weights.items())]
    annotations = {_LEADS: " ".join([*parts, *(f"{role}={service}" for role, service in roles.items() if service)])}
    if plan.sticky is None:
        return annotations
    return annotations | {f"{_NGINX}/affinity": "cookie", f"{_NGINX}/session-cookie-name": plan.sticky.cookie}


def _canary_annotations(plan: RoutePlan, weight: int) -> dict[str, str]:
    headers = [match.header for match in plan.matches if match.header is not None]
    takes = [_MATCHED] if headers else []
    if plan.preview is not None and plan.preview.header is not None:
        headers.append(plan.preview.header)
        takes.append(_PREVIEWED)
    annotations = {
        f"{_NGINX}/canary": "true",
        f"{_NGINX}/canary-weight": str(weight),
        f"{_NGINX}/canary-weight-total": str(WHOLE),
    }
    return {**annotations, **_header_annotations(headers), **({_TAKES: " ".join(takes)} if takes else {})}


def _header_annotations(headers: Sequence[HeaderMatch]) -> dict[str, str]:
    """One header with one value, or with any of several. Values are compared as a whole."""
    if not headers:
        return {}
    names = sorted({header.name.lower() for header in headers})
    if len(names) > 1:
        raise PlanError(f"{FIELD}: it matches one header, and there are {' and '.join(names)}: use one of them for all")
    for text in (headers[0].name, *(header.value for header in headers)):
        if not _PLAIN.fullmatch(text):
            raise PlanError(
                f"{FIELD}: it matches headers of letters, digits and -._~/: only, and ignores {text!r} without a word: "
                "use another value, or another router"
            )
    values = list(dict.fromkeys(header.value for header in headers))
    by_header = {f"{_NGINX}/canary-by-header": headers[0].name}
    if len(values) == 1:
        return {**by_header, f"{_NGINX}/canary-by-header-value": values[0]}
    pattern = "|".join(literal(value) for value in values)
    return {**by_header, f"{_NGINX}/canary-by-header-pattern": f"^({pattern})$"}


def _annotations(ingress: Mapping[str, Any] | None) -> Mapping[str, str]:
    return ((ingress or {}).get("metadata") or {}).get("annotations") or {}


def _service(ingress: Mapping[str, Any] | None) -> str | None:
    """The Service of the first path."""
    for rule in ((ingress or {}).get("spec") or {}).get("rules") or []:
        for path in (rule.get("http") or {}).get("paths") or []:
            name = ((path.get("backend") or {}).get("service") or {}).get("name")
            return None if name is None else str(name)
    return None


def _canary_share(annotations: Mapping[str, str]) -> int:
    """The share of the requests that no header takes. A canary that is switched off takes none."""
    if annotations.get(f"{_NGINX}/canary") != "true":
        return 0
    weight, total = (_number(annotations.get(f"{_NGINX}/canary-{name}", "")) for name in ("weight", "weight-total"))
    whole = max(total, 100)  # a smaller total counts as 100
    return max(0, min(weight, whole)) * WHOLE // whole


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else 0
