"""Evidence from live traffic: windows of counters and of latencies, folded into a metric's status. Pure.

Where single pods are told apart, requests that fail together are reckoned with: all evidence is divided by how much
errors vary beyond chance, and a Fail needs the ranks of the pods to agree. How bursty a service's errors are was
measured by the release that serves when it was a candidate itself, so that its successor need not begin with the worst.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from slipway import analysis
from slipway.analysis import (
    LEARNED_REQUESTS,
    NO_REQUESTS,
    Dispersion,
    EvidenceError,
    Histogram,
    Judgement,
    LatencyEvidence,
    RatioEvidence,
    quantile_edges,
)
from slipway.api import MetricSpec, MetricStatus, ModelRevisionStatus
from slipway.rollout import history
from slipway.rollout.measured import gates_of, record_of, state_of, vectors_of
from slipway.rollout.observation import CounterWindow, LatencyWindow, Observation
from slipway.rollout.record import shorten

LiveEvidence = RatioEvidence | LatencyEvidence


def live_evidence(metric: MetricSpec, status: MetricStatus | None) -> LiveEvidence | None:
    """The evidence of a metric on live traffic. None where there is none yet, and for what another version or a hand
    wrote: that is collected anew."""
    vectors = vectors_of(status)
    if vectors is None:
        return None
    try:
        if metric.measures_latency:
            return LatencyEvidence.from_vectors(vectors)
        return RatioEvidence.from_vectors(vectors)
    except EvidenceError:
        return None


def edges_judged(metric: MetricSpec, status: MetricStatus | None) -> tuple[float, ...]:
    """The latencies, in seconds, at which arms are compared; none before stable's were learned."""
    evidence = live_evidence(metric, status)
    return evidence.edges if isinstance(evidence, LatencyEvidence) else ()


def edges_learned(past: Histogram) -> tuple[float, ...]:
    """The same from what stable did before; none while that is too little."""
    return quantile_edges(past) if past.total >= LEARNED_REQUESTS else ()


def tells_pods_apart(metric: MetricSpec) -> bool:
    """Whether its source counts each pod by itself."""
    return metric.pods is not None or metric.prometheus is not None


def fold_counters(
    seen: Observation,
    record: ModelRevisionStatus,
    metric: MetricSpec,
    status: MetricStatus,
    window: CounterWindow,
    *,
    entered_step: bool,
    watched: bool,
) -> MetricStatus:
    """The status with one more window of outcomes. A watched release is held against stable's rate of before: the
    standby has no requests to compare with."""
    before = live_evidence(metric, status)
    evidence = before if isinstance(before, RatioEvidence) else _begun(seen, record, metric)
    if watched:
        evidence = evidence.watch()
    if window.candidate is not None and window.stable is not None:
        seconds = _seconds(seen, status)
        evidence = evidence.fold(
            window.candidate, window.stable, seconds=seconds, pods=window.pods if seconds > 0 else None
        )
    if entered_step and status.cursor is not None:
        evidence = evidence.enter_step()
    judgement = evidence.judge()
    if judgement.candidate_samples == 0:
        judgement = analysis.no_data(
            "no requests yet" if window.candidate is None else "no requests reached the candidate"
        )
    return _with(seen, status, evidence, judgement, window)


def fold_latencies(
    seen: Observation, metric: MetricSpec, status: MetricStatus, window: LatencyWindow, *, entered_step: bool
) -> MetricStatus:
    """The status with one more window of latencies. The first look fixes the edges, by what stable did before."""
    found = live_evidence(metric, status)
    before = found if isinstance(found, LatencyEvidence) and found.edges else None
    if before is None:
        return _learned(seen, metric, status, window)
    evidence = before
    if window.candidate is not None and window.stable is not None:
        evidence = evidence.fold(window.candidate, window.stable, seconds=_seconds(seen, status))
    if entered_step and status.cursor is not None:
        evidence = evidence.enter_step()
    return _with(seen, status, evidence, evidence.judge(), window)


def _learned(seen: Observation, metric: MetricSpec, status: MetricStatus, window: LatencyWindow) -> MetricStatus:
    past = window.past
    if past is not None and past.total >= LEARNED_REQUESTS:
        evidence = LatencyEvidence.begin(gates_of(metric, seen), steps=stages(seen), past=past)
        return _with(seen, status, evidence, evidence.judge(), window)
    blank = LatencyEvidence.begin(gates_of(metric, seen), steps=stages(seen))
    judgement = replace(blank, learned=past if past is not None and past.total else None).judge()
    nothing = {"state": None, "cursor": None, "counters": None}
    return _with(seen, status, blank, judgement, window).model_copy(update=nothing)


def entered(metric: MetricSpec, status: MetricStatus) -> MetricStatus:
    """The status of a metric for which nothing new was counted as a new weight begins."""
    evidence = live_evidence(metric, status)
    if evidence is None:
        return status
    return status.model_copy(update={"state": state_of(evidence.enter_step().to_vectors())})


def stages(seen: Observation) -> int:
    """How often live tests start anew at the most: at the copies, at each step, at all traffic and in the watch."""
    return len(seen.steps) + (seen.course.shadow is not None) + 1 + (seen.rollback.watch > timedelta(0))


def _seconds(seen: Observation, status: MetricStatus) -> float:
    """How long the window is; 0 where a clock was set back."""
    return max(0.0, (seen.now - status.cursor).total_seconds()) if status.cursor is not None else 0.0


def _begun(seen: Observation, record: ModelRevisionStatus, metric: MetricSpec) -> RatioEvidence:
    dispersion = _measured_before(seen, record, metric) if tells_pods_apart(metric) else None
    return RatioEvidence.begin(gates_of(metric, seen), steps=stages(seen), dispersion=dispersion)


def _measured_before(seen: Observation, record: ModelRevisionStatus, metric: MetricSpec) -> Dispersion:
    """What the release that it is compared with measured under the same gates; else nothing is known."""
    baseline = seen.revisions.get(record.baseline) if record.baseline is not None else None
    if baseline is None or baseline.record.gates != seen.gates:
        return Dispersion()
    evidence = live_evidence(metric, record_of(baseline.record, metric.name))
    known = evidence.dispersion if isinstance(evidence, RatioEvidence) else None
    return replace(known, last=NO_REQUESTS) if known is not None else Dispersion()


def _with(
    seen: Observation,
    status: MetricStatus,
    evidence: LiveEvidence,
    judgement: Judgement,
    window: CounterWindow | LatencyWindow,
) -> MetricStatus:
    return status.model_copy(
        update={
            "verdict": judgement.verdict,
            "message": shorten(judgement.message),
            "state": state_of(evidence.to_vectors()),
            "cursor": seen.now,
            "looked_at": seen.now,
            "error_since": None,
            "counters": list(window.counters),
            **history.followed(status, judgement, seen.now),
        }
    )
