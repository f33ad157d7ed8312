"""The course that a strategy sets: its stages and steps, and what it needs of the router. Pure.

All strategies are one ladder with different rungs. A canary climbs it; blue-green is a rung without traffic and one
with all of it; a rolling update has a rung for every few pods; an A/B test is one rung with requests picked by a
header. So the state machine knows stages and steps, and no strategy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from slipway.api import (
    AbTestStrategy,
    BlueGreenStrategy,
    CanaryStrategy,
    LinearSteps,
    ModelDeploymentSpec,
    Preview,
    RequestMatch,
    ShadowStage,
    Sticky,
    Strategy,
)
from slipway.rollout.lateness import problems_of_labels

FULL: Final = 10_000
"""All traffic, in basis points: weights are integers out of ten thousand everywhere below the API."""

LONGEST_LADDER: Final = 20
"""Steps of a rolling update at the most: a large fleet is replaced several pods at a time."""


class Judging(StrEnum):
    """What the gates on live traffic mean at a step."""

    REQUIRED = "required"
    """Every gate has to be met before the step is passed."""
    GUARD = "guard"
    """A Fail hauls back; nobody waits for evidence that cannot come, because one release has no requests."""
    OBSERVE = "observe"
    """Recorded, and nothing follows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder: a weight in basis points, the shortest time at it, and what is asked before the next.

    ``replicas`` are the candidate's pods, where they are not those that the weight needs. ``preview`` and ``matched``
    say that the candidate is reached under the preview address, or by the matched requests.
    """

    weight: int
    min_duration: timedelta = timedelta(0)
    judging: Judging = Judging.REQUIRED
    approval: bool = False
    replicas: int | None = None
    preview: bool = False
    matched: bool = False


@dataclass(frozen=True, slots=True)
class Shadow:
    """The stage in which requests are copied to the candidate: the share of them, in basis points."""

    share: int = FULL
    min_duration: timedelta = timedelta(0)
    approval: bool = False


@dataclass(frozen=True, slots=True)
class Shift:
    """Capacity is shifted instead of added: pods beyond the full size, and pods that may be missing."""

    surge: int
    unavailable: int


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a router has to be able to do: the name of the capability, the field that asks for it, and why."""

    capability: str
    field: str
    why: str


@dataclass(frozen=True, slots=True)
class Course:
    """What a candidate goes through once the golden set is passed."""

    steps: tuple[Step, ...] = ()
    shadow: Shadow | None = None
    shift: Shift | None = None
    full_size: bool = False
    """The candidate has the pods for all traffic from its first step on."""
    by_replicas: bool = False
    """Shares are made out of pods: the stable release gives up as many as the candidate has."""
    max_duration: timedelta | None = None
    """Longest time of a step; the analysis's where None."""
    preview: Preview | None = None
    matches: tuple[RequestMatch, ...] = ()
    sticky: Sticky | None = None

    @property
    def compares(self) -> bool:
        """Whether both releases take live requests side by side at some step."""
        return any(step.matched or 0 < step.weight < FULL for step in self.steps)


def course_of(strategy: Strategy, *, replicas: int, by_replicas: bool = False) -> Course:
    """The course of the one strategy that is declared; ``replicas`` are the pods for all traffic.

    Raises ValueError when there is not exactly one.
    """
    named = [block for _, block in strategy if block is not None]
    if len(named) != 1:
        raise ValueError("name exactly one strategy: canary, blueGreen, shadow, abTest or rollingUpdate")
    if strategy.canary is not None:
        return _canary(strategy.canary, by_replicas)
    if strategy.blue_green is not None:
        return _blue_green(strategy.blue_green)
    if strategy.ab_test is not None:
        return _ab_test(strategy.ab_test, by_replicas)
    if strategy.rolling_update is not None:
        surge = strategy.rolling_update.max_surge if strategy.rolling_update.max_surge is not None else 1
        shift = Shift(surge, strategy.rolling_update.max_unavailable or 0)
        return Course(steps=_replacing(replicas, shift), shift=shift, by_replicas=by_replicas)
    return Course(shadow=_shadow(strategy.shadow))


def _basis_points(percent: float) -> int:
    return round(percent * 100)


def _shadow(stage: ShadowStage | None) -> Shadow | None:
    if stage is None:
        return None
    return Shadow(_basis_points(stage.percent), stage.min_duration, stage.approval is not None)


def _canary(canary: CanaryStrategy, by_replicas: bool) -> Course:
    steps = tuple(
        Step(
            _basis_points(step.weight),
            step.min_duration,
            Judging(step.analysis),
            approval=step.approval is not None,
            replicas=step.replicas,
        )
        for step in canary.steps or ()
    )
    shift = Shift(canary.max_surge, canary.max_unavailable or 0) if canary.max_surge is not None else None
    if by_replicas and shift is None:
        shift = Shift(1, 0)
    return Course(
        steps=steps or tuple(_linear(canary.linear)),
        shadow=_shadow(canary.shadow),
        shift=shift,
        full_size=canary.capacity == "Full",
        by_replicas=by_replicas,
    )


def _linear(linear: LinearSteps | None) -> Iterator[Step]:
    if linear is None:
        raise ValueError("canary: name exactly one of steps and linear")
    weight, last = _basis_points(linear.from_), _basis_points(linear.to)
    while weight < last:
        yield Step(weight, linear.every)
        weight += _basis_points(linear.by)
    yield Step(last, linear.every)


