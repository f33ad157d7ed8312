"""Which evidence a look needs, and how what comes back is folded into the candidate's record. Pure.

A golden set is replayed in batches, so that an edit never waits for a long replay to end. Counters are folded as
disjoint windows that begin where the last one ended: the cursor moves in the same status write as the state, so that
a window is counted once, whatever fails in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from slipway import analysis
from slipway.analysis import (
    Action,
    EvidenceError,
    Gates,
    Judgement,
    MetricResult,
    PairedBatch,
    PairedEvidence,
    RatioEvidence,
    SingleEvidence,
    Verdict,
)
from slipway.api import GoldenSetSource, MetricSpec, MetricStatus, ModelRevisionStatus, NamedVector, Phase
from slipway.rollout.observation import CounterWindow, GoldenBatch, Observation, SourceFailure
from slipway.rollout.record import asked_weight, shorten

GOLDEN_BATCH: Final = 128
"""Items a look: enough to keep a fast server busy, few enough that an edit is acted on within a second or two."""

OUTAGE_ITEMS: Final = 16
"""So many items without one that could be judged are no bad items: whatever was in the way, they are asked again."""

MIN_LIVE_SAMPLES: Final = 100
"""Default of minSamples for live metrics. Golden sets have none: their proofs carry their own sample size."""

RECHECK: Final = timedelta(seconds=30)
"""How often it is looked whether a golden set that decided nothing was replaced by another."""

RETRY: Final = timedelta(seconds=5)
"""Time before a source that gave no evidence is asked again, unless the interval is shorter."""

_JUDGED: Final = frozenset({Phase.EVALUATING, Phase.STEPPING, Phase.PROMOTING})


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """Replay the items from ``start`` on of a metric's golden set; from 0 when it is not the data set named here."""

    metric: str
    source: GoldenSetSource
    start: int
    limit: int
    dataset: str | None


@dataclass(frozen=True, slots=True)
class EvidencePlan:
    """What the shell has to ask of the outside world before the next decision."""

    ask_model: bool = False
    golden: tuple[GoldenRequest, ...] = ()
    counters: tuple[MetricSpec, ...] = ()


def metrics_of(seen: Observation) -> Sequence[MetricSpec]:
    """The metrics that the specification names."""
    return seen.analysis.metrics or ()


def record_of(record: ModelRevisionStatus, metric: str) -> MetricStatus | None:
    """What the record holds of a metric."""
    return next((status for status in record.metrics or () if status.name == metric), None)


def _paired(record: ModelRevisionStatus) -> bool:
    return record.baseline is not None


def _judgeable(metric: MetricSpec, record: ModelRevisionStatus) -> bool:
    """A first release has nothing to be compared with: only thresholds on its golden set say something of it."""
    return _paired(record) or (metric.golden_set is not None and metric.threshold is not None)


def _failing(status: MetricStatus | None) -> bool:
    """The source did not answer last time: it is asked again wherever the weight is, because that holds the weight."""
    return status is not None and status.error_since is not None


def _due(seen: Observation, status: MetricStatus | None) -> bool:
    if status is None or (status.cursor is None and status.error_since is None):
        return True
    pause = min(seen.analysis.interval, RETRY) if status.error_since is not None else seen.analysis.interval
    last = status.looked_at or status.cursor
    return last is None or seen.now >= last + pause


