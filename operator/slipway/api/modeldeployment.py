"""``ModelDeployment``: which release of a model should serve, how traffic moves to it, and what it is judged on."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from slipway.api.common import (
    Condition,
    ConfigMapKey,
    Duration,
    Hash,
    Label63,
    Message,
    ObjectName,
    PortName,
    Reason,
    Share,
    SpecModel,
    StatusModel,
    Text64,
    Text256,
    Text1024,
    Timestamp,
    list_map,
    validations,
)
from slipway.api.release import ReleaseSpec
from slipway.api.scaling import AutoscalingSpec, DisruptionBudget
from slipway.api.strategy import Strategy
from slipway.api.traffic import Traffic

MODEL_DEPLOYMENT_KIND: Final = "ModelDeployment"


class GatewaySource(SpecModel):
    """Requests and 5xx answers as the gateway counts them for each revision's Service."""


class PodsSource(SpecModel):
    """Counters that the revision's pods expose in the Prometheus text format."""

    port: Annotated[PortName | None, Field(description="Name of a container port. Default: the first port.")] = None
    path: Annotated[str, Field(max_length=1024, pattern=r"^/", description="Default: /metrics.")] = "/metrics"
    bad: Annotated[
        list[Text1024],
        Field(
            min_length=1,
            max_length=8,
            description='Counters of failed requests, added up. Label matchers are allowed: http_requests_total{code=~"5.."}.',
        ),
    ]
    total: Annotated[
        list[Text1024],
        Field(min_length=1, max_length=8, description="Counters of all requests, added up."),
    ]


class GoldenSetKeys(SpecModel):
    """The ConfigMap that holds a golden set, in the ModelDeployment's namespace."""

    name: ObjectName
    key: Annotated[ConfigMapKey, Field(description="The key that holds the items as JSON Lines.")]
    schema_key: Annotated[
        ConfigMapKey | None,
        Field(description="A key that holds a JSON Schema which every item has to match."),
    ] = None


class GoldenSetSource(SpecModel):
    """Labelled inputs that are replayed against the candidate and the stable release before any traffic moves."""

    config_map: GoldenSetKeys
    output: Annotated[
        Text256 | None, Field(description="Name of the output tensor that is compared. Default: the first one.")
    ] = None
    timeout: Annotated[
        Duration, Field(description="Longest wait for one answer; a later one counts as wrong. Default: 5s.")
    ] = timedelta(seconds=5)


class ThresholdGate(SpecModel):
    """An absolute limit, which needs no stable release to compare with."""

    model_config = validations(
        ("[has(self.max), has(self.min)].filter(x, x).size() == 1", "a threshold takes exactly one of max and min")
    )

    max: Annotated[float | None, Field(gt=0, lt=1, description="Largest rate of bad outcomes, such as 0.05.")] = None
    min: Annotated[float | None, Field(gt=0, lt=1, description="Smallest accuracy, such as 0.85.")] = None


class ComparisonGate(SpecModel):
    """The candidate may not be worse than stable by more than a margin. Blocks when it is shown to be worse."""

    margin: Annotated[float, Field(ge=0, lt=1, description="Absolute difference of rates, such as 0.005.")]


class NonInferiorityGate(SpecModel):
    """The candidate has to be shown to be no worse than stable by more than a margin."""

    margin: Annotated[float, Field(gt=0, lt=1, description="Absolute difference of rates, such as 0.02.")]


class MetricSpec(SpecModel):
    """One metric: a source of evidence, the gates that it has to pass, and what follows when it fails."""

    model_config = validations(
        (
            "[has(self.gateway), has(self.pods), has(self.goldenSet)].filter(x, x).size() == 1",
            "a metric takes exactly one source: gateway, pods or goldenSet",
        ),
        (
            "has(self.threshold) || has(self.comparison) || has(self.nonInferiority)",
            "a metric needs a gate: threshold, comparison or nonInferiority",
        ),
        (
            "!has(self.threshold) || (has(self.goldenSet) ? has(self.threshold.min) : has(self.threshold.max))",
            "goldenSet measures accuracy and takes threshold.min; gateway and pods measure failures and take threshold.max",
        ),
    )

    name: Annotated[Label63, Field(description="Name of the metric, as it appears in status.")]
    gateway: GatewaySource | None = None
    pods: PodsSource | None = None
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


