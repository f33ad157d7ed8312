"""The heart of the product: what to do next, given what is there now.

`decide` is a pure function. It derives the next move from one observation; it keeps nothing between two calls, so a
lost event, a restart or a second look changes nothing. It never says "then": each decision leaves targets that hold
by themselves, and the next look continues from whatever came of them.

Three revisions matter. *Stable* is the one whose record says so (the latest one, should an operator have been killed
between two writes). The *candidate* is the one that the specification declares, unless it is stable. The *standby* is
the one that stable replaced, while stable is watched. All others are on their way out. Of these, traffic follows from
the candidate's phase, pods follow from traffic, and status tells of all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from slipway.api import CommandStatus, ModelRevisionStatus, Phase
from slipway.rollout import candidate as candidates
from slipway.rollout import commands, reasons, retired, targets, verifying
from slipway.rollout.commands import Ruling
from slipway.rollout.decision import Announcement, Decision
from slipway.rollout.drift import watch_drift
from slipway.rollout.firing import Reaction
from slipway.rollout.moves import NOW, POLL, Move
from slipway.rollout.notices import tell
from slipway.rollout.observation import Observation, Revision
from slipway.rollout.record import moment_after, note, phase_of, shorten, with_fields
from slipway.rollout.rejected import remembered, to_delete
from slipway.rollout.sealing import sealed
from slipway.rollout.status import summarise
from slipway.rollout.table import PROMOTED
from slipway.rollout.targets import Roles
from slipway.rollout.watching import standby_of, watch
from slipway.rollout.writing_back import write_back

_NEVER = datetime.min.replace(tzinfo=UTC)


def roles(seen: Observation) -> Roles:
    """Read the roles off the records and the specification."""
    serving = [revision for revision in seen.revisions.values() if phase_of(revision.record) in PROMOTED]
    latest = max(serving, key=lambda revision: revision.record.phase_since or _NEVER, default=None)
    stable = latest.hash if latest else None
    standby = standby_of(seen, latest)
    candidate = seen.desired if seen.desired != stable and seen.unresolved is None else None
    return Roles(stable, candidate, standby.hash if standby is not None and standby.hash != candidate else None)


def trial(seen: Observation) -> tuple[str | None, str | None]:
    """The revision that evidence is collected on, and the one that it is compared with."""
    who = roles(seen)
    if who.candidate is None and who.standby is not None:
        return who.stable, who.standby
    return who.candidate, who.stable


@dataclass(slots=True)
class _Look:
    """What one call of `decide` has found so far."""

    records: dict[str, ModelRevisionStatus] = field(default_factory=dict)
    wakes: list[datetime] = field(default_factory=list)
    changed: bool = False
    frozen: bool = False

    def take(self, hash_: str, move: Move) -> None:
        self.records[hash_] = move.record
        self.changed = self.changed or move.changed
        self.frozen = self.frozen or move.frozen
        if move.wake_at is not None:
            self.wakes.append(move.wake_at)


def decide(seen: Observation) -> Decision:
    """The next move: targets, records, status and the time of the next look. Pure: no I/O, no clock, no randomness."""
    if seen.desired not in seen.revisions and seen.unresolved is None:
        return Decision(create=seen.desired, wake_after=NOW)
    before = roles(seen)
    ruling = commands.rule(seen, stable=before.stable, candidate=before.candidate)
    look = _Look()
    after = _moved(seen, before, ruling, look)
    if seen.gateway_problem is not None:
        look.wakes.append(seen.now + POLL)
    elif seen.route.settles_in is not None:
        look.wakes.append(seen.now + seen.route.settles_in)
    weights = targets.route_weights(seen, after, look.records, frozen=look.frozen)
    beside = targets.route_beside(seen, after, look.records, frozen=look.frozen)
    records = targets.with_weights(seen, after, look.records, weights)
    for hash_, record in records.items():
        if hash_ not in (after.stable, after.standby):
            idle, wake_at = retired.note_idleness(seen, seen.revisions[hash_], record)
            records[hash_] = idle
            if wake_at is not None:
                look.wakes.append(wake_at)
    reactions: tuple[Reaction, ...] = ()
    if after.stable is not None:
        watched = watch_drift(seen, after, records[after.stable])
        records[after.stable], reactions = watched.record, watched.reactions
        if watched.wake_at is not None:
            look.wakes.append(watched.wake_at)
    if verifying.is_restarting(seen, (after.stable, after.standby), records):
        look.wakes.append(seen.now + POLL)
    news = {hash_: record for hash_, record in records.items() if _differs(record, seen.revisions[hash_].record)}
    leaving = retired.beyond_history(seen, records, keep={after.stable, after.candidate, after.standby})
    rejected = remembered(seen, records, leaving=leaving, stable=after.stable)
    delete = to_delete(seen, leaving, rejected)
    status = summarise(
        seen, who=after, records=records, answer=_answer(seen, ruling), router=_router(seen), rejected=rejected
    )
    told = tell(seen, after, records)
    if told.status is not None:
        status = status.model_copy(update={"notifications": told.status})
    back = write_back(seen, after, records)
    status = status.model_copy(update={"registry": back.status})
    if told.wake_at is not None:
        look.wakes.append(told.wake_at)
    return Decision(
        records=_sealed(seen, news, ruling),
        fleets=targets.fleet_targets(seen, after, records),
        weights=weights,
        beside=beside,
        abandon=_abandoned(seen),
        delete=delete,
        status=status if status != seen.status else None,
        announcements=(
            *_announcements(seen, news),
            *_unresolved(seen),
            *_told(ruling),
            *told.announcements,
            *back.announcements,
        ),
        reactions=reactions,
        notices=told.notices,
        write_backs=back.orders,
        wake_after=NOW if look.changed or len(delete) < len(leaving) else _wake_after(seen.now, look.wakes),
    )


def _sealed(
    seen: Observation, records: Mapping[str, ModelRevisionStatus], ruling: Ruling | None
) -> dict[str, ModelRevisionStatus]:
    """The records with what they gained sealed; what follows from a command carries the name of who gave it."""
    about = ruling.hash if ruling is not None and not ruling.done else None
    return {
        hash_: sealed(
            seen.revisions[hash_].record, record, hash_=hash_, by=seen.commanded_by if hash_ == about else None
        )
        for hash_, record in records.items()
    }


def _router(seen: Observation) -> str | None:
    return (seen.router if not seen.status.router or _abandoned(seen) else seen.status.router) or None


def _abandoned(seen: Observation) -> str | None:
    """The router that was used before, once the one that is declared now leads the traffic."""
    before = seen.status.router
    leads = seen.route.exists and bool(seen.route.observed)
    return before if before and before != seen.router and leads else None


def _moved(seen: Observation, before: Roles, ruling: Ruling | None, look: _Look) -> Roles:
    """Let every revision make its move, and say who is what after it. Promotion moves a pointer, and nothing else."""
    stable = seen.revisions[before.stable] if before.stable is not None else None
    after = before
    if stable is not None and phase_of(stable.record) == Phase.WATCHING:
        after = _watched(seen, before, stable, ruling, look)
    if before.candidate is not None and before.candidate not in look.records:
        known = look.records.get(before.stable or "")
        compared = replace(stable, record=known) if stable is not None and known is not None else stable
        look.take(before.candidate, _advanced(seen, seen.revisions[before.candidate], compared, ruling))
        if phase_of(look.records[before.candidate]) in PROMOTED:
            # the promoted revision's record goes first, so that there is a stable one at any time
            records = look.records
            promoted = records.pop(before.candidate)
            if stable is not None:
                promoted = with_fields(promoted, phase_since=moment_after(seen.now, stable.record))
            look.records = {before.candidate: promoted}
            after = Roles(before.candidate, None, _kept_warm(look.records[before.candidate], before))
    restored = stable if after.stable == before.stable else None
    for revision in seen.revisions.values():
        if revision.hash in look.records:
            continue
        if revision.hash in (after.stable, after.standby) and phase_of(revision.record) not in PROMOTED:
            look.records[revision.hash] = revision.record
        elif revision.hash == after.stable:
            look.records[revision.hash] = with_fields(revision.record, idle_since=None)
        else:
            record, moved = retired.retire(seen, revision, restored)
            look.records[revision.hash] = record
            look.changed = look.changed or moved
    return after


def _kept_warm(record: ModelRevisionStatus, before: Roles) -> str | None:
    return before.stable if phase_of(record) == Phase.WATCHING else None


def _watched(seen: Observation, before: Roles, stable: Revision, ruling: Ruling | None, look: _Look) -> Roles:
    """The stable release while it is watched; the standby is stable again when it fails."""
    standby = standby_of(seen, stable)
    mine = ruling if ruling is not None and ruling.hash == stable.hash and not ruling.done else None
    found = watch(seen, stable, standby, mine)
    if found.restored is None or standby is None:
        look.take(stable.hash, found.move)
        return before if phase_of(found.move.record) == Phase.WATCHING else replace(before, standby=None)
    look.records[standby.hash] = found.restored
    look.take(stable.hash, found.move)
    candidate = seen.desired if seen.desired != standby.hash and seen.unresolved is None else None
    return Roles(standby.hash, candidate)


def _advanced(seen: Observation, revision: Revision, stable: Revision | None, ruling: Ruling | None) -> Move:
    """The candidate's move, after what a person said of it."""
    if ruling is None or ruling.hash != revision.hash or ruling.done:
        return candidates.advance(seen, revision, stable)
    commanded = candidates.commanded(seen, revision, ruling, stable)
    if commanded is not None:
        return commanded
    record = note(
        revision.record,
        now=seen.now,
        reason=ruling.reason,
        message=ruling.message,
        command=ruling.text,
        **ruling.changes,
    )
    return candidates.advance(seen, replace(revision, record=record), stable)