def plan(seen: Observation, candidate: str | None) -> EvidencePlan:
    """Which evidence is due for the candidate, given its phase and the route as the gateway accepted it."""
    if candidate is None or candidate not in seen.revisions:
        return EvidencePlan()
    revision = seen.revisions[candidate]
    record = revision.record
    if record.phase == Phase.STARTING:
        return EvidencePlan(ask_model=revision.fleet.ready > 0)
    if record.phase not in _JUDGED:
        return EvidencePlan()
    golden: list[GoldenRequest] = []
    counters: list[MetricSpec] = []
    live = record.weight_observed_at is not None or weight_observed(seen, candidate, record)
    for metric in metrics_of(seen):
        status = record_of(record, metric.name) if record.gates == seen.gates else None
        if not _judgeable(metric, record):
            continue
        if metric.golden_set is not None:
            due = not _failing(status) or _due(seen, status)
            if due and (not _complete(record, status) or _undecided(record, status)):
                start = _position(record, status)
                golden.append(
                    GoldenRequest(
                        metric.name, metric.golden_set, start, GOLDEN_BATCH, status.dataset if status else None
                    )
                )
        elif (live or _failing(status)) and record.phase != Phase.EVALUATING and _due(seen, status):
            counters.append(metric)
    return EvidencePlan(golden=tuple(golden), counters=tuple(counters))


def weight_observed(seen: Observation, candidate: str, record: ModelRevisionStatus) -> bool:
    """Whether the gateway was seen to apply the weight that was last asked for."""
    asked = asked_weight(record)
    return asked > 0 and seen.route.observed is not None and seen.route.observed.get(candidate, 0) == asked


# --- state on the wire ----------------------------------------------------------------------------------------------


def _vectors(status: MetricStatus | None) -> Mapping[str, tuple[float, ...]] | None:
    if status is None or not status.state:
        return None
    return {vector.name: tuple(vector.values) for vector in status.state}


def _state(vectors: Mapping[str, tuple[float, ...]]) -> list[NamedVector]:
    return [NamedVector(name=name, values=list(values)) for name, values in vectors.items()]


def _golden_evidence(
    record: ModelRevisionStatus, status: MetricStatus | None
) -> PairedEvidence | SingleEvidence | None:
    vectors = _vectors(status)
    if vectors is None:
        return None
    try:
        return PairedEvidence.from_vectors(vectors) if _paired(record) else SingleEvidence.from_vectors(vectors)
    except EvidenceError:
        return None  # written by another version, or by hand: what cannot be read is collected anew


def _live_evidence(status: MetricStatus | None) -> RatioEvidence | None:
    vectors = _vectors(status)
    if vectors is None:
        return None
    try:
        return RatioEvidence.from_vectors(vectors)
    except EvidenceError:
        return None


def _complete(record: ModelRevisionStatus, status: MetricStatus | None) -> bool:
    evidence = _golden_evidence(record, status)
    return evidence is not None and evidence.exhausted


def _undecided(record: ModelRevisionStatus, status: MetricStatus | None) -> bool:
    """The whole set was replayed and showed neither harm nor safety: only another set can, so the ConfigMap is read
    again from time to time."""
    return record.phase == Phase.EVALUATING and status is not None and status.verdict == Verdict.CONTINUE


def _position(record: ModelRevisionStatus, status: MetricStatus | None) -> int:
    evidence = _golden_evidence(record, status)
    return evidence.counts.used if evidence is not None else 0


# --- folding --------------------------------------------------------------------------------------------------------


def gates_of(metric: MetricSpec, seen: Observation) -> Gates:
    """A metric's gates with the defaults filled in and its share of the budget for false rollbacks (Bonferroni)."""
    acting = sum(1 for other in metrics_of(seen) if other.action != "Observe")
    live = metric.golden_set is None
    return Gates(
        threshold_max=metric.threshold.max if metric.threshold else None,
        threshold_min=metric.threshold.min if metric.threshold else None,
        comparison_margin=metric.comparison.margin if metric.comparison else None,
        non_inferiority_margin=metric.non_inferiority.margin if metric.non_inferiority else None,
        min_samples=max(1, metric.min_samples if metric.min_samples is not None else MIN_LIVE_SAMPLES if live else 1),
        fail_alpha=(1 - seen.analysis.confidence) / max(1, acting),
        pass_alpha=1 - (metric.confidence if metric.confidence is not None else 0.95),
    )


