"""How many pods a weight needs, and how traffic is shared among the revisions that can carry it.

Worked examples of `needed` for 4 replicas: 10 % needs 1 pod, 25 % 1, 26 % 2, 50 % 2, 75 % 3, 100 % 4; for 1 replica
every weight needs 1. A candidate is given a pod before it is given any weight, so `needed` is never less than 1
unless the user asked for no replicas at all and the weight is all traffic.
"""

from __future__ import annotations

from collections.abc import Mapping

from slipway.rollout.observation import FULL


def needed(replicas: int, weight: int) -> int:
    """Pods that carry ``weight`` basis points when ``replicas`` pods carry all traffic."""
    if weight >= FULL:
        return replicas
    return max(1, -(-replicas * weight // FULL))


def share(
    *, stable: str | None, stable_ready: bool, candidate: str | None, candidate_weight: int, held: Mapping[str, int]
) -> dict[str, int]:
    """Weights by hash that sum to all traffic, or none at all when no revision may have any.

    What the candidate does not get goes to stable. ``held`` is what revisions with ready pods have now. They keep it
    while stable has no ready pod, and where none is stable yet: moving traffic to nobody would help no one. Nobody gets
    more that way, unless nobody else is there at all.
    """
    weights: dict[str, int] = {}
    if candidate is not None and candidate_weight > 0:
        weights[candidate] = FULL if stable is None else candidate_weight
    rest = FULL - sum(weights.values())
    if not stable_ready:
        for other, had in held.items():
            kept = min(had - weights.get(other, 0), rest)
            if other != stable and kept > 0:
                weights[other] = weights.get(other, 0) + kept
                rest -= kept
    if rest == 0:
        return weights
    if stable is not None:
        return {**weights, stable: rest}
    first = next(iter(weights), None)
    return {**weights, first: weights[first] + rest} if first is not None else {}
