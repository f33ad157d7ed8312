"""A cluster each of whose requests is a part of the look that makes it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from slipway.cluster import Call, ClusterAround
from slipway.controller.tracing import span


class TracedCluster(ClusterAround):
    """`Cluster` whose requests are spans by the name of their verb and kind. What they say is in none."""

    def around(self, call: Call) -> AbstractContextManager[object]:
        what = f"{call.verb} {call.kind.kind}{f'/{call.subresource}' if call.subresource else ''}"
        return span(what, object=call.name or None)
