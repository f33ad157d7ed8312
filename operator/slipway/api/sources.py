"""Where the numbers and the labelled inputs of a metric come from: ``spec.analysis.metrics[].<source>``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from slipway.api.common import (
    ConfigMapKey,
    Duration,
    ObjectName,
    PortName,
    SpecModel,
    Text64,
    Text256,
    Text1024,
    validations,
)
from slipway.api.fairness import FairnessSpec
from slipway.api.job import JobSettings
from slipway.api.release import ModelName

Bad = Annotated[
    list[Text1024] | None,
    Field(
        min_length=1,
        max_length=8,
        description='Counters of failed requests, added up. Label matchers are allowed: http_requests_total{code=~"5.."}.',
    ),
]
Total = Annotated[
    list[Text1024] | None,
    Field(min_length=1, max_length=8, description="Counters of all requests, added up."),
]
HistogramSelector = Annotated[
    Text1024 | None,
    Field(
        description="A histogram of durations, without _bucket, in the place of counters. Label matchers are allowed."
    ),
]
HistogramUnit = Annotated[
    Literal["Seconds", "Milliseconds", "Microseconds"] | None,
    Field(description="What the histogram's edges are in. Default: Seconds."),
]

LabelName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]

SECONDS_IN: Final = {"Seconds": 1.0, "Milliseconds": 1e-3, "Microseconds": 1e-6}
"""What one of a histogram's units is in seconds."""

Runtime = Literal["MLServer", "KServe", "Triton", "TensorFlowServing", "TorchServe", "vLLM", "BentoML"]
PresetName = Annotated[
    Runtime | None,
    Field(description="The server that the pods run, in the place of counters: what it calls them is known."),
]
PresetMeasure = Annotated[
    Literal["Errors", "Latency"] | None,
    Field(description="What of a preset is read: failed requests, or the histogram of durations. Default: Errors."),
]


def _one_of(number: str) -> tuple[tuple[str, str], ...]:
    """The rules of a source that reads counters, a histogram, one number, or what a preset names."""
    return (
        (
            (
                f"[has(self.bad) && has(self.total), has(self.histogram), has(self.{number}), has(self.preset)]"
                ".filter(x, x).size() == 1 && has(self.bad) == has(self.total)"
            ),
            f"name exactly one of these: bad and total, which are counters; histogram; {number}; preset",
        ),
        ("!has(self.unit) || has(self.histogram)", "unit is that of a histogram: leave it out"),
        ("!has(self.measure) || has(self.preset)", "measure says what is read of a preset: leave it out"),
        (
            "!has(self.preset) || self.preset != 'KServe' || (has(self.measure) && self.measure == 'Latency')",
            "KServe's server counts no errors: take them from the gateway, or name bad and total of your own",
        ),
        (
            (
                "!has(self.preset) || !(self.preset in ['Triton', 'TorchServe'])"
                " || !has(self.measure) || self.measure != 'Latency'"
            ),
            "Triton and TorchServe show durations without buckets: take latency from the gateway",
        ),
    )


def _one_of_pods() -> tuple[tuple[str, str], ...]:
    """The same of pods, which may leave it to the runtime of the release what is read."""
    _, unit, _, *presets = _one_of("gauge")
    return (
        (
            (
                "[has(self.bad) && has(self.total), has(self.histogram), has(self.gauge), has(self.preset)]"
                ".filter(x, x).size() <= 1 && has(self.bad) == has(self.total)"
            ),
            "name exactly one of these: bad and total, which are counters; histogram; gauge; preset; or none, for the preset of the runtime",
        ),
        unit,
        (
            "!has(self.measure) || !(has(self.bad) || has(self.histogram) || has(self.gauge))",
            "measure says what is read of a preset: leave it out",
        ),
        *presets,
    )


class GatewaySource(SpecModel):
    """Requests as the gateway counts them for each revision's Service."""

    measure: Annotated[
        Literal["Errors", "Latency"],
        Field(
            description="Errors: 5xx answers of all. Latency: the gateway's histogram of durations. Default: Errors."
        ),
    ] = "Errors"