def _answer(seen: Observation, ruling: Ruling | None) -> CommandStatus | None:
    """What is said of the last command: it stays until another one is given."""
    if ruling is None:
        return seen.status.last_command
    return CommandStatus(
        command=ruling.text,
        by=seen.commanded_by,
        outcome="Accepted" if ruling.accepted else "Refused",
        message=shorten(ruling.message),
        time=seen.now,
    )


def _told(ruling: Ruling | None) -> tuple[Announcement, ...]:
    if ruling is None:
        return ()
    if ruling.accepted:
        return (Announcement("Normal", reasons.COMMAND_ACCEPTED, f"{ruling.text}: {ruling.message}"),)
    return (Announcement("Warning", reasons.COMMAND_REFUSED, f"{ruling.text}: {ruling.message}"),)


def _unresolved(seen: Observation) -> tuple[Announcement, ...]:
    """One Event where it turns out that the declared release comes to nothing that could serve."""
    if seen.unresolved is None or seen.unresolved == (seen.status.reason, seen.status.message):
        return ()
    return (Announcement("Warning", *seen.unresolved),)


def _differs(after: ModelRevisionStatus, before: ModelRevisionStatus) -> bool:
    return after is not before and after != before


def _announcements(seen: Observation, news: Mapping[str, ModelRevisionStatus]) -> tuple[Announcement, ...]:
    """One Event for every entry that a timeline gained, and one when a rollout begins to wait for a person."""
    out = []
    for hash_, record in news.items():
        before, version = seen.revisions[hash_].record, seen.revisions[hash_].version
        known = before.timeline or ()
        same = set(map(id, known))  # a timeline grows at its end: nearly all entries are the very objects of before
        gained = [entry for entry in record.timeline or () if id(entry) not in same and entry not in known]
        for entry in gained:
            warning = entry.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK) or entry.reason in reasons.WARNINGS
            kind: Literal["Normal", "Warning"] = "Warning" if warning else "Normal"
            out.append(Announcement(kind, entry.reason, _named(version, entry.message)))
        if not gained and record.reason != before.reason and record.reason in reasons.NEEDS_A_PERSON:
            out.append(Announcement("Warning", record.reason, _named(version, record.message or "")))
    return tuple(out)


def _named(version: str, message: str) -> str:
    """An Event is read beside those of other releases, so each says which one it is about."""
    subject = f"release {version}"
    return message if subject in message else f"{subject}: {message}"


def _wake_after(now: datetime, moments: list[datetime]) -> timedelta | None:
    return max(min(moments) - now, timedelta(0)) if moments else None
