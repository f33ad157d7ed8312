"""``ModelDeployment``: which release of a model should serve, how traffic moves to it, and what it is judged on."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from slipway.api.common import (
    Condition,
    Duration,
    Hash,
    Message,
    ObjectName,
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
from slipway.api.drift import DriftSpec
from slipway.api.metrics import AnalysisSpec
from slipway.api.notifications import MAX_NOTIFICATIONS, Notification, NotificationsStatus
from slipway.api.registry import RegistryStatus, Resolved, Suggestion
from slipway.api.release import ReleaseSpec
from slipway.api.scaling import AutoscalingSpec, DisruptionBudget
from slipway.api.strategy import Strategy
from slipway.api.traffic import Traffic

MODEL_DEPLOYMENT_KIND: Final = "ModelDeployment"


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
            "has(self.release.runtime) || !has(self.release.container) || !has(self.release.container.image) || !has(self.analysis) || !has(self.analysis.metrics) || self.analysis.metrics.all(m, !has(m.pods) || has(m.pods.bad) || has(m.pods.histogram) || has(m.pods.gauge) || has(m.pods.preset))",
            "no runtime serves the release whose preset a metric of the pods could take: name bad and total, histogram, gauge or preset in pods",
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
    drift: DriftSpec | None = None
    notifications: Annotated[
        list[Notification] | None,
        Field(max_length=MAX_NOTIFICATIONS, description="Who is told of decisions, beside the namespace's receivers."),
        list_map("name"),
    ] = None


class RoleStatus(StatusModel):
    """A revision in a role."""

    revision: Annotated[ObjectName, Field(description="Name of the ModelRevision.")]
    hash: Annotated[Hash, Field(description="Hash of the release.")]
    version: Annotated[Text64, Field(description="The model's version, for people.")]
    weight: Annotated[Share, Field(description="Percent of the traffic, as the gateway was seen to apply it.")]
    ready_replicas: Annotated[int, Field(description="Pods that are ready.", ge=0)] = 0
    step: Annotated[int | None, Field(ge=1, description="Step of the ladder, counted from 1.")] = None
    steps: Annotated[int | None, Field(description="How many steps the ladder has.", ge=1)] = None


class CommandStatus(StatusModel):
    """What became of the last command of a person."""

    command: Annotated[Text256, Field(description="The annotation slipway.dev/command, word for word.")]
    by: Annotated[Text256 | None, Field(description="Who gave it, where it says so.")] = None
    outcome: Annotated[Text64, Field(description="Accepted or Refused.")]
    message: Annotated[Message, Field(description="What was done, or why it was refused.")]
    time: Annotated[Timestamp, Field(description="When it was answered.")]


MAX_REJECTED: Final = 50
"""Releases that are remembered as rejected after their revisions are gone; the oldest are forgotten."""


class RejectedRelease(StatusModel):
    """A release that was hauled back, and whose revision is no longer kept."""

    hash: Annotated[Hash, Field(description="Hash of the release.")]
    version: Annotated[Text64, Field(description="The model's version, for people.")]
    gates: Annotated[Hash | None, Field(description="Hash of what it was judged under.")] = None
    time: Annotated[Timestamp, Field(description="When it was hauled back.")]
    message: Annotated[Message, Field(description="Why it was hauled back.")]


class ModelDeploymentStatus(StatusModel):
    """What is so. Conditions are the contract; ``phase`` and ``message`` are for people."""

    observed_generation: Annotated[
        int,
        Field(description="Generation of the specification that the status is about; -1 before the first look.", ge=-1),
    ] = -1
    phase: Annotated[
        Text64 | None,
        Field(description="The candidate's phase, or how it rests; the stable release's where there is no candidate."),
    ] = None
    reason: Annotated[Reason | None, Field(description="Why it is in its phase, in one word.")] = None
    message: Annotated[Message | None, Field(description="Why it is in its phase, in one sentence.")] = None
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
    notifications: NotificationsStatus | None = None
    suggestion: Suggestion | None = None
    resolved: Resolved | None = None
    registry: RegistryStatus | None = None
    rejected: Annotated[
        list[RejectedRelease] | None,
        Field(
            max_length=MAX_REJECTED,
            description="Releases that were hauled back and whose revisions are gone: none is tried again by itself.",
        ),
        list_map("hash"),
    ] = None
    conditions: Annotated[
        list[Condition] | None,
        Field(
            description="What is true of the ModelDeployment: Ready, Available, Reconciling, Stalled, Paused and Drifted.",
            max_length=16,
        ),
        list_map("type"),
    ] = None


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
