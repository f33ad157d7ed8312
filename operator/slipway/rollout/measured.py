"""What golden sets and live traffic have in common: metrics, their gates, and evidence as a record holds it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from slipway.analysis import Gates, Verdict
from slipway.api import MetricSpec, MetricStatus, ModelRevisionStatus, NamedVector
from slipway.rollout import history
from slipway.rollout.observation import Observation
from slipway.rollout.record import shorten

MIN_LIVE_SAMPLES: Final = 100
"""Default of minSamples for live metrics. Replayed ones have none: their proofs carry their own sample size."""

MIN_READINGS: Final = 5
"""The same for numbers that are read: of pods that were ranked in so many minutes."""


def metrics_of(seen: Observation) -> Sequence[MetricSpec]:
    """The metrics that the specification names."""
    return seen.analysis.metrics or ()


def record_of(record: ModelRevisionStatus, metric: str) -> MetricStatus | None:
    """What the record holds of a metric."""
    return next((status for status in record.metrics or () if status.name == metric), None)


def vectors_of(status: MetricStatus | None) -> Mapping[str, tuple[float, ...]] | None:
    """The state of a metric's evidence; None when there is none."""
    if status is None or not status.state:
        return None
    return {vector.name: tuple(vector.values) for vector in status.state}


def state_of(vectors: Mapping[str, tuple[float, ...]]) -> list[NamedVector]:
    """The inverse of `vectors_of`."""
    return [NamedVector(name=name, values=list(values)) for name, values in vectors.items()]


def gates_of(metric: MetricSpec, seen: Observation) -> Gates:
    """A metric's gates with the defaults filled in and its share of the budget for false rollbacks (Bonferroni)."""
    acting = sum(1 for other in metrics_of(seen) if other.action != "Observe")
    samples = metric.min_samples if metric.min_samples is not None else _usual_samples(metric)
    limit = metric.threshold if not metric.reads_number else None
    return Gates(
        threshold_max=limit.max if limit else None,
        threshold_min=limit.min if limit else None,
        comparison_margin=metric.comparison.margin if metric.comparison else None,
        comparison_relative=metric.comparison.relative if metric.comparison else None,
        non_inferiority_margin=metric.non_inferiority.margin if metric.non_inferiority else None,
        non_inferiority_relative=metric.non_inferiority.relative if metric.non_inferiority else None,
        min_samples=max(1, samples),
        fail_alpha=(1 - seen.analysis.confidence) / max(1, acting),
        pass_alpha=1 - (metric.confidence if metric.confidence is not None else 0.95),
    )


def failed_to_look(seen: Observation, status: MetricStatus, message: str) -> MetricStatus:
    """The source gave nothing: what is known stays, a Fail above all, and the cursor stays where it is."""
    failed = status.verdict == Verdict.FAIL
    return status.model_copy(
        update={
            "verdict": status.verdict if failed else Verdict.ERROR,
            "message": status.message if failed else shorten(message),
            "error_since": status.error_since or seen.now,
            "looked_at": seen.now,
            **history.silent(status, seen.now),
        }
    )


def _usual_samples(metric: MetricSpec) -> int:
    if metric.before_traffic:
        return 1
    return MIN_READINGS if metric.reads_number else MIN_LIVE_SAMPLES
