"""One look at one ModelDeployment: observe, decide, act."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from slipway.cluster import (
    MODEL_DEPLOYMENT,
    AlreadyExists,
    Cluster,
    EventRecorder,
    Forbidden,
    Invalid,
    Object,
)
from slipway.controller.act import Actor
from slipway.controller.collect import Collector
from slipway.controller.observe import InvalidSpecError, observe, read_status
from slipway.rollout import decide, plan, reasons, refused, roles

_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


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

        Raises ClusterError when the cluster could not be read or written; looking again is then the remedy.
        """
        namespace, name = key
        deployment = await self._cluster.get(MODEL_DEPLOYMENT, namespace, name)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return None  # owner references take the children along; until then what serves goes on serving
        now = self._clock()
        try:
            scene, seen = await observe(self._cluster, deployment, now)
        except InvalidSpecError as error:
            await self._refuse(deployment, now, reasons.INVALID_SPEC, str(error))
            return None
        seen = await self._collector.collect(scene, seen, plan(seen, roles(seen).candidate))
        decision = decide(seen)
        try:
            await self._actor.act(scene, decision, now)
        except (Invalid, Forbidden, AlreadyExists) as error:
            await self._refuse(deployment, now, reasons.APPLY_REFUSED, str(error))
            raise
        return decision.wake_after

    async def _refuse(self, deployment: Object, now: datetime, reason: str, message: str) -> None:
        before = read_status(deployment)
        generation = int(deployment["metadata"].get("generation", 0))
        status = refused(before, generation=generation, now=now, reason=reason, message=message)
        if status != before:
            await self._actor.write_status(deployment, status)
