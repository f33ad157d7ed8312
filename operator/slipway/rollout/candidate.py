"""The candidate's next move before any request is routed to it: declared, brought up, judged on the golden set.

Every function here takes an observation and returns a `Move`; none of them acts. What the candidate's weight and fleet
shall be follows from the phase it is in after the move. `routed` has the other half of the way.
"""

from __future__ import annotations

from slipway.analysis import Move as Verdict
from slipway.api import ModelRevisionStatus, Phase
from slipway.rollout import evidence, judging, reasons, retired
from slipway.rollout.commands import GOLDEN_STAGE, Ruling
from slipway.rollout.ladder import has_capacity, pods_needed
from slipway.rollout.measured import metrics_of
from slipway.rollout.moves import (
    ANSWER_POLL,
    POLL,
    Move,
    aggregated,
    ascend,
    fail,
    next_wake,
    paused,
    problem_of,
    watch_capacity,
)
from slipway.rollout.observation import Observation, Revision
from slipway.rollout.record import enter, hold, note, open_record, phase_of
from slipway.rollout.rejected import rejection
from slipway.rollout.routed import first_stage, routed, shadowing
from slipway.rollout.table import ON_TRIAL, Event
from slipway.rollout.verifying import changed, unverified, verifying


def commanded(seen: Observation, revision: Revision, ruling: Ruling, stable: Revision | None) -> Move | None:
    """The record after a person's command; None where the command only changes what the next move is made on."""
    record = revision.record.model_copy(update={**ruling.changes, "command": ruling.text})
    if ruling.event is None:
        return None
    changes: dict[str, object] = {}
    if ruling.event is Event.DECLARED:
        changes = _fresh(seen, stable.hash if stable else None, attempt=(record.attempt or 0) + 1)
    moved = enter(record, ruling.event, now=seen.now, reason=ruling.reason, message=ruling.message, **changes)
    return Move(moved, changed=True)


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
    without_steps = phase == Phase.STEPPING and not seen.steps  # another strategy was declared under it
    if phase in ON_TRIAL and (record.gates != seen.gates or record.baseline != baseline or without_steps):
        return _judged_anew(seen, record, baseline)
    match phase:
        case Phase.PENDING:
            return _pending(seen, revision, record)
        case Phase.VERIFYING:
            return verifying(seen, revision, record)
        case Phase.STARTING:
            return _starting(seen, revision, record)
        case Phase.EVALUATING:
            return _evaluating(seen, revision, record)
        case Phase.SHADOWING:
            return shadowing(seen, revision, record)
        case Phase.STEPPING | Phase.PROMOTING:
            return routed(seen, revision, record, stable)
        case Phase.ROLLING_BACK:
            record, done = retired.haul_back(seen, revision, record)
            return Move(record, changed=done, wake_at=None if done else seen.now + POLL)
        case Phase.WATCHING if retired.was_hauled_back(revision, stable):
            return Move(retired.hauled_back(seen, revision, stable), changed=True)
        case Phase.STABLE | Phase.WATCHING:
            # Another release was promoted, and the operator was killed before it wrote that down here.
            return Move(
                retired.replaced(seen, revision, f"a later release took the place of release {revision.version}"),
                changed=True,
            )
    return Move(record)


def _judged_anew(seen: Observation, record: ModelRevisionStatus, baseline: str | None) -> Move:
    """The gates or the release to compare with changed: what was passed was passed under others.

    A candidate that takes traffic gives it back and starts with the golden set again. To judge it where it is would
    leave traffic on a release that has passed nothing, and at the last step stable has no requests to compare with.
    """
    message = "the settings it is judged under changed"
    if record.gates == seen.gates:
        message = "the stable release changed" if record.baseline != baseline else "the steps it was at are gone"
    message += ", and it needs no further evidence" if record.fast else ": evidence is collected anew"
    fresh = {"gates": seen.gates, "baseline": baseline, "metrics": None, "phase_since": seen.now}
    fresh |= {"approved": None, "skipped": None, "share": None}
    if record.fast or phase_of(record) not in (Phase.SHADOWING, Phase.STEPPING, Phase.PROMOTING):
        noted = note(record, now=seen.now, reason=reasons.GATES_RESET, message=message, **fresh)
        return Move(noted, changed=True, frozen=paused(seen, record) is not None)
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
        "share": None,
        "paused": None,
        "approved": None,
        "skipped": None,
        "fast": None,
        "stable_until": None,
        "size": seen.replicas if seen.autoscaled is not None else None,
    }


def _declared_again(seen: Observation, revision: Revision, record: ModelRevisionStatus, baseline: str | None) -> Move:
    """A release that was given up is tried again only after a person changed the gates or commanded it. That it was
    withdrawn meanwhile and came back is no reason: manifests and aliases come back by accident too.

    One that was the stable release a short while ago has been proven: it comes back without being judged anew.
    """
    if phase_of(record) == Phase.ROLLED_BACK and record.gates == seen.gates:
        return Move(record)
    attempt = (record.attempt or 0) + 1
    fresh = _fresh(seen, baseline, attempt=attempt)
    until = record.stable_until
    if phase_of(record) == Phase.SUPERSEDED and until is not None and seen.now <= until + seen.rollback.window:
        message = f"release {revision.version} was stable until {until:%Y-%m-%d %H:%M:%S} UTC and comes back"
        fresh["fast"] = True
        again = enter(record, Event.DECLARED, now=seen.now, reason=reasons.RETURNING, message=message, **fresh)
        return Move(again, changed=True)
    message = f"release {revision.version} was declared again: attempt {attempt}"
    again = enter(record, Event.DECLARED, now=seen.now, reason=reasons.RETRIED, message=message, **fresh)
    return Move(again, changed=True)