def fold(seen: Observation, record: ModelRevisionStatus, *, entered_step: bool) -> list[MetricStatus]:
    """Fold this look's evidence into the record's metrics, and judge each of them.

    ``entered_step`` says that the gateway was first seen at a new weight: live tests start once more there, to find
    late damage quickly.
    """
    return [
        _fold_metric(seen, record, metric, record_of(record, metric.name), entered_step=entered_step)
        for metric in metrics_of(seen)
        if _judgeable(metric, record)
    ]


def _fold_metric(
    seen: Observation,
    record: ModelRevisionStatus,
    metric: MetricSpec,
    before: MetricStatus | None,
    *,
    entered_step: bool,
) -> MetricStatus:
    status = before or MetricStatus(name=metric.name, verdict=Verdict.NO_DATA, message="no evidence yet")
    for item in seen.evidence:
        if item.metric != metric.name:
            continue
        match item:
            case SourceFailure():
                return _failed_to_look(seen, status, item.message)
            case GoldenBatch():
                return _fold_golden(seen, record, metric, status, item)
            case CounterWindow():
                return _fold_counters(seen, metric, status, item, entered_step=entered_step)
    if entered_step and metric.golden_set is None and (live := _live_evidence(status)) is not None:
        return status.model_copy(update={"state": _state(live.enter_step().to_vectors())})
    return status


def _failed_to_look(seen: Observation, status: MetricStatus, message: str) -> MetricStatus:
    """The source gave nothing: what is known stays, a Fail above all, and the cursor stays where it is."""
    failed = status.verdict == Verdict.FAIL
    return status.model_copy(
        update={
            "verdict": status.verdict if failed else Verdict.ERROR,
            "message": status.message if failed else shorten(message),
            "error_since": status.error_since or seen.now,
            "looked_at": seen.now,
        }
    )


def _fold_golden(
    seen: Observation, record: ModelRevisionStatus, metric: MetricSpec, status: MetricStatus, batch: GoldenBatch
) -> MetricStatus:
    before = _golden_evidence(record, status) if status.dataset == batch.dataset else None
    if batch.start != (before.counts.used if before is not None else 0):
        return status  # answers to other items than the next ones: to count them would count some twice
    judged_before = before is not None and before.counts.used > before.counts.excluded
    if batch.items == batch.excluded and (batch.items >= OUTAGE_ITEMS or not judged_before):
        message = f"no release gave a usable answer to any of {batch.items} items of the golden set"
        return _failed_to_look(seen, status, message)
    evidence: PairedEvidence | SingleEvidence
    gates = gates_of(metric, seen)
    if _paired(record):
        paired = before if isinstance(before, PairedEvidence) else PairedEvidence.begin(gates, batch.size)
        evidence = paired.fold(
            PairedBatch(batch.losses, batch.wins, batch.ties_right, batch.ties_wrong, batch.excluded)
        )
    else:
        alone = replace(gates, comparison_margin=None, non_inferiority_margin=None)
        single = before if isinstance(before, SingleEvidence) else SingleEvidence.begin(alone, batch.size)
        evidence = single.fold(batch.wins + batch.ties_right, batch.losses + batch.ties_wrong, batch.excluded)
    judgement = evidence.judge()
    message = judgement.message
    if judgement.verdict == Verdict.FAIL and batch.examples:
        message += f" (such as {'; '.join(batch.examples[:3])})"
    return status.model_copy(
        update={
            "verdict": judgement.verdict,
            "message": shorten(message),
            "state": _state(evidence.to_vectors()),
            "cursor": seen.now,
            "looked_at": seen.now,
            "error_since": None,
            "dataset": batch.dataset,
        }
    )


