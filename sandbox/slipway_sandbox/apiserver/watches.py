"""Watches: the stream of what happens to a selection, from a version on.

With a selector, an object that starts to match arrives as ADDED and one that stops matching as DELETED, whatever
happened to it in the store. Events that were waiting are sent together in one write.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from slipway_sandbox.apiserver import errors, views
from slipway_sandbox.apiserver.options import boolean
from slipway_sandbox.apiserver.reads import Selection, integer, read_version
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.store import ADDED, DELETED, MODIFIED, Change, ExpiredError, Record, Store, Subscription

BOOKMARK_SECONDS = 60.0
BATCH = 512

Encode = Callable[[Record], bytes]


def _event(kind: str, body: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + body + b"}\n"


def error_event(error: errors.ApiError) -> bytes:
    return _event("ERROR", views.dump(error.body()))


class Watch:
    """One open watch. `encode` turns a record into what the client asked for (the object, a Table row, metadata)."""

    def __init__(
        self,
        store: Store,
        selected: Selection,
        query: Mapping[str, str],
        encode: Encode,
        bookmark: Callable[[str, bool], dict[str, Any]],
    ) -> None:
        self._store = store
        self._selected = selected
        self._collection = store.collection(selected.resource.key)
        self._encode = encode
        self._bookmark_object = bookmark
        self._predicate = selected.predicate()
        self._prefix = f"{selected.namespace}/" if selected.namespace else ""
        self._bookmarks = boolean(query.get("allowWatchBookmarks")) if "allowWatchBookmarks" in query else False
        self._initial = query.get("sendInitialEvents")
        self._version = read_version(query)
        self._seconds = _timeout(query)
        self._subscription = Subscription(asyncio.get_running_loop())
        self._sent = 0

    async def stream(self) -> AsyncIterator[bytes]:
        """Chunks to write, until the time is over or the watcher fell behind."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        next_bookmark = loop.time() + BOOKMARK_SECONDS
        self._collection.subscriptions.add(self._subscription)
        try:
            try:
                start = self._start()
            except ExpiredError:
                yield error_event(_too_old(self._version, self._collection.floor))
                return
            for position in range(0, len(start), BATCH):
                yield b"".join(start[position : position + BATCH])
            while True:
                now = loop.time()
                if now >= deadline:
                    return
                wait = min(deadline, next_bookmark) - now if self._bookmarks else deadline - now
                if not await self._subscription.wait(wait):
                    if self._bookmarks and loop.time() >= next_bookmark:
                        next_bookmark = loop.time() + BOOKMARK_SECONDS
                        yield self._bookmark(self._store.revision, False)
                    continue
                if self._subscription.overflowed:
                    return
                chunk = self._drain()
                if chunk:
                    yield chunk
        finally:
            self._collection.subscriptions.discard(self._subscription)

    def _start(self) -> list[bytes]:
        """What is sent before waiting for the first change."""
        version = self._version
        if self._initial is not None and boolean(self._initial):
            if version is not None and version > self._store.revision:
                return []
            events = self._current()
            if self._bookmarks:
                events.append(self._bookmark(self._store.revision, True))
            return events
        if version is None and self._initial is not None:
            return []
        if not version:  # such a watch streams the list first as if it had asked for that
            ending = [self._bookmark(self._store.revision, True)] if self._bookmarks else []
            return self._current() + ending
        return [event for change in self._collection.since(version) if (event := self._translate(change))]

    def _current(self) -> list[bytes]:
        found = []
        for key in self._collection.keys(self._selected.namespace):
            record = self._collection.records[key]
            if self._matches(record):
                found.append(_event(ADDED, self._encode(record)))
        return found

    def _drain(self) -> bytes:
        parts: list[bytes] = []
        pending = self._subscription.pending
        while pending and len(parts) < BATCH:
            event = self._translate(pending.popleft())
            if event:
                parts.append(event)
        return b"".join(parts)

    def _matches(self, record: Record) -> bool:
        return self._predicate is None or self._predicate(views.shown(self._selected.resource, record.obj))

    def _translate(self, change: Change) -> bytes | None:
        if self._version is not None and change.revision <= self._version:
            return None
        if self._prefix and not change.key.startswith(self._prefix):
            return None
        kind = change.kind
        if self._predicate is not None:
            was = change.previous is not None and self._matches(change.previous)
            now = kind != DELETED and self._matches(change.record)
            if not was and not now:
                return None
            if was and not now and kind != DELETED:
                return _event(DELETED, self._encode(_renumbered(change)))
            kind = DELETED if not now else MODIFIED if was else ADDED
        return _event(kind, self._encode(change.record))

    def _bookmark(self, revision: int, ends_initial: bool) -> bytes:
        return _event("BOOKMARK", views.dump(self._bookmark_object(str(revision), ends_initial)))


def _renumbered(change: Change) -> Record:
    """The state before the object left the selection, with the version at which it left."""
    previous = change.previous
    if previous is None:
        return change.record
    metadata = {**previous.obj["metadata"], "resourceVersion": str(change.revision)}
    return Record({**previous.obj, "metadata": metadata}, change.revision)


def _timeout(query: Mapping[str, str]) -> float:
    seconds = integer(query, "timeoutSeconds")
    if seconds > 0:
        return float(seconds)
    return random.uniform(1800, 3600)  # spread, so that watchers do not come back all at once


def _too_old(version: int | None, floor: int) -> errors.ApiError:
    return errors.expired(f"too old resource version: {version} ({floor})")


def plain_bookmark(resource: Resource) -> Callable[[str, bool], dict[str, Any]]:
    """The empty object that carries a version in a bookmark."""

    def build(revision: str, ends_initial: bool) -> dict[str, Any]:
        metadata: dict[str, Any] = {"resourceVersion": revision}
        if ends_initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}

    return build