class PodsSource(SpecModel):
    """Counters, a histogram of durations, or a gauge, that the revision's pods expose in the Prometheus text format."""

    model_config = validations(*_one_of_pods())

    port: Annotated[
        PortName | None, Field(description="Name of a container port. Default: the preset's, else the first one.")
    ] = None
    path: Annotated[
        str,
        Field(
            max_length=1024,
            pattern=r"^/",
            description="Path of the metrics page. Default: the preset's, else /metrics.",
        ),
    ] = "/metrics"
    bad: Bad = None
    total: Total = None
    histogram: HistogramSelector = None
    unit: HistogramUnit = None
    gauge: Annotated[
        Text1024 | None,
        Field(
            description="A number that each pod shows, such as its queue's length, in the place of counters. Series of one pod are added up."
        ),
    ] = None
    preset: PresetName = None
    measure: PresetMeasure = None

    @property
    def names_nothing(self) -> bool:
        """Whether it is left to the runtime of the release what is read."""
        return not (self.bad or self.histogram or self.gauge or self.preset)


HttpUrl = Annotated[str, Field(min_length=8, max_length=2048, pattern=r"^https?://[^\s]+$")]


class BearerToken(SpecModel):
    """A token in a Secret in the ModelDeployment's namespace."""

    name: Annotated[ObjectName, Field(description="Name of the Secret.")]
    key: Annotated[ConfigMapKey, Field(description="Key of the token in the Secret.")]


class BasicLogin(SpecModel):
    """A Secret of type kubernetes.io/basic-auth, with the keys username and password, in the same namespace."""

    name: Annotated[ObjectName, Field(description="Name of the Secret.")]


class SourceAuth(SpecModel):
    """How the operator proves to a server who asks. The Secret is read by its name at each look, and kept nowhere."""

    model_config = validations(
        ("[has(self.bearer), has(self.basic)].filter(x, x).size() == 1", "name exactly one of bearer and basic")
    )

    bearer: BearerToken | None = None
    basic: BasicLogin | None = None


class PrometheusSource(SpecModel):
    """Series that a Prometheus, or what speaks its query API, has collected of the revision's pods. Raw totals are read
    pod by pod; the operator adds the matchers of the revision and takes the differences itself."""

    model_config = validations(*_one_of("query"))

    url: Annotated[
        HttpUrl,
        Field(
            description="Base of the API, such as http://prometheus.monitoring.svc:9090. Services of other namespaces and private addresses need the administrator's --egress."
        ),
    ]
    auth: SourceAuth | None = None
    bad: Bad = None
    total: Total = None
    histogram: HistogramSelector = None
    unit: HistogramUnit = None
    query: Annotated[
        Text1024 | None,
        Field(
            description="PromQL that gives one number, or one for each pod, in the place of counters. {{selector}} becomes the matchers of the release, {{namespace}}, {{service}} and {{revision}} what names it, {{window}} the time since the last look, of 60s at the least."
        ),
    ] = None
    preset: PresetName = None
    measure: PresetMeasure = None
    namespace_label: Annotated[
        LabelName, Field(description="Label that holds the namespace of a series. Default: namespace.")
    ] = "namespace"
    pod_label: Annotated[LabelName, Field(description="Label that holds the pod of a series. Default: pod.")] = "pod"


class WebSource(SpecModel):
    """Two cumulative counts of each release, or one number, in a JSON document at an HTTP endpoint."""

    model_config = validations(
        (
            "has(self.value) ? !has(self.bad) && !has(self.total) : has(self.bad) && has(self.total)",
            "name either bad and total, which are counts, or value, which is one number",
        )
    )

    url: Annotated[
        HttpUrl,
        Field(
            description="Address of the document; {{service}}, {{namespace}} and {{arm}} become those of the release that is asked about. What may be reached is the administrator's to say, as for prometheus."
        ),
    ]
    auth: SourceAuth | None = None
    bad: Annotated[Text1024 | None, Field(description="JSONPath of the failed requests since counting began.")] = None
    total: Annotated[Text1024 | None, Field(description="JSONPath of all requests since counting began.")] = None
    value: Annotated[
        Text1024 | None, Field(description="JSONPath of one number; null says that there is none yet.")
    ] = None


