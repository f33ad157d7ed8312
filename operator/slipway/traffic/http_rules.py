"""The rules of an HTTPRoute: what a plan looks like in them, and what is read from them.

A rule for requests that match a header says more than one for the path alone, and wins wherever it stands; among
rules that say as much, the first in the list wins. So the preview stands before the matches, and both before the
shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from slipway.api import SERVICE_PORT, HeaderMatch, RequestMatch
from slipway.traffic.objects import normalised
from slipway.traffic.patterns import cookie_pattern
from slipway.traffic.router import REVISION_HEADER, WHOLE, Backend, Object

MODEL_RULE: Final = "model"
"""Name of the rule that carries the shares."""
MATCH_RULE: Final = "match"
"""Name of the rule for requests that a match takes to the candidate."""
PREVIEW_RULE: Final = "preview"


def path_match(path: str) -> Object:
    """What every rule of a route matches."""
    return {"path": {"type": "PathPrefix", "value": path}}


def header_match(header: HeaderMatch) -> Object:
    """A header with exactly this value. Its name is compared without regard to case, as HTTP asks for."""
    return {"type": "Exact", "name": header.name, "value": header.value}


def request_matches(path: str, matches: Iterable[RequestMatch]) -> list[Object]:
    """One match for each; a request with any of them is taken."""
    found = []
    for match in matches:
        if match.header is not None:
            found.append({**path_match(path), "headers": [header_match(match.header)]})
        elif match.cookie is not None:
            pattern = {"type": "RegularExpression", "name": "Cookie", "value": cookie_pattern(match.cookie)}
            found.append({**path_match(path), "headers": [pattern]})
    return found


def backend_references(backends: Iterable[Backend], *, named: bool = False) -> list[Object]:
    """Backends with their shares as weights; `named` says that their answers tell whose they are."""
    return [
        {
            "name": backend.service,
            "port": SERVICE_PORT,
            "weight": backend.basis_points,
            **({"filters": [_name_filter(backend.service)]} if named else {}),
        }
        for backend in backends
    ]


def sole_backend(service: str, *, named: bool = False) -> list[Object]:
    """The one backend of a rule that splits nothing."""
    return backend_references([Backend(service, WHOLE)], named=named)


def _name_filter(service: str) -> Object:
    header = {"name": REVISION_HEADER, "value": service}
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}}


def mirror_filter(mirror: Backend) -> Object:
    """Copies to a Service. The part is left out when it is the whole: not every implementation knows of parts."""
    request: Object = {"backendRef": {"name": mirror.service, "port": SERVICE_PORT}}
    if mirror.basis_points % 100:
        request["fraction"] = {"numerator": mirror.basis_points, "denominator": WHOLE}
    elif mirror.basis_points != WHOLE:
        request["percent"] = mirror.basis_points // 100
    return {"type": "RequestMirror", "requestMirror": request}


def mirror_of(filters: Iterable[Mapping[str, Any]]) -> Backend | None:
    """The first Service among the filters that gets copies, and of which share."""
    for entry in filters:
        request = entry.get("requestMirror") or {}
        name = (request.get("backendRef") or {}).get("name")
        if name:
            part = request.get("fraction")
            if part:
                share = int(part.get("numerator", 0)) * WHOLE // int(part.get("denominator") or 100)
            else:
                share = int(request.get("percent", 100)) * 100
            return Backend(str(name), max(0, min(share, WHOLE)))
    return None


def named(rules: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The first rule of this name."""
    return next((rule for rule in rules if rule.get("name") == name), None)


def backend_of(rule: Mapping[str, Any] | None) -> str | None:
    """The first Service of a rule."""
    references = (rule or {}).get("backendRefs") or []
    return str(references[0]["name"]) if references else None


def shares(rules: Sequence[Mapping[str, Any]], namespace: str, *, rule_name: str = MODEL_RULE) -> dict[str, int]:
    """Shares in the named rule, and 0 for a Service that stands elsewhere in the rules or has weight 0 in it."""
    weights: dict[str, int] = {}
    for rule in rules:
        carries = rule.get("name") == rule_name
        for reference in _references(rule):
            if reference.get("kind", "Service") != "Service" or reference.get("namespace", namespace) != namespace:
                continue
            weight = int(reference.get("weight", 1)) if carries else 0
            weights[reference["name"]] = weights.get(reference["name"], 0) + weight
    return normalised(weights)


def _references(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from rule.get("backendRefs") or []
    for entry in rule.get("filters") or []:
        mirror = (entry.get("requestMirror") or {}).get("backendRef")
        if mirror:
            yield {**mirror, "weight": 0}
