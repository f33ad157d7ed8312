"""Golden sets as evidence: batches of answers folded into a metric's status, and judged. Pure.

A golden set is replayed in batches, so that an edit never waits for a long replay to end. Each batch begins at the item
after the last one that was counted, so that an item is counted once, whatever fails in between.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from slipway.analysis import (
    EvidenceError,
    GroupedEvidence,
    GroupName,
    GroupStanding,
    Judgement,
    PairedBatch,
    Verdict,
)
from slipway.api import MetricSpec, MetricStatus, ModelRevisionStatus, Phase, SliceStatus
from slipway.rollout import history
from slipway.rollout.measured import failed_to_look, gates_of, state_of, vectors_of
from slipway.rollout.observation import GoldenBatch, Observation
from slipway.rollout.record import shorten
from slipway.rollout.timing import Timing, timing_sentence

OUTAGE_ITEMS: Final = 16
"""So many items without one that could be judged are no bad items: whatever was in the way, they are asked again."""

_State = tuple[tuple[str, tuple[float, ...]], ...]
_States = tuple[tuple[GroupName, tuple[float, ...]], ...]


def golden_evidence(record: ModelRevisionStatus, status: MetricStatus | None) -> GroupedEvidence | None:
    """The evidence of a metric on a golden set. None where there is none yet, and for what another version or a hand
    wrote: that is collected anew."""
    return _restored(_state(status), _states(status), record.baseline is not None) if status is not None else None


def golden_judgement(record: ModelRevisionStatus, status: MetricStatus) -> Judgement | None:
    """The verdict on what a status holds; None where it cannot be read."""
    return _judged(_state(status), _states(status), record.baseline is not None)


@lru_cache(maxsize=256)
def _restored(state: _State, groups: _States, paired: bool) -> GroupedEvidence | None:
    """What a state says, which is the same until another batch is folded, and asked for several times a look."""
    if not state:
        return None
    try:
        return GroupedEvidence.restore(dict(state), dict(groups), paired=paired)
    except EvidenceError:
        return None


@lru_cache(maxsize=256)
def _judged(state: _State, groups: _States, paired: bool) -> Judgement | None:
    """The verdict on a state, which is the same whenever it is asked for."""
    evidence = _restored(state, groups, paired)
    return evidence.judge() if evidence is not None else None


def _state(status: MetricStatus) -> _State:
    return tuple((vector.name, tuple(vector.values)) for vector in status.state or ())


def complete(record: ModelRevisionStatus, status: MetricStatus | None) -> bool:
    """Whether the whole set was replayed."""
    evidence = golden_evidence(record, status)
    return evidence is not None and evidence.exhausted


def undecided(record: ModelRevisionStatus, status: MetricStatus | None) -> bool:
    """The whole set was replayed and showed neither harm nor safety: only another set can, so it is looked from time to
    time whether there is one."""
    return record.phase == Phase.EVALUATING and status is not None and status.verdict == Verdict.CONTINUE


def position(record: ModelRevisionStatus, status: MetricStatus | None) -> int:
    """How many items were replayed."""
    evidence = golden_evidence(record, status)
    return evidence.used if evidence is not None else 0


def fold_golden(
    seen: Observation, record: ModelRevisionStatus, metric: MetricSpec, status: MetricStatus, batch: GoldenBatch
) -> MetricStatus:
    """The status with one more batch, if it is the next one."""
    before = golden_evidence(record, status) if status.dataset == batch.dataset else None
    if batch.start != (before.used if before is not None else 0):
        return status  # answers to other items than the next ones: to count them would count some twice
    judged_before = before is not None and before.used > before.whole.counts.excluded
    if batch.items == batch.excluded and (batch.items >= OUTAGE_ITEMS or not judged_before):
        message = f"no release gave a usable answer to any of {batch.items} items of the golden set"
        return failed_to_look(seen, status, message)
    evidence = before or GroupedEvidence.begin(
        gates_of(metric, seen),
        batch.size,
        {group.name: group.size for group in batch.groups},
        paired=record.baseline is not None,
    )
    counts = PairedBatch(batch.losses, batch.wins, batch.ties_right, batch.ties_wrong, batch.excluded)
    evidence = evidence.fold(counts, batch.groups)
    timing = _timing(status if before is not None else None).after(batch.durations, batch.items)
    judgement = evidence.judge()
    known = status if before is not None else status.model_copy(update={"history": None})
    return status.model_copy(
        update={
            "verdict": judgement.verdict,
            "message": shorten(_message(judgement, batch, timing)),
            "state": state_of({**evidence.whole.to_vectors(), **timing.to_vectors()}),
            "slices": _slices(evidence) or None,
            "replay": timing.status(),
            "cursor": seen.now,
            "looked_at": seen.now,
            "error_since": None,
            "dataset": batch.dataset,
            **history.followed(known, judgement, seen.now),
        }
    )


def _message(judgement: Judgement, batch: GoldenBatch, timing: Timing) -> str:
    message = judgement.message
    if judgement.verdict == Verdict.FAIL and batch.examples:
        message += f" (such as {'; '.join(batch.examples[:3])})"
    return "; ".join(filter(None, (message, batch.left_out, timing_sentence(timing.status()))))


def _timing(status: MetricStatus | None) -> Timing:
    try:
        return Timing.from_vectors(vectors_of(status) or {})
    except EvidenceError:
        return Timing()


def _states(status: MetricStatus) -> _States:
    return tuple((GroupName(one.slice, one.group), tuple(one.state)) for one in status.slices or ())


def _slices(evidence: GroupedEvidence) -> list[SliceStatus]:
    states = evidence.group_states()
    return [_slice_status(standing, states[standing.name]) for standing in evidence.standings()]


def _slice_status(standing: GroupStanding, state: tuple[float, ...]) -> SliceStatus:
    return SliceStatus(
        slice=standing.name.slice,
        group=standing.name.group,
        size=standing.size,
        items=standing.items,
        candidate=standing.candidate,
        stable=standing.stable,
        verdict=standing.verdict,
        state=list(state),
    )