def _blue_green(strategy: BlueGreenStrategy) -> Course:
    before = Step(
        0,
        strategy.min_duration,
        Judging.OBSERVE,
        approval=strategy.approval is not None,
        preview=strategy.preview is not None,
    )
    return Course(
        steps=(before, Step(FULL, strategy.bake_time, Judging.GUARD)),
        shadow=_shadow(strategy.shadow),
        full_size=True,
        preview=strategy.preview,
    )


def _ab_test(strategy: AbTestStrategy, by_replicas: bool) -> Course:
    matches = tuple(strategy.matches or ())
    step = Step(
        _basis_points(strategy.weight),
        strategy.min_duration,
        approval=strategy.approval is not None,
        matched=bool(matches),
    )
    return Course(
        steps=(step,),
        shift=Shift(1, 0) if by_replicas else None,
        full_size=bool(matches),
        by_replicas=by_replicas,
        max_duration=strategy.max_duration,
        matches=matches,
        sticky=strategy.sticky,
    )


def _replacing(replicas: int, shift: Shift) -> tuple[Step, ...]:
    """A step for every few pods that are replaced, as many as surge and missing pods allow."""
    size = max(1, replicas)
    at_once = max(1, shift.surge + shift.unavailable, -(-size // LONGEST_LADDER))
    pods = [*range(at_once, size, at_once), size]
    return tuple(Step(FULL * count // size, judging=Judging.GUARD) for count in pods)


def needs(spec: ModelDeploymentSpec, course: Course) -> tuple[Need, ...]:
    """What the router has to be able to do for this specification, each with the field that asks for it."""
    out: list[Need] = []
    name = next(info.alias or field for field, info in Strategy.model_fields.items() if getattr(spec.strategy, field))
    where = f"spec.strategy.{name}"
    if course.shadow is not None:
        stage = where if name == "shadow" else f"{where}.shadow"
        out.append(Need("mirror", stage, "cannot copy requests"))
        if course.shadow.share < FULL:
            out.append(Need("mirror_percent", f"{stage}.percent", "copies all requests or none: leave percent out"))
    if course.matches:
        out.append(Need("match", f"{where}.matches", "cannot pick requests by their headers"))
        if any(match.cookie for match in course.matches):
            out.append(Need("cookies", f"{where}.matches", "cannot match cookies: match a header"))
    if course.preview is not None:
        out.append(Need("preview", f"{where}.preview", "has no preview address: reach the revision's Service"))
    if course.sticky is not None:
        out.append(Need("sticky", f"{where}.sticky", "cannot keep clients with a release"))
    metrics = (spec.analysis.metrics if spec.analysis else None) or ()
    if any(metric.gateway is not None or (metric.feedback and metric.feedback.pods is None) for metric in metrics):
        out.append(Need("counters", "spec.analysis.metrics", "counts no requests: take metrics of the kind pods"))
    return tuple(out)


def problems(spec: ModelDeploymentSpec, course: Course, *, replicas: int, resolution: int = 1) -> Iterator[str]:
    """What makes no sense together, with the field and the fix; ``resolution`` is the router's, in basis points."""
    for index, metric in enumerate((spec.analysis.metrics if spec.analysis else None) or ()):
        if not metric.before_traffic and metric.non_inferiority is not None and not course.compares:
            yield (
                f"spec.analysis.metrics[{index}].nonInferiority: it is proven on requests that both releases take at "
                "the same time, and with this strategy they never do: take comparison or threshold, or canary or abTest"
            )
    yield from problems_of_labels(
        spec,
        compares=course.compares,
        longest=sum((step.min_duration for step in course.steps), timedelta(0)),
        deadline=course.max_duration,
    )
    canary = spec.strategy.canary
    shift = course.shift
    if shift is not None and shift.surge == 0 and 0 < replicas <= shift.unavailable:
        yield (
            f"spec.strategy.{'canary' if canary else 'rollingUpdate'}.maxUnavailable: with {replicas} replicas nothing "
            "would serve while pods are replaced: allow a surge, or have more replicas than may be missing"
        )
    if course.by_replicas and course.full_size:
        yield (
            "spec.strategy.canary.capacity: the router service makes shares out of pods, so the candidate has those of "
            "its weight: leave capacity out, or take another router"
        )
    for index, step in enumerate(course.steps):
        where = f"spec.strategy.canary.steps[{index}]" if canary and canary.steps else "spec.strategy"
        if step.replicas is not None and course.by_replicas:
            yield f"{where}.replicas: the router service makes shares out of pods: leave replicas out"
        if step.replicas is not None and step.replicas < _pods(replicas, step.weight):
            yield (
                f"{where}.replicas: {step.replicas} pods are too few for {step.weight / 100:g}% of the traffic of "
                f"{replicas} pods: it takes {_pods(replicas, step.weight)}"
            )
        most = spec.autoscaling.max_replicas if spec.autoscaling is not None else None
        if most is not None and (step.replicas or 0) > most:
            yield f"{where}.replicas: {step.replicas} pods are more than spec.autoscaling.maxReplicas allows ({most})"
        if step.weight % resolution:
            yield f"{where}.weight: the router keeps steps of {resolution / 100:g}%, and {step.weight / 100:g}% is none"
        if course.by_replicas and step.weight * replicas % FULL and spec.strategy.rolling_update is None:
            can = ", ".join(f"{FULL * pods / replicas / 100:g}" for pods in range(1, replicas + 1))
            yield (
                f"{where}.weight: the router service makes shares out of pods, and {step.weight / 100:g}% cannot be "
                f"made with {replicas} replicas: it can be {can} percent"
            )


def _pods(replicas: int, weight: int) -> int:
    return -(-replicas * weight // FULL)
