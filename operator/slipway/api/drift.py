"""``spec.drift``: what of the stable release is watched between rollouts, and what follows when it changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from slipway.api.common import (
    Duration,
    Label63,
    PortName,
    Reason,
    SpecModel,
    StatusModel,
    Text64,
    Text256,
    Timestamp,
    list_map,
    validations,
)
from slipway.api.common import Message as Sentence
from slipway.api.job import JobContainer
from slipway.api.sources import GoldenSetSource, HistogramSelector, HttpUrl, LabelName, SourceAuth
from slipway.api.vectors import NamedVector

MAX_BINS: Final = 64
"""Bins of one distribution, as buckets or classes; classes beyond count together."""

OTHER_CLASSES: Final = "(other)"
"""The bin of classes that have none of their own: the first one, where bins are classes."""

BEYOND_EDGES: Final = "+Inf"
"""The bin of values beyond the last edge: the last one, where bins end at edges."""

MAX_DRIFT_SOURCES: Final = 256
"""Pods whose counts are told apart."""

_ONE_DISTRIBUTION: Final = (
    ("has(self.histogram) != has(self.counter)", "name either a histogram, or a counter with the label of its classes"),
    ("has(self.counter) == has(self.label)", "a counter is told apart by one label: name both counter and label"),
)

ClassCounter = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=1024,
        description='A counter with one series for each class, such as predictions_total. Label matchers are allowed: predictions_total{model="fraud"}.',
    ),
]
ClassLabel = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=128,
        pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$",
        description="The label that holds the class. Series that agree in it are added up.",
    ),
]
DistributionHistogram = Annotated[
    HistogramSelector,
    Field(description="A histogram of the values, without _bucket. Label matchers are allowed."),
]


class PodsDistribution(SpecModel):
    """Counts that the stable release's pods expose in the Prometheus text format."""

    model_config = validations(*_ONE_DISTRIBUTION)

    port: Annotated[PortName | None, Field(description="Name of a container port. Default: the first port.")] = None
    path: Annotated[
        str, Field(max_length=1024, pattern=r"^/", description="Path of the metrics page. Default: /metrics.")
    ] = "/metrics"
    histogram: DistributionHistogram = None
    counter: ClassCounter = None
    label: ClassLabel = None


class PrometheusDistribution(SpecModel):
    """Counts that a Prometheus has collected of the stable release's pods, as in spec.analysis.metrics."""

    model_config = validations(*_ONE_DISTRIBUTION)

    url: Annotated[
        HttpUrl,
        Field(description="Base of the API. What may be reached is the administrator's to say."),
    ]
    auth: SourceAuth | None = None
    histogram: DistributionHistogram = None
    counter: ClassCounter = None
    label: ClassLabel = None
    namespace_label: Annotated[
        LabelName, Field(description="Label that holds the namespace of a series. Default: namespace.")
    ] = "namespace"
    pod_label: Annotated[LabelName, Field(description="Label that holds the pod of a series. Default: pod.")] = "pod"


class DriftSignal(SpecModel):
    """One distribution: of an input feature, or of what the model predicts."""

    model_config = validations(
        ("[has(self.pods), has(self.prometheus)].filter(x, x).size() == 1", "name exactly one of pods and prometheus")
    )

    name: Annotated[Label63, Field(description="Name of the feature or output, as it appears in status.")]
    pods: PodsDistribution | None = None
    prometheus: PrometheusDistribution | None = None

    @property
    def distribution(self) -> PodsDistribution | PrometheusDistribution:
        """Where it is counted. Raises ValueError when that is not said."""
        found = self.pods or self.prometheus
        if found is None:
            raise ValueError(f"{self.name}: name exactly one of pods and prometheus")
        return found


class DriftReference(SpecModel):
    """What later requests are compared with: the first ones that the release answers as the stable one."""

    min_samples: Annotated[
        int, Field(ge=100, le=1_000_000_000, description="Fewest requests of the reference. Default: 5000.")
    ] = 5000
    min_duration: Annotated[
        Duration,
        Field(description="Shortest time of the reference: a day has its hours, and they differ. Default: 24h."),
    ] = timedelta(hours=24)


