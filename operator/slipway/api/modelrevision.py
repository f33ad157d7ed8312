"""``ModelRevision``: one release, hashed, with the evidence for and against it. The audit trail of what was tried.

``spec`` never changes. ``status`` holds all that a restarted operator needs to go on where the last one stopped, and the
timeline of decisions that an auditor reads.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from slipway.api.common import (
    Hash,
    Label63,
    Message,
    Reason,
    Share,
    SpecModel,
    StatusModel,
    Text64,
    Text256,
    Timestamp,
    list_map,
    validations,
)
from slipway.api.delivery import ArtifactStatus
from slipway.api.drift import DriftStatus
from slipway.api.modelruntime import FrozenRuntime
from slipway.api.registry import ServerUri
from slipway.api.release import ReleaseSpec
from slipway.api.vectors import NamedVector

MODEL_REVISION_KIND: Final = "ModelRevision"

MAX_TIMELINE: Final = 50
"""Entries of a revision's timeline; the first one and the latest ones are kept."""


MAX_HISTORY: Final = 48
"""Points of a metric's history, and of the weight's: enough for a chart, and little beside the evidence itself."""


class Phase(StrEnum):
    """Where a revision is on its way. The transitions between phases are a table in ``slipway.rollout``."""

    PENDING = "Pending"
    VERIFYING = "Verifying"
    STARTING = "Starting"
    EVALUATING = "Evaluating"
    SHADOWING = "Shadowing"
    STEPPING = "Stepping"
    PROMOTING = "Promoting"
    WATCHING = "Watching"
    STABLE = "Stable"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"


class ModelRevisionSpec(SpecModel):
    """One release as it was declared, and what it came to."""

    model_config = validations(("self == oldSelf", "a revision is immutable: a changed release is a new revision"))

    model_deployment: Annotated[Label63, Field(description="Name of the ModelDeployment that declared the release.")]
    hash: Annotated[Hash, Field(description="SHA-256 of the release's canonical form.")]
    release: ReleaseSpec
    runtime: Annotated[
        FrozenRuntime | None, Field(description="What serves it, where a runtime was chosen when it was created.")
    ] = None
    mlflow_tracking_uri: Annotated[
        ServerUri | None,
        Field(
            description="MLflow server of the release's mlflow: addresses, as it was known when the revision was created. MLFLOW_TRACKING_URI of the Secret of delivery.credentials goes before it."
        ),
    ] = None


class Counter(StatusModel):
    """The last raw value of a counter: where the next window begins."""

    source: Annotated[Text256, Field(description="The pod or gateway, and the arm, that the counter was read from.")]
    bad: Annotated[float, Field(description="Bad outcomes since the counter began.", ge=0)]
    total: Annotated[float, Field(description="All outcomes since the counter began.", ge=0)]


class EvidenceNeeded(StatusModel):
    """What the verdicts on a metric need, as odds: 100 is a hundred to one."""

    harm: Annotated[float, Field(ge=0, description="Evidence of harm that a Fail needs.")]
    safety: Annotated[float | None, Field(ge=0, description="Evidence of safety that a Pass needs.")] = None


class MetricPoint(StatusModel):
    """How a metric stood at one look. One of difference, rate, accuracy, relative and value is what was estimated."""

    time: Annotated[Timestamp, Field(description="When it was looked at.")]
    verdict: Annotated[Text64, Field(description="The verdict of that look.")]
    samples: Annotated[int, Field(ge=0, description="Requests or items of the candidate so far.")] = 0
    harm: Annotated[float | None, Field(ge=-99, le=99, description="Evidence of harm, as a power of ten.")] = None
    safety: Annotated[float | None, Field(ge=-99, le=99, description="Evidence of safety, as a power of ten.")] = None
    difference: Annotated[float | None, Field(ge=-1, description="The candidate's rate minus stable's.")] = None
    rate: Annotated[float | None, Field(ge=0, description="The candidate's own rate of bad outcomes.")] = None
    accuracy: Annotated[float | None, Field(ge=0, description="The candidate's own share of right answers.")] = None
    relative: Annotated[
        float | None, Field(ge=-1, description="By what share of stable's mean the candidate's is worse.")
    ] = None
    value: Annotated[float | None, Field(description="A reading in its own unit.")] = None
    low: Annotated[float | None, Field(description="What it is at least, at the confidence of a Pass.")] = None
    high: Annotated[float | None, Field(description="What it is at most, at the confidence of a Pass.")] = None
    allowed: Annotated[float | None, Field(description="The margin, limit or minimum that it is held against.")] = None


class WeightPoint(StatusModel):
    """A weight that was asked of the gateway."""

    time: Annotated[Timestamp, Field(description="When it was asked for.")]
    weight: Annotated[Share, Field(description="The candidate's share in percent.")]


