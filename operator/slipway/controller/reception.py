"""Where feedback comes in: the endpoint listens as long as the process lives, and takes reports while it leads."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from slipway.cluster import Cluster
from slipway.controller.reconciler import utc_now
from slipway.feedback import Doorman, Endpoint, Intake, Ledger, serving_feedback

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reception:
    """The endpoint, where there is one."""

    endpoint: Endpoint | None

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, address: tuple[str | None, int] | None) -> AsyncIterator[Reception]:
        """Listen there while the block runs; nowhere when it is None. Raises OSError for a port in use."""
        if address is None:
            yield cls(None)
            return
        endpoint = Endpoint()
        async with serving_feedback(endpoint, *address) as where:
            _log.info("feedback is taken at %s", where)
            yield cls(endpoint)

    @contextlib.contextmanager
    def opened(self, cluster: Cluster) -> Iterator[Ledger | None]:
        """Take reports while the block runs, and write them into this cluster; yields who counts them."""
        if self.endpoint is None:
            yield None
            return
        ledger = Ledger(cluster, clock=utc_now)
        self.endpoint.open(Doorman(cluster, clock=utc_now), Intake(cluster, ledger, clock=utc_now))
        try:
            yield ledger
        finally:
            self.endpoint.close()