class FeedbackRequests(SpecModel):
    """Counters of all requests that the revision's pods expose in the Prometheus text format."""

    port: Annotated[PortName | None, Field(description="Name of a container port. Default: the first port.")] = None
    path: Annotated[
        str, Field(max_length=1024, pattern=r"^/", description="Path of the metrics page. Default: /metrics.")
    ] = "/metrics"
    total: Annotated[
        list[Text1024], Field(min_length=1, max_length=8, description="Counters of all requests, added up.")
    ]


class FeedbackSource(SpecModel):
    """What became of answers, as it is reported to the operator afterwards: labels or rewards by request id."""

    model_config = validations(
        (
            "duration(self.maturity) >= duration('1s') && duration(self.maturity) <= duration('720h')",
            "maturity is the time in which labels arrive: 1s to 720h",
        )
    )

    maturity: Annotated[
        Duration,
        Field(
            description="Age from which the reports on a request are taken to be complete, such as 24h. Later ones do not count."
        ),
    ]
    kind: Annotated[
        Literal["Label", "Reward"],
        Field(
            description="Label: right or wrong. Reward: 0 to 1, and what is missing to 1 counts as failure. Default: Label."
        ),
    ] = "Label"
    pods: Annotated[
        FeedbackRequests | None,
        Field(
            description="Where the requests are counted that reports are due for. Default: the gateway counts them for each revision."
        ),
    ] = None


class GoldenSetKeys(SpecModel):
    """The ConfigMap that holds a golden set, in the ModelDeployment's namespace."""

    name: Annotated[ObjectName, Field(description="Name of the ConfigMap.")]
    key: Annotated[ConfigMapKey, Field(description="The key that holds the items as JSON Lines.")]
    schema_key: Annotated[
        ConfigMapKey | None,
        Field(description="A key that holds a JSON Schema which every item has to match."),
    ] = None


class GoldenSetVolume(SpecModel):
    """A golden set on a volume, which a Job mounts for reading only."""

    claim_name: Annotated[ObjectName, Field(description="The PersistentVolumeClaim, in the same namespace.")]
    path: Annotated[
        str,
        Field(
            min_length=1, max_length=1024, pattern=r"^[^/\s][^\s]*$", description="The file, below the volume's root."
        ),
    ]


StoreUrl = Annotated[str, Field(min_length=8, max_length=2048, pattern=r"^[a-z][a-z0-9+.-]{0,31}://[^\s]+$")]
"""What http(s) or a client of fsspec can fetch."""


class WithinMatch(SpecModel):
    """Numbers are right when they are near what is expected: within one of the two."""

    model_config = validations(
        ("has(self.absolute) || has(self.relative)", "within needs absolute, relative, or both: how near is right?")
    )

    absolute: Annotated[float | None, Field(ge=0, description="Largest difference.")] = None
    relative: Annotated[
        float | None, Field(ge=0, le=10, description="Largest difference, as a share of the expected value.")
    ] = None


class TextMatch(SpecModel):
    """Texts are right when they are the same but for case and white space."""


class EmbeddingMatch(SpecModel):
    """Vectors are right when they point where the expected one does."""

    max_distance: Annotated[float, Field(ge=0, le=2, description="Largest cosine distance.")]


class MatchSpec(SpecModel):
    """When a prediction is right: exactly one of the three. Without any, when all values equal the expected ones."""

    model_config = validations(
        (
            "[has(self.within), has(self.text), has(self.embedding)].filter(x, x).size() == 1",
            "name exactly one of within, text and embedding; for exact equality leave match out",
        )
    )

    within: WithinMatch | None = None
    text: TextMatch | None = None
    embedding: EmbeddingMatch | None = None