class RollbackSpec(SpecModel):
    """When a candidate is given up without evidence, and what is kept of the releases that no longer serve."""

    progress_deadline: Annotated[
        Duration,
        Field(description="Longest time for a candidate's pods to be ready and its model to answer. Default: 10m."),
    ] = timedelta(minutes=10)
    scale_down_delay: Annotated[
        Duration,
        Field(
            description="Time that pods go on running after the gateway was seen to have stopped routing to them. Default: 30s."
        ),
    ] = timedelta(seconds=30)
    watch: Annotated[
        Duration,
        Field(
            description="Time after a promotion in which the release that was replaced is kept warm, and the new one still can be hauled back. Default: 0s."
        ),
    ] = timedelta(0)
    window: Annotated[
        Duration,
        Field(
            description="How long after it was replaced a stable release may come back without being judged anew. Default: 24h."
        ),
    ] = timedelta(hours=24)
    revision_history_limit: Annotated[
        int, Field(ge=0, le=100, description="How many revisions that no longer serve are kept. Default: 10.")
    ] = 10


class ModelDeploymentSpec(SpecModel):
    """What the user wants to serve."""

    model_config = validations(
        (
            "!(has(self.replicas) && has(self.autoscaling))",
            "replicas are the autoscaler's to decide: name one of replicas and autoscaling",
        ),
        (
            "!(has(self.autoscaling) && has(self.traffic.service))",
            "the router service makes shares out of replicas, which an autoscaler would change: use another router or fixed replicas",
        ),
    )

    replicas: Annotated[
        int | None, Field(ge=0, le=1000, description="Pods of a revision that takes all traffic. Default: 1.")
    ] = None
    paused: Annotated[
        bool,
        Field(
            description="Holds every rollout where it is: nothing advances, and what fails is still hauled back. Default: false."
        ),
    ] = False
    autoscaling: AutoscalingSpec | None = None
    pod_disruption_budget: DisruptionBudget | None = None
    release: ReleaseSpec
    strategy: Strategy
    traffic: Traffic
    analysis: AnalysisSpec | None = None
    rollback: RollbackSpec | None = None


class RoleStatus(StatusModel):
    """A revision in a role."""

    revision: Annotated[ObjectName, Field(description="Name of the ModelRevision.")]
    hash: Hash
    version: Annotated[Text64, Field(description="The model's version, for people.")]
    weight: Annotated[Share, Field(description="Percent of the traffic, as the gateway was seen to apply it.")]
    ready_replicas: Annotated[int, Field(ge=0)] = 0
    step: Annotated[int | None, Field(ge=1, description="Step of the ladder, counted from 1.")] = None
    steps: Annotated[int | None, Field(ge=1)] = None


class CommandStatus(StatusModel):
    """What became of the last command of a person."""

    command: Annotated[Text256, Field(description="The annotation slipway.dev/command, word for word.")]
    outcome: Annotated[Text64, Field(description="Accepted or Refused.")]
    message: Message
    time: Timestamp


class ModelDeploymentStatus(StatusModel):
    """What is so. Conditions are the contract; ``phase`` and ``message`` are for people."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    phase: Text64 | None = None
    reason: Reason | None = None
    message: Message | None = None
    progress: Annotated[
        Text64 | None, Field(description="The candidate's weight and step in one short text, such as 10% (1/3).")
    ] = None
    stable: RoleStatus | None = None
    candidate: RoleStatus | None = None
    standby: Annotated[
        RoleStatus | None, Field(description="The release that was replaced last, while it is kept warm.")
    ] = None
    replicas: Annotated[int | None, Field(ge=0, description="Pods of the stable release: what scale shows.")] = None
    selector: Annotated[Text1024 | None, Field(description="Selects the pods of the stable release.")] = None
    last_command: CommandStatus | None = None
    router: Annotated[
        Text1024 | None,
        Field(description="The router that leads the traffic; another one than declared while it moves."),
    ] = None
    conditions: Annotated[list[Condition] | None, Field(max_length=16), list_map("type")] = None


class ModelDeployment(SpecModel):
    """Which release of a model serves, how traffic moves to a new one, and what it is judged on."""

    model_config = validations(
        (
            "self.metadata.name.size() <= 54 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "metadata.name is a DNS label of at most 54 characters that starts with a letter: children are named <name>-<hash>",
        )
    )

    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus | None = None
