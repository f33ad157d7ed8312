"""Places for rollouts, where only so many may be under way at a time: the list that a turn is decided on.

Who is under way and who waits is read from the status of the ModelRevisions, so that a restarted operator finds the
queue as it was. The list is read only while somebody waits, in pages, and once for all who ask within `FRESH`: a
thousand rollouts that wait cost the API server no more than one.

Such a list is late. Two workers could take the last place on one list, and a rollout that was given a place shows it
only when its record is written. So turns are given one after the other, and a place that was given is reserved until a
later list shows that the rollout has started. One that is never taken, because the ModelDeployment was deleted say, is
free again after `RESERVED`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from slipway.api import Phase
from slipway.cluster import MODEL_REVISION, Cluster, Object
from slipway.rollout import reasons
from slipway.rollout.budget import UNDER_WAY, Limits, Rollout, waits_for

FRESH: Final = timedelta(seconds=2)
"""How long a list serves all who ask."""

RESERVED: Final = timedelta(minutes=2)
"""How long a place is kept for a rollout that has not been seen to start: longer than any write can take."""

Key = tuple[str, str]

_LAST: Final = datetime.max.replace(tzinfo=UTC)
"""Where in the queue one stands that does not say since when."""


@dataclass(slots=True)
class _Listing:
    """What one read showed, and who has been told to wait since."""

    at: datetime
    rollouts: list[Rollout] = field(default_factory=list)


class RolloutBudget:
    """Gives turns to the rollouts of one operator. There is one of it in a process, and one process that leads."""

    def __init__(self, cluster: Cluster, limits: Limits, namespaces: Sequence[str] = ()) -> None:
        """`namespaces` are those that the operator watches; none of them means all."""
        self._cluster = cluster
        self._limits = limits
        self._namespaces = tuple(namespaces)
        self._listings: dict[str | None, _Listing] = {}
        self._reserved: dict[Key, Rollout] = {}
        self._one_at_a_time = asyncio.Lock()

    async def turn(self, namespace: str, name: str, now: datetime) -> str | None:
        """What the rollout has to wait for; None when it may start, and has a place reserved.

        Ask for a rollout that is Pending and that nothing else holds, and again at every look until it has started. A
        place that is not taken after all belongs to others: `give_back`. Raises ClusterError when the ModelRevisions
        cannot be listed; nothing is reserved then.
        """
        if self._limits == Limits():
            return None
        async with self._one_at_a_time:
            listings = [await self._listing(scope, now) for scope in self._scopes(namespace)]
            self._reserved = {key: held for key, held in self._reserved.items() if now - held.since < RESERVED}
            known = [rollout for listing in listings for rollout in listing.rollouts]
            key = (namespace, name)
            mine = next((rollout for rollout in known if rollout.key == key and rollout.phase is Phase.PENDING), None)
            mine = mine or Rollout(namespace, name, Phase.PENDING, now)
            sentence = waits_for(mine, [*known, *self._reserved.values()], self._limits)
            if sentence is None:
                self._reserved.setdefault(key, Rollout(namespace, name, Phase.STARTING, now))
            elif mine not in known:
                listings[0].rollouts.append(mine)  # who asks after it, on the same list, is behind it
            return sentence

    def give_back(self, namespace: str, name: str) -> None:
        """Free the place of a rollout that was given its turn and does not start; does nothing when it has none."""
        self._reserved.pop((namespace, name), None)

    def _scopes(self, namespace: str) -> Sequence[str | None]:
        """The namespaces that have to be listed; None is all of them."""
        if self._limits.per_cluster is None:
            return (namespace,)
        return self._namespaces or (None,)

    async def _listing(self, scope: str | None, now: datetime) -> _Listing:
        known = self._listings.get(scope)
        if known is not None and timedelta(0) <= now - known.at < FRESH:
            return known
        found = [_rollout(revision) for revision in await self._cluster.list(MODEL_REVISION, scope)]
        listing = _Listing(now, [rollout for rollout in found if rollout is not None])
        self._listings[scope] = listing
        for rollout in listing.rollouts:
            held = self._reserved.get(rollout.key)
            # What began earlier is a candidate before this one, whose haul back is about to end.
            if held is not None and rollout.phase in UNDER_WAY and rollout.since >= held.since:
                del self._reserved[rollout.key]
        return listing


def _rollout(revision: Object) -> Rollout | None:
    """The rollout that a ModelRevision shows to be under way or in the queue; None for any other.

    One that is Pending for another reason is not in the queue: it could not start if it were its turn, and everybody
    would wait for somebody to repair its Gateway. One that has no owner any more is looked after by nobody, and would
    keep its place for ever.
    """
    metadata, status = revision["metadata"], revision.get("status") or {}
    phase = next((phase for phase in Phase if phase == status.get("phase")), None)
    queued = phase is Phase.PENDING and status.get("reason") == reasons.QUEUED
    if phase is None or not metadata.get("ownerReferences") or not (queued or phase in UNDER_WAY):
        return None
    since = _time(status.get("phaseSince")) or _time(metadata.get("creationTimestamp")) or _LAST
    return Rollout(metadata["namespace"], str(revision["spec"]["modelDeployment"]), phase, since)


def _time(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
