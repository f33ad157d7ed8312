"""The arithmetic of a rolling update, without any I/O: how many replicas each ReplicaSet may have next."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway_sandbox.client import Manifest

HASH_LABEL: Final = "pod-template-hash"
REVISION_ANNOTATION: Final = "deployment.kubernetes.io/revision"
DESIRED_ANNOTATION: Final = "deployment.kubernetes.io/desired-replicas"
MAXIMUM_ANNOTATION: Final = "deployment.kubernetes.io/max-replicas"
_SAFE_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class Scale:
    """One ReplicaSet seen as numbers."""

    name: str
    wanted: int
    ready: int = 0
    available: int = 0
    largest: int | None = None
    """The most replicas that the whole deployment could have had when this set was last scaled."""


def template_hash(template: Manifest, collisions: int) -> str:
    """The value of `pod-template-hash`: ten safe letters that depend on the pod template alone.

    `collisions` is salt that the deployment counts up when a set of that name exists with another template.
    """
    canonical = json.dumps([template, collisions], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).digest()
    return "".join(_SAFE_LETTERS[byte % len(_SAFE_LETTERS)] for byte in digest[:10])


def without_hash(template: Manifest) -> Manifest:
    """The template as the user wrote it: without the label that the controller added."""
    metadata = dict(template.get("metadata") or {})
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}


def bounds(deployment: Manifest) -> tuple[int, int]:
    """`(maxSurge, maxUnavailable)` in pods: percentages are rounded up and down, and never both to 0."""
    spec = deployment["spec"]
    replicas = int(spec.get("replicas", 1))
    if spec.get("strategy", {}).get("type") == "Recreate":
        return 0, replicas
    rolling = spec.get("strategy", {}).get("rollingUpdate") or {}
    surge = resolve(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = min(resolve(rolling.get("maxUnavailable", "25%"), replicas, up=False), replicas)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable


def resolve(value: Any, total: int, *, up: bool) -> int:
    """An int-or-percent of a total."""
    if isinstance(value, str) and value.endswith("%"):
        share = total * int(value[:-1]) / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)


def grow_new(replicas: int, surge: int, new: Scale, olds: Sequence[Scale]) -> int:
    """How many replicas the new set may have: all that the surge leaves room for, never fewer than it asks for now."""
    if new.wanted >= replicas:
        return replicas
    room = replicas + surge - new.wanted - sum(old.wanted for old in olds)
    return new.wanted + max(0, min(room, replicas - new.wanted))


def shrink_old(replicas: int, unavailable: int, new: Scale, olds: Sequence[Scale]) -> dict[str, int]:
    """How many replicas each old set may keep, oldest set first in `olds`.

    Pods that are not ready go first and cost no availability; of the available ones only as many as keep the
    deployment at `replicas - unavailable`.
    """
    target = {old.name: old.wanted for old in olds}
    floor = replicas - unavailable
    total = new.wanted + sum(target.values())
    removable = total - floor - (new.wanted - new.available)
    if removable <= 0:
        return target
    for old in olds:
        unhealthy = min(max(0, old.wanted - old.available), removable)
        target[old.name] -= unhealthy
        removable -= unhealthy
    available = new.available + sum(min(old.available, target[old.name]) for old in olds)
    spare = available - floor
    for old in olds:
        if spare <= 0:
            break
        cut = min(target[old.name], spare)
        target[old.name] -= cut
        spare -= cut
    return target


def proportional(replicas: int, surge: int, sets: Sequence[Scale]) -> dict[str, int]:
    """Spread a change of `spec.replicas` over the sets of a rollout that is under way, by their share of it.

    The largest set takes what rounding leaves over, so that the sum is what the deployment may have.
    """
    alive = sorted((entry for entry in sets if entry.wanted > 0), key=lambda entry: (-entry.wanted, entry.name))
    total = sum(entry.wanted for entry in alive)
    target = {entry.name: entry.wanted for entry in sets}
    allowed = replicas + surge if replicas > 0 else 0
    missing = allowed - total
    if not alive or missing == 0:
        return target
    left = missing
    for entry in alive:
        share = entry.wanted * allowed / (entry.largest or total) - entry.wanted
        change = round(share)
        change = max(min(change, left), 0) if missing > 0 else min(max(change, left), 0)
        target[entry.name] = max(0, entry.wanted + change)
        left -= change
    target[alive[0].name] = max(0, target[alive[0].name] + left)
    return target