class DriftGoldenSet(SpecModel):
    """A golden set that the stable release answers again at every interval."""

    model_config = validations(
        (
            "[has(self.min), has(self.maxDrop)].filter(x, x).size() == 1",
            "name exactly one of min, an accuracy, and maxDrop, a loss since the promotion",
        ),
        (
            "!has(self.source.job) && !has(self.source.pvc) && (!has(self.source.url) || self.source.url.startsWith('http://') || self.source.url.startsWith('https://'))",
            "no Job replays a golden set between rollouts: put it into a ConfigMap, or at an address by http or https",
        ),
    )

    source: GoldenSetSource
    min: Annotated[float | None, Field(gt=0, lt=1, description="Smallest accuracy, such as 0.85.")] = None
    max_drop: Annotated[
        float | None,
        Field(
            gt=0,
            lt=1,
            description="Largest loss of accuracy, such as 0.02, since the first replay after the promotion.",
        ),
    ] = None


class DriftWebhook(SpecModel):
    """An address that is told of drift, by POST of a CloudEvent in the structured mode."""

    url: Annotated[
        HttpUrl, Field(description="Where to. What may be reached is the administrator's to say, as for metrics.")
    ]
    auth: SourceAuth | None = None


class DriftJob(JobContainer):
    """A Job that is created when drift is found, such as one that trains the model anew. What may be said of it is a
    list of allowed fields: it is restricted, and has no token for the API."""

    timeout: Annotated[
        Duration,
        Field(description="Longest time from the Job's creation to its end, its retries included. Default: 6h."),
    ] = timedelta(hours=6)


class OnDrift(SpecModel):
    """What follows when drift is found, beside the condition and the Event."""

    model_config = validations(("has(self.webhook) || has(self.job)", "name what follows: webhook, job, or both"))

    webhook: DriftWebhook | None = None
    job: DriftJob | None = None


class DriftSpec(SpecModel):
    """What of the stable release is watched while no rollout is under way. Nothing here moves traffic."""

    model_config = validations(
        (
            "has(self.features) || has(self.predictions) || has(self.goldenSet)",
            "name something to watch: features, predictions or goldenSet",
        ),
        (
            "!has(self.interval) || (duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('168h'))",
            "the interval is between 1s and 168h",
        ),
        (
            "!has(self.cooldown) || (duration(self.cooldown) >= duration('1m') && duration(self.cooldown) <= duration('8760h'))",
            "the cooldown is between 1m and 8760h",
        ),
    )

    interval: Annotated[Duration, Field(description="Time between two looks, 1s to 168h. Default: 1h.")] = timedelta(
        hours=1
    )
    cooldown: Annotated[
        Duration,
        Field(description="Shortest time between two times that onDrift is carried out, 1m to 8760h. Default: 24h."),
    ] = timedelta(hours=24)
    features: Annotated[
        list[DriftSignal] | None,
        Field(description="Distributions of what the model is asked.", min_length=1, max_length=12),
        list_map("name"),
    ] = None
    predictions: Annotated[
        list[DriftSignal] | None,
        Field(description="Distributions of what the model answers.", min_length=1, max_length=4),
        list_map("name"),
    ] = None
    golden_set: DriftGoldenSet | None = None
    reference: DriftReference = DriftReference()
    max_index: Annotated[
        float,
        Field(
            gt=0,
            le=10,
            description="Population stability index, its bias taken off, above which a change is large. Default: 0.25.",
        ),
    ] = 0.25
    min_samples: Annotated[
        int, Field(ge=50, le=1_000_000_000, description="Fewest requests that anything is decided on. Default: 500.")
    ] = 500
    on_drift: OnDrift | None = None


Count = Annotated[float, Field(ge=0)]


