"""What is wrong with the Gateways that a ModelDeployment names, where it can be said for sure.

A controller answers about a route only when it finds its Gateway; a Gateway that does not exist is silence. Here is
said what the silence means, and which field to fix. What is not known is not a problem: the route's own status has
the last word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from slipway.api import GatewayTraffic, ParentReference

_GROUP: Final = "gateway.networking.k8s.io"
_HTTP_PROTOCOLS: Final = frozenset({"HTTP", "HTTPS"})
_OTHER_PROTOCOLS: Final = frozenset({"TCP", "TLS", "UDP"})
"""Protocols of listeners that never take an HTTPRoute; an implementation's own protocol may."""


def gateways_of(
    traffic: GatewayTraffic, namespace: str, route: Mapping[str, Any] | None = None
) -> tuple[tuple[str, str], ...]:
    """The Gateways that lead to the model, by namespace and name, each once. `namespace` is the ModelDeployment's.

    `route` is the live HTTPRoute of the user, where the settings name one: its parents are the user's choice.
    """
    if traffic.route is None:
        named = [(parent.namespace or namespace, parent.name) for parent in traffic.parent_refs or []]
    else:
        named = [
            (str(parent.get("namespace") or namespace), str(parent.get("name")))
            for parent in ((route or {}).get("spec") or {}).get("parentRefs") or []
            if parent.get("kind", "Gateway") == "Gateway" and parent.get("group", _GROUP) == _GROUP
        ]
    return tuple(dict.fromkeys(named))


def gateway_problem(
    parents: Mapping[tuple[str, str], Mapping[str, Any] | None],
    gateway_classes: Mapping[str, Mapping[str, Any] | None] | None = None,
    *,
    traffic: GatewayTraffic,
    namespace: str,
    namespace_labels: Mapping[str, str] | None = None,
) -> str | None:
    """The first thing that is known to keep the route from being served; None when nothing is.

    `parents` holds the Gateways by namespace and name: None for one that does not exist, no entry for one that was
    not looked at. So do `gateway_classes`, by name. `namespace` is the ModelDeployment's, and `namespace_labels` are
    that namespace's labels: without them nothing is said about listeners that select namespaces by label. Nothing is
    said of the parents of a route that the user owns either: what keeps it is in its own status.
    """
    for index, parent in enumerate(traffic.parent_refs or []):
        key = (parent.namespace or namespace, parent.name)
        if key not in parents:
            continue
        where = f"spec.traffic.gateway.parentRefs[{index}]"
        gateway = parents[key]
        if gateway is None:
            hint = "" if parent.namespace else f" in the ModelDeployment's namespace {namespace}"
            return f"{where}: Gateway {key[0]}/{key[1]} does not exist{hint}: create it, or name another one"
        problem = next(
            _problems(
                gateway,
                parent,
                same_namespace=key[0] == namespace,
                namespace=namespace,
                namespace_labels=namespace_labels,
                gateway_classes=gateway_classes or {},
            ),
            None,
        )
        if problem is not None:
            return f"{where}: Gateway {key[0]}/{key[1]} {problem}"
    return None


def _problems(
    gateway: Mapping[str, Any],
    parent: ParentReference,
    *,
    same_namespace: bool,
    namespace: str,
    namespace_labels: Mapping[str, str] | None,
    gateway_classes: Mapping[str, Mapping[str, Any] | None],
) -> Iterator[str]:
    spec = gateway.get("spec") or {}
    name = str(spec.get("gatewayClassName", ""))
    if name in gateway_classes:
        found = gateway_classes[name]
        if found is None:
            yield f"is of GatewayClass {name}, which does not exist: no controller serves it"
        elif refused := _refused(found, "Accepted"):
            yield f"is of GatewayClass {name}, which is not accepted: {refused}"
    listeners = spec.get("listeners") or []
    if parent.section_name is not None:
        names = [listener.get("name") for listener in listeners]
        listeners = [listener for listener in listeners if listener.get("name") == parent.section_name]
        if not listeners:
            yield f"has no listener named {parent.section_name}: sectionName is one of {', '.join(map(str, names))}"
            return
    yield from _closed(listeners, same_namespace, namespace, namespace_labels)
    for kind in ("Accepted", "Programmed"):
        if refused := _refused(gateway, kind):
            yield f"is not {kind.lower()}: {refused}"


def _closed(
    listeners: Sequence[Mapping[str, Any]],
    same_namespace: bool,
    namespace: str,
    namespace_labels: Mapping[str, str] | None,
) -> Iterator[str]:
    """Says so when no listener that could take the route lets it in."""
    if not listeners:
        return
    takers = [listener for listener in listeners if _takes_http_routes(listener)]
    if not takers:
        yield "has no listener that takes an HTTPRoute: it needs one of protocol HTTP or HTTPS that allows the kind"
    elif all(_lets_in(listener, same_namespace, namespace_labels) is False for listener in takers):
        names = ", ".join(str(listener.get("name")) for listener in takers)
        yield f"does not allow routes from namespace {namespace}: see allowedRoutes.namespaces of listener {names}"


def _takes_http_routes(listener: Mapping[str, Any]) -> bool:
    kinds = (listener.get("allowedRoutes") or {}).get("kinds") or []
    if kinds:
        return any(kind.get("kind") == "HTTPRoute" and kind.get("group", _GROUP) == _GROUP for kind in kinds)
    return listener.get("protocol") not in _OTHER_PROTOCOLS


def _lets_in(
    listener: Mapping[str, Any], same_namespace: bool, namespace_labels: Mapping[str, str] | None
) -> bool | None:
    """Whether a listener takes routes from the namespace; None when that is not known."""
    namespaces = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    match namespaces.get("from", "Same"):
        case "All":
            return True
        case "Same":
            return same_namespace
        case "Selector" if namespace_labels is not None:
            return _selects(namespaces.get("selector") or {}, namespace_labels)
        case _:
            return None


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool | None:
    wanted = selector.get("matchLabels") or {}
    matched: list[bool | None] = [labels.get(name) == value for name, value in wanted.items()]
    for expression in selector.get("matchExpressions") or []:
        value, values = labels.get(expression.get("key", "")), expression.get("values") or []
        match expression.get("operator"):
            case "In":
                matched.append(value in values)
            case "NotIn":
                matched.append(value not in values)
            case "Exists":
                matched.append(value is not None)
            case "DoesNotExist":
                matched.append(value is None)
            case _:
                matched.append(None)
    return False if False in matched else None if None in matched else True


def _refused(obj: Mapping[str, Any], kind: str) -> str | None:
    """Reason and message of a condition that is False about the object as it is now."""
    metadata, status = obj.get("metadata") or {}, obj.get("status") or {}
    for condition in status.get("conditions") or []:
        about = condition.get("observedGeneration", metadata.get("generation", 0))
        if (
            condition.get("type") == kind
            and condition.get("status") == "False"
            and about >= metadata.get("generation", 0)
        ):
            return f"{condition.get('reason')}: {' '.join(str(condition.get('message', '')).split())}"
    return None
