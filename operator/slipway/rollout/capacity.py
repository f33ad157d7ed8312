"""How many pods a weight needs, and how traffic is shared among the revisions that can carry it.

Worked examples of `needed` for 4 replicas: 10 % needs 1 pod, 25 % 1, 26 % 2, 50 % 2, 75 % 3, 100 % 4; for 1 replica
every weight needs 1. A candidate is given a pod before it is given any weight, so `needed` is never less than 1
unless the user asked for no replicas at all and the weight is all traffic.
"""

from __future__ import annotations

from collections.abc import Mapping

from slipway.rollout.observation import FULL, Route


def needed(replicas: int, weight: int) -> int:
    """Pods that carry ``weight`` basis points when ``replicas`` pods carry all traffic."""
    if weight >= FULL:
        return replicas
    return max(1, -(-replicas * weight // FULL))


def share(
    *,
    stable: str | None,
    candidate: str | None,
    candidate_weight: int,
    ready: Mapping[str, int],
    route: Route,
) -> dict[str, int]:
    """Weights by hash that sum to all traffic, or none at all when no revision may have any.

    What the candidate does not get goes to stable. Only while stable has no ready pod, a revision that is being hauled
    back keeps what it has, if it has a ready pod: moving its traffic to nobody would help no one. It never gets more.
    """
    if stable is None:
        return {candidate: FULL} if candidate is not None and candidate_weight > 0 else {}
    weights: dict[str, int] = {}
    rest = FULL
    if candidate is not None and candidate_weight > 0:
        weights[candidate] = candidate_weight
        rest -= candidate_weight
    if ready.get(stable, 0) == 0:
        for other, written in route.written.items():
            if other not in (stable, candidate) and written > 0 and ready.get(other, 0) > 0:
                weights[other] = min(written, rest)
                rest -= weights[other]
    if rest > 0:
        weights[stable] = rest
    return weights
