"""Where a record stands on its course: the weight, the pods and the way of routing that its phase and step ask for."""

from __future__ import annotations

from typing import Final

from slipway.api import ModelRevisionStatus, Phase
from slipway.rollout.capacity import needed
from slipway.rollout.course import FULL, Judging, Step
from slipway.rollout.observation import Beside, Observation, Revision
from slipway.rollout.record import phase_of

NOTHING_BESIDE: Final = Beside()


def step_index(seen: Observation, record: ModelRevisionStatus) -> int:
    """The step, within the ladder as it is now: a ladder may be shortened in mid-rollout."""
    return max(0, min(record.step or 0, len(seen.steps) - 1))


def step_of(seen: Observation, record: ModelRevisionStatus) -> Step | None:
    """The step that the record is at; None in other phases, and when the ladder was taken away under it."""
    if phase_of(record) != Phase.STEPPING or not seen.steps:
        return None
    return seen.steps[step_index(seen, record)]


def target_weight(seen: Observation, record: ModelRevisionStatus) -> int:
    """The weight that the record's phase and step ask for, in basis points."""
    match phase_of(record):
        case Phase.STEPPING:
            step = step_of(seen, record)
            return step.weight if step is not None else 0
        case Phase.PROMOTING | Phase.WATCHING | Phase.STABLE:
            return FULL
    return 0


def target_beside(seen: Observation, hash_: str, record: ModelRevisionStatus) -> Beside:
    """What shall be led to the candidate beside its share."""
    if phase_of(record) == Phase.SHADOWING and seen.course.shadow is not None:
        return Beside(mirror=hash_, mirrored=seen.course.shadow.share)
    step = step_of(seen, record)
    if step is None:
        return NOTHING_BESIDE
    return Beside(matched=hash_ if step.matched else None, previewed=hash_ if step.preview else None)


def full_size(seen: Observation, record: ModelRevisionStatus) -> int:
    """Pods that carry all traffic. Where they are autoscaled, as many as when the attempt began at the least: traffic
    that leaves stable takes pods of stable along, and that says nothing of what all of it needs."""
    if seen.autoscaled is None:
        return seen.replicas
    return min(seen.autoscaled[1], max(seen.replicas, record.size or 0))


def pods_needed(seen: Observation, record: ModelRevisionStatus) -> int:
    """Pods that the candidate needs in its phase: those of the next weight, before it gets it."""
    size = full_size(seen, record)
    phase = phase_of(record)
    if phase in (Phase.PROMOTING, Phase.WATCHING):
        return max(1, size)
    if phase in (Phase.STARTING, Phase.EVALUATING, Phase.SHADOWING):
        if record.baseline is None or record.fast or (seen.course.full_size and seen.course.shadow is None):
            return max(1, size)
        if seen.course.shadow is not None:
            return max(1, needed(size, seen.course.shadow.share))
        return _step_pods(seen, seen.steps[0], size) if seen.steps else max(1, size)
    step = step_of(seen, record)
    if step is not None:
        return max(1, size) if seen.course.full_size else _step_pods(seen, step, size)
    return 0


def _step_pods(seen: Observation, step: Step, size: int) -> int:
    """What the weight needs, and what the step asks for beyond it; never more than one pod a weight of shared pods, and
    never the last pod of stable where capacity is shifted and stable still takes traffic."""
    pods = max(1, needed(size, step.weight))
    if seen.course.by_replicas:
        return pods
    if seen.course.shift is not None and step.weight < FULL:
        return max(1, min(pods, size + seen.course.shift.surge - 1))
    return max(pods, step.replicas or 0)


def staying(revision: Revision) -> int:
    """Ready pods that will stay: those of a larger fleet that was just scaled down are about to end."""
    return min(revision.fleet.ready, revision.fleet.replicas)


def has_capacity(seen: Observation, revision: Revision, record: ModelRevisionStatus) -> bool:
    """Whether the pods that the phase needs are ready."""
    fleet = revision.fleet
    return fleet.exists and fleet.current and staying(revision) >= pods_needed(seen, record)


def in_the_way(seen: Observation, candidate: str, stable: str | None, weight: int) -> Revision | None:
    """A third revision with pods, where shares are made of pods: a Service that leads to two would lead to it too."""
    if not seen.course.by_replicas or stable is None or weight in (0, FULL):
        return None
    return next(
        (rev for hash_, rev in seen.revisions.items() if hash_ not in (candidate, stable) and _has_pods(rev)), None
    )


def _has_pods(revision: Revision) -> bool:
    return revision.fleet.replicas > 0 or revision.fleet.ready > 0


def placed(seen: Observation, hash_: str, record: ModelRevisionStatus) -> bool:
    """Whether the gateway was seen to lead requests as the record's phase and step ask for."""
    if seen.route.observed is None or not seen.route.exists:
        return False
    off = abs(seen.route.observed.get(hash_, 0) - target_weight(seen, record))
    if off > (1 if seen.course.by_replicas else 0):  # two of three pods are 66.67 %, or 66.66 %
        return False
    return seen.route.beside == target_beside(seen, hash_, record)


def judging_of(seen: Observation, record: ModelRevisionStatus) -> Judging:
    """What the gates on live traffic mean in the record's phase."""
    match phase_of(record):
        case Phase.WATCHING:
            return Judging.GUARD
        case Phase.PROMOTING if record.fast or not seen.course.compares:
            return Judging.GUARD
        case Phase.STEPPING:
            step = step_of(seen, record)
            judging = step.judging if step is not None else Judging.REQUIRED
            alone = step is not None and step.weight == FULL and not seen.course.compares
            return Judging.GUARD if alone and judging is Judging.REQUIRED else judging
    return Judging.REQUIRED
