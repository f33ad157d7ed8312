"""The ledger: reports that were acknowledged, in ConfigMaps, each counted once whatever happens in between.

A report is acknowledged after the API server has taken it. Who was told nothing, or heard nothing, reports again, and
is recognised by the request's id. Every write carries the version that it was made on, so that of two processes that
write at once one begins anew; and what is known of a ModelDeployment is forgotten whenever a write may or may not
have happened.

Writes are put together: while one is on its way, whatever comes in waits for the next.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from slipway.cluster import CONFIG_MAP, AlreadyExists, Cluster, Conflict, Unavailable
from slipway.feedback import segment
from slipway.feedback.report import Kind, Report
from slipway.feedback.segment import MOST_SEGMENTS, SEGMENT_REPORTS, Entry, Segment
from slipway.feedback.terms import Key, Terms

TRIES: Final = 5
"""How often a write is begun anew because somebody else wrote."""

MOST_REMEMBERED: Final = 200_000
"""Reports that are kept in memory, over all ModelDeployments; others are read again when they are needed."""

MOST_BOOKS: Final = 256
"""ModelDeployments that are kept in memory."""

SKEW: Final = timedelta(seconds=60)
"""How far the clock of who reports may be ahead."""


class Outcome(StrEnum):
    """What became of a report."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """The request has a report of this kind already: the first one counts."""
    IGNORED = "ignored"
    """Nothing is judged on the time in which the request was made, or on this kind of report."""
    LATE = "late"
    """The request is older than the metric's maturity: it was judged without this report."""
    FUTURE = "future"
    """The request is said to have been made in the future."""
    UNKNOWN = "unknown"
    """The ModelDeployment has no such revision."""
    FULL = "full"
    """The revision has as many reports as can be kept."""


@dataclass(slots=True)
class _Book:
    """What is known of one ModelDeployment: its segments by revision, in their order, and the requests in them. `uid`
    is that of the ModelDeployment, None before it was told."""

    uid: str | None = None
    segments: dict[str, list[Segment]] = field(default_factory=dict)
    digests: set[bytes] = field(default_factory=set)

    def take(self, changed: Segment) -> None:
        mine = self.segments.setdefault(changed.revision, [])
        mine[:] = [*(found for found in mine if found.number != changed.number), changed]
        mine.sort(key=lambda found: found.number)
        self.digests.update(entry.digest for entry in changed.entries)

    def drop(self, gone: Segment) -> None:
        self.segments[gone.revision].remove(gone)
        self.digests.difference_update(entry.digest for entry in gone.entries)


@dataclass(slots=True, weakref_slot=True)
class _Desk:
    """Reports on one ModelDeployment that wait to be written, and who has the pen."""

    pen: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[tuple[Sequence[Report], Terms, asyncio.Future[list[Outcome]]]] = field(default_factory=list)


