"""When something can be expected, as far as it follows from clocks: evidence comes when it comes. Pure.

Every moment here derives from a persisted time and the specification, as the operator's own timers do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slipway.api import AnalysisSpec, ModelDeploymentSpec, ModelRevisionStatus, Phase, RollbackSpec, format_duration
from slipway.rollout import Course, course_of, reasons

_NO_VERDICT: Final = "no more time for a verdict, and analysis.onInconclusive follows"
_NOTHING: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Expected:
    """Something that is to come, and when. ``earliest`` says that it may well be later."""

    what: str
    at: datetime
    earliest: bool = False

    def sentence(self, now: datetime) -> str:
        """Such as ``in 40s at the earliest: the step is over``."""
        return f"in {rounded(self.at - now)}{' at the earliest' if self.earliest else ''}: {self.what}"


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
        case Phase.VERIFYING:
            yield Expected("it is hauled back unless its artifact is verified", since + rollback.progress_deadline)
        case Phase.STARTING:
            yield Expected("it is hauled back unless it is up", since + rollback.progress_deadline)
        case Phase.EVALUATING:
            yield Expected(_NO_VERDICT, since + analysis.max_duration)
        case Phase.SHADOWING | Phase.STEPPING if record.weight_observed_at is not None:
            course = _course(spec)
            if course is not None:
                if not (spec.paused or record.paused):
                    yield from _on_the_ladder(course, record, record.weight_observed_at)
                if record.reason != reasons.AWAITING_APPROVAL:  # a person takes as long as it takes
                    longest = course.max_duration or analysis.max_duration
                    yield Expected(_NO_VERDICT, record.weight_observed_at + longest)
        case Phase.WATCHING:
            yield Expected("the watch is over, and the old release may go", since + rollback.watch)


def _course(spec: ModelDeploymentSpec) -> Course | None:
    try:
        return course_of(spec.strategy, replicas=1 if spec.replicas is None else spec.replicas)
    except ValueError:
        return None


def _on_the_ladder(course: Course, record: ModelRevisionStatus, since: datetime) -> Iterator[Expected]:
    """The ends of this stage and of all that are left; nothing for a course that was changed to one without steps."""
    if record.phase == Phase.SHADOWING:
        stage, lasting, left = (
            "the shadow stage",
            course.shadow.min_duration if course.shadow else _NOTHING,
            course.steps,
        )
    elif course.steps:
        index = min(record.step or 0, len(course.steps) - 1)
        stage, lasting, left = "the step", course.steps[index].min_duration, course.steps[index + 1 :]
    else:
        return
    yield Expected(f"{stage} is over", since + lasting, earliest=True)
    yield Expected("it is promoted", since + sum((step.min_duration for step in left), lasting), earliest=True)