class GoldenSetSource(SpecModel):
    """Labelled inputs that are replayed against the candidate and the stable release before any traffic moves."""

    model_config = validations(
        (
            "[has(self.configMap), has(self.pvc), has(self.url)].filter(x, x).size() == 1",
            "name exactly one of configMap, pvc and url",
        ),
        (
            "!(has(self.configMap) && has(self.job))",
            "a ConfigMap is small: the operator replays it, and job is left out",
        ),
        (
            "!(has(self.configMap) && has(self.format) && self.format == 'Parquet')",
            "a ConfigMap holds text: give the address of a Parquet file in url",
        ),
        (
            "has(self.scale) == (has(self.measure) && self.measure in ['LogLoss', 'AbsoluteError', 'SquaredError', 'RelativeError'])",
            "LogLoss, AbsoluteError, SquaredError and RelativeError need a scale, at which they are cut off; other measures have none",
        ),
        (
            "!has(self.measure) || self.measure == 'Accuracy' || !(has(self.slices) || has(self.fairness))",
            "slices and fairness are judged by right and wrong answers: leave measure out",
        ),
        (
            "has(self.positive) == (has(self.measure) && self.measure == 'F1')",
            "F1 is of one label, which positive names; other measures have none",
        ),
        (
            "!has(self.match) || !has(self.measure) || self.measure in ['Accuracy', 'BalancedAccuracy']",
            "match says which answers are right, and this measure does not ask: leave it out",
        ),
    )

    config_map: GoldenSetKeys | None = None
    pvc: GoldenSetVolume | None = None
    url: Annotated[
        StoreUrl | None,
        Field(
            description="Address of the file. By http or https, without job, at most 4 MiB that need no login; what may be reached is the administrator's to say. Any other scheme is one of fsspec, such as s3, gs, az or hf, and read in a Job."
        ),
    ] = None
    job: Annotated[
        JobSettings | None,
        Field(
            description="Replay it in a Job with the operator's own image. pvc and the schemes of stores always take one; by http or https it is for files of more than 4 MiB."
        ),
    ] = None
    format: Annotated[
        Literal["JSONLines", "CSV", "Parquet"] | None,
        Field(
            description="How the set is written. Default: what the name of the file ends in; in a ConfigMap JSONLines."
        ),
    ] = None
    tolerance: Annotated[
        float,
        Field(
            ge=0,
            le=0.5,
            description="Share of the items that may be bad: they are left out, and counted in the message. Default: 0.",
        ),
    ] = 0
    match: Annotated[MatchSpec | None, Field(description="When a prediction is right. Default: when it is equal.")] = (
        None
    )
    model: Annotated[
        ModelName | None,
        Field(
            description="Name of the model that is asked, where the server has several: one of release.model.alsoServes. Default: release.model.name."
        ),
    ] = None
    output: Annotated[
        Text256 | None,
        Field(
            description="Name of the output that is compared, where the protocol names them. Default: the first one."
        ),
    ] = None
    timeout: Annotated[
        Duration,
        Field(
            description="Longest wait for one answer; a later one counts as wrong. The operator waits 20s at the most, a Job as long as is said. Default: 5s."
        ),
    ] = timedelta(seconds=5)
    max_requests_per_second: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Most requests a second that one pod is asked, so that live traffic is not starved. At most four are in flight at a time. Default: 100.",
        ),
    ] = 100
    measure: Annotated[
        Literal[
            "Accuracy",
            "BalancedAccuracy",
            "F1",
            "Brier",
            "LogLoss",
            "AbsoluteError",
            "SquaredError",
            "RelativeError",
            "EmbeddingDistance",
        ],
        Field(
            description="What is compared. Accuracy and BalancedAccuracy: right answers, as match says. F1: how well one label is found, at the end of the set. Brier, LogLoss: the probabilities of classes. The errors: numbers. Margins of a loss are shares of its scale. Default: Accuracy."
        ),
    ] = "Accuracy"
    positive: Annotated[Text64 | None, Field(description="The label that F1 is of, as the items have it.")] = None
    scale: Annotated[
        float | None,
        Field(
            gt=0,
            le=1e12,
            description="Where LogLoss, AbsoluteError, SquaredError (before it is squared) or RelativeError of one item is cut off, in the measure's own unit: the largest that tells bad from worse.",
        ),
    ] = None
    slices: Annotated[
        list[Text64] | None,
        Field(
            min_length=1,
            max_length=4,
            description="Kinds of groups, as the items name them in their slices, such as country. Each group of at least 30 items is judged by the metric's gates as the whole set is, and the worst one decides. At most 64 groups.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = None
    fairness: FairnessSpec | None = None

    @property
    def in_job(self) -> bool:
        """Whether a Job replays it: what the operator cannot reach, or should not hold."""
        fetched = self.url is None or self.url.startswith(("http://", "https://"))
        return self.job is not None or self.pvc is not None or not fetched
