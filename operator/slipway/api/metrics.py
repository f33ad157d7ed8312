"""``spec.analysis``: what a candidate is judged on, and what follows from it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from slipway.api.common import (
    Duration,
    Label63,
    SpecModel,
    list_map,
    validations,
)
from slipway.api.sources import GatewaySource, GoldenSetSource, PodsSource, PrometheusSource, WebSource

_RELATIVE: Final = (
    "(has(self.comparison) && has(self.comparison.relative))"
    " || (has(self.nonInferiority) && has(self.nonInferiority.relative))"
)

_LATENCY: Final = (
    "(has(self.gateway) && has(self.gateway.measure) && self.gateway.measure == 'Latency')"
    " || (has(self.pods) && has(self.pods.histogram))"
    " || (has(self.prometheus) && has(self.prometheus.histogram))"
)


class ThresholdGate(SpecModel):
    """An absolute limit, which needs no stable release to compare with."""

    model_config = validations(
        ("[has(self.max), has(self.min)].filter(x, x).size() == 1", "a threshold takes exactly one of max and min")
    )

    max: Annotated[float | None, Field(gt=0, lt=1, description="Largest rate of bad outcomes, such as 0.05.")] = None
    min: Annotated[float | None, Field(gt=0, lt=1, description="Smallest accuracy, such as 0.85.")] = None


_ONE_MARGIN: Final = (
    "[has(self.margin), has(self.relative)].filter(x, x).size() == 1",
    "name exactly one of margin, a difference of rates, and relative, a share of stable's own rate",
)

Relative = Annotated[
    float | None,
    Field(
        gt=0,
        le=10,
        description="In the place of margin: a share of what stable itself has, such as 0.2 for a fifth more. For outcomes and gauges.",
    ),
]


class ComparisonGate(SpecModel):
    """The candidate may not be worse than stable by more than a margin. Blocks when it is shown to be worse."""

    model_config = validations(_ONE_MARGIN)

    margin: Annotated[
        float | None,
        Field(
            ge=0,
            lt=1,
            description="Absolute difference of rates, such as 0.005. For latency 0.01 lets 5 points more requests be slower than stable's median, 2 more than its 90th percentile, half a point more than its 99th.",
        ),
    ] = None
    relative: Relative = None


class NonInferiorityGate(SpecModel):
    """The candidate has to be shown to be no worse than stable by more than a margin."""

    model_config = validations(_ONE_MARGIN)

    margin: Annotated[
        float | None,
        Field(gt=0, lt=1, description="Absolute difference of rates, such as 0.02. For latency as in comparison."),
    ] = None
    relative: Relative = None


class MetricSpec(SpecModel):
    """One metric: a source of evidence, the gates that it has to pass, and what follows when it fails."""

    model_config = validations(
        (
            "[has(self.gateway), has(self.pods), has(self.prometheus), has(self.web), has(self.goldenSet)].filter(x, x).size() == 1",
            "a metric takes exactly one source: gateway, pods, prometheus, web or goldenSet",
        ),
        (
            "has(self.threshold) || has(self.comparison) || has(self.nonInferiority)",
            "a metric needs a gate: threshold, comparison or nonInferiority",
        ),
        (
            "!has(self.threshold) || (has(self.goldenSet) ? has(self.threshold.min) : has(self.threshold.max))",
            "goldenSet measures accuracy and takes threshold.min; the others measure failures and take threshold.max",
        ),
        (
            f"!has(self.threshold) || !({_LATENCY})",
            "latency is compared with that of stable: give it a comparison or nonInferiority, not a threshold",
        ),
        (
            f"!({_RELATIVE}) || !(has(self.goldenSet) || {_LATENCY})",
            "relative is a share of stable's rate of failures, which golden sets and latencies have none of: give them a margin",
        ),
    )

    name: Annotated[Label63, Field(description="Name of the metric, as it appears in status.")]
    gateway: GatewaySource | None = None
    pods: PodsSource | None = None
    prometheus: PrometheusSource | None = None
    web: WebSource | None = None
    golden_set: GoldenSetSource | None = None
    threshold: ThresholdGate | None = None
    comparison: ComparisonGate | None = None
    non_inferiority: NonInferiorityGate | None = None
    confidence: Annotated[
        float | None,
        Field(ge=0.5, lt=1, description="Confidence of the decision that the gate is passed. Default: 0.95."),
    ] = None
    min_samples: Annotated[
        int | None,
        Field(
            ge=0,
            le=1_000_000_000,
            description="Fewest samples an arm before the gate can be passed. Default: 100 requests; for a goldenSet, its proof decides.",
        ),
    ] = None
    action: Annotated[
        Literal["Rollback", "Hold", "Observe"], Field(description="What follows from Fail. Default: Rollback.")
    ] = "Rollback"

    @property
    def measures_latency(self) -> bool:
        """Whether it is about durations, in a histogram, and not about outcomes."""
        sources = (self.pods, self.prometheus)
        of_gateway = self.gateway is not None and self.gateway.measure == "Latency"
        return of_gateway or any(source is not None and source.histogram is not None for source in sources)


class AnalysisSpec(SpecModel):
    """What a candidate is judged on. Evidence is looked at every interval, and the error guarantee holds at every look."""

    interval: Annotated[Duration, Field(description="Time between two looks. Default: 10s.")] = timedelta(seconds=10)
    max_duration: Annotated[
        Duration, Field(description="Longest time to reach a verdict, for each stage or step. Default: 30m.")
    ] = timedelta(minutes=30)
    confidence: Annotated[
        float,
        Field(
            ge=0.5,
            lt=1,
            description="Probability that a release as good as stable is not rolled back, over all looks, steps and metrics. Default: 0.99.",
        ),
    ] = 0.99
    on_inconclusive: Annotated[
        Literal["Hold", "Promote", "Rollback"], Field(description="What follows at maxDuration. Default: Hold.")
    ] = "Hold"
    on_metric_error: Annotated[
        Literal["Hold", "Rollback"],
        Field(description="What follows when a source gave no data for errorTimeout. Default: Hold."),
    ] = "Hold"
    error_timeout: Annotated[Duration, Field(description="Default: 5m.")] = timedelta(minutes=5)
    metrics: Annotated[list[MetricSpec] | None, Field(max_length=16), list_map("name")] = None