class SliceStatus(StatusModel):
    """One group of a golden set's items so far."""

    slice: Annotated[Text64, Field(description="Name of the slice.")]
    group: Annotated[Text64, Field(description="Value of the slice that the items share.")]
    size: Annotated[int, Field(ge=0, description="Items of the group in the set.")]
    items: Annotated[int, Field(ge=0, description="Those that were judged so far.")]
    candidate: Annotated[float | None, Field(ge=0, le=1, description="The candidate's accuracy on them.")] = None
    stable: Annotated[float | None, Field(ge=0, le=1, description="The stable release's.")] = None
    verdict: Annotated[Text64, Field(description="NoData for a group that is too small to be judged.")]
    state: Annotated[
        list[Annotated[float, Field(ge=0)]], Field(description="Where the test of the group stands.", max_length=16)
    ]


class GroupStatus(StatusModel):
    """What the items of one group were predicted to be so far."""

    group: Annotated[Text64, Field(description="Value of the slice that the items share.")]
    items: Annotated[int, Field(description="Items of the group that were judged so far.", ge=0)]
    predicted: Annotated[int, Field(ge=0, description="Those that are predicted to be positive.")]
    labelled: Annotated[int, Field(ge=0, description="Those that are labelled positive.")]
    hits: Annotated[int, Field(ge=0, description="Those that are both.")]


class GapStatus(StatusModel):
    """How far the groups are apart in one measure."""

    measure: Annotated[Text64, Field(description="What groups are compared in.")]
    max: Annotated[float, Field(description="The largest gap that is allowed.", ge=0, le=1)]
    verdict: Annotated[Text64, Field(description="Pass, Fail, Continue or NoData.")]
    gap: Annotated[float | None, Field(ge=0, le=1, description="The largest difference between two groups.")] = None
    low: Annotated[float | None, Field(ge=0, le=1, description="What it is at least.")] = None
    high: Annotated[float | None, Field(ge=0, le=1, description="What it is at most.")] = None
    more: Annotated[Text64 | None, Field(description="The group with the larger share of the two.")] = None
    less: Annotated[Text64 | None, Field(description="The group with the smaller share of the two.")] = None


class FairnessStatus(StatusModel):
    """What each group gets, and how far groups are apart."""

    slice: Annotated[Text64, Field(description="Name of the slice whose groups are compared.")]
    groups: Annotated[list[GroupStatus], Field(description="What each group gets.", max_length=64), list_map("group")]
    gaps: Annotated[
        list[GapStatus],
        Field(description="How far groups are apart, in each measure.", max_length=2),
        list_map("measure"),
    ]


Seconds = Annotated[float, Field(ge=0)]


class ReplayStatus(StatusModel):
    """How long the answers to replayed items took, as the operator saw it."""

    items_per_second: Annotated[float, Field(description="Items that were replayed in a second.", ge=0)]
    candidate_median_seconds: Annotated[
        Seconds | None, Field(description="Half of the candidate's answers took no longer.")
    ] = None
    candidate_p99_seconds: Annotated[
        Seconds | None, Field(description="99 % of the candidate's answers took no longer.")
    ] = None
    stable_median_seconds: Annotated[
        Seconds | None, Field(description="Half of the stable release's answers took no longer.")
    ] = None
    stable_p99_seconds: Annotated[
        Seconds | None, Field(description="99 % of the stable release's answers took no longer.")
    ] = None


