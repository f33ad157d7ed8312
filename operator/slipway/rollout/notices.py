"""Who is told of what: at most once a decision and receiver, whatever happens to the operator. Pure.

What is to be told follows from timelines and from what a rollout rests on, so a decision that nobody was told of before
a restart is found again by the next operator. A message is written into the status first, and only then sent, by the
process that wrote it. What that process did with it before it ended nobody knows; it is not sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slipway.api import (
    MAX_DELIVERIES,
    MAX_HOLDS,
    Delivery,
    ModelRevisionStatus,
    Notification,
    NotificationEvent,
    NotificationsStatus,
    Phase,
    format_time,
)
from slipway.rollout import reasons
from slipway.rollout.decision import Announcement, Notice
from slipway.rollout.observation import Observation
from slipway.rollout.record import phase_of, shorten
from slipway.rollout.status import RESTING
from slipway.rollout.table import ON_TRIAL, PROMOTED
from slipway.rollout.targets import Roles

SENDING: Final = "Sending"
FAILED: Final = "Failed"
UNKNOWN: Final = "Unknown"

LISTEN: Final = timedelta(seconds=5)
"""How soon it is looked what came of a message."""

_GIVEN_UP: Final = frozenset({Phase.ROLLING_BACK.value, Phase.ROLLED_BACK.value})
_SERVING: Final = frozenset(phase.value for phase in PROMOTED)


@dataclass(frozen=True, slots=True)
class _News:
    """A decision, and what tells it from all others."""

    identity: str
    event: NotificationEvent
    hash: str
    reason: str
    message: str
    phase: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What was told after this look, what is to be sent once that is written, and when to look again."""

    status: NotificationsStatus | None
    notices: tuple[Notice, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    wake_at: datetime | None = None


def tell(seen: Observation, who: Roles, records: Mapping[str, ModelRevisionStatus]) -> Told:
    """What is due for the receivers that the observation names. A ModelDeployment that has got its first receiver is
    told of what is decided from then on, and of what it rests on."""
    before = seen.status.notifications
    if seen.receivers is None:
        return Told(before, wake_at=seen.now + LISTEN if before is not None else None)
    if not seen.receivers and before is None:
        return Told(None)  # what was told is kept while nobody is named, so that whoever comes back is not told anew
    known = before or NotificationsStatus(since=seen.now)
    fresh = sorted(_decided(seen, records, known.since), key=lambda news: news.time)
    since = max([known.since, *(news.time for news in fresh)])
    holds = list(known.holds or ())
    held = _held(seen, who, records)
    if held is not None and held.identity not in holds:
        holds = [*holds, held.identity][-MAX_HOLDS:]
        fresh.append(held)
    heard, ended = _heard(seen, known.deliveries or ())
    written = {one.id for one in heard}
    due = (_notice(seen, news, receiver) for news in fresh for receiver in seen.receivers if _wants(receiver, news))
    notices = tuple({notice.id: notice for notice in due if notice.id not in written}.values())
    deliveries = [*heard, *(_written(seen, notice) for notice in notices)][-MAX_DELIVERIES:]
    after = NotificationsStatus(since=since, holds=holds or None, deliveries=deliveries or None)
    failed = tuple(
        Announcement("Warning", reasons.NOTIFICATION_FAILED, f"{one.receiver}: {one.message}")
        for one in ended
        if one.state != "Sent"
    )
    waiting = any(one.state == SENDING for one in deliveries)
    return Told(after, notices[-MAX_DELIVERIES:], failed, seen.now + LISTEN if waiting else None)


def _wants(receiver: Notification, news: _News) -> bool:
    return news.event in receiver.wanted


def _decided(seen: Observation, records: Mapping[str, ModelRevisionStatus], since: datetime) -> Iterator[_News]:
    """The entries of timelines that somebody may want to be told of: those after a moment, and those of this look,
    whose clock may be behind the one that was told by."""
    for hash_, record in records.items():
        known, before = seen.revisions[hash_].record.timeline or (), None
        same = set(map(id, known))
        for entry in record.timeline or ():
            event = _event(before, entry.phase, entry.reason)
            before = entry.phase
            if event is not None and (entry.time > since or not (id(entry) in same or entry in known)):
                identity = f"{hash_}/{event}/{format_time(entry.time)}"
                yield _News(identity, event, hash_, entry.reason, entry.message, entry.phase, entry.time)


def _event(before: str | None, phase: str, reason: str) -> NotificationEvent | None:
    if reason == reasons.DRIFT_FOUND:
        return NotificationEvent.DRIFT_FOUND
    if phase == before:
        return None
    if phase == Phase.STARTING:
        return NotificationEvent.STARTED
    if phase in _SERVING and before not in _SERVING and reason != reasons.RESTORED:
        return NotificationEvent.PROMOTED
    if phase in _GIVEN_UP and before not in _GIVEN_UP:
        return NotificationEvent.ROLLED_BACK
    return None


def _held(seen: Observation, who: Roles, records: Mapping[str, ModelRevisionStatus]) -> _News | None:
    """What the candidate rests on, where only a person helps. The same at the same step of the same attempt is the same
    hold, however often a source comes and goes."""
    record = records[who.candidate] if who.candidate is not None else None
    if record is None or who.candidate is None or phase_of(record) not in ON_TRIAL or record.reason is None:
        return None
    if record.reason == reasons.AWAITING_APPROVAL:
        event = NotificationEvent.AWAITING_APPROVAL
    elif record.reason in reasons.NEEDS_A_PERSON:
        event = NotificationEvent.HOLDING
    else:
        return None
    place = f"{record.phase}/{record.step or 0}/{record.attempt or 1}"
    shown = RESTING.get(record.reason, record.phase or "")
    identity = f"{who.candidate}/{event}/{place}/{record.reason}"
    return _News(identity, event, who.candidate, record.reason, record.message or "", shown, seen.now)


def _notice(seen: Observation, news: _News, receiver: Notification) -> Notice:
    told = "/".join((seen.name, receiver.name, news.identity))
    return Notice(
        id=hashlib.sha256(told.encode()).hexdigest()[:32],
        receiver=receiver,
        event=news.event,
        revision=seen.revisions[news.hash].name,
        version=seen.revisions[news.hash].version,
        reason=news.reason,
        message=news.message,
        phase=news.phase,
        time=news.time,
    )


def _written(seen: Observation, notice: Notice) -> Delivery:
    return Delivery(id=notice.id, receiver=notice.receiver.name, event=notice.event, state=SENDING, time=seen.now)


def _heard(seen: Observation, deliveries: Sequence[Delivery]) -> tuple[list[Delivery], list[Delivery]]:
    """The messages with what came of them, and those of them that have just ended."""
    outcomes = {outcome.id: outcome for outcome in seen.notified}
    after, ended = [], []
    for one in deliveries:
        outcome = outcomes.get(one.id)
        now = one
        if one.state == SENDING and outcome is None:
            lost = (
                "the operator was replaced while it was sent: whether it arrived is not known, and it is not sent again"
            )
            now = one.model_copy(update={"state": UNKNOWN, "message": lost})
        elif one.state == SENDING and outcome is not None and outcome.state != SENDING:
            now = one.model_copy(update={"state": outcome.state, "message": shorten(outcome.message)})
        after.append(now)
        if now is not one:
            ended.append(now)
    return after, ended
