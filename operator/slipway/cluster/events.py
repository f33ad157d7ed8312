"""Kubernetes Events: what `kubectl describe` tells of a decision.

Events are core/v1, as `kubectl describe` and every dashboard read them. Telling the same thing again raises a count.
The event's name is derived from what it says, so an operator that was restarted goes on counting instead of starting
over.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from typing import Literal

from slipway.cluster.errors import ClusterError, Conflict
from slipway.cluster.kinds import EVENT, Object
from slipway.cluster.protocol import Cluster

MESSAGE_LENGTH = 1024
"""The API's own limit for an event's message, in characters."""

_NAME_LENGTH = 230
"""How much of the object's name goes into the event's: 253, less a dot and the digest."""

_log = logging.getLogger(__name__)


class EventRecorder:
    """Writes Events about objects. Losing one must never cost a decision: failures are logged and that is all."""

    def __init__(self, cluster: Cluster, *, component: str = "slipway") -> None:
        self._cluster = cluster
        self._component = component

    async def record(
        self,
        regarding: Object,
        *,
        type: Literal["Normal", "Warning"],  # noqa: A002 - the API's word
        reason: str,
        message: str,
        now: datetime,
    ) -> None:
        """Says something about an object. The same object, type, reason and message count as one event, said again.

        `reason` is CamelCase, for machines; `message` is a sentence, cut to the API's 1024 characters. `now` has a time
        zone.
        """
        event = _event(regarding, type=type, reason=reason, message=_cut(message), now=now, component=self._component)
        metadata = event["metadata"]
        try:
            said = await self._cluster.get(EVENT, metadata["namespace"], metadata["name"])
            if said is not None:
                event["count"] = said.get("count", 1) + 1
                event["firstTimestamp"] = said.get("firstTimestamp", event["firstTimestamp"])
            await self._cluster.apply(event)
        except ClusterError as error:
            about = regarding["metadata"]
            # In a namespace that ends nobody is left to be told.
            level = logging.DEBUG if isinstance(error, Conflict) else logging.WARNING
            _log.log(level, "event %s about %s was not recorded: %s", reason, about["name"], error)


def _event(regarding: Object, *, type: str, reason: str, message: str, now: datetime, component: str) -> Object:  # noqa: A002
    about = regarding["metadata"]
    reference = {
        "apiVersion": regarding["apiVersion"],
        "kind": regarding["kind"],
        "name": about["name"],
        "namespace": about.get("namespace"),
        "uid": about.get("uid"),
    }
    said = "\0".join(str(part) for part in (*reference.values(), type, reason, message))
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    timestamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{about['name'][:_NAME_LENGTH]}.{digest}",
            # Events about objects that have no namespace live in this one.
            "namespace": about.get("namespace") or "default",
        },
        "involvedObject": {key: value for key, value in reference.items() if value is not None},
        "type": type,
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "reportingComponent": component,
        "firstTimestamp": timestamp,
        "lastTimestamp": timestamp,
        "count": 1,
    }


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…"