def _pending(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> Move:
    known = rejection(seen, revision.hash) if record.attempt == 1 and not record.fast else None
    if known is not None:
        message = f"release {revision.version} was hauled back at {known.time:%Y-%m-%d %H:%M:%S} UTC: {known.message}"
        given_up = enter(record, Event.REJECTED_BEFORE, now=seen.now, reason=reasons.REJECTED_BEFORE, message=message)
        return Move(given_up, changed=True)
    waits = _what_a_start_waits_for(seen)
    if waits is not None:
        return Move(hold(record, *waits), wake_at=seen.now + POLL)
    if seen.verification is not None and not seen.verification.known:
        return unverified(seen, revision, record)
    message = f"release {revision.version} is being brought up; nothing is routed to it"
    return ascend(seen, record, Event.ROUTE_USABLE, reason=reasons.STARTING, message=message)


def _whose(seen: Observation) -> str:
    return seen.route.problem or (
        f"the route {seen.name} exists and belongs to someone else: rename the ModelDeployment or remove the route"
    )


def _what_a_start_waits_for(seen: Observation) -> tuple[str, str] | None:
    """Reason and message of what has to change before pods are worth their cost."""
    if seen.route.foreign:
        return reasons.ROUTE_CONFLICT, _whose(seen)
    if seen.route.unread:
        return reasons.WAITING_FOR_ROUTE, seen.route.problem or "the route cannot be read"
    if seen.unsupported is not None:
        return reasons.UNSUPPORTED, seen.unsupported
    if seen.gateway_problem is not None:
        return reasons.GATEWAY_NOT_READY, seen.gateway_problem
    if seen.verification is not None and seen.verification.unruled:
        return reasons.POLICY_UNREADABLE, seen.verification.unruled
    if seen.queued is not None:
        return reasons.QUEUED, seen.queued
    return None


def _starting(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> Move:
    if revision.fleet.other_bytes is not None:
        message = changed(revision.fleet.other_bytes)
        refused = enter(record, Event.ARTIFACT_REFUSED, now=seen.now, reason=reasons.ARTIFACT_CHANGED, message=message)
        return Move(refused, changed=True)
    ready, wanted = revision.fleet.ready, pods_needed(seen, record)
    capacity = has_capacity(seen, revision, record)
    if capacity and revision.answers and revision.cold is None:
        message = f"{ready} of {wanted} pods are ready and the model answers"
        if record.fast:
            event, reason, more = Event.READY_AGAIN, reasons.PROMOTING, "; it needs no further evidence"
        else:
            event, reason, more = Event.READY, reasons.EVALUATING, "; no request has been routed to it"
        return ascend(seen, record, event, reason=reason, message=message + more, capacity_lost_at=None)
    if capacity and revision.answers and revision.cold is not None:
        reason, message = reasons.WARMING_UP, revision.cold
    elif capacity:
        reason, message = reasons.WAITING_FOR_MODEL, revision.answer or "the model was not asked yet"
    else:
        reason = reasons.WAITING_FOR_CAPACITY
        message = f"{ready} of {wanted} pods are ready{problem_of(revision)}"
    deadline = (record.phase_since or seen.now) + seen.rollback.progress_deadline
    if seen.now >= deadline:
        seconds = seen.rollback.progress_deadline.total_seconds()
        message = f"not up within spec.rollback.progressDeadline of {seconds:g} s: {message}"
        given_up = enter(record, Event.START_DEADLINE, now=seen.now, reason=reasons.START_DEADLINE, message=message)
        return Move(given_up, changed=True)
    return Move(hold(record, reason, message), wake_at=min(deadline, seen.now + (ANSWER_POLL if capacity else POLL)))


def _evaluating(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> Move:
    record, given_up = watch_capacity(seen, revision, record)
    if given_up is not None:
        return given_up
    metrics = evidence.fold(seen, record, entered_step=False)
    record = record.model_copy(update={"metrics": metrics or None})
    since = record.phase_since or seen.now
    deadline = since + seen.analysis.max_duration
    replayed = judging.replayed(seen, record, metrics)  # no further evidence can come, so waiting for it is no use
    over = replayed or seen.now >= deadline
    outcome = aggregated(seen, record, metrics, deadline_over=over, minimum_time_over=True)
    if outcome.move is Verdict.ROLLBACK:
        return fail(seen, record, outcome)
    wake = next_wake(seen, record, metrics, deadline)
    skipped = record.skipped == GOLDEN_STAGE
    if not skipped and (outcome.move is not Verdict.ADVANCE or not over):
        return Move(hold(record, outcome.reason, outcome.message), wake_at=wake)
    message = "a person ended the evaluation" if skipped else outcome.message
    if record.baseline is not None:
        return first_stage(seen, record, message, wake_at=wake)
    if not metrics and metrics_of(seen):
        message = "no stable release to compare it with, and no golden set with a threshold"
    return ascend(seen, record, Event.FIRST_EVALUATED, reason=reasons.PROMOTING, message=message, wake_at=wake)
