"""What every stage of a candidate's way has in common: the way up, which a person can hold, and the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.analysis import Outcome, aggregate
from slipway.api import MetricStatus, ModelRevisionStatus, Phase
from slipway.rollout import judging, reasons, sharing
from slipway.rollout.ladder import has_capacity, pods_needed, step_of
from slipway.rollout.observation import Observation, Revision
from slipway.rollout.record import enter, hold, phase_of
from slipway.rollout.table import Event

POLL: Final = timedelta(seconds=5)
"""How often something that sends no event is looked at while a rollout waits for it: a Gateway, the reasons of pods."""

ANSWER_POLL: Final = timedelta(seconds=1)
"""How often a model whose pods are ready is asked whether it answers."""

NOW: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Move:
    """The record after this look; whether its phase or step changed; and when to look again.

    ``frozen`` says that a gate holds the rollout: its weight may not rise, wherever it was on its way to.
    """

    record: ModelRevisionStatus
    changed: bool = False
    frozen: bool = False
    wake_at: datetime | None = None


def paused(seen: Observation, record: ModelRevisionStatus) -> str | None:
    """Who holds the rollout; None when nobody does."""
    if seen.paused:
        return "spec.paused holds the rollout where it is: set it to false to go on"
    if record.paused:
        return "a person paused the rollout: the command resume goes on"
    return None


def ascend(
    seen: Observation,
    record: ModelRevisionStatus,
    event: Event,
    *,
    reason: str,
    message: str,
    wake_at: datetime | None = None,
    **changes: Any,
) -> Move:
    """A transition on the way up, unless a person holds the rollout. Then it waits, and is judged meanwhile."""
    held = paused(seen, record)
    if held is not None:
        return Move(hold(record, reasons.PAUSED, held), frozen=True, wake_at=wake_at)
    return Move(enter(record, event, now=seen.now, reason=reason, message=message, **changes), changed=True)


def aggregated(
    seen: Observation,
    record: ModelRevisionStatus,
    metrics: Sequence[MetricStatus],
    *,
    deadline_over: bool,
    minimum_time_over: bool,
) -> Outcome:
    """What the verdicts on all metrics ask of the rollout in its present phase."""
    return aggregate(
        judging.results(seen, record, metrics),
        minimum_time_over=minimum_time_over,
        deadline_over=deadline_over,
        on_inconclusive=seen.analysis.on_inconclusive,
        on_metric_error=seen.analysis.on_metric_error,
        error_timeout_seconds=seen.analysis.error_timeout.total_seconds(),
        routing=sharing.judged(seen, record),
    )


def fail(seen: Observation, record: ModelRevisionStatus, outcome: Outcome) -> Move:
    """The analysis asks for a rollback."""
    failed = enter(record, Event.FAILED, now=seen.now, reason=outcome.reason, message=outcome.message)
    return Move(failed, changed=True)


def watch_capacity(
    seen: Observation, revision: Revision, record: ModelRevisionStatus
) -> tuple[ModelRevisionStatus, Move | None]:
    """Remember since when pods have been missing, and give up after rollback.progressDeadline."""
    if has_capacity(seen, revision, record):
        return record.model_copy(update={"capacity_lost_at": None}), None
    since = record.capacity_lost_at or seen.now
    record = record.model_copy(update={"capacity_lost_at": since})
    if seen.now < since + seen.rollback.progress_deadline:
        return record, None
    message = (
        f"{revision.fleet.ready} of {pods_needed(seen, record)} pods were ready for longer than "
        f"spec.rollback.progressDeadline{problem_of(revision)}"
    )
    given_up = enter(record, Event.CAPACITY_DEADLINE, now=seen.now, reason=reasons.CAPACITY_DEADLINE, message=message)
    return record, Move(given_up, changed=True)


def problem_of(revision: Revision) -> str:
    """Why pods do not come up, as the end of a sentence."""
    return f": {revision.fleet.problem}" if revision.fleet.problem else ""


def next_wake(
    seen: Observation, record: ModelRevisionStatus, metrics: Sequence[MetricStatus], deadline: datetime | None
) -> datetime | None:
    """When evidence, a deadline or the end of a step's time is due."""
    moments = [judging.next_look(seen, record, metrics)]
    if deadline is not None and deadline > seen.now:
        moments.append(deadline)
    if record.capacity_lost_at is not None:
        moments += [record.capacity_lost_at + seen.rollback.progress_deadline, seen.now + POLL]
    if record.weight_observed_at is not None:
        over = record.weight_observed_at + shortest(seen, record)
        if over > seen.now:
            moments.append(over)
    return min((moment for moment in moments if moment is not None), default=None)


def shortest(seen: Observation, record: ModelRevisionStatus) -> timedelta:
    """The shortest time of the stage or step that the record is at."""
    if phase_of(record) == Phase.SHADOWING and seen.course.shadow is not None:
        return seen.course.shadow.min_duration
    step = step_of(seen, record)
    return step.min_duration if step is not None else NOW
