"""The heart of the product: what to do next, given what is there now.

`decide` is a pure function. It derives the next move from one observation; it keeps nothing between two calls, so a
lost event, a restart or a second look changes nothing. It never says "then": each decision leaves targets that hold
by themselves, and the next look continues from whatever came of them.

Three revisions matter. *Stable* is the one whose record says so (the latest one, should an operator have been killed
between two writes). The *candidate* is the one that the specification declares, unless it is stable. All others are on
their way out. Of these, traffic follows from the candidate's phase, pods follow from traffic, and status tells of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from slipway.api import ModelRevisionStatus, Phase
from slipway.rollout import candidate as candidates
from slipway.rollout import reasons, retired
from slipway.rollout.capacity import needed, share
from slipway.rollout.decision import Announcement, Decision, FleetTarget
from slipway.rollout.observation import FULL, Observation, Revision, Role
from slipway.rollout.record import asked_weight, percent, phase_of, with_fields
from slipway.rollout.status import summarise
from slipway.rollout.table import GIVEN_UP, ON_TRIAL

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Roles:
    """Which revision is what."""

    stable: str | None
    candidate: str | None


def roles(seen: Observation) -> Roles:
    """Read the roles off the records and the specification."""
    serving = [revision for revision in seen.revisions.values() if phase_of(revision.record) == Phase.STABLE]
    latest = max(serving, key=lambda revision: revision.record.phase_since or _NEVER, default=None)
    stable = latest.hash if latest else None
    return Roles(stable=stable, candidate=seen.desired if seen.desired != stable else None)


def decide(seen: Observation) -> Decision:
    """The next move: targets, records, status and the time of the next look. Pure: no I/O, no clock, no randomness."""
    if seen.desired not in seen.revisions:
        return Decision(create=seen.desired, wake_after=candidates.NOW)
    before = roles(seen)
    stable = seen.revisions.get(before.stable) if before.stable else None
    records: dict[str, ModelRevisionStatus] = {}
    wakes: list[datetime] = []
    changed = frozen = False
    if before.candidate is not None:
        move = candidates.advance(seen, seen.revisions[before.candidate], stable)
        records[before.candidate] = move.record
        changed, frozen = move.changed, move.frozen
        if move.wake_at is not None:
            wakes.append(move.wake_at)
    if seen.gateway_problem is not None:
        wakes.append(seen.now + candidates.POLL)
    after = _promoted(before, records)
    for revision in seen.revisions.values():
        if revision.hash == before.candidate:
            continue
        if revision.hash == after.stable:
            records[revision.hash] = with_fields(revision.record, idle_since=None)
            continue
        record, moved = retired.retire(seen, revision)
        records[revision.hash] = record
        changed = changed or moved
    weights = _weights(seen, after, records, frozen=frozen)
    records = _with_weights(seen, after, records, weights)
    for hash_, record in records.items():
        if hash_ != after.stable:
            idle, wake_at = retired.note_idleness(seen, seen.revisions[hash_], record)
            records[hash_] = idle
            if wake_at is not None:
                wakes.append(wake_at)
    fleets = _fleets(seen, after, records)
    news = {hash_: record for hash_, record in records.items() if _differs(record, seen.revisions[hash_].record)}
    status = summarise(seen, stable=after.stable, candidate=after.candidate, records=records)
    return Decision(
        records=news,
        fleets=fleets,
        weights=weights,
        delete=retired.beyond_history(seen, records, keep={after.stable, after.candidate}),
        status=status if status != seen.status else None,
        announcements=_announcements(seen, news),
        wake_after=candidates.NOW if changed else _wake_after(seen.now, wakes),
    )


def _differs(after: ModelRevisionStatus, before: ModelRevisionStatus) -> bool:
    return after is not before and after != before


def _promoted(before: Roles, records: Mapping[str, ModelRevisionStatus]) -> Roles:
    """The roles after the candidate's move: promotion moves a pointer, and nothing else."""
    if before.candidate is not None and phase_of(records[before.candidate]) == Phase.STABLE:
        return Roles(stable=before.candidate, candidate=None)
    return before


def _weights(
    seen: Observation, who: Roles, records: Mapping[str, ModelRevisionStatus], *, frozen: bool
) -> dict[str, int] | None:
    """What the route shall say; None where there shall be none yet."""
    if seen.route.foreign:
        return None
    on_trial = who.candidate is not None and phase_of(records[who.candidate]) in ON_TRIAL
    weights = share(
        stable=who.stable,
        stable_ready=who.stable is not None and seen.revisions[who.stable].fleet.ready > 0,
        candidate=who.candidate if on_trial else None,
        candidate_weight=(
            _candidate_weight(seen, who.candidate, records, frozen=frozen) if on_trial and who.candidate else 0
        ),
        held=_held(seen, who, records),
    )
    return weights if weights or seen.route.exists else None


