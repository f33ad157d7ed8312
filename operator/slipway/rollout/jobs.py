"""What Jobs of the user have measured, folded into a metric's status. Pure.

A Job is one window, the first and the last: its name stands in the status with what it found, so that it counts once
whoever reads it, and as often as it is read. Pairs of items are those of a golden set, and are folded as such.
"""

from __future__ import annotations

from dataclasses import replace

from slipway.analysis import NO_REQUESTS, EvidenceError, RatioEvidence
from slipway.api import MetricSpec, MetricStatus, ModelRevisionStatus
from slipway.rollout import history
from slipway.rollout.golden import complete
from slipway.rollout.measured import gates_of, state_of, vectors_of
from slipway.rollout.observation import JobCounts, Observation
from slipway.rollout.record import shorten


def tells_items(metric: MetricSpec) -> bool:
    """Whether its source says of items how many are right."""
    return metric.replayed is not None or (metric.job is not None and metric.job.result == "Pairs")


def concluded(metric: MetricSpec, record: ModelRevisionStatus, status: MetricStatus | None) -> bool:
    """Whether all that can be found out before any traffic is known."""
    return complete(record, status) if tells_items(metric) else _counted(status)


def _counted(status: MetricStatus | None) -> bool:
    try:
        RatioEvidence.from_vectors(vectors_of(status) or {})
    except EvidenceError:
        return False
    return True


def fold_counts(
    seen: Observation, record: ModelRevisionStatus, metric: MetricSpec, status: MetricStatus, found: JobCounts
) -> MetricStatus:
    """The status with what a Job counted, unless it is there already."""
    if status.dataset == found.job and _counted(status):
        return status
    gates = gates_of(metric, seen)
    if record.baseline is None:
        gates = replace(gates, comparison_margin=None, non_inferiority_margin=None)
        gates = replace(gates, comparison_relative=None, non_inferiority_relative=None)
    evidence = RatioEvidence.begin(gates, steps=1).fold(found.candidate, found.stable or NO_REQUESTS)
    judgement = evidence.judge()
    return status.model_copy(
        update={
            "verdict": judgement.verdict,
            "message": shorten(judgement.message),
            "state": state_of(evidence.to_vectors()),
            "cursor": seen.now,
            "looked_at": seen.now,
            "error_since": None,
            "dataset": found.job,
            **history.followed(status.model_copy(update={"history": None}), judgement, seen.now),
        }
    )