class MetricStatus(StatusModel):
    """The evidence of one metric so far."""

    name: Annotated[Label63, Field(description="Name of the metric.")]
    verdict: Annotated[Text64, Field(description="Pass, Fail, Continue, NoData or Error.")]
    message: Annotated[Message, Field(description="The verdict in one sentence, with its numbers.")]
    cursor: Annotated[Timestamp | None, Field(description="End of the last window that was folded into the state.")] = (
        None
    )
    counters: Annotated[
        list[Counter] | None,
        Field(description="The last raw values of the source's counters.", max_length=512),
        list_map("source"),
    ] = None
    state: Annotated[
        list[NamedVector] | None, Field(description="Where the tests stand.", max_length=32), list_map("name")
    ] = None
    looked_at: Annotated[Timestamp | None, Field(description="When the source was last asked.")] = None
    error_since: Annotated[
        Timestamp | None, Field(description="Since when the source does not answer; absent while it does.")
    ] = None
    dataset: Annotated[
        Text256 | None, Field(description="Digest of the golden set that was replayed, or the Job that measured.")
    ] = None
    needed: EvidenceNeeded | None = None
    history: Annotated[
        list[MetricPoint] | None,
        Field(
            max_length=MAX_HISTORY,
            description="How it went: the first and the last look, and the sparser between the older they are.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None
    slices: Annotated[
        list[SliceStatus] | None,
        Field(description="How each group of the golden set's items fares.", max_length=64),
        list_map("slice", "group"),
    ] = None
    fairness: FairnessStatus | None = None
    replay: ReplayStatus | None = None


class ShareStatus(StatusModel):
    """Whether the gateway shares requests out as the weight says: the evidence at the present weight."""

    message: Annotated[Message, Field(description="What is known, in one sentence.")]
    since: Annotated[
        Timestamp | None, Field(description="Since when nothing else than the weight was on the route.")
    ] = None
    state: Annotated[
        list[NamedVector] | None, Field(description="Where the test stands.", max_length=32), list_map("name")
    ] = None


class TimelineEntry(StatusModel):
    """One decision, sealed: its digest follows from what it says and from the entry before, back to the release."""

    time: Annotated[Timestamp, Field(description="When it was decided.")]
    phase: Annotated[Text64, Field(description="The phase after the decision.")]
    reason: Annotated[Reason, Field(description="Why, in one word.")]
    message: Annotated[Message, Field(description="Why, in one sentence with its numbers.")]
    weight: Annotated[
        Share | None, Field(description="The candidate's share of the traffic after the decision, in percent.")
    ] = None
    by: Annotated[Text256 | None, Field(description="The person whose command it was, where the command says it.")] = (
        None
    )
    sequence: Annotated[int | None, Field(ge=1, description="Counts the entries, also those that were dropped.")] = None
    digest: Annotated[Hash | None, Field(description="SHA-256 over this entry and the digest of the one before.")] = (
        None
    )


class ModelRevisionStatus(StatusModel):
    """Where the revision is, on what evidence, and how it came there."""

    model_config = validations(
        (
            "!has(oldSelf.artifact) || (has(self.artifact) && self.artifact == oldSelf.artifact)",
            "what a revision serves never changes: declare another release",
        )
    )

    observed_generation: Annotated[
        int, Field(description="Generation of the revision that the status is about; -1 before the first look.", ge=-1)
    ] = -1
    phase: Annotated[Text64 | None, Field(description="Where the revision is: see the state machine.")] = None
    reason: Annotated[Reason | None, Field(description="Why it is in its phase, in one word.")] = None
    message: Annotated[Message | None, Field(description="Why it is in its phase, in one sentence.")] = None
    progress: Annotated[Text64 | None, Field(description="Weight and step in one short text, such as 10% (1/3).")] = (
        None
    )
    attempt: Annotated[int | None, Field(ge=1, description="Counts the times that this release was a candidate.")] = (
        None
    )
    gates: Annotated[
        Hash | None, Field(description="Hash of the analysis and the deadline that the attempt is judged under.")
    ] = None
    baseline: Annotated[Hash | None, Field(description="Hash of the stable release that it is compared with.")] = None
    artifact: ArtifactStatus | None = None
    step: Annotated[int | None, Field(ge=0, description="Index of the ladder's step, from 0.")] = None
    weight: Annotated[Share | None, Field(description="Weight that was last asked of the gateway.")] = None
    phase_since: Annotated[Timestamp | None, Field(description="When it came into its phase.")] = None
    weight_observed_at: Annotated[
        Timestamp | None, Field(description="When the gateway was first seen to apply the weight.")
    ] = None
    capacity_lost_at: Annotated[
        Timestamp | None,
        Field(description="Since when it has fewer ready pods than its share needs; absent while it has enough."),
    ] = None
    command: Annotated[Text256 | None, Field(description="The last command that was carried out on it.")] = None
    paused: Annotated[bool | None, Field(description="A person paused it, and has not resumed it.")] = None
    approved: Annotated[
        int | None, Field(ge=-1, description="Step that a person approved; -1 is the shadow stage.")
    ] = None
    skipped: Annotated[
        int | None, Field(ge=-2, description="Step that a person ended; -1 is the shadow stage, -2 the golden set.")
    ] = None
    fast: Annotated[
        bool | None, Field(description="Needs no further evidence: it was stable lately, or a person promoted it.")
    ] = None
    size: Annotated[
        int | None, Field(ge=0, description="Pods for all traffic when the attempt began, where they are autoscaled.")
    ] = None
    stable_until: Annotated[Timestamp | None, Field(description="When it ceased to be the stable release.")] = None
    idle_since: Annotated[
        Timestamp | None, Field(description="When the gateway was first seen to route nothing to it.")
    ] = None
    metrics: Annotated[
        list[MetricStatus] | None, Field(description="The evidence of each metric.", max_length=16), list_map("name")
    ] = None
    share: Annotated[
        ShareStatus | None, Field(description="Where the gateway counts requests: whether they follow the weight.")
    ] = None
    drift: DriftStatus | None = None
    timeline: Annotated[
        list[TimelineEntry] | None,
        Field(
            description="Every decision, the first one and the latest ones.",
            max_length=MAX_TIMELINE,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None
    dropped: Annotated[
        Hash | None,
        Field(description="Digest of the latest entry that the timeline no longer has: what the second one follows."),
    ] = None
    weights: Annotated[
        list[WeightPoint] | None,
        Field(
            max_length=MAX_HISTORY,
            description="Weights that were asked of the gateway, the first and the latest among them.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None


class ModelRevision(SpecModel):
    """One release of a model, resolved and hashed, and what became of it."""

    spec: ModelRevisionSpec
    status: ModelRevisionStatus | None = None
