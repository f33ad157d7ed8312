"""The candidate's next move: one event of the state machine, or a hold with its reason.

Every function here takes an observation and returns a `Move`; none of them acts. What the candidate's weight and fleet
shall be follows from the phase it is in after the move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slipway.analysis import Move as Verdict
from slipway.analysis import Outcome, Reason, aggregate
from slipway.api import MetricStatus, ModelRevisionStatus, Phase
from slipway.rollout import evidence, reasons, retired
from slipway.rollout.capacity import needed
from slipway.rollout.observation import FULL, Observation, Revision
from slipway.rollout.record import enter, hold, note, open_record, percent, phase_of, write_percent
from slipway.rollout.table import ON_TRIAL, Event

POLL: Final = timedelta(seconds=5)
"""How often something that sends no event is looked at while a rollout waits for it: a Gateway, the reasons of pods."""

ANSWER_POLL: Final = timedelta(seconds=1)
"""How often a model whose pods are ready is asked whether it answers."""

NOW: Final = timedelta(0)

_FREEZING: Final = frozenset({Reason.ANALYSIS_FAILED, Reason.METRICS_UNAVAILABLE})
"""Holds that also stop a candidate on its way to a weight that it had earned before."""


@dataclass(frozen=True, slots=True)
class Move:
    """The candidate's record after this look; whether its phase or step changed; and when to look again.

    ``frozen`` says that a gate holds the rollout: its weight may not rise, wherever it was on its way to.
    """

    record: ModelRevisionStatus
    changed: bool = False
    frozen: bool = False
    wake_at: datetime | None = None


def target_weight(seen: Observation, record: ModelRevisionStatus) -> int:
    """The weight that the record's phase and step ask for, in basis points."""
    match phase_of(record):
        case Phase.STEPPING:
            return seen.steps[step_index(seen, record)].weight
        case Phase.PROMOTING | Phase.STABLE:
            return FULL
    return 0


def step_index(seen: Observation, record: ModelRevisionStatus) -> int:
    """The step, within the ladder as it is now: a ladder may be shortened in mid-rollout."""
    return min(record.step or 0, len(seen.steps) - 1)


def pods_needed(seen: Observation, record: ModelRevisionStatus) -> int:
    """Pods that the candidate needs in its phase: those of the next weight, before it gets it."""
    first_release = record.baseline is None
    match phase_of(record):
        case Phase.STARTING | Phase.EVALUATING:
            return max(1, needed(seen.replicas, FULL if first_release else seen.steps[0].weight))
        case Phase.STEPPING:
            return max(1, needed(seen.replicas, target_weight(seen, record)))
        case Phase.PROMOTING:
            return max(1, seen.replicas)
    return 0


