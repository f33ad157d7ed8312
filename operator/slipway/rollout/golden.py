"""Golden sets as evidence: batches of answers folded into a metric's status, and judged. Pure.

A golden set is replayed in batches, so that an edit never waits for a long replay to end. Each batch begins at the item
after the last one that was counted, so that an item is counted once, whatever fails in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from slipway.analysis import (
    AgreementEvidence,
    EvidenceError,
    F1Evidence,
    GroupedEvidence,
    GroupName,
    GroupStanding,
    Judgement,
    MeasureEvidence,
    PairedBatch,
    Vectors,
    Verdict,
)
from slipway.analysis.agreement import MARK
from slipway.analysis.f1 import F1_MARK
from slipway.analysis.measures import MEASURE_MARK
from slipway.api import MetricSpec, MetricStatus, ModelRevisionStatus, Phase, SliceStatus
from slipway.rollout import history
from slipway.rollout.fairness import both, fold_outcomes, gap_tests, judge_gaps, with_gaps
from slipway.rollout.measured import failed_to_look, gates_of, state_of, vectors_of
from slipway.rollout.observation import GoldenBatch, Observation
from slipway.rollout.record import shorten
from slipway.rollout.timing import Timing, timing_sentence

OUTAGE_ITEMS: Final = 16
"""So many items without one that could be judged are no bad items: whatever was in the way, they are asked again."""

Replayed = GroupedEvidence | AgreementEvidence | MeasureEvidence | F1Evidence

_State = tuple[tuple[str, tuple[float, ...]], ...]
_States = tuple[tuple[GroupName, tuple[float, ...]], ...]


def golden_evidence(record: ModelRevisionStatus, status: MetricStatus | None) -> Replayed | None:
    """The evidence of a metric on replayed items. None where there is none yet, and for what another version or a hand
    wrote: that is collected anew."""
    return _restored(_state(status), _states(status), record.baseline is not None) if status is not None else None


def golden_judgement(record: ModelRevisionStatus, status: MetricStatus) -> Judgement | None:
    """The verdict on what a status holds; None where it cannot be read."""
    judgement = _judged(_state(status), _states(status), record.baseline is not None)
    if judgement is None or status.fairness is None:
        return judgement
    return replace(judgement, verdict=Verdict(status.verdict), message=status.message)


@lru_cache(maxsize=256)
def _restored(state: _State, groups: _States, paired: bool) -> Replayed | None:
    """What a state says, which is the same until another batch is folded, and asked for several times a look."""
    if not state:
        return None
    try:
        return _read(dict(state), dict(groups), paired=paired)
    except EvidenceError:
        return None


@lru_cache(maxsize=256)
def _judged(state: _State, groups: _States, paired: bool) -> Judgement | None:
    """The verdict on a state, which is the same whenever it is asked for."""
    evidence = _restored(state, groups, paired)
    return evidence.judge() if evidence is not None else None


def _state(status: MetricStatus) -> _State:
    return tuple((vector.name, tuple(vector.values)) for vector in status.state or ())


def _read(vectors: Vectors, groups: Mapping[GroupName, tuple[float, ...]], *, paired: bool) -> Replayed:
    """The evidence of whichever kind was written. Raises EvidenceError."""
    if MARK in vectors:
        return AgreementEvidence.from_vectors(vectors)
    if F1_MARK in vectors:
        return F1Evidence.from_vectors(vectors)
    if MEASURE_MARK in vectors:
        return MeasureEvidence.from_vectors(vectors)
    return GroupedEvidence.restore(vectors, groups, paired=paired)


def complete(record: ModelRevisionStatus, status: MetricStatus | None) -> bool:
    """Whether the whole set was replayed."""
    evidence = golden_evidence(record, status)
    return evidence is not None and evidence.exhausted


def undecided(record: ModelRevisionStatus, status: MetricStatus | None) -> bool:
    """The whole set was replayed and showed neither harm nor safety: only another set can, so it is looked from time to
    time whether there is one."""
    waits = record.phase in (Phase.EVALUATING, Phase.SHADOWING)
    return waits and status is not None and status.verdict == Verdict.CONTINUE


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
    judged_before = before is not None and before.used > before.counts.excluded
    unscored = batch.excluded if batch.scores is None else sum(one is None for one in batch.scores)
    if batch.items == unscored and (batch.items >= OUTAGE_ITEMS or not judged_before):
        message = f"no release gave a usable answer to any of {batch.items} items of the golden set"
        return failed_to_look(seen, status, message)
    untold = _untold(metric, batch)
    if untold:
        return failed_to_look(seen, status, untold)
    evidence = _folded(before or _begun(seen, record, metric, batch), batch)
    timing = _timing(status if before is not None else None).after(batch.durations, batch.items)
    judgement, fairness = evidence.judge(), None
    if isinstance(evidence, GroupedEvidence) and metric.golden_set is not None and metric.golden_set.fairness:
        told = status.fairness if before is not None else None
        fairness = fold_outcomes(metric.golden_set.fairness, told, batch.outcomes)
        gaps = judge_gaps(fairness, evidence.whole.gates, exhausted=evidence.exhausted)
        judgement, fairness = both(judgement, gaps), with_gaps(fairness, gaps)
    known = status if before is not None else status.model_copy(update={"history": None})
    return status.model_copy(
        update={
            "verdict": judgement.verdict,
            "message": shorten(_message(judgement, batch, timing)),
            "state": state_of({**_vectors(evidence), **timing.to_vectors()}),
            "slices": (_slices(evidence) or None) if isinstance(evidence, GroupedEvidence) else None,
            "fairness": fairness,
            "replay": timing.status(),
            "cursor": seen.now,
            "looked_at": seen.now,
            "error_since": None,
            "dataset": batch.dataset,
            **history.followed(known, judgement, seen.now),
        }
    )


def _begun(seen: Observation, record: ModelRevisionStatus, metric: MetricSpec, batch: GoldenBatch) -> Replayed:
    gates = gates_of(metric, seen)
    if metric.agreement is not None:
        return AgreementEvidence.begin(gates, batch.size)
    if batch.cells is not None:
        return F1Evidence.begin(gates, batch.size)
    if batch.scores is not None:
        return MeasureEvidence.begin(gates, batch.size, batch.scale)
    sizes = {group.name: group.size for group in batch.groups}
    gaps = gap_tests(metric.golden_set.fairness if metric.golden_set is not None else None)
    return GroupedEvidence.begin(gates, batch.size, sizes, paired=record.baseline is not None, further_tests=gaps)


def _untold(metric: MetricSpec, batch: GoldenBatch) -> str:
    """What is asked of the set and was not told of it: a gate that nobody looked at is not passed."""
    source = metric.golden_set
    fields = {
        "slices": source is not None and source.slices and not batch.groups,
        "fairness": source is not None and source.fairness and not batch.outcomes,
        "measure": source is not None
        and source.measure != "Accuracy"
        and (batch.cells if source.measure == "F1" else batch.scores) is None,
    }
    missing = [f"goldenSet.{name}" for name, untold in fields.items() if untold]
    return f"{', '.join(missing)}: what replayed the set does not tell: leave it out, or job" if missing else ""


def _folded(evidence: Replayed, batch: GoldenBatch) -> Replayed:
    if isinstance(evidence, AgreementEvidence):
        return evidence.fold(batch.ties_right, batch.losses, batch.excluded)
    if isinstance(evidence, MeasureEvidence):
        scored = [one for one in batch.scores or () if one is not None]
        return evidence.fold(scored, excluded=batch.items - len(scored))
    if isinstance(evidence, F1Evidence):
        cells = [one for one in batch.cells or () if one is not None]
        return evidence.fold(cells, excluded=batch.items - len(cells))
    counts = PairedBatch(batch.losses, batch.wins, batch.ties_right, batch.ties_wrong, batch.excluded)
    return evidence.fold(counts, batch.groups)


def _vectors(evidence: Replayed) -> Vectors:
    return evidence.whole.to_vectors() if isinstance(evidence, GroupedEvidence) else evidence.to_vectors()


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
