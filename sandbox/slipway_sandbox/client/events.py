"""Events: what `kubectl describe` tells, with repetitions counted rather than repeated."""

import asyncio
import logging
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final

import aiohttp

from slipway_sandbox.client.resources import EVENTS, Manifest
from slipway_sandbox.client.rest import ApiError, Client

log = logging.getLogger(__name__)

BURST: Final = 25
QUIET_SECONDS: Final = 300.0
"""The same news is written so often at once, and after that only once in so many seconds."""
REMEMBERED: Final = 2048
"""How many distinct events are remembered for counting; the oldest are written anew when they come back."""


class EventRecorder:
    """Writes Events in the background, in order, for one component.

    Recording never fails the caller: an Event that cannot be written is logged, and the work it tells of goes on.
    """

    def __init__(self, client: Client, component: str, *, host: str = "") -> None:
        self._client = client
        self._source = {"component": component, **({"host": host} if host else {})}
        self._queue: asyncio.Queue[Manifest] = asyncio.Queue()
        self._written: OrderedDict[tuple[str, ...], Manifest] = OrderedDict()
        self._sequence = 0

    def record(self, kind: str, about: Manifest, reason: str, message: str, *, field: str = "") -> None:
        """Tell of something that happened to an object; `kind` is Normal or Warning, `reason` one CamelCase word."""
        metadata = about["metadata"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        involved = {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        if metadata.get("namespace"):
            involved["namespace"] = metadata["namespace"]
        if field:
            involved["fieldPath"] = field
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": metadata.get("namespace", "default")},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._queue.put_nowait(event)

    async def run(self) -> None:
        """Write what is recorded until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except (TimeoutError, ApiError, aiohttp.ClientError, OSError) as failure:
                log.debug("event %s of %s: %s", event["reason"], event["involvedObject"]["name"], failure)

    async def _write(self, event: Manifest) -> None:
        involved = event["involvedObject"]
        identity = (involved["uid"], involved.get("fieldPath", ""), event["type"], event["reason"], event["message"])
        known = self._written.get(identity)
        if known is not None:
            if known["count"] >= BURST and _age_seconds(known) < QUIET_SECONDS:
                return
            changes = {"count": known["count"] + 1, "lastTimestamp": event["lastTimestamp"]}
            try:
                metadata = known["metadata"]
                self._written[identity] = await self._client.patch(
                    EVENTS, metadata["namespace"], metadata["name"], changes
                )
                return
            except ApiError as refusal:
                if not refusal.absent:
                    raise
        self._sequence += 1
        stamp = int(datetime.now(UTC).timestamp() * 1e6) + self._sequence
        event["metadata"]["name"] = f"{involved['name']}.{stamp:x}"
        self._written[identity] = await self._client.create(EVENTS, event)
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)


def _age_seconds(event: Manifest) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(event["lastTimestamp"])).total_seconds()
