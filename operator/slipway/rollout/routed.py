"""The candidate's next move while requests, or copies of them, go to it: shadowed, climbing, promoted.

In each look harm comes first, then what the gateway was seen to do, then what is proven, then the clock; and before
every move up, whether a person holds it or has to approve it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from slipway.analysis import Move as Verdict
from slipway.analysis import Outcome, Reason
from slipway.api import MetricStatus, ModelRevisionStatus, Phase
from slipway.rollout import evidence, judging, reasons, sharing
from slipway.rollout.commands import name_of, stage_of
from slipway.rollout.course import FULL, Judging
from slipway.rollout.ladder import (
    has_capacity,
    in_the_way,
    judging_of,
    placed,
    pods_needed,
    step_index,
    step_of,
    target_weight,
)
from slipway.rollout.moves import (
    POLL,
    Move,
    aggregated,
    ascend,
    fail,
    next_wake,
    paused,
    problem_of,
    shortest,
    watch_capacity,
)
from slipway.rollout.observation import Observation, Revision
from slipway.rollout.record import enter, hold, percent, phase_of, write_percent
from slipway.rollout.table import Event

_FREEZING: Final = frozenset({Reason.ANALYSIS_FAILED, Reason.METRICS_UNAVAILABLE})
"""Holds that also stop a candidate on its way to a weight that it had earned before."""


def first_stage(seen: Observation, record: ModelRevisionStatus, why: str, *, wake_at: datetime | None = None) -> Move:
    """From the golden set to what comes first: copies of requests, the first step, or promotion at once."""
    if seen.course.shadow is not None:
        share = write_percent(seen.course.shadow.share)
        message = f"{share} of the requests are copied to it, and nobody sees its answers: {why}"
        return ascend(
            seen,
            record,
            Event.EVALUATED_FOR_SHADOW,
            reason=reasons.SHADOWING,
            message=message,
            wake_at=wake_at,
            weight_observed_at=None,
        )
    return _onto_ladder(seen, record, Event.EVALUATED, Event.PROMOTED_FULLY, why, wake_at=wake_at)


def _onto_ladder(
    seen: Observation,
    record: ModelRevisionStatus,
    event: Event,
    without_steps: Event,
    why: str,
    *,
    wake_at: datetime | None,
) -> Move:
    if not seen.steps:
        return ascend(
            seen,
            record,
            without_steps,
            reason=reasons.PROMOTING,
            message=f"no step is declared: {why}",
            wake_at=wake_at,
            weight_observed_at=None,
        )
    return ascend(
        seen,
        record,
        event,
        reason=reasons.STEPPING,
        message=f"{_step_for_people(seen, 0)}: {why}",
        wake_at=wake_at,
        step=0,
        weight_observed_at=None,
    )


def _step_for_people(seen: Observation, index: int) -> str:
    step = seen.steps[index]
    place = f"step {index + 1} of {len(seen.steps)}, {write_percent(step.weight)} of the traffic"
    return f"{place} and the matched requests" if step.matched else place


def shadowing(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> Move:
    """Copies of live requests go to the candidate; its pods count what becomes of them."""
    record, given_up = watch_capacity(seen, revision, record)
    if given_up is not None:
        return given_up
    if seen.course.shadow is None:  # the stage was edited away
        return _onto_ladder(
            seen, record, Event.SHADOW_PASSED, Event.SHADOW_ENDED, "it has no shadow stage any more", wake_at=None
        )
    record, metrics, outcome, deadline = _judge(seen, revision, record)
    if outcome.move is Verdict.ROLLBACK:
        return fail(seen, record, outcome)
    wake = next_wake(seen, record, metrics, deadline)
    waits = _not_yet(seen, revision, record, outcome, wake=wake, approval=seen.course.shadow.approval)
    if waits is not None:
        return waits
    why = judging.live_sentence(seen, record, metrics) or "the time of copied requests is over"
    return _onto_ladder(seen, record, Event.SHADOW_PASSED, Event.SHADOW_ENDED, why, wake_at=wake)


def routed(seen: Observation, revision: Revision, record: ModelRevisionStatus, stable: Revision | None) -> Move:
    """A candidate that takes traffic, or is about to: watch its pods, its weight and its evidence, in this order."""
    weight = target_weight(seen, record)
    if record.weight_observed_at is not None and record.weight != percent(weight) and record.weight is not None:
        record = record.model_copy(update={"weight_observed_at": None})  # the ladder was edited under the candidate
    lost = capacity_lost(seen, revision, stable)
    if lost is not None:
        gone = enter(record, Event.CAPACITY_LOST, now=seen.now, reason=reasons.CAPACITY_LOST, message=lost)
        return Move(gone, changed=True)
    record, given_up = watch_capacity(seen, revision, record)
    if given_up is not None:
        return given_up
    record, metrics, outcome, deadline = _judge(seen, revision, record)
    if outcome.move is Verdict.ROLLBACK and record.baseline is not None:
        return fail(seen, record, outcome)
    wake = next_wake(seen, record, metrics, deadline)
    step = step_of(seen, record)
    approval = step is not None and step.approval
    waits = _not_yet(seen, revision, record, outcome, wake=wake, approval=approval)
    if waits is not None:
        return waits
    if phase_of(record) == Phase.PROMOTING:
        return _promoted(seen, revision, record, wake)
    return _climb(seen, record, judging.live_sentence(seen, record, metrics) or "the step's time is over", wake)


def capacity_lost(seen: Observation, revision: Revision, stable: Revision | None) -> str | None:
    """What to say when a revision takes traffic with no pod ready, and stable has pods that could."""
    served = (seen.route.observed if seen.route.observed is not None else seen.route.written).get(revision.hash, 0)
    if served == 0 or revision.fleet.ready > 0 or stable is None or stable.fleet.ready == 0:
        return None
    return f"it took {write_percent(served)} of the traffic and none of its pods is ready{problem_of(revision)}"


def _judge(
    seen: Observation, revision: Revision, record: ModelRevisionStatus
) -> tuple[ModelRevisionStatus, list[MetricStatus], Outcome, datetime]:
    """Fold this look's evidence and say what it asks for; and until when the stage may take."""
    entered = record.weight_observed_at is None and placed(seen, revision.hash, record)
    if entered:
        record = record.model_copy(update={"weight_observed_at": seen.now})
    record = sharing.folded(seen, record, revision.hash)
    metrics = evidence.fold(seen, record, entered_step=entered)
    record = record.model_copy(update={"metrics": metrics or None})
    since = record.weight_observed_at or record.phase_since or seen.now
    deadline = since + (seen.course.max_duration or seen.analysis.max_duration)
    outcome = aggregated(
        seen,
        record,
        metrics,
        deadline_over=record.weight_observed_at is not None and seen.now >= deadline,
        minimum_time_over=_time_over(seen, record, metrics),
    )
    return record, metrics, outcome, deadline