def has_capacity(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> bool:
    """Whether the pods that the phase needs are ready."""
    fleet = revision.fleet
    staying = min(fleet.ready, fleet.replicas)  # pods of a larger fleet that was just scaled down are about to end
    return fleet.exists and fleet.current and staying >= pods_needed(seen, record)


def advance(seen: Observation, revision: Revision, stable: Revision | None) -> Move:
    """The next move of the revision that the specification declares."""
    record = revision.record
    phase = phase_of(record)
    baseline = stable.hash if stable else None
    if phase is None:
        message = f"release {revision.version} was declared"
        opened = open_record(
            record, now=seen.now, reason=reasons.CREATED, message=message, **_fresh(seen, baseline, attempt=1)
        )
        return Move(opened, changed=True)
    if phase in (Phase.ROLLED_BACK, Phase.SUPERSEDED):
        return _declared_again(seen, revision, record, baseline)
    if phase in ON_TRIAL and (record.gates != seen.gates or record.baseline != baseline):
        return _judged_anew(seen, record, baseline)
    match phase:
        case Phase.PENDING:
            return _pending(seen, revision, record)
        case Phase.STARTING:
            return _starting(seen, revision, record)
        case Phase.EVALUATING:
            return _evaluating(seen, revision, record)
        case Phase.STEPPING | Phase.PROMOTING:
            return _routed(seen, revision, record, stable)
        case Phase.ROLLING_BACK:
            record, done = retired.haul_back(seen, revision, record)
            return Move(record, changed=done, wake_at=None if done else seen.now + POLL)
        case Phase.STABLE:
            # Another release was promoted, and the operator was killed before it wrote that down here.
            message = f"a later release took the place of release {revision.version}"
            replaced = enter(record, Event.REPLACED, now=seen.now, reason=reasons.SUPERSEDED, message=message)
            return Move(replaced, changed=True)
    return Move(record)


def _judged_anew(seen: Observation, record: ModelRevisionStatus, baseline: str | None) -> Move:
    """The gates or the release to compare with changed: what was passed was passed under others.

    A candidate that takes traffic gives it back and starts with the golden set again. To judge it where it is would
    leave traffic on a release that has passed nothing, and at the last step stable has no requests to compare with.
    """
    message = "the settings it is judged under changed: evidence is collected anew"
    if record.gates == seen.gates:
        message = "the stable release changed: evidence is collected anew"
    fresh = {"gates": seen.gates, "baseline": baseline, "metrics": None, "phase_since": seen.now}
    if phase_of(record) not in (Phase.STEPPING, Phase.PROMOTING):
        return Move(note(record, now=seen.now, reason=reasons.GATES_RESET, message=message, **fresh), changed=True)
    again = enter(
        record,
        Event.GATES_CHANGED,
        now=seen.now,
        reason=reasons.GATES_RESET,
        message=message,
        **fresh | {"step": None, "weight_observed_at": None, "capacity_lost_at": None},
    )
    return Move(again, changed=True)


def _fresh(seen: Observation, baseline: str | None, *, attempt: int) -> dict[str, object]:
    return {
        "observed_generation": 1,
        "attempt": attempt,
        "gates": seen.gates,
        "baseline": baseline,
        "step": None,
        "weight_observed_at": None,
        "capacity_lost_at": None,
        "idle_since": None,
        "metrics": None,
    }


def _declared_again(seen: Observation, revision: Revision, record: ModelRevisionStatus, baseline: str | None) -> Move:
    """A release that was given up is tried again only after a person changed the gates or declared it anew."""
    if phase_of(record) == Phase.ROLLED_BACK and record.gates == seen.gates:
        return Move(record)
    attempt = (record.attempt or 0) + 1
    message = f"release {revision.version} was declared again: attempt {attempt}"
    fresh = _fresh(seen, baseline, attempt=attempt)
    again = enter(record, Event.DECLARED, now=seen.now, reason=reasons.RETRIED, message=message, **fresh)
    return Move(again, changed=True)


def _pending(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> Move:
    if seen.route.foreign:
        message = (
            f"HTTPRoute {seen.name} exists and belongs to someone else: rename the ModelDeployment or remove the route"
        )
        return Move(hold(record, reasons.ROUTE_CONFLICT, message), wake_at=seen.now + POLL)
    if seen.gateway_problem is not None:
        return Move(hold(record, reasons.GATEWAY_NOT_READY, seen.gateway_problem), wake_at=seen.now + POLL)
    message = f"release {revision.version} is being brought up; nothing is routed to it"
    started = enter(record, Event.ROUTE_USABLE, now=seen.now, reason=reasons.STARTING, message=message)
    return Move(started, changed=True)


def _starting(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> Move:
    ready, wanted = revision.fleet.ready, pods_needed(seen, record)
    capacity = has_capacity(seen, revision, record)
    if capacity and revision.answers:
        message = f"{ready} of {wanted} pods are ready and the model answers; no request has been routed to it"
        evaluating = enter(
            record,
            Event.READY,
            now=seen.now,
            reason=reasons.EVALUATING,
            message=message,
            capacity_lost_at=None,
        )
        return Move(evaluating, changed=True)
    if capacity:
        reason, message = reasons.WAITING_FOR_MODEL, revision.answer or "the model was not asked yet"
    else:
        problem = revision.fleet.problem
        reason = reasons.WAITING_FOR_CAPACITY
        message = f"{ready} of {wanted} pods are ready" + (f": {problem}" if problem else "")
    deadline = (record.phase_since or seen.now) + seen.rollback.progress_deadline
    if seen.now >= deadline:
        seconds = seen.rollback.progress_deadline.total_seconds()
        message = f"not up within spec.rollback.progressDeadline of {seconds:g} s: {message}"
        given_up = enter(record, Event.START_DEADLINE, now=seen.now, reason=reasons.START_DEADLINE, message=message)
        return Move(given_up, changed=True)
    return Move(hold(record, reason, message), wake_at=min(deadline, seen.now + (ANSWER_POLL if capacity else POLL)))


def _watch_capacity(
    seen: Observation, revision: Revision, record: ModelRevisionStatus
) -> tuple[ModelRevisionStatus, Move | None]:
    """Remember since when pods have been missing, and give up after rollback.progressDeadline."""
    if has_capacity(seen, revision, record):
        return record.model_copy(update={"capacity_lost_at": None}), None
    since = record.capacity_lost_at or seen.now
    record = record.model_copy(update={"capacity_lost_at": since})
    if seen.now < since + seen.rollback.progress_deadline:
        return record, None
    problem = f": {revision.fleet.problem}" if revision.fleet.problem else ""
    message = (
        f"{revision.fleet.ready} of {pods_needed(seen, record)} pods were ready for longer than "
        f"spec.rollback.progressDeadline{problem}"
    )
    given_up = enter(record, Event.CAPACITY_DEADLINE, now=seen.now, reason=reasons.CAPACITY_DEADLINE, message=message)
    return record, Move(given_up, changed=True)


def _aggregate(
    seen: Observation,
    record: ModelRevisionStatus,
    metrics: Sequence[MetricStatus],
    *,
    deadline_over: bool,
    minimum_time_over: bool,
) -> Outcome:
    return aggregate(
        evidence.results(seen, record, metrics, golden_only=phase_of(record) == Phase.EVALUATING),
        minimum_time_over=minimum_time_over,
        deadline_over=deadline_over,
        on_inconclusive=seen.analysis.on_inconclusive,
        on_metric_error=seen.analysis.on_metric_error,
        error_timeout_seconds=seen.analysis.error_timeout.total_seconds(),
    )


def _evaluating(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> Move:
    record, given_up = _watch_capacity(seen, revision, record)
    if given_up is not None:
        return given_up
    metrics = evidence.fold(seen, record, entered_step=False)
    record = record.model_copy(update={"metrics": metrics or None})
    since = record.phase_since or seen.now
    deadline = since + seen.analysis.max_duration
    replayed = evidence.replayed(seen, record, metrics)  # no further evidence can come, so waiting for it is no use
    outcome = _aggregate(seen, record, metrics, deadline_over=replayed or seen.now >= deadline, minimum_time_over=True)
    if outcome.move is Verdict.ROLLBACK:
        failed = enter(record, Event.FAILED, now=seen.now, reason=outcome.reason, message=outcome.message)
        return Move(failed, changed=True)
    if outcome.move is not Verdict.ADVANCE or not (replayed or seen.now >= deadline):
        return Move(hold(record, outcome.reason, outcome.message), wake_at=_next_wake(seen, record, metrics, deadline))
    if record.baseline is None:
        message = outcome.message
        if not metrics and evidence.metrics_of(seen):
            message = "no stable release to compare it with, and no golden set with a threshold"
        passed = enter(record, Event.FIRST_EVALUATED, now=seen.now, reason=reasons.PROMOTING, message=message)
        return Move(passed, changed=True)
    message = f"step 1 of {len(seen.steps)}, {write_percent(seen.steps[0].weight)} of the traffic: {outcome.message}"
    passed = enter(record, Event.EVALUATED, now=seen.now, reason=reasons.STEPPING, message=message, step=0)
    return Move(passed, changed=True)


def _routed(seen: Observation, revision: Revision, record: ModelRevisionStatus, stable: Revision | None) -> Move:
    """A candidate that takes traffic, or is about to: watch its pods, its weight and its evidence, in this order."""
    weight = target_weight(seen, record)
    if record.weight_observed_at is not None and record.weight != percent(weight):
        record = record.model_copy(update={"weight_observed_at": None})  # the ladder was edited under the candidate
    served = (seen.route.observed if seen.route.observed is not None else seen.route.written).get(revision.hash, 0)
    if served > 0 and revision.fleet.ready == 0 and stable is not None and stable.fleet.ready > 0:
        problem = f": {revision.fleet.problem}" if revision.fleet.problem else ""
        message = f"it took {write_percent(served)} of the traffic and none of its pods is ready{problem}"
        lost = enter(record, Event.CAPACITY_LOST, now=seen.now, reason=reasons.CAPACITY_LOST, message=message)
        return Move(lost, changed=True)
    record, given_up = _watch_capacity(seen, revision, record)
    if given_up is not None:
        return given_up
    observed = seen.route.observed is not None and seen.route.observed.get(revision.hash, 0) == weight
    entered = observed and record.weight_observed_at is None
    if entered:
        record = record.model_copy(update={"weight_observed_at": seen.now})
    metrics = evidence.fold(seen, record, entered_step=entered)
    record = record.model_copy(update={"metrics": metrics or None})
    since = record.weight_observed_at or record.phase_since or seen.now
    deadline = since + seen.analysis.max_duration
    outcome = _aggregate(
        seen,
        record,
        metrics,
        deadline_over=record.weight_observed_at is not None and seen.now >= deadline,
        minimum_time_over=_step_time_over(seen, record, metrics),
    )
    if outcome.move is Verdict.ROLLBACK and record.baseline is not None:
        failed = enter(record, Event.FAILED, now=seen.now, reason=outcome.reason, message=outcome.message)
        return Move(failed, changed=True)
    wake = _next_wake(seen, record, metrics, deadline)
    if outcome.move is Verdict.HOLD and outcome.reason in _FREEZING:
        return Move(hold(record, outcome.reason, outcome.message), frozen=True, wake_at=wake)
    if not observed:  # nor may a step pass, or a promotion end, while someone else's weights are on the route
        poll = seen.now + POLL
        return Move(_waiting(seen, revision, record, weight), wake_at=min(wake, poll) if wake else poll)
    if phase_of(record) == Phase.PROMOTING:
        message = f"release {revision.version} takes all traffic and is the stable release"
        promoted = enter(record, Event.ALL_TRAFFIC_OBSERVED, now=seen.now, reason=reasons.PROMOTED, message=message)
        return Move(promoted, changed=True)
    if outcome.move is not Verdict.ADVANCE:
        return Move(hold(record, outcome.reason, outcome.message), wake_at=wake)
    return _climb(seen, record, evidence.live_sentence(seen, metrics) or "the step's time is over")


def _waiting(seen: Observation, revision: Revision, record: ModelRevisionStatus, weight: int) -> ModelRevisionStatus:
    if not has_capacity(seen, revision, record):
        problem = f": {revision.fleet.problem}" if revision.fleet.problem else ""
        message = (
            f"{revision.fleet.ready} of {pods_needed(seen, record)} pods are ready for "
            f"{write_percent(weight)} of the traffic{problem}"
        )
        return hold(record, reasons.WAITING_FOR_CAPACITY, message)
    problem = seen.route.problem or "the gateway has not applied it yet"
    return hold(record, reasons.WAITING_FOR_ROUTE, f"{write_percent(weight)} of the traffic was asked for: {problem}")


def _climb(seen: Observation, record: ModelRevisionStatus, why: str) -> Move:
    """The step is passed: the next one, or promotion. The weight follows once the pods for it are ready."""
    index = step_index(seen, record)
    if index + 1 == len(seen.steps):
        message = f"every step is passed: {why}"
        top = enter(
            record,
            Event.LADDER_PASSED,
            now=seen.now,
            reason=reasons.PROMOTING,
            message=message,
            weight_observed_at=None,
        )
        return Move(top, changed=True)
    upcoming = seen.steps[index + 1]
    message = f"step {index + 2} of {len(seen.steps)}, {write_percent(upcoming.weight)} of the traffic: {why}"
    higher = enter(
        record,
        Event.STEP_PASSED,
        now=seen.now,
        reason=reasons.STEPPING,
        message=message,
        step=index + 1,
        weight_observed_at=None,
    )
    return Move(higher, changed=True)


def _step_time_over(seen: Observation, record: ModelRevisionStatus, metrics: Sequence[MetricStatus]) -> bool:
    """Whether the step lasted long enough, and each live metric was looked at once at its weight."""
    since = record.weight_observed_at
    if since is None:
        return False
    if phase_of(record) == Phase.STEPPING and seen.now < since + seen.steps[step_index(seen, record)].min_duration:
        return False
    return all(status.cursor is not None and status.cursor > since for status in evidence.live(seen, metrics))


def _next_wake(
    seen: Observation, record: ModelRevisionStatus, metrics: Sequence[MetricStatus], deadline: datetime
) -> datetime | None:
    moments = [evidence.next_look(seen, record, metrics)]
    if deadline > seen.now:
        moments.append(deadline)
    if record.capacity_lost_at is not None:
        moments += [record.capacity_lost_at + seen.rollback.progress_deadline, seen.now + POLL]
    if phase_of(record) == Phase.STEPPING and record.weight_observed_at is not None:
        over = record.weight_observed_at + seen.steps[step_index(seen, record)].min_duration
        if over > seen.now:
            moments.append(over)
    return min((moment for moment in moments if moment is not None), default=None)
