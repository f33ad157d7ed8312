"""Revisions on their way out: hauled back, replaced, kept for a while, deleted.

The order is fixed: the route stops naming the revision, the gateway is seen to have accepted that, the delay passes,
and only then do its pods end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from slipway.api import ModelRevisionStatus, Phase
from slipway.rollout import reasons
from slipway.rollout.observation import Observation, Revision
from slipway.rollout.record import enter, phase_of, with_fields
from slipway.rollout.table import ON_TRIAL, OVER, PROMOTED, Event

_LEAVING = OVER | {Phase.ROLLING_BACK}


def referenced(seen: Observation, hash_: str, record: ModelRevisionStatus) -> bool:
    """Whether the gateway may still send requests to the revision.

    What the gateway accepted counts, not what was last written. While that is not known, a revision that ever had a
    weight counts as referenced, unless it was seen to get nothing and was given nothing since.
    """
    if not seen.route.exists:
        return False
    if seen.route.written.get(hash_, 0) > 0 or seen.route.beside.names(hash_):
        return True
    if seen.route.observed is None:
        return record.weight is not None and record.idle_since is None
    return seen.route.observed.get(hash_, 0) > 0


def retire(seen: Observation, revision: Revision, stable: Revision | None) -> tuple[ModelRevisionStatus, bool]:
    """The next move of a revision that is neither stable nor declared; and whether its phase changed."""
    record = revision.record
    phase = phase_of(record)
    if phase is None:
        return record, False
    if was_hauled_back(revision, stable):
        return hauled_back(seen, revision, stable), True
    message = f"release {seen.desired_version} took the place of release {revision.version}"
    if phase in PROMOTED:
        return replaced(seen, revision, message), True
    if phase in ON_TRIAL:
        return enter(record, Event.WITHDRAWN, now=seen.now, reason=reasons.SUPERSEDED, message=message), True
    return haul_back(seen, revision, record) if phase == Phase.ROLLING_BACK else (record, False)


def was_hauled_back(revision: Revision, stable: Revision | None) -> bool:
    """Whether the release that this one had replaced is stable again, and the operator was killed before it wrote
    down here why."""
    watched = phase_of(revision.record) == Phase.WATCHING
    return watched and stable is not None and stable.hash == revision.record.baseline


def hauled_back(seen: Observation, revision: Revision, stable: Revision | None) -> ModelRevisionStatus:
    """The second record of a haul back after a promotion."""
    why = (stable.record.message if stable is not None else None) or "it was hauled back"
    return enter(revision.record, Event.ABORTED, now=seen.now, reason=reasons.ROLLED_BACK, message=why)


def replaced(seen: Observation, revision: Revision, message: str) -> ModelRevisionStatus:
    """The record of a stable release when another one has taken its place; it may come back for a while."""
    return enter(
        revision.record,
        Event.REPLACED,
        now=seen.now,
        reason=reasons.SUPERSEDED,
        message=message,
        stable_until=seen.now,
        paused=None,
    )


def haul_back(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> tuple[ModelRevisionStatus, bool]:
    """RollingBack ends when the gateway was seen to send the revision nothing."""
    if referenced(seen, revision.hash, record):
        return record, False
    why = record.message or "see the reason"
    done = enter(
        record,
        Event.NO_TRAFFIC_OBSERVED,
        now=seen.now,
        reason=reasons.ROLLED_BACK,
        message=f"the gateway sends release {revision.version} nothing",
    )
    outcome = f"release {revision.version} was hauled back: {why}"
    return done.model_copy(update={"reason": record.reason, "message": outcome}), True  # what is kept is why


def note_idleness(
    seen: Observation, revision: Revision, record: ModelRevisionStatus
) -> tuple[ModelRevisionStatus, datetime | None]:
    """Remember since when the gateway has sent a leaving revision nothing; and when its pods may end."""
    if phase_of(record) not in _LEAVING or referenced(seen, revision.hash, record):
        return with_fields(record, idle_since=None), None
    record = record if record.idle_since is not None else record.model_copy(update={"idle_since": seen.now})
    if not revision.fleet.exists or revision.fleet.replicas == 0:
        return record, None
    ends = (record.idle_since or seen.now) + _delay(seen, record)
    return record, ends if ends > seen.now else None


def may_scale_down(seen: Observation, record: ModelRevisionStatus) -> bool:
    """Whether the delay after the last observed request path is over. A revision that never had one needs no delay."""
    if phase_of(record) not in OVER or record.idle_since is None:
        return False
    return seen.now >= record.idle_since + _delay(seen, record)


def _delay(seen: Observation, record: ModelRevisionStatus) -> timedelta:
    return seen.rollback.scale_down_delay if record.weight is not None else timedelta(0)


def beyond_history(
    seen: Observation, records: Mapping[str, ModelRevisionStatus], *, keep: set[str | None]
) -> tuple[str, ...]:
    """Revisions that are over, idle and without pods, beyond the limit of the history; the oldest go first.

    One that was created and replaced before it had a record was never tried, and is over too.
    """
    over = [
        hash_
        for hash_, record in records.items()
        if hash_ not in keep
        and (phase_of(record) is None or (phase_of(record) in OVER and record.idle_since is not None))
        and seen.revisions[hash_].fleet.replicas == 0
    ]
    oldest = datetime.min.replace(tzinfo=UTC)
    over.sort(key=lambda hash_: records[hash_].phase_since or oldest, reverse=True)
    return tuple(over[seen.rollback.revision_history_limit :])
