"""Whether a live object still is what was applied.

The live object is never compared as a whole: API servers fill in defaults, webhooks inject sidecars, people add
labels, and none of that is ours. What counts is that everything we say is so. Two things that such a comparison
cannot see are covered otherwise: a field that we no longer say moves the stamp of the manifest
(`slipway.api.stamped`), and a foreign field inside a list that we own as a whole, such as a filter in a route's rule,
is on a short list of fields that no server fills in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from slipway.workload.quantity import quantity_value

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "port", "protocol"),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
}
"""Lists that are maps by these fields: items that are not ours may stand beside ours, in any order."""

_UNORDERED: Final = frozenset({"metrics"})
"""Lists that an API server may give back in another order: it moves metrics of a HorizontalPodAutoscaler about where it
stores them in the form of an older version."""

_KEY_DEFAULTS: Final = {"protocol": "TCP"}

_ZERO_WHEN_ABSENT: Final = frozenset({"publishNotReadyAddresses", "initialDelaySeconds", "value", "key"})
"""Fields that an API server leaves out when they are false, 0 or empty. For others, absent and zero are different
things: ``automountServiceAccountToken`` that somebody removed is true."""

_NEVER_DEFAULTED: Final = frozenset(
    {
        "filters",
        "timeouts",
        "retry",
        "sessionPersistence",
        "headers",
        "queryParams",
        "method",
        "sectionName",
        "namespace",
    }
)
"""Fields of a route that only somebody can have put there, and that change where requests go."""

_EXACT: Final = frozenset({"selector"})
"""Maps in which one entry more changes the meaning of all of them; an API server applies them as a whole too."""

_ROUTE_LISTS: Final = frozenset({"rules", "parentRefs", "matches", "backendRefs"})


_SAID_IN_FULL: Final = frozenset({"IngressRoute", "TraefikService", "VirtualService", "Ingress"})
"""Kinds in whose spec no server fills anything in that we leave out: what is there and was not said is somebody's."""

_IDENTITY: Final = frozenset({"apiVersion", "kind"})
"""Left out of items of a list by the API, and never subject to drift."""


def needs_apply(live: Mapping[str, Any] | None, desired: Mapping[str, Any]) -> bool:
    """Whether something in `desired` (a manifest) is not so in `live` (the object as read), or `live` is missing.

    Status is not looked at, because a manifest has none.
    """
    if live is None:
        return True
    if desired.get("kind") in _SAID_IN_FULL and live.get("spec") != desired.get("spec"):
        return True
    return not all(_holds(live.get(part), value, part) for part, value in desired.items() if part not in _IDENTITY)


def _holds(live: Any, desired: Any, field: str) -> bool:
    """Whether `live` has all that `desired` says; `field` is the nearest name on the way to both."""
    if isinstance(desired, Mapping):
        return _map_holds(live, desired, field)
    if isinstance(desired, Sequence) and not isinstance(desired, str):
        return _list_holds(live, desired, field)
    if live is None:
        return desired is None or (field in _ZERO_WHEN_ABSENT and not desired)
    return _same(live, desired)


def _map_holds(live: Any, desired: Mapping[str, Any], field: str) -> bool:
    if not isinstance(live, Mapping):
        return live is None and not desired
    if field in _ROUTE_LISTS and (live.keys() - desired.keys()) & _NEVER_DEFAULTED:
        return False
    if field in _EXACT and live.keys() != desired.keys():
        return False
    if field in {"requests", "limits"}:
        return all(_same_quantity(live.get(name), amount) for name, amount in desired.items())
    return all(_holds(live.get(name), value, name) for name, value in desired.items())


def _list_holds(live: Any, desired: Sequence[Any], field: str) -> bool:
    items = [] if live is None else live
    if not isinstance(items, Sequence) or isinstance(items, str):
        return False
    if field in _KEYS and all(isinstance(item, Mapping) for item in (*items, *desired)):
        by_key = {_key(item, _KEYS[field]): item for item in items}
        if len(by_key) == len(items):  # a list with a key twice is no map, whatever its name
            return all(_holds(by_key.get(_key(item, _KEYS[field])), item, field) for item in desired)
    if field in _UNORDERED:
        return _same_items(items, desired, field)
    return len(items) == len(desired) and all(
        _holds(item, wanted, field) for item, wanted in zip(items, desired, strict=True)
    )


def _same_items(live: Sequence[Any], desired: Sequence[Any], field: str) -> bool:
    """Whether each desired item has a live one of its own, and none is left over."""
    rest = list(live)
    for wanted in desired:
        found = next((index for index, item in enumerate(rest) if _holds(item, wanted, field)), None)
        if found is None:
            return False
        del rest[found]
    return not rest


def _key(item: Mapping[str, Any], fields: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(item.get(name, _KEY_DEFAULTS.get(name, ""))) for name in fields)


def _same(live: Any, desired: Any) -> bool:
    """Equal by value: ``1`` is ``1.0`` and ``"1"``, but True is not 1."""
    if isinstance(live, bool) or isinstance(desired, bool):
        return live is desired
    if isinstance(live, str) != isinstance(desired, str):
        return str(live) == str(desired)
    return bool(live == desired)


def _same_quantity(live: Any, desired: Any) -> bool:
    if live is None:
        return False
    value = quantity_value(live)
    return str(live) == str(desired) if value is None else value == quantity_value(desired)