class BinCounts(StatusModel):
    """What one pod had counted at the last look: where the next window begins."""

    source: Annotated[Text256, Field(description="The pod.")]
    values: Annotated[list[Count], Field(max_length=MAX_BINS, description="Raw counts, bin by bin.")]


class DriftSignalStatus(StatusModel):
    """What is known of one signal."""

    kind: Annotated[Literal["Feature", "Prediction", "GoldenSet"], Field(description="What it is of.")]
    name: Annotated[Label63, Field(description="Name of the signal.")]
    verdict: Annotated[Text64, Field(description="Recording, Collecting, Steady, Drifted or Error.")]
    message: Annotated[Sentence, Field(description="The verdict in one sentence, with its numbers.")]
    settings: Annotated[Text64, Field(description="Short hash of what it is read from and compared with.")]
    since: Annotated[Timestamp | None, Field(description="When the reference was begun.")] = None
    recorded: Annotated[Timestamp | None, Field(description="When the reference was complete.")] = None
    looked_at: Annotated[Timestamp | None, Field(description="When it was last asked.")] = None
    decided_at: Annotated[Timestamp | None, Field(description="When it was last found steady or drifted.")] = None
    error_since: Annotated[
        Timestamp | None, Field(description="Since when it could not be read; absent while it can.")
    ] = None
    bins: Annotated[
        list[Text256] | None, Field(max_length=MAX_BINS, description="Upper edges of the bins, or classes.")
    ] = None
    reference: Annotated[list[Count] | None, Field(max_length=MAX_BINS, description="Counts of the reference.")] = None
    counters: Annotated[
        list[BinCounts] | None,
        Field(description="What each pod had counted at the last look.", max_length=MAX_DRIFT_SOURCES),
        list_map("source"),
    ] = None
    state: Annotated[
        list[NamedVector] | None, Field(description="Where the test stands.", max_length=32), list_map("name")
    ] = None
    dataset: Annotated[Text256 | None, Field(description="Digest of the golden set that was replayed.")] = None


class DriftFinding(StatusModel):
    """A signal that had drifted when onDrift was carried out."""

    kind: Annotated[Text64, Field(description="What it is of: Feature, Prediction or GoldenSet.")]
    name: Annotated[Label63, Field(description="Name of the signal.")]
    message: Annotated[Sentence, Field(description="What was found, in one sentence.")]


class DriftAction(StatusModel):
    """How far one thing is that follows from drift."""

    kind: Annotated[Literal["Webhook", "Job"], Field(description="What it is.")]
    state: Annotated[Text64, Field(description="Pending, Done or Failed.")]
    attempts: Annotated[
        int, Field(ge=0, description="How often it was tried, without counting the one that is on.")
    ] = 0
    next_attempt: Annotated[Timestamp | None, Field(description="When it is tried next.")] = None
    message: Annotated[Sentence, Field(description="What came of it, or why it failed.")] = ""


class DriftFiring(StatusModel):
    """One time that onDrift was carried out. Written before anything is done."""

    id: Annotated[Text64, Field(description="Id of the CloudEvent; the same for each delivery.")]
    time: Annotated[Timestamp, Field(description="When drift was found.")]
    findings: Annotated[
        list[DriftFinding] | None,
        Field(description="The signals that had drifted.", max_length=17),
        list_map("kind", "name"),
    ] = None
    actions: Annotated[
        list[DriftAction] | None, Field(description="What follows, and how far it is.", max_length=2), list_map("kind")
    ] = None


class DriftStatus(StatusModel):
    """What the watch over the stable release has found."""

    verdict: Annotated[Text64, Field(description="Collecting, Steady, Drifted or Error: what all signals come to.")]
    reason: Annotated[Reason, Field(description="Why, in one word.")]
    message: Annotated[Sentence, Field(description="The verdict in one sentence.")]
    signals: Annotated[
        list[DriftSignalStatus] | None,
        Field(description="What is known of each signal.", max_length=17),
        list_map("kind", "name"),
    ] = None
    firing: Annotated[DriftFiring | None, Field(description="The last time that onDrift was carried out.")] = None
