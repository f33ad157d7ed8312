"""One look at one ModelDeployment: observe, decide, act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from slipway.cluster import MODEL_DEPLOYMENT, Cluster, EventRecorder, Object
from slipway.controller.act import REFUSALS, Actor
from slipway.controller.collect import Collector
from slipway.controller.observe import InvalidSpecError, observe, read_status
from slipway.rollout import Decision, decide, plan, reasons, refused, roles

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


LONGEST_MESSAGE: Final = 1024
"""Characters of a refusal in the status: what an API server complains of can be as long as the manifest."""

REFUSED_PAUSE: Final = timedelta(seconds=5)
"""Shortest time between two looks while something is refused."""


class RefusedError(Exception):
    """The cluster refused something, and the status says so. ``wake_after`` is when evidence is due all the same."""

    def __init__(self, message: str, *, wake_after: timedelta | None) -> None:
        super().__init__(message)
        self.wake_after = wake_after


def utc_now() -> datetime:
    """The wall clock, which only the shell reads."""
    return datetime.now(UTC)


class Reconciler:
    """Brings one ModelDeployment closer to what it declares, one decision at a time."""

    def __init__(self, cluster: Cluster, collector: Collector, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._cluster = cluster
        self._collector = collector
        self._actor = Actor(cluster, EventRecorder(cluster))
        self._clock = clock

    async def reconcile(self, key: Key) -> timedelta | None:
        """Look once; returns when to look again, or None when only an event can change anything.

        Raises RefusedError when the cluster refused something, after the status says so. Raises ClusterError when the
        cluster could not be read or written. Looking again is the remedy for both.
        """
        namespace, name = key
        deployment = await self._cluster.get(MODEL_DEPLOYMENT, namespace, name)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return None  # owner references take the children along; until then what serves goes on serving
        now = self._clock()
        decision: Decision | None = None
        try:
            scene, seen = await observe(self._cluster, deployment, now)
            seen = await self._collector.collect(scene, seen, plan(seen, roles(seen).candidate))
            decision = decide(seen)
            await self._actor.act(scene, decision, now)
        except InvalidSpecError as error:
            await self._refuse(deployment, now, reasons.INVALID_SPEC, str(error))
            return None
        except REFUSALS as error:
            await self._refuse(deployment, now, reasons.APPLY_REFUSED, str(error))
            raise RefusedError(str(error), wake_after=_due(decision)) from error
        return decision.wake_after

    async def _refuse(self, deployment: Object, now: datetime, reason: str, message: str) -> None:
        before = read_status(deployment)
        generation = int(deployment["metadata"].get("generation", 0))
        said = message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"
        status = refused(before, generation=generation, now=now, reason=reason, message=said)
        if status != before:
            await self._actor.write_status(deployment, status)


def _due(decision: Decision | None) -> timedelta | None:
    """When evidence is due although something was refused: while traffic is split, it does not wait for a back-off."""
    if decision is None or decision.wake_after is None or len(decision.weights or {}) < 2:
        return None
    return max(decision.wake_after, REFUSED_PAUSE)
