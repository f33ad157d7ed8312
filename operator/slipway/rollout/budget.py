"""Whose turn it is, where only so many rollouts may be under way at a time.

First come, first served: a rollout may start when a place is left for it after everybody who has waited longer, and
who could start too, has got one. Who waits for a place of its own namespace keeps no other namespace waiting. So
everybody's turn comes as long as rollouts end, and no place stays empty that somebody could take.

Each decision is made on a list that shows what earlier ones led to; `slipway.controller` sees to that. Only a start
asks for a place. A haul back never waits, so that for a while there may be more under way than the limit; none starts
then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway.api import Phase

UNDER_WAY: Final = frozenset(
    {
        Phase.VERIFYING,
        Phase.STARTING,
        Phase.EVALUATING,
        Phase.SHADOWING,
        Phase.STEPPING,
        Phase.PROMOTING,
        Phase.ROLLING_BACK,
    }
)
"""Phases in which a rollout has a place. One that is only watched after its promotion has given it back."""

_MOST_NAMES: Final = 5
"""Rollouts that a sentence names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rollouts may be under way at a time; None is as many as there are."""

    per_namespace: int | None = None
    per_cluster: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a limit below 1, under which no rollout could ever start."""
        for what, limit in (("namespace", self.per_namespace), ("cluster", self.per_cluster)):
            if limit is not None and limit < 1:
                raise ValueError(f"at most {limit} rollouts per {what}: it takes at least 1 for any to start")


@dataclass(frozen=True, slots=True)
class Rollout:
    """The rollout of one ModelDeployment: where its revision is, and since when."""

    namespace: str
    name: str
    phase: Phase
    since: datetime

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by."""
        return self.namespace, self.name


def waits_for(mine: Rollout, others: Iterable[Rollout], limits: Limits) -> str | None:
    """What the rollout `mine`, which is Pending, has to wait for; None when it may start.

    `others` are all rollouts that are under way or wait for their turn, in any order; those in other phases, and `mine`
    itself, do no harm. A ModelDeployment that has a place, because an earlier candidate of it is still being hauled
    back, needs no second one.

    The sentence names rollouts of the same namespace, and only counts those of others, whose names may be nobody's
    business here.
    """
    known = list(others)
    running = {rollout.key for rollout in known if rollout.phase in UNDER_WAY}
    if mine.key in running:
        return None
    waiting = {rollout.key: rollout for rollout in known if rollout.phase is Phase.PENDING}
    rank = _rank(mine)
    ahead = [other for key, other in waiting.items() if key not in running and key != mine.key and _rank(other) < rank]
    taken = _Places(limits, running)
    for other in sorted(ahead, key=_rank) if taken.full(mine.namespace) is None else ():
        if taken.full(other.namespace) is None:
            taken.take(other.namespace)
    match taken.full(mine.namespace):
        case None:
            return None
        case "namespace":
            here = [key for key in running if key[0] == mine.namespace]
            before = sum(other.namespace == mine.namespace for other in ahead)
            what = f"namespace {mine.namespace}"
            return _sentence(what, mine.namespace, here, limits.per_namespace, before)
        case _:
            return _sentence("the cluster", mine.namespace, running, limits.per_cluster, len(ahead))


class _Places:
    """The places that are taken."""

    def __init__(self, limits: Limits, running: Iterable[tuple[str, str]]) -> None:
        self._limits = limits
        self._taken = Counter(namespace for namespace, _ in running)

    def full(self, namespace: str) -> str | None:
        """Which limit leaves a rollout of this namespace no place: namespace or cluster; None when there is one."""
        limits = self._limits
        if limits.per_namespace is not None and self._taken[namespace] >= limits.per_namespace:
            return "namespace"
        if limits.per_cluster is not None and self._taken.total() >= limits.per_cluster:
            return "cluster"
        return None

    def take(self, namespace: str) -> None:
        """Take one."""
        self._taken[namespace] += 1


def _rank(rollout: Rollout) -> tuple[datetime, str, str]:
    """Its place in the queue: nobody else has the same."""
    return rollout.since, rollout.namespace, rollout.name


def _sentence(what: str, namespace: str, running: Iterable[tuple[str, str]], limit: int | None, ahead: int) -> str:
    keys = sorted(running)
    here = [name for in_namespace, name in keys if in_namespace == namespace]
    named = [*here[:_MOST_NAMES]]
    if len(here) > _MOST_NAMES:
        named.append(f"{len(here) - _MOST_NAMES} more")
    if len(keys) > len(here):
        named.append(f"{len(keys) - len(here)} in other namespaces")
    who = f": {', '.join(named)}" if named else ""
    queue = f"; {ahead} {_are(ahead)} ahead in the queue" if ahead else ""
    return f"{len(keys)} of {limit} rollouts of {what} {_are(len(keys))} under way{who}{queue}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