def _fold_counters(
    seen: Observation, metric: MetricSpec, status: MetricStatus, window: CounterWindow, *, entered_step: bool
) -> MetricStatus:
    evidence = _live_evidence(status) or RatioEvidence.begin(gates_of(metric, seen), steps=len(seen.steps))
    if window.candidate is not None and window.stable is not None:
        evidence = evidence.fold(window.candidate, window.stable)
    if entered_step and status.cursor is not None:
        evidence = evidence.enter_step()
    judgement = evidence.judge()
    if judgement.candidate_samples == 0:
        judgement = analysis.no_data(
            "no requests yet" if window.candidate is None else "no requests reached the candidate"
        )
    return status.model_copy(
        update={
            "verdict": judgement.verdict,
            "message": judgement.message,
            "state": _state(evidence.to_vectors()),
            "cursor": seen.now,
            "looked_at": seen.now,
            "error_since": None,
            "counters": list(window.counters),
        }
    )


# --- judging --------------------------------------------------------------------------------------------------------


def results(
    seen: Observation, record: ModelRevisionStatus, statuses: Sequence[MetricStatus], *, golden_only: bool
) -> list[MetricResult]:
    """The verdicts in the form that `analysis.aggregate` takes, judged anew from the state."""
    found = {status.name: status for status in statuses}
    out: list[MetricResult] = []
    for metric in metrics_of(seen):
        status = found.get(metric.name)
        if status is None or (golden_only and metric.golden_set is None):
            continue
        out.append(
            MetricResult(
                name=metric.name,
                action=Action(metric.action),
                must_pass=(
                    metric.non_inferiority is not None
                    or (metric.golden_set is not None and metric.threshold is not None)
                ),
                judgement=_judgement(record, metric, status),
                error_since_seconds=(
                    (seen.now - status.error_since).total_seconds() if status.error_since is not None else None
                ),
            )
        )
    return out


def _judgement(record: ModelRevisionStatus, metric: MetricSpec, status: MetricStatus) -> Judgement:
    if status.verdict == Verdict.ERROR:
        return analysis.error(status.message)
    evidence = _golden_evidence(record, status) if metric.golden_set is not None else _live_evidence(status)
    if evidence is None or status.verdict == Verdict.NO_DATA:
        return analysis.no_data(status.message)
    return evidence.judge()


def next_look(seen: Observation, record: ModelRevisionStatus, statuses: Sequence[MetricStatus]) -> datetime | None:
    """When evidence is due again; the present moment when a golden set has items left."""
    moments: list[datetime] = []
    found = {status.name: status for status in statuses}
    for metric in metrics_of(seen):
        if not _judgeable(metric, record):
            continue
        status = found.get(metric.name)
        last = (status.looked_at or seen.now) if status is not None else seen.now
        if _failing(status):
            moments.append(last + min(seen.analysis.interval, RETRY))
        elif metric.golden_set is not None:
            if not _complete(record, status):
                moments.append(seen.now)
            elif _undecided(record, status):
                moments.append(seen.now + RECHECK)
        elif record.phase != Phase.EVALUATING:
            moments.append(last + seen.analysis.interval)
    return min(moments, default=None)


def live(seen: Observation, statuses: Sequence[MetricStatus]) -> list[MetricStatus]:
    """The metrics that are counted on live traffic and that something follows from."""
    names = {metric.name for metric in metrics_of(seen) if metric.golden_set is None and metric.action != "Observe"}
    return [status for status in statuses if status.name in names]


def live_sentence(seen: Observation, statuses: Sequence[MetricStatus]) -> str:
    """What live traffic says so far; the golden sets were told of when they were passed."""
    return " | ".join(f"{status.name}: {status.verdict} {status.message}" for status in live(seen, statuses))


def replayed(seen: Observation, record: ModelRevisionStatus, statuses: Sequence[MetricStatus]) -> bool:
    """Whether every golden set was replayed to its end: traffic moves on the whole of the evidence, not on a part."""
    found = {status.name: status for status in statuses}
    return all(
        _complete(record, found.get(metric.name))
        for metric in metrics_of(seen)
        if metric.golden_set is not None and _judgeable(metric, record)
    )
