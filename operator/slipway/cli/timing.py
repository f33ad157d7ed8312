"""When something can be expected, as far as it follows from clocks: evidence comes when it comes. Pure.

Every moment here derives from a persisted time and the specification, as the operator's own timers do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.api import AnalysisSpec, ModelDeploymentSpec, ModelRevisionStatus, Phase, RollbackSpec, format_duration
from slipway.rollout import Course, course_of


@dataclass(frozen=True, slots=True)
class Expected:
    """Something that is to come, and when. ``earliest`` says that it may well be later."""

    what: str
    at: datetime
    earliest: bool = True

    def sentence(self, now: datetime) -> str:
        """Such as ``the step is over in 40s at the earliest``."""
        limit = "at the earliest" if self.earliest else "at the latest"
        return f"{self.what} in {rounded(self.at - now)} {limit}"


def rounded(span: timedelta) -> str:
    """A span for people: whole seconds, and under an hour's precision for what is hours away. Never negative."""
    seconds = max(0, round(span.total_seconds()))
    unit = 1 if seconds < 3600 else 60
    return format_duration(timedelta(seconds=seconds // unit * unit))


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that says enough: ``12s``, ``5m``, ``3h``, ``4d``."""
    if since is None:
        return "-"
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def expected(spec: ModelDeploymentSpec | None, record: ModelRevisionStatus, now: datetime) -> tuple[Expected, ...]:
    """What is to come for a revision on trial, in its order. Nothing where no clock decides."""
    if spec is None or record.phase_since is None:
        return ()
    return tuple(found for found in _expected(spec, record, record.phase_since) if found.at > now)


def _expected(spec: ModelDeploymentSpec, record: ModelRevisionStatus, since: datetime) -> Iterator[Expected]:
    analysis, rollback = spec.analysis or AnalysisSpec(), spec.rollback or RollbackSpec()
    match record.phase:
        case Phase.STARTING:
            yield Expected("it is hauled back unless it is up", since + rollback.progress_deadline, earliest=False)
        case Phase.EVALUATING:
            yield Expected("the golden set is decided", since + analysis.max_duration, earliest=False)
        case Phase.SHADOWING | Phase.STEPPING if record.weight_observed_at is not None:
            yield from _on_the_ladder(_course(spec), record, record.weight_observed_at, analysis)
        case Phase.WATCHING:
            yield Expected("the watch is over", since + rollback.watch, earliest=False)


def _course(spec: ModelDeploymentSpec) -> Course | None:
    try:
        return course_of(spec.strategy, replicas=1 if spec.replicas is None else spec.replicas)
    except ValueError:
        return None


def _on_the_ladder(
    course: Course | None, record: ModelRevisionStatus, since: datetime, analysis: AnalysisSpec
) -> Iterator[Expected]:
    if course is None:
        return
    if record.phase == Phase.SHADOWING:
        stage, lasting, left = "the shadow stage", course.shadow.min_duration if course.shadow else None, course.steps
    else:
        index = min(record.step or 0, len(course.steps) - 1)
        stage, lasting, left = "the step", course.steps[index].min_duration, course.steps[index + 1 :]
    over = since + (lasting or timedelta(0))
    yield Expected(f"{stage} is over", over)
    rest = sum((step.min_duration for step in left), timedelta(0))
    yield Expected("it is promoted", over + rest)
    longest = course.max_duration or analysis.max_duration
    yield Expected(f"{stage} is decided", since + longest, earliest=False)