class Ledger:
    """Takes reports, and counts them."""

    def __init__(self, cluster: Cluster, *, clock: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._books: OrderedDict[Key, _Book] = OrderedDict()
        self._desks: weakref.WeakValueDictionary[Key, _Desk] = weakref.WeakValueDictionary()

    async def add(self, key: Key, reports: Sequence[Report], terms: Terms) -> list[Outcome]:
        """Write the reports down; what became of each, once that is certain.

        Raises ClusterError when they could not be written, or nobody knows whether they were, and SegmentError when
        what was written before cannot be read. Reporting again is the remedy.
        """
        desk = self._desk(key)
        result: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        desk.waiting.append((reports, terms, result))
        async with desk.pen:
            if not result.done():
                await self._write_all(key, desk)
        return result.result()

    async def counted(
        self, key: Key, kind: Kind, windows: Sequence[tuple[int, int]], revisions: Sequence[str]
    ) -> list[list[tuple[int, int]]]:
        """For each revision and window, how many reports it has and how many of them speak against the revision.

        Read from the API server, while nobody writes: a report on a request of these windows that was acknowledged
        before is in it, and none is acknowledged afterwards if their maturity is over. Raises ClusterError and
        SegmentError.
        """
        desk = self._desk(key)
        async with desk.pen:
            book = await self._read(key)
            return [segment.counted(book.segments.get(revision, ()), kind, windows) for revision in revisions]

    def _desk(self, key: Key) -> _Desk:
        return self._desks.setdefault(key, _Desk())

    # --- writing

    async def _write_all(self, key: Key, desk: _Desk) -> None:
        """Write what waits. Its owners learn what became of it, also when it is an error."""
        batch, desk.waiting = desk.waiting, []
        try:
            outcomes = await self._written(key, [(reports, terms) for reports, terms, _ in batch])
        except BaseException as error:
            self._books.pop(key, None)  # the write may have happened
            for _, _, result in batch:
                if not result.done():
                    result.set_exception(
                        error if isinstance(error, Exception) else Unavailable("the write was broken off")
                    )
                    result.exception()  # it is looked at: who gave up waiting does not come back for it
            raise
        for (_, _, result), found in zip(batch, outcomes, strict=True):
            if not result.done():
                result.set_result(found)

    async def _written(self, key: Key, batch: Sequence[tuple[Sequence[Report], Terms]]) -> list[list[Outcome]]:
        for attempt in range(1, TRIES + 1):
            book = await self._book(key, batch[-1][1].uid)
            outcomes, fresh = self._sorted(book, batch)
            latest = batch[-1][1]
            try:
                for revision, entries in fresh.items():
                    await self._append(key, book, revision, entries, latest)
            except (AlreadyExists, Conflict):
                self._books.pop(key, None)
                if attempt == TRIES:
                    raise
            else:
                self._forget_some()
                return outcomes
        raise AssertionError("the last attempt returns or raises")

    def _sorted(
        self, book: _Book, batch: Sequence[tuple[Sequence[Report], Terms]]
    ) -> tuple[list[list[Outcome]], dict[str, list[Entry]]]:
        """What becomes of each report, and those that are to be written, by revision."""
        now, fresh, seen = self._clock(), dict[str, list[Entry]](), set[bytes]()
        outcomes = []
        for reports, terms in batch:
            found = []
            for report in reports:
                made = report.made or now
                outcome = _outcome(report, made, terms, now)
                if outcome is Outcome.ACCEPTED:
                    entry = segment.entry_of(report, made)
                    mine = fresh.setdefault(report.revision, [])
                    if entry.digest in book.digests or entry.digest in seen:
                        outcome = Outcome.DUPLICATE
                    elif len(mine) >= _room(book.segments.get(report.revision, ()), terms.needed_since):
                        outcome = Outcome.FULL
                    else:
                        seen.add(entry.digest)
                        mine.append(entry)
                found.append(outcome)
            outcomes.append(found)
        return outcomes, fresh

    async def _append(self, key: Key, book: _Book, revision: str, entries: Sequence[Entry], terms: Terms) -> None:
        """Fill the open segment, and begin others."""
        rest = list(entries)
        while rest:
            mine = book.segments.get(revision, [])
            last = mine[-1] if mine else None
            if last is None or last.is_full:
                await self._discard(key, book, terms.needed_since)
                begun = Segment(revision, last.number + 1 if last is not None else 0)
                part, rest = rest[:SEGMENT_REPORTS], rest[SEGMENT_REPORTS:]
                body = segment.manifest(
                    begun.with_entries(part),
                    namespace=key[0],
                    model_deployment=key[1],
                    owner=terms.revisions[revision],
                )
                stored = await self._cluster.create(body)
            else:
                room = SEGMENT_REPORTS - len(last.entries)
                part, rest = rest[:room], rest[room:]
                patch = {
                    "metadata": {"resourceVersion": last.version, "uid": last.uid},
                    "binaryData": {segment.KEY: last.with_entries(part).payload()},
                }
                stored = await self._cluster.merge_patch(CONFIG_MAP, key[0], last.name, patch)
            book.take(segment.read(stored))

    async def _discard(self, key: Key, book: _Book, needed_since: datetime) -> None:
        """Delete the segments in which nothing can count any more: nothing that is younger is in them."""
        for mine in list(book.segments.values()):
            for old in [found for found in mine[:-1] if _is_over(found, needed_since)]:
                await self._cluster.delete(CONFIG_MAP, key[0], old.name, uid=old.uid)
                book.drop(old)

    # --- reading

    async def _book(self, key: Key, uid: str) -> _Book:
        """What is known of this very ModelDeployment: another one may have had its name before."""
        book = self._books.get(key)
        if book is None or book.uid not in (None, uid):
            book = await self._read(key)
        book.uid = uid
        self._books.move_to_end(key)
        return book

    async def _read(self, key: Key) -> _Book:
        """All segments of a ModelDeployment, from the API server."""
        found = await self._cluster.list(CONFIG_MAP, key[0], labels=segment.selector(key[1]))
        book = _Book()
        for config_map in found:
            if not config_map["metadata"].get("deletionTimestamp"):
                book.take(segment.read(config_map))
        self._books[key] = book
        self._books.move_to_end(key)
        return book

    def _forget_some(self) -> None:
        """Keep memory bounded: what was used last stays."""
        remembered = sum(len(book.digests) for book in self._books.values())
        while (remembered > MOST_REMEMBERED or len(self._books) > MOST_BOOKS) and len(self._books) > 1:
            _, forgotten = self._books.popitem(last=False)
            remembered -= len(forgotten.digests)


def _outcome(report: Report, made: datetime, terms: Terms, now: datetime) -> Outcome:
    """What becomes of a report, but for others like it."""
    maturity = terms.maturities.get(report.kind)
    if report.revision not in terms.revisions:
        return Outcome.UNKNOWN
    if made > now + SKEW:
        return Outcome.FUTURE
    if maturity is None or made <= terms.judged_since:
        return Outcome.IGNORED
    return Outcome.LATE if made + maturity <= now else Outcome.ACCEPTED


def _is_over(found: Segment, needed_since: datetime) -> bool:
    return max((entry.moment for entry in found.entries), default=0) < segment.milliseconds(needed_since)


def _room(segments: Sequence[Segment], needed_since: datetime) -> int:
    """Reports for which there is room, once what is over is deleted."""
    kept = [found for found in segments[:-1] if not _is_over(found, needed_since)]
    free = MOST_SEGMENTS - len(kept) - (1 if segments else 0)
    return free * SEGMENT_REPORTS + (SEGMENT_REPORTS - len(segments[-1].entries) if segments else 0)
