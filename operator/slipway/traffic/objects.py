"""What the objects of all routers have in common: whose they are, shares, and the time that a change needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from slipway.api import child_labels, stamped
from slipway.traffic.router import WHOLE, Change, Live, Object, PlanError, Reference, RouteStatus

ABSENT: Final = RouteStatus(exists=False, owned=False, written={}, accepted=False, problem=None)
"""Nothing was written yet."""


def applied(
    reference: Reference,
    spec: Object,
    *,
    namespace: str,
    model_deployment: str,
    owner: Mapping[str, Any],
    annotations: Mapping[str, str] | None = None,
) -> Change:
    """An object of ours as it shall be. `owner` is the ModelDeployment's owner reference."""
    about = {
        "name": reference.name,
        "namespace": namespace,
        "labels": child_labels(model_deployment=model_deployment, component="route"),
        "ownerReferences": [dict(owner)],
        **({"annotations": dict(annotations)} if annotations is not None else {}),
    }
    return Change(
        reference,
        stamped({"apiVersion": reference.api_version, "kind": reference.kind, "metadata": about, "spec": spec}),
    )


def refuse_foreign(references: Iterable[Reference], live: Live, *, namespace: str, owner_uid: str) -> None:
    """Raises PlanError for the first object among these that has our name and another owner."""
    for reference in references:
        found = live.get(reference)
        if found is not None and not owned(found, owner_uid):
            raise PlanError(foreign(reference, namespace))


def owned(live: Mapping[str, Any], owner_uid: str) -> bool:
    """The owner reference decides: a label that somebody removed is drift, and is put back."""
    references = (live.get("metadata") or {}).get("ownerReferences") or []
    return any(owner.get("uid") == owner_uid for owner in references)


def not_ours(problem: str) -> RouteStatus:
    """There is something where the route should be, and it is somebody else's."""
    return RouteStatus(exists=True, owned=False, written={}, accepted=False, problem=problem)


def foreign(reference: Reference, namespace: str) -> str:
    """What is said of an object that has our name and another owner."""
    return (
        f"{reference.kind} {namespace}/{reference.name} exists and does not belong to this ModelDeployment: "
        "delete or rename it, or give the ModelDeployment another name"
    )


def normalised(weights: Mapping[str, int]) -> dict[str, int]:
    """Weights as shares of 10 000. Each is rounded down, and what is left goes to the largest remainders (Hamilton)."""
    total = sum(weights.values())
    if total == 0:
        return dict(weights)
    shares = {name: weight * WHOLE // total for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: (-(weights[name] * WHOLE % total), name))
    for name in by_remainder[: WHOLE - sum(shares.values())]:
        shares[name] += 1
    return shares


def seconds_left(*objects: Mapping[str, Any], now: datetime, takes: float) -> float | None:
    """How long the data plane may still need for the last change of these objects; None when it had its time.

    The API server itself keeps when each manager last changed a field (``metadata.managedFields``). That survives a
    restart, needs no write of ours, does not move when an apply changes nothing, and knows of changes that others
    made. It is in whole seconds, so one is added. Changes of the status do not count.
    """
    changed = max(map(_last_change, objects), default=None)
    if changed is None:
        return None
    left = takes + 1 - (now - changed).total_seconds()
    return min(left, takes + 1) if left > 0 else None


def _last_change(live: Mapping[str, Any]) -> datetime:
    about = live.get("metadata") or {}
    entries = [entry for entry in about.get("managedFields") or [] if not entry.get("subresource")]
    times = [str(entry["time"]) for entry in entries if entry.get("time")]
    return max(datetime.fromisoformat(time) for time in (*times, str(about["creationTimestamp"])))
