"""The objects, in memory: one revision counter for everything, and per collection the history that watches resume from.

There is no lock. The server runs on one event loop, and a handler that has read an object writes it without awaiting
in between, so read-check-write is atomic. Stored objects are never changed in place; a write stores a new dict.
"""

from __future__ import annotations

import asyncio
import bisect
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FIRST_REVISION = 1000
"""Older versions than this count as compacted: a client that resumes from one gets 410 as from a long-lived server."""

HISTORY = 8192
"""Events kept per collection. A watcher that asks for older ones has to list again."""

BACKLOG = 100_000
"""Events that may wait for one watcher before it is cut off."""

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"


@dataclass(slots=True)
class Record:
    """One version of an object. `encoded` holds its serialised forms, by served version."""

    obj: dict[str, Any]
    revision: int
    encoded: dict[Any, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened at one revision. `record` of a deletion is the last state, with the deletion's revision."""

    kind: str
    revision: int
    key: str
    record: Record
    previous: Record | None


class ExpiredError(Exception):
    """The history does not go back that far."""


class Subscription:
    """The changes of a collection, as they come, for one watcher."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.pending: deque[Change] = deque()
        self.overflowed = False
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None

    def push(self, change: Change) -> None:
        if len(self.pending) >= BACKLOG:
            self.overflowed = True
        else:
            self.pending.append(change)
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """Wait until something is pending; false when the time is over first."""
        if self.pending or self.overflowed:
            return True
        self._waiter = self._loop.create_future()
        handle = self._loop.call_later(max(0.0, seconds), self.wake)
        try:
            await self._waiter
        finally:
            handle.cancel()
            self._waiter = None
        return bool(self.pending) or self.overflowed


class Collection:
    """All objects of one kind, ordered as a real server lists them (by `namespace/name`)."""

    def __init__(self, floor: int) -> None:
        self.records: dict[str, Record] = {}
        self.order: list[str] = []
        self.history: deque[Change] = deque()
        self.floor = floor
        """The history is complete for versions greater than this."""
        self.subscriptions: set[Subscription] = set()

    def keys(self, namespace: str) -> list[str]:
        """The keys of a namespace ("" for all), in order."""
        if not namespace:
            return self.order
        low = bisect.bisect_left(self.order, namespace + "/")
        high = bisect.bisect_left(self.order, namespace + "0")  # "0" follows "/"
        return self.order[low:high]

    def put(self, key: str, record: Record) -> None:
        previous = self.records.get(key)
        self.records[key] = record
        if previous is None:
            bisect.insort(self.order, key)
        self._publish(Change(ADDED if previous is None else MODIFIED, record.revision, key, record, previous))

    def drop(self, key: str, last: Record) -> None:
        previous = self.records.pop(key)
        del self.order[bisect.bisect_left(self.order, key)]
        self._publish(Change(DELETED, last.revision, key, last, previous))

    def _publish(self, change: Change) -> None:
        self.history.append(change)
        if len(self.history) > HISTORY:
            self.floor = self.history.popleft().revision
        for subscription in self.subscriptions:
            subscription.push(change)

    def since(self, revision: int) -> list[Change]:
        """The changes after a revision.

        Raises:
            ExpiredError: they are not all known any more.
        """
        if revision < self.floor:
            raise ExpiredError
        found: list[Change] = []
        for change in reversed(self.history):
            if change.revision <= revision:
                break
            found.append(change)
        found.reverse()
        return found

    def at(self, revision: int) -> list[tuple[str, Record]]:
        """The collection as it was at a revision.

        Raises:
            ExpiredError: that is too long ago.
        """
        state = dict(self.records)
        for change in reversed(self.since(revision)):
            if change.previous is None:
                state.pop(change.key, None)
            else:
                state[change.key] = change.previous
        return sorted(state.items())


Listener = Callable[[tuple[str, str], Change], None]


class Store:
    """Collections under one revision counter."""

    def __init__(self) -> None:
        self.revision = FIRST_REVISION
        self._floor = FIRST_REVISION
        self._collections: dict[tuple[str, str], Collection] = {}
        self._listeners: list[Listener] = []

    def restore(self, collection: tuple[str, str], key: str, revision: int, obj: dict[str, Any]) -> None:
        """Put an object of an earlier run back as it was; nobody is told."""
        found = self.collection(collection)
        found.records[key] = Record(obj, revision)
        bisect.insort(found.order, key)

    def resume_after(self, revision: int) -> None:
        """Go on one revision after the last one of an earlier run; all of its versions are too old to watch from."""
        self.revision = self._floor = revision + 1
        for found in self._collections.values():
            found.floor = self._floor

    def watch_all(self, listener: Listener) -> None:
        """Have a function called with every change, right after it happened."""
        self._listeners.append(listener)

    def _tell(self, collection: tuple[str, str], found: Collection) -> None:
        for listener in self._listeners:
            listener(collection, found.history[-1])

    def collection(self, key: tuple[str, str]) -> Collection:
        found = self._collections.get(key)
        if found is None:
            found = self._collections[key] = Collection(self._floor)
        return found

    def get(self, collection: tuple[str, str], key: str) -> Record | None:
        return self.collection(collection).records.get(key)

    def next_revision(self) -> int:
        self.revision += 1
        return self.revision

    def write(self, collection: tuple[str, str], key: str, obj: dict[str, Any]) -> Record:
        """Store an object under the next revision, which is written into its metadata."""
        revision = self.next_revision()
        obj["metadata"] = {**obj["metadata"], "resourceVersion": str(revision)}
        record = Record(obj, revision)
        found = self.collection(collection)
        found.put(key, record)
        self._tell(collection, found)
        return record

    def delete(self, collection: tuple[str, str], key: str) -> Record:
        """Remove an object; its last state gets the revision of the deletion."""
        found = self.collection(collection)
        current = found.records[key]
        revision = self.next_revision()
        metadata = {**current.obj["metadata"], "resourceVersion": str(revision)}
        last = Record({**current.obj, "metadata": metadata}, revision)
        found.drop(key, last)
        self._tell(collection, found)
        return last

    def counts(self) -> dict[str, int]:
        """How many objects each collection holds, for diagnosis."""
        return {f"{plural}.{group}".rstrip("."): len(c.records) for (group, plural), c in self._collections.items()}


def object_key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name
