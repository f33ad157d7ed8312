"""Numbers that are read and not counted, such as the length of a queue: how a look at them is folded. Pure.

One number for a whole release has no sample size, so all that can be asked is that it stays on one side of its limit.
Single pods can be ranked against those of stable; a minute gives one rank, because what is read twice in a minute is
hardly news the second time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from slipway.analysis import EvidenceError, GaugeEvidence, SteadyEvidence, Vectors, Verdict
from slipway.api import MetricSpec, MetricStatus, ModelRevisionStatus, Phase, ThresholdGate
from slipway.rollout import history
from slipway.rollout.course import FULL
from slipway.rollout.ladder import step_of
from slipway.rollout.live import stages
from slipway.rollout.measured import gates_of, state_of, vectors_of
from slipway.rollout.observation import NumberReading, Observation
from slipway.rollout.record import phase_of, shorten

BLOCK: Final = timedelta(seconds=60)
"""Time that one rank of the pods stands for."""

NumberEvidence = SteadyEvidence | GaugeEvidence


def number_reader(metric: MetricSpec) -> Callable[[Vectors], NumberEvidence]:
    """How the evidence of such a metric is read from its state."""
    return SteadyEvidence.from_vectors if metric.threshold is not None else GaugeEvidence.from_vectors


def _known(metric: MetricSpec, status: MetricStatus) -> NumberEvidence | None:
    vectors = vectors_of(status)
    if vectors is None:
        return None
    try:
        return number_reader(metric)(vectors)
    except EvidenceError:
        return None  # written by another version, or by hand: what cannot be read is collected anew


def fold_number(
    seen: Observation,
    record: ModelRevisionStatus,
    metric: MetricSpec,
    status: MetricStatus,
    reading: NumberReading,
    *,
    entered_step: bool,
) -> MetricStatus:
    """The status with one more reading."""
    if metric.threshold is not None:
        return _steady(seen, metric, metric.threshold, status, reading, entered_step=entered_step)
    if not _side_by_side(seen, record):
        return _written(seen, status)
    return _ranked(seen, metric, status, reading, entered_step=entered_step)


def _side_by_side(seen: Observation, record: ModelRevisionStatus) -> bool:
    """Whether pods of both releases are at work: one that idles has a shorter queue than any that serves."""
    if phase_of(record) == Phase.SHADOWING:
        return True
    step = step_of(seen, record)
    return step is not None and (step.matched or 0 < step.weight < FULL)


def entered_number(metric: MetricSpec, status: MetricStatus) -> MetricStatus:
    """The status of a metric of which nothing new was read as a new weight begins."""
    evidence = _known(metric, status)
    if isinstance(evidence, GaugeEvidence):
        return status.model_copy(update={"state": state_of(evidence.enter_step().to_vectors())})
    return status if evidence is None or evidence.failed else status.model_copy(update={"state": None})


def _steady(
    seen: Observation,
    metric: MetricSpec,
    gate: ThresholdGate,
    status: MetricStatus,
    reading: NumberReading,
    *,
    entered_step: bool,
) -> MetricStatus:
    """The pod that is furthest off speaks for the release. A look without a number, and a new weight, begin the time
    anew; the time of an outage counts for neither side."""
    before = _known(metric, status)
    evidence = before if isinstance(before, SteadyEvidence) else None
    if evidence is not None and evidence.failed:
        return _written(seen, status, looked_at=seen.now)
    if not reading.candidate:
        return _nothing(seen, status, reading.missing, state=None)
    if evidence is None or entered_step:
        seconds = gate.for_.total_seconds()
        evidence = SteadyEvidence.begin(maximum=gate.max, minimum=gate.min, duration=seconds)
    value = max(reading.candidate) if gate.max is not None else min(reading.candidate)
    evidence = evidence.fold(value, seconds=_seconds(seen, status))
    return _judged(seen, status, evidence)


def _ranked(
    seen: Observation, metric: MetricSpec, status: MetricStatus, reading: NumberReading, *, entered_step: bool
) -> MetricStatus:
    before = _known(metric, status)
    lower = metric.worse == "Lower"
    blank = GaugeEvidence.begin(gates_of(metric, seen), steps=stages(seen), higher_is_worse=not lower)
    evidence = before if isinstance(before, GaugeEvidence) else blank
    if evidence.failed:
        return _written(seen, status, looked_at=seen.now)
    if not reading.candidate or not reading.stable:
        return _nothing(seen, status, reading.missing)
    fresh = before is None or status.cursor is None or not status.cursor <= seen.now < status.cursor + BLOCK
    if fresh:
        evidence = evidence.fold(reading.candidate, reading.stable)
    if entered_step and status.cursor is not None:
        evidence = evidence.enter_step()
    folded = _judged(seen, status, evidence)
    return folded if fresh else folded.model_copy(update={"cursor": status.cursor})


def _seconds(seen: Observation, status: MetricStatus) -> float:
    if status.cursor is None or status.error_since is not None:
        return 0.0
    return max(0.0, (seen.now - status.cursor).total_seconds())


def _judged(seen: Observation, status: MetricStatus, evidence: NumberEvidence) -> MetricStatus:
    judgement = evidence.judge()
    return _written(
        seen,
        status,
        verdict=judgement.verdict,
        message=shorten(judgement.message),
        state=state_of(evidence.to_vectors()),
        **history.followed(status, judgement, seen.now),
    )


def _nothing(seen: Observation, status: MetricStatus, message: str, **changes: Any) -> MetricStatus:
    return _written(seen, status, verdict=Verdict.NO_DATA, message=shorten(message), **changes)


def _written(seen: Observation, status: MetricStatus, **changes: Any) -> MetricStatus:
    said = {"cursor": seen.now, "looked_at": seen.now, "error_since": None}
    return status.model_copy(update=said | changes)
