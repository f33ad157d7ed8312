"""Who of several replicas leads: one `coordination.k8s.io/v1` Lease, as all controllers of Kubernetes hold it.

Clocks of machines differ, so no time that another replica wrote is ever compared with the own one: a lease counts from
the moment at which this replica saw it change, by its own monotonic clock. A leader counts from before it asked for its
last renewal, and stops acting five seconds before anybody else may begin; so there is never a second one, whatever the
network delays, unless a clock runs half as fast again as another. What is left of a write that was under way then ends
as a Conflict, because every write carries the version that it was decided on.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from slipway.cluster.errors import AlreadyExists, ClusterError, Conflict, Forbidden
from slipway.cluster.kinds import LEASE, Object
from slipway.cluster.protocol import Cluster

_log = logging.getLogger(__name__)

LONGEST: Final = 3600.0
"""Seconds that a lease may say it lasts; one that says more is taken to be a mistake."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """In seconds. The defaults are those of Kubernetes' own controllers, but for the pace of those who wait."""

    duration: float = 15.0
    """How long a leader that is not heard of any more is waited for."""
    renewal: float = 10.0
    """How long a leader acts after the last renewal that it asked for and got."""
    pace: float = 2.0
    """Between two renewals."""
    look: float = 1.0
    """Between two looks of a replica that waits: a lease that was given back is taken within it."""

    @classmethod
    def of(cls, duration: float) -> LeaseTimes:
        """The default's proportions for another duration."""
        whole = cls()
        share = duration / whole.duration
        return cls(duration, whole.renewal * share, whole.pace * share, min(whole.look, whole.look * share))

    def __post_init__(self) -> None:
        if self.look <= 0 or not 0 < self.pace < self.renewal < self.duration:
            raise ValueError(f"a leader has to renew in time, and to stop before others begin: {self}")


class LostLeadError(Exception):
    """This replica leads no more, and must not act."""


class Elector:
    """One replica's claim to a lease. Not to be shared between event loops."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        identity: str,
        *,
        times: LeaseTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`identity` has to differ between all replicas and restarts. `clock` is monotonic, `now` for people only."""
        self.problem: str | None = None
        """Why the lease could not be read or written lately."""
        self.holder: str | None = None
        """Who was last seen to hold it."""
        self._cluster = cluster
        self._namespace, self._name, self._identity = namespace, name, identity
        self._times = times or LeaseTimes()
        self._clock, self._now = clock, now
        self._version: str | None = None
        self._seen_at = clock()
        self._missed_at: float | None = None
        self._lasts = self._times.duration
        self._renewed_at: float | None = None

    @property
    def leading(self) -> bool:
        """Whether this replica may act at this moment."""
        return self._renewed_at is not None and self._clock() < self._renewed_at + self._times.renewal

    async def acquire(self) -> None:
        """Wait until this replica leads, however long that takes and whatever fails meanwhile."""
        while not await self._attempt():  # noqa: ASYNC110 - there is nobody to set an event
            await asyncio.sleep(self._pause())

    async def keep(self) -> None:
        """Renew the lease for as long as that is possible. Raises LostLeadError when it is not."""
        while True:
            await asyncio.sleep(self._times.pace * random.uniform(0.8, 1.0))  # noqa: S311 - jitter, not a secret
            taken = await self._attempt()
            if not taken and (not self.leading or self.holder not in (None, self._identity)):
                self._renewed_at = None
                raise LostLeadError(
                    f"lease {self._namespace}/{self._name} is not ours any more: "
                    f"{self.problem or f'{self.holder} holds it'}"
                )

    async def release(self) -> None:
        """Stop acting, and give the lease back, so that nobody has to wait for its end."""
        held, self._renewed_at = self._renewed_at is not None and self.holder == self._identity, None
        if not held:
            return  # another one's, maybe, by now
        body = {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": self._timestamp()}}
        try:
            try:
                await self._patch(body)
            except Conflict:  # the last renewal was written, and its answer did not arrive
                lease = await self._cluster.get(LEASE, self._namespace, self._name)
                if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                    self._saw(lease)
                    await self._patch(body)
        except ClusterError as error:
            _log.info("lease %s/%s was not given back and ends by itself: %s", self._namespace, self._name, error)

    async def _attempt(self) -> bool:
        """Try once to take or to renew; whether that worked."""
        asked_at = self._clock()
        try:
            async with asyncio.timeout(self._times.renewal / 2):
                taken = await self._take()
        except Forbidden as error:
            self._troubled(f"may not be held, grant get, create and patch: {error}")
        except (ClusterError, TimeoutError) as error:
            self._troubled(str(error) or "no answer in time")
        else:
            self.problem = None
            if taken:
                self.holder, self._renewed_at = self._identity, asked_at
            return taken
        return False

    async def _take(self) -> bool:
        lease = await self._cluster.get(LEASE, self._namespace, self._name)
        if lease is None:
            return await self._create() if self._free() else False
        self._missed_at = None
        if lease["metadata"]["resourceVersion"] != self._version:
            self._saw(lease)
        ours = self.holder == self._identity
        if self.holder and not ours and self._clock() < self._seen_at + self._lasts:
            return False
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._times.duration),
            "renewTime": self._timestamp(),
        }
        if not ours:
            changes = (lease.get("spec") or {}).get("leaseTransitions") or 0
            spec |= {"acquireTime": self._timestamp(), "leaseTransitions": changes + 1}
        try:
            await self._patch({"spec": spec})
        except Conflict:
            return False  # somebody was faster; what they wrote is seen at the next look
        return True

    def _free(self) -> bool:
        """Whether a lease that is not there may be created. One that was there and was deleted belongs to who held it,
        and acts on without it until its next renewal."""
        now = self._clock()
        self._missed_at = now if self._missed_at is None else self._missed_at
        return self._version is None or self.leading or now >= self._missed_at + max(self._lasts, self._times.duration)

    async def _create(self) -> bool:
        said = self._timestamp()
        try:
            created = await self._cluster.create(
                {
                    "apiVersion": LEASE.api_version,
                    "kind": LEASE.kind,
                    "metadata": {"name": self._name, "namespace": self._namespace},
                    "spec": {
                        "holderIdentity": self._identity,
                        "leaseDurationSeconds": int(self._times.duration),
                        "acquireTime": said,
                        "renewTime": said,
                        "leaseTransitions": 0,
                    },
                }
            )
        except AlreadyExists:
            return False
        self._saw(created)
        return True

    async def _patch(self, body: Object) -> None:
        version = {"metadata": {"resourceVersion": self._version}}
        self._saw(await self._cluster.merge_patch(LEASE, self._namespace, self._name, version | body))

    def _saw(self, lease: Object) -> None:
        spec = lease.get("spec") or {}
        self.holder = spec.get("holderIdentity") or None
        self._version, self._seen_at = lease["metadata"]["resourceVersion"], self._clock()
        self._missed_at = None
        said = spec.get("leaseDurationSeconds")
        self._lasts = float(said) if isinstance(said, int) and 0 < said <= LONGEST else self._times.duration

    def _pause(self) -> float:
        """Until the next look: soon enough for a lease that ends meanwhile."""
        ends_in = self._seen_at + self._lasts - self._clock()
        pause = self._times.look * random.uniform(0.8, 1.0)  # noqa: S311 - jitter, not a secret
        return min(pause, ends_in) if self.problem is None and ends_in > 0 else pause

    def _troubled(self, what: str) -> None:
        problem = f"lease {self._namespace}/{self._name}: {what}"
        if problem != self.problem:
            _log.warning("%s", problem)
        self.problem = problem

    def _timestamp(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
