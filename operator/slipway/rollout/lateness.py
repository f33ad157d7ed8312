"""Whether labels can come in time to say anything. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from slipway.api import AnalysisSpec, ModelDeploymentSpec, RollbackSpec, format_duration


def problems_of_labels(
    spec: ModelDeploymentSpec, *, compares: bool, longest: timedelta, deadline: timedelta | None
) -> Iterator[str]:
    """The gates on feedback that could never speak, with the field and the fix.

    `compares` says whether both releases take requests side by side, `longest` how long the steps take at least, and
    `deadline` the longest time of a step where it is not the analysis's.
    """
    analysis, watch = spec.analysis or AnalysisSpec(), (spec.rollback or RollbackSpec()).watch
    for index, metric in enumerate(analysis.metrics or ()):
        if metric.feedback is None:
            continue
        where, maturity = f"spec.analysis.metrics[{index}]", metric.feedback.maturity
        if metric.comparison is not None and not compares:
            yield (
                f"{where}.comparison: labels are compared on requests that both releases take at the same time, and "
                "with this strategy they never do: take threshold, or canary or abTest"
            )
        elif metric.non_inferiority is not None and maturity >= (deadline or analysis.max_duration):
            yield (
                f"{where}.nonInferiority: labels are complete after {format_duration(maturity)}, and a step waits for "
                f"{format_duration(deadline or analysis.max_duration)} at the most: raise maxDuration beyond it, or "
                "take comparison, which goes on after the promotion"
            )
        elif maturity >= watch + longest and metric.non_inferiority is None:
            yield (
                f"{where}.feedback.maturity: labels are complete after {format_duration(maturity)}, when the rollout "
                f"and its watch may be over: raise spec.rollback.watch beyond it"
            )