def _not_yet(
    seen: Observation,
    revision: Revision,
    record: ModelRevisionStatus,
    outcome: Outcome,
    *,
    wake: datetime | None,
    approval: bool,
) -> Move | None:
    """What the stage still waits for; None when it is passed."""
    stage = stage_of(seen, record)
    skipped = stage is not None and record.skipped == stage
    judged = not (skipped or record.fast)
    if judged and outcome.move is Verdict.HOLD and outcome.reason in _FREEZING:
        return Move(hold(record, outcome.reason, outcome.message), frozen=True, wake_at=wake)
    lacks = seen.course.shift is not None and not has_capacity(seen, revision, record)
    if phase_of(record) == Phase.PROMOTING and lacks:
        return _waiting(
            seen, revision, record, wake
        )  # all traffic goes to it while pods may be missing, but not for good
    if not placed(seen, revision.hash, record):  # nor may a step pass while someone else's weights are on the route
        return _waiting(seen, revision, record, wake)
    shifting = seen.course.shift is not None and phase_of(record) == Phase.PROMOTING
    if shifting and not has_capacity(seen, revision, record):
        return _waiting(seen, revision, record, wake)  # its last pods find a place once stable has given up its own
    if judged and phase_of(record) != Phase.PROMOTING and outcome.move is not Verdict.ADVANCE:
        held = paused(seen, record)
        if held is not None:
            return Move(hold(record, reasons.PAUSED, held), frozen=True, wake_at=wake)
        return Move(hold(record, outcome.reason, outcome.message), wake_at=wake)
    if approval and not skipped and record.approved != stage and stage is not None:
        message = f"{name_of(stage)} is passed, and a person has to approve what follows: {outcome.message}"
        return Move(hold(record, reasons.AWAITING_APPROVAL, message), wake_at=wake)
    return None


