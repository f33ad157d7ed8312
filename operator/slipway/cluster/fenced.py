"""A cluster that is written to only while something is so: while this replica leads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from slipway.cluster.around import Call, ClusterAround
from slipway.cluster.errors import NotLeading
from slipway.cluster.protocol import Cluster


class FencedCluster(ClusterAround):
    """`Cluster` whose writes raise NotLeading once `may_write` says no. Reads go through.

    A process that was stopped in the middle of a look, and goes on when another one leads, gets no further than its
    next write.
    """

    def __init__(self, cluster: Cluster, may_write: Callable[[], bool]) -> None:
        super().__init__(cluster)
        self._may_write = may_write

    def around(self, call: Call) -> AbstractContextManager[object]:
        if call.writes and not self._may_write():
            raise NotLeading(f"{call.verb}: another replica leads, or may lead soon")
        return nullcontext()
