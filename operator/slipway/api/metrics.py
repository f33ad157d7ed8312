"""``spec.analysis``: what a candidate is judged on, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from slipway.api.agreement import DISAGREEMENT, AgreementSource
from slipway.api.common import (
    Duration,
    Label63,
    SpecModel,
    list_map,
    validations,
)
from slipway.api.job import JobSource
from slipway.api.sources import FeedbackSource, GatewaySource, GoldenSetSource, PodsSource, PrometheusSource, WebSource

_RELATIVE: Final = (
    "(has(self.comparison) && has(self.comparison.relative))"
    " || (has(self.nonInferiority) && has(self.nonInferiority.relative))"
)

_LATENCY: Final = "(has(self.gateway) && has(self.gateway.measure) && self.gateway.measure == 'Latency')" + "".join(
    f" || (has(self.{source}) && (has(self.{source}.histogram)"
    f" || (has(self.{source}.measure) && self.{source}.measure == 'Latency')))"
    for source in ("pods", "prometheus")
)

_NUMBER: Final = (
    "(has(self.pods) && has(self.pods.gauge))"
    " || (has(self.prometheus) && has(self.prometheus.query))"
    " || (has(self.web) && has(self.web.value))"
)
"""A number that is read, and not counted."""


_ITEMS: Final = "(has(self.goldenSet) || (has(self.job) && has(self.job.result) && self.job.result == 'Pairs'))"
"""Sources that say of items how many are right."""


class ThresholdGate(SpecModel):
    """An absolute limit, which needs no stable release to compare with."""

    model_config = validations(
        ("[has(self.max), has(self.min)].filter(x, x).size() == 1", "a threshold takes exactly one of max and min")
    )

    max: Annotated[
        float | None,
        Field(
            ge=-1e15,
            le=1e15,
            description="Largest rate of bad outcomes, such as 0.05, for agreement by default 0.1; of a gauge, query or value the largest number.",
        ),
    ] = None
    min: Annotated[
        float | None,
        Field(
            ge=-1e15,
            le=1e15,
            description="Smallest accuracy, such as 0.85; of a gauge, query or value the smallest number.",
        ),
    ] = None
    for_: Annotated[
        Duration,
        Field(
            alias="for",
            description="How long a gauge, query or value has to be beyond its limit to fail, and within it to pass. A heuristic without an error guarantee. Default: 2m.",
        ),
    ] = timedelta(minutes=2)


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
            "[has(self.gateway), has(self.pods), has(self.prometheus), has(self.web), has(self.feedback), has(self.goldenSet), has(self.agreement), has(self.job)].filter(x, x).size() == 1",
            "a metric takes exactly one source: gateway, pods, prometheus, web, feedback, goldenSet, agreement or job",
        ),
        (
            "has(self.threshold) || has(self.comparison) || has(self.nonInferiority) || has(self.agreement)",
            "a metric needs a gate: threshold, comparison or nonInferiority",
        ),
        (
            "!has(self.agreement) || !(has(self.comparison) || has(self.nonInferiority))",
            "agreement compares the releases itself: how often they may differ is threshold.max",
        ),
        (
            (f"!has(self.threshold) || {_NUMBER} || ({_ITEMS} ? has(self.threshold.min) : has(self.threshold.max))"),
            "goldenSet and the pairs of a job measure accuracy and take threshold.min; the others measure failures and take threshold.max",
        ),
        (
            "!has(self.threshold) || !has(self.goldenSet) || !has(self.goldenSet.measure) || self.goldenSet.measure == 'Accuracy'",
            "a threshold is one of Accuracy: other measures are compared with stable's, by comparison or nonInferiority",
        ),
        (
            f"!has(self.threshold) || !({_LATENCY})",
            "latency is compared with that of stable: give it a comparison or nonInferiority, not a threshold",
        ),
        (
            f"!({_RELATIVE}) || !({_ITEMS} || {_LATENCY})",
            "relative is a share of stable's rate of failures, which golden sets and latencies have none of: give them a margin",
        ),
        (
            (
                f"!has(self.threshold) || {_NUMBER}"
                " || ((!has(self.threshold.max) || (self.threshold.max > 0.0 && self.threshold.max < 1.0))"
                " && (!has(self.threshold.min) || (self.threshold.min > 0.0 && self.threshold.min < 1.0)))"
            ),
            "a limit on a share is between 0 and 1, such as 0.05",
        ),
        (
            f"!has(self.threshold) || !has(self.threshold.__for__) || {_NUMBER}",
            "for belongs to the limit of a gauge, query or value: evidence on requests and items needs no waiting time",
        ),
        (
            f"!({_NUMBER}) || has(self.threshold) != (has(self.comparison) || has(self.nonInferiority))",
            "a gauge, query or value takes either a threshold or a comparison with stable: write two metrics for both",
        ),
        (
            (
                f"!({_NUMBER}) || !((has(self.comparison) && has(self.comparison.margin))"
                " || (has(self.nonInferiority) && has(self.nonInferiority.margin)))"
            ),
            "a gauge or query is compared by a share of stable's: give it relative in the place of margin",
        ),
        (
            "!(has(self.web) && has(self.web.value)) || has(self.threshold)",
            "web.value is one number for a whole release, and has no pods to rank: give it a threshold",
        ),
        (
            f"!(({_NUMBER}) && has(self.threshold)) || !(has(self.minSamples) || has(self.confidence))",
            "a limit on one number has neither samples nor confidence: threshold.for says how long it is looked at",
        ),
        (
            f"!has(self.worse) || (({_NUMBER}) && !has(self.threshold))",
            "worse belongs to the comparison of a gauge or query: leave it out",
        ),
    )

    name: Annotated[Label63, Field(description="Name of the metric, as it appears in status.")]
    gateway: GatewaySource | None = None
    pods: PodsSource | None = None
    prometheus: PrometheusSource | None = None
    web: WebSource | None = None
    feedback: FeedbackSource | None = None
    golden_set: GoldenSetSource | None = None
    agreement: AgreementSource | None = None
    job: JobSource | None = None
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
            description="Fewest samples an arm before the gate can be passed. Default: 100 requests; 5 readings, one a minute, of a gauge or query; for goldenSet and agreement, the proof decides.",
        ),
    ] = None
    worse: Annotated[
        Literal["Higher", "Lower"] | None,
        Field(description="Which way a gauge or query is worse than that of stable. Default: Higher."),
    ] = None
    action: Annotated[
        Literal["Rollback", "Hold", "Observe"],
        Field(
            description="What follows from Fail. Default: Rollback; for agreement, as a new model should differ, Hold."
        ),
    ] = "Rollback"

    @model_validator(mode="before")
    @classmethod
    def _agree_by_default(cls, value: Any) -> Any:
        """The defaults of agreement, which are others than those of the other sources."""
        if isinstance(value, Mapping) and value.get("agreement") is not None:
            return {"action": "Hold", "threshold": {"max": DISAGREEMENT}, **value}
        return value

    @property
    def replayed(self) -> GoldenSetSource | AgreementSource | None:
        """The inputs that it asks itself; None for what is counted on live traffic."""
        return self.golden_set or self.agreement

    @property
    def before_traffic(self) -> bool:
        """Whether it is judged before any traffic moves, once and for all, and not on live requests."""
        return self.replayed is not None or self.job is not None

    @property
    def in_job(self) -> bool:
        """Whether a Job collects its evidence."""
        return self.job is not None or (self.golden_set is not None and self.golden_set.in_job)

    @property
    def measures_latency(self) -> bool:
        """Whether it is about durations, in a histogram, and not about outcomes."""
        named = (self.gateway, self.pods, self.prometheus)
        if any(source is not None and source.measure == "Latency" for source in named):
            return True
        return any(source is not None and source.histogram is not None for source in (self.pods, self.prometheus))

    @property
    def reads_number(self) -> bool:
        """Whether it is about a number that is read, such as a queue's length, and not about anything counted."""
        of_pods = self.pods is not None and self.pods.gauge is not None
        of_prometheus = self.prometheus is not None and self.prometheus.query is not None
        return of_pods or of_prometheus or (self.web is not None and self.web.value is not None)


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
    error_timeout: Annotated[
        Duration, Field(description="How long a source may give no data before onMetricError follows. Default: 5m.")
    ] = timedelta(minutes=5)
    metrics: Annotated[
        list[MetricSpec] | None,
        Field(
            description="What the candidate is judged on. Without metrics, a step is passed when its time is over.",
            max_length=16,
        ),
        list_map("name"),
    ] = None
