"""One ModelDeployment as the API shows it, with its revisions and their fleets: what every verb looks at.

Statuses are read leniently: a verb that explains what is wrong has to work when a specification cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from slipway.api import (
    ANNOTATION_COMMAND,
    LABEL_MODEL_DEPLOYMENT,
    Condition,
    ModelDeployment,
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    ModelRevisionStatus,
    RoleStatus,
)
from slipway.cli.exits import Exit, Stop
from slipway.cluster import DEPLOYMENT, MODEL_DEPLOYMENT, MODEL_REVISION, Cluster, Forbidden, Object
from slipway.release import declared_release


@dataclass(frozen=True, slots=True)
class Fleet:
    """Pods of a revision: how many were asked for, and how many are ready."""

    wanted: int
    ready: int


@dataclass(frozen=True, slots=True)
class Tried:
    """A revision: a release that was declared once, and what became of it."""

    name: str
    hash: str
    version: str
    created: datetime | None
    release: Mapping[str, Any]
    record: ModelRevisionStatus
    resolved: Mapping[str, Any] = field(default_factory=dict)
    """What the release came to when it was tried: the ``runtime`` that serves it, the ``artifact`` that was fetched."""
    namespace: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """See the module. ``spec`` is None when it cannot be read; revisions are found by the hash of their release."""

    namespace: str
    name: str
    generation: int
    resource_version: str
    created: datetime | None
    raw_spec: Mapping[str, Any]
    spec: ModelDeploymentSpec | None
    status: ModelDeploymentStatus
    command: str | None = None
    """The annotation with the last command, answered or not."""
    revisions: Mapping[str, Tried] = field(default_factory=dict)
    fleets: Mapping[str, Fleet] = field(default_factory=dict)
    """By the name of the revision. Empty when Deployments may not be read."""

    def condition(self, kind: str) -> Condition | None:
        """The condition of a type; None when it is absent, or of an earlier generation."""
        known = (condition for condition in self.status.conditions or () if condition.type == kind)
        return next((found for found in known if found.observed_generation == self.generation), None)

    def holds(self, kind: str) -> bool:
        """Whether a condition is True as of this generation."""
        found = self.condition(kind)
        return found is not None and found.status == "True"

    def of(self, role: RoleStatus | None) -> Tried | None:
        """The revision in a role."""
        return self.revisions.get(role.hash) if role is not None else None

    @property
    def release(self) -> Mapping[str, Any]:
        """The release that is declared, as far as that is known: with what a registry named, where it decides."""
        written = self.raw_spec.get("release") or {}
        resolved = self.status.resolved
        return declared_release(written, resolved.release.model if resolved is not None else None)

    @property
    def observed(self) -> bool:
        """Whether the status is about the specification as it is now."""
        return self.status.observed_generation == self.generation


async def read(cluster: Cluster, namespace: str, name: str) -> Picture:
    """Look at a ModelDeployment. Raises Stop when there is none, and ClusterError."""
    deployment = await cluster.get(MODEL_DEPLOYMENT, namespace, name)
    if deployment is None:
        raise Stop(f"there is no ModelDeployment {name} in namespace {namespace}", Exit.NOT_FOUND)
    labels = {LABEL_MODEL_DEPLOYMENT: name}
    revisions = await cluster.list(MODEL_REVISION, namespace, labels=labels)
    try:
        fleets = await cluster.list(DEPLOYMENT, namespace, labels=labels)
    except Forbidden:
        fleets = []  # who may read rollouts need not be allowed to read Deployments: only a number is missing then
    return picture(deployment, revisions, fleets)


async def read_all(cluster: Cluster, namespace: str | None) -> list[Picture]:
    """All ModelDeployments of a namespace, or of all, without their revisions."""
    return [picture(deployment) for deployment in await cluster.list(MODEL_DEPLOYMENT, namespace)]


def picture(deployment: Object, revisions: Iterable[Object] = (), fleets: Iterable[Object] = ()) -> Picture:
    """Put raw objects together. Revisions of an earlier ModelDeployment of the same name are left out."""
    metadata = deployment["metadata"]
    mine = (tried(revision) for revision in revisions if _owned(revision, metadata.get("uid")))
    return Picture(
        namespace=metadata["namespace"],
        name=metadata["name"],
        generation=int(metadata.get("generation", 0)),
        resource_version=str(metadata.get("resourceVersion", "")),
        created=_time(metadata),
        raw_spec=deployment.get("spec") or {},
        spec=_spec(deployment),
        status=_status(deployment),
        command=(metadata.get("annotations") or {}).get(ANNOTATION_COMMAND),
        revisions={revision.hash: revision for revision in mine},
        fleets={fleet["metadata"]["name"]: _fleet(fleet) for fleet in fleets},
    )


def _owned(revision: Object, uid: str | None) -> bool:
    return any(owner.get("uid") == uid for owner in revision["metadata"].get("ownerReferences") or [])


def _spec(deployment: Object) -> ModelDeploymentSpec | None:
    try:
        return ModelDeployment.model_validate({"spec": deployment.get("spec")}).spec
    except ValidationError:
        return None


def _status(deployment: Object) -> ModelDeploymentStatus:
    try:
        return ModelDeploymentStatus.model_validate(deployment.get("status") or {})
    except ValidationError:
        return ModelDeploymentStatus()


def tried(revision: Object) -> Tried:
    """A ModelRevision as verbs look at it."""
    spec = revision.get("spec") or {}
    release = spec.get("release") or {}
    try:
        record = ModelRevisionStatus.model_validate(revision.get("status") or {})
    except ValidationError:
        record = ModelRevisionStatus(message="its status cannot be read: was it written by another version?")
    return Tried(
        name=revision["metadata"]["name"],
        hash=str(spec.get("hash", "")),
        version=str((release.get("model") or {}).get("version", "")),
        created=_time(revision["metadata"]),
        release=release,
        record=record,
        resolved={"runtime": spec.get("runtime"), "artifact": (revision.get("status") or {}).get("artifact")},
        namespace=str(revision["metadata"].get("namespace", "")),
        uid=str(revision["metadata"].get("uid", "")),
    )


def _fleet(deployment: Object) -> Fleet:
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    return Fleet(int(wanted), int((deployment.get("status") or {}).get("readyReplicas", 0)))


def _time(metadata: Mapping[str, Any]) -> datetime | None:
    text = metadata.get("creationTimestamp")
    return datetime.fromisoformat(text) if text else None