def _waiting(seen: Observation, revision: Revision, record: ModelRevisionStatus, wake: datetime | None) -> Move:
    poll = seen.now + min(POLL, seen.route.settles_in or POLL)
    at = min(wake, poll) if wake else poll
    held = paused(seen, record)
    if held is not None:
        return Move(hold(record, reasons.PAUSED, held), frozen=True, wake_at=at)
    asked = write_percent(target_weight(seen, record))
    if not has_capacity(seen, revision, record):
        message = (
            f"{revision.fleet.ready} of {pods_needed(seen, record)} pods are ready for "
            f"{asked} of the traffic{problem_of(revision)}"
        )
        return Move(hold(record, reasons.WAITING_FOR_CAPACITY, message), wake_at=at)
    third = in_the_way(seen, revision.hash, record.baseline, target_weight(seen, record))
    problem = seen.route.problem or "the gateway has not applied it yet"
    if third is not None and not seen.route.written.get(revision.hash):
        problem = f"pods of release {third.version} have to end first, which the Service would lead to as well"
    message = f"{asked} of the traffic was asked for: {problem}"
    return Move(hold(record, reasons.WAITING_FOR_ROUTE, message), wake_at=at)


def _promoted(seen: Observation, revision: Revision, record: ModelRevisionStatus, wake: datetime | None) -> Move:
    message = f"release {revision.version} takes all traffic and is the stable release"
    if seen.rollback.watch and record.baseline is not None:
        more = f"; the release that it replaced is kept warm for {seen.rollback.watch.total_seconds():g} s"
        return ascend(
            seen,
            record,
            Event.ALL_TRAFFIC_WATCHED,
            reason=reasons.WATCHING,
            message=message + more,
            wake_at=wake,
            step=None,
        )
    return ascend(seen, record, Event.ALL_TRAFFIC_OBSERVED, reason=reasons.PROMOTED, message=message, wake_at=wake)


def _climb(seen: Observation, record: ModelRevisionStatus, why: str, wake: datetime | None) -> Move:
    """The step is passed: the next one, or promotion. The weight follows once the pods for it are ready."""
    index = step_index(seen, record)
    if index + 1 >= len(seen.steps):
        return ascend(
            seen,
            record,
            Event.LADDER_PASSED,
            reason=reasons.PROMOTING,
            message=f"every step is passed: {why}",
            wake_at=wake,
            weight_observed_at=None,
        )
    return ascend(
        seen,
        record,
        Event.STEP_PASSED,
        reason=reasons.STEPPING,
        message=f"{_step_for_people(seen, index + 1)}: {why}",
        wake_at=wake,
        step=index + 1,
        weight_observed_at=None,
    )


def _time_over(seen: Observation, record: ModelRevisionStatus, metrics: Sequence[MetricStatus]) -> bool:
    """Whether the stage lasted long enough, and each live metric that counts there was looked at once in it."""
    since = record.weight_observed_at
    if since is None or seen.now < since + shortest(seen, record):
        return False
    judged = judging_of(seen, record)
    if judged is Judging.OBSERVE or (judged is Judging.GUARD and target_weight(seen, record) != FULL):
        return True
    return all(status.cursor is not None and status.cursor > since for status in judging.live(seen, record, metrics))