def _candidate_weight(
    seen: Observation, candidate: str, records: Mapping[str, ModelRevisionStatus], *, frozen: bool
) -> int:
    """Capacity before weight: until the pods for the new weight are ready, the old one stays.

    While a gate holds the rollout the weight does not rise above what was last asked for, even though the step that it
    was on the way to had been earned before.
    """
    record, revision = records[candidate], seen.revisions[candidate]
    wanted = candidates.target_weight(seen, record)
    if frozen:
        wanted = min(wanted, asked_weight(revision.record))
    written = seen.route.written.get(candidate, 0)
    if wanted <= written or candidates.has_capacity(seen, revision, record):
        return wanted
    return written


def _held(seen: Observation, who: Roles, records: Mapping[str, ModelRevisionStatus]) -> dict[str, int]:
    """What revisions with ready pods have of the traffic: what the route says, and no more than was asked for them."""
    held: dict[str, int] = {}
    for hash_, written in seen.route.written.items():
        revision = seen.revisions.get(hash_)
        if revision is None or revision.fleet.ready == 0:
            continue
        if who.stable is None and phase_of(records[hash_]) in GIVEN_UP:
            continue  # a first release that failed serves nobody, although nobody else does
        held[hash_] = min(written, asked_weight(revision.record))
    return held


def _with_weights(
    seen: Observation, who: Roles, records: dict[str, ModelRevisionStatus], weights: Mapping[str, int] | None
) -> dict[str, ModelRevisionStatus]:
    """Write down what is asked of the gateway before it is asked: the intent survives a kill in between."""
    out: dict[str, ModelRevisionStatus] = {}
    for hash_, record in records.items():
        asked = (weights or {}).get(hash_, 0)
        had = record.weight is not None or asked > 0
        weight = percent(asked) if had else None
        steps = len(seen.steps)
        progress = None
        if hash_ == who.candidate and phase_of(record) in (Phase.STEPPING, Phase.PROMOTING):
            step = candidates.step_index(seen, record) + 1 if phase_of(record) == Phase.STEPPING else steps
            progress = f"{percent(asked):g}% ({step}/{steps})" if record.baseline else f"{percent(asked):g}%"
        elif had:
            progress = f"{percent(asked):g}%"
        out[hash_] = with_fields(record, weight=weight, progress=progress)
    return out


def _fleets(seen: Observation, who: Roles, records: Mapping[str, ModelRevisionStatus]) -> tuple[FleetTarget, ...]:
    targets = []
    for hash_, record in records.items():
        revision = seen.revisions[hash_]
        replicas = _replicas(seen, who, revision, record)
        if replicas is None:
            continue
        role = Role.STABLE if hash_ == who.stable else Role.CANDIDATE if hash_ == who.candidate else Role.NONE
        targets.append(FleetTarget(hash_, replicas, role))
    return tuple(targets)


def _replicas(seen: Observation, who: Roles, revision: Revision, record: ModelRevisionStatus) -> int | None:
    """Pods that the revision shall have; None where it needs no Deployment (yet)."""
    if revision.hash == who.stable:
        return needed(seen.replicas, FULL)
    phase = phase_of(record)
    if revision.hash == who.candidate and phase in ON_TRIAL:
        if phase == Phase.PENDING:
            return None
        # Fewer pods are needed after an edit of the ladder, or when the release is declared again while the gateway
        # still sends it requests: what serves is not taken away.
        floor = revision.fleet.replicas if retired.referenced(seen, revision.hash, record) else 0
        return max(candidates.pods_needed(seen, record), floor)
    if not revision.fleet.exists:
        return None
    return 0 if retired.may_scale_down(seen, record) else revision.fleet.replicas


def _announcements(seen: Observation, news: Mapping[str, ModelRevisionStatus]) -> tuple[Announcement, ...]:
    """One Event for every entry that a timeline gained, and one when a rollout begins to wait for a person."""
    out = []
    for hash_, record in news.items():
        before, version = seen.revisions[hash_].record, seen.revisions[hash_].version
        known = before.timeline or ()
        gained = [entry for entry in record.timeline or () if entry not in known]
        for entry in gained:
            warning = entry.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)
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
