"""Releases that were hauled back, remembered beyond their revisions: what was rejected does not return by itself.

A revision says of itself that it was rolled back, as long as it is kept. `spec.rollback.revisionHistoryLimit` lets it
go at last; what remains is a line in the ModelDeployment's status, so that a manifest which comes back by accident is
not tried on users once more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from slipway.api import MAX_REJECTED, ModelRevisionStatus, Phase, RejectedRelease
from slipway.rollout.observation import Observation
from slipway.rollout.record import phase_of


def rejection(seen: Observation, hash_: str) -> RejectedRelease | None:
    """What is remembered of a release that was rejected under the very gates that are declared now.

    Other gates are another question, which a person asked by writing them.
    """
    known = (one for one in seen.status.rejected or () if one.hash == hash_ and one.gates == seen.gates)
    return next(known, None)


def remembered(
    seen: Observation, records: Mapping[str, ModelRevisionStatus], *, leaving: Collection[str], stable: str | None
) -> list[RejectedRelease] | None:
    """The releases to remember from now on: those of before, and those whose revisions leave. One that is stable after
    all is forgotten."""
    before = list(seen.status.rejected or ())
    gone = [_line(seen, hash_, records[hash_]) for hash_ in leaving if phase_of(records[hash_]) == Phase.ROLLED_BACK]
    known = {one.hash: one for one in (*before, *gone) if one.hash != stable}
    kept = sorted(known.values(), key=lambda one: one.time)[-MAX_REJECTED:]
    return kept or None


def to_delete(
    seen: Observation, leaving: Collection[str], remembered: Collection[RejectedRelease] | None
) -> tuple[str, ...]:
    """The revisions of those that leave which may go at this look. What is to be remembered is in the status first: an
    operator that is killed between the two would have forgotten it."""
    wanted, known = ({one.hash for one in lines or ()} for lines in (remembered, seen.status.rejected))
    return tuple(hash_ for hash_ in leaving if hash_ not in wanted - known)


def _line(seen: Observation, hash_: str, record: ModelRevisionStatus) -> RejectedRelease:
    return RejectedRelease(
        hash=hash_,
        version=seen.revisions[hash_].version,
        gates=record.gates,
        time=record.phase_since or seen.now,
        message=_why(record),
    )


def _why(record: ModelRevisionStatus) -> str:
    """The entry that hauled it back says why; the one that it ended with only says that it is done."""
    entries = [entry for entry in record.timeline or () if entry.phase == Phase.ROLLING_BACK]
    return entries[-1].message if entries else record.message or "no reason is recorded"
