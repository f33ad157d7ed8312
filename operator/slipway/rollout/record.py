"""Writing the record of a revision: its phase, its timeline and its messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from slipway.api import ModelRevisionStatus, Phase, TimelineEntry
from slipway.rollout.table import Event, next_phase

MAX_MESSAGE: Final = 4096
"""Characters of a message, as the CRDs limit it."""


_PHASES: Final = {phase.value: phase for phase in Phase}
"""Asked for dozens of times a decision: a look-up costs a fifth of what the enum's constructor does."""


def shorten(message: str) -> str:
    """A message that the API server takes: one that is too long would have every write of the record refused."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def percent(basis_points: int) -> float:
    """Basis points as the percent of the API."""
    return basis_points / 100


def write_percent(basis_points: int) -> str:
    """A weight for people: ``10%``, ``0.25%``."""
    return f"{basis_points / 100:g}%"


def asked_weight(record: ModelRevisionStatus) -> int:
    """What was last asked of the gateway for the revision, in basis points."""
    return round((record.weight or 0) * 100)


def with_fields(record: ModelRevisionStatus, **fields: Any) -> ModelRevisionStatus:
    """The record with these fields; itself when it has them already, as most records have at most looks."""
    if all(getattr(record, name) == value for name, value in fields.items()):
        return record
    return record.model_copy(update=fields)


def phase_of(record: ModelRevisionStatus) -> Phase | None:
    """The phase; None for a revision that has no record yet."""
    return (_PHASES.get(record.phase) or Phase(record.phase)) if record.phase else None


def _append(record: ModelRevisionStatus, entry: TimelineEntry) -> list[TimelineEntry]:
    return [*(record.timeline or ()), entry]


def enter(
    record: ModelRevisionStatus, event: Event, *, now: datetime, reason: str, message: str, **changes: Any
) -> ModelRevisionStatus:
    """Follow a transition of the table and write it into the timeline. ``changes`` are further fields of the record."""
    current = phase_of(record)
    if current is None:
        raise ValueError("a revision without a record has no phase to leave: open its record first")
    return _write(record, next_phase(current, event), now=now, reason=reason, message=message, changes=changes)


def open_record(
    record: ModelRevisionStatus, *, now: datetime, reason: str, message: str, **changes: Any
) -> ModelRevisionStatus:
    """The first entry of a new revision: it is Pending."""
    return _write(record, Phase.PENDING, now=now, reason=reason, message=message, changes=changes)


def note(
    record: ModelRevisionStatus, *, now: datetime, reason: str, message: str, **changes: Any
) -> ModelRevisionStatus:
    """Write a decision that leaves the phase as it is into the timeline."""
    phase = phase_of(record) or Phase.PENDING
    message = shorten(message)
    entry = TimelineEntry(time=now, phase=phase, reason=reason, message=message, weight=record.weight)
    return record.model_copy(
        update={"reason": reason, "message": message, "timeline": _append(record, entry), **changes}
    )


def remark(record: ModelRevisionStatus, *, now: datetime, reason: str, message: str) -> ModelRevisionStatus:
    """Write into the timeline what was found of a revision, without it being what the revision rests on."""
    phase = phase_of(record) or Phase.PENDING
    entry = TimelineEntry(time=now, phase=phase, reason=reason, message=shorten(message), weight=record.weight)
    return record.model_copy(update={"timeline": _append(record, entry)})


def moment_after(now: datetime, record: ModelRevisionStatus) -> datetime:
    """The present moment, or the first one after the record's phase began, where the clock was set back since.

    Of two promoted revisions the later one is stable: which one it is may not depend on a clock.
    """
    since = record.phase_since
    return now if since is None or now > since else since + timedelta(microseconds=1)


def hold(record: ModelRevisionStatus, reason: str, message: str) -> ModelRevisionStatus:
    """Say why nothing moves. Not a decision of the timeline: a hold may last for hours."""
    return record.model_copy(update={"reason": reason, "message": shorten(message)})


def _write(
    record: ModelRevisionStatus, phase: Phase, *, now: datetime, reason: str, message: str, changes: dict[str, Any]
) -> ModelRevisionStatus:
    weight = changes.get("weight", record.weight)
    message = shorten(message)
    entry = TimelineEntry(time=now, phase=phase, reason=reason, message=message, weight=weight)
    return record.model_copy(
        update={
            "phase": phase,
            "phase_since": now,
            "reason": reason,
            "message": message,
            "timeline": _append(record, entry),
            **changes,
        }
    )
