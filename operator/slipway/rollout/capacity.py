"""How many pods a weight needs, and how traffic is shared among the revisions that can carry it.

Worked examples of `needed` for 4 replicas: 10 % needs 1 pod, 25 % 1, 26 % 2, 50 % 2, 75 % 3, 100 % 4; for 1 replica
every weight needs 1. A candidate is given a pod before it is given any weight, so `needed` is never less than 1
unless the user asked for no replicas at all and the weight is all traffic.

Where accelerators are scarce capacity is shifted instead of added (`shifted`): both releases together have no more than
the full size and the surge, stable gives up pods as traffic leaves it, and the weight follows the pods that are ready.
"""

from __future__ import annotations

from collections.abc import Mapping

from slipway.rollout.course import FULL, Shift


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


def shifted(
    shift: Shift, *, replicas: int, wanted: int, candidate: int, stable: int, stable_share: int, others: int = 0
) -> tuple[int, int]:
    """Pods of stable and of the candidate while capacity is shifted from one to the other.

    ``wanted`` are the candidate's pods for its next weight; ``candidate`` and ``stable`` are the pods that there are,
    ``others`` those of releases that leave, and ``stable_share`` is what stable still takes, in basis points. Stable
    keeps what its share needs, less the pods that may be missing, and one as long as it has any share, unless that is
    all there is; the candidate gets what is left of the full size and the surge. Called again at every look, the two
    converge: each pod that becomes ready lets traffic move, which lets stable give up another.
    """
    # Shares are rounded to basis points: of 3 pods, 66.67% are carried by 2.
    carries = -(-max(0, replicas * stable_share - replicas + 1) // FULL)
    least = max(1 if stable_share > 0 and replicas > 1 else 0, carries - shift.unavailable)
    keeps = min(replicas, max(least, replicas - wanted))
    room = max(0, replicas + shift.surge - others - max(stable, keeps))
    return keeps, min(wanted, max(room, candidate))


def carried(ready: int, replicas: int, unavailable: int = 0) -> int:
    """The weight that ``ready`` of ``replicas`` pods carry, in basis points.

    Where pods may be missing, all traffic moves as soon as no more than those are: the last pod of the other release
    has to end before the last one of this release finds a place. No pod carries nothing, whatever may be missing and
    even where no replicas are asked for.
    """
    if ready <= 0:
        return 0
    return FULL if ready + unavailable >= replicas else FULL * ready // replicas


def replicas_within(live: int | None, *, floor: int, ceiling: int) -> int:
    """Pods to ask for where an autoscaler decides between `floor` and `ceiling`.

    `live` is ``spec.replicas`` of the Deployment as it was read, None when there is none. A floor of 0 is an empty
    fleet. A floor above the ceiling wins: it stands for traffic that is there, or that a step asked for.

    Worked examples as live, floor, ceiling: none, 2, 10 is 2; 5, 2, 10 is 5; 1, 2, 10 is 2; 12, 2, 10 is 10;
    0, 2, 10 is 2; 5, 0, 10 is 0; 5, 12, 10 is 12.
    """
    if floor <= 0:
        return 0
    return max(floor, min(live or 0, ceiling))
