"""Observing: from what the API serves to the frozen picture that the core decides on.

Reads are live, not from a cache: a rollout looks a few times a minute, and a decision on a stale copy costs more than
four requests. What is read here carries its resourceVersion into the writes that follow.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from slipway.api import (
    LABEL_MODEL_DEPLOYMENT,
    AnalysisSpec,
    GatewayTraffic,
    ModelDeployment,
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    ModelRevision,
    ModelRevisionStatus,
    Phase,
    RollbackSpec,
)
from slipway.cluster import (
    DEPLOYMENT,
    GATEWAY,
    GATEWAY_CLASS,
    HTTP_ROUTE,
    MODEL_REVISION,
    POD,
    SERVICE,
    Cluster,
    ClusterError,
    Kind,
    NotServed,
    Object,
)
from slipway.release import NotCanonicalError, release_hash, revision_name, settings_hash
from slipway.rollout import Fleet, Observation, Revision, Route, Step
from slipway.traffic import GATEWAY_API, gateway_problem
from slipway.workload import FleetStatus, fleet_status, pod_problem

_WITHOUT_PODS: Final = frozenset({None, Phase.PENDING})
"""Phases in which a revision has no Deployment yet."""

_log = logging.getLogger(__name__)


class InvalidSpecError(Exception):
    """What everything is decided on cannot be read; the message names the fields, or the object."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The raw objects behind an observation: what acting needs, and what the core never sees."""

    deployment: Object
    spec: ModelDeploymentSpec
    revisions: Mapping[str, Object] = field(default_factory=dict)
    """ModelRevisions by the hash of their release."""
    releases: Mapping[str, ModelRevision] = field(default_factory=dict)
    deployments: Mapping[str, Object] = field(default_factory=dict)
    services: Mapping[str, Object] = field(default_factory=dict)
    """Deployments and Services by name, which is the name of their revision."""
    route: Object | None = None
    kept: GatewayTraffic | None = None
    """What the route has instead of the specification's settings, while no Gateway could serve those."""

    @property
    def traffic(self) -> GatewayTraffic:
        """Where the route attaches and what it matches."""
        return self.kept or self.spec.traffic.gateway

    @property
    def namespace(self) -> str:
        """Where everything of the ModelDeployment lives."""
        return str(self.deployment["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Name of the ModelDeployment, of its route and of its public Service."""
        return str(self.deployment["metadata"]["name"])


def read_spec(deployment: Object) -> ModelDeploymentSpec:
    """Read ``spec``. Raises InvalidSpecError."""
    try:
        return ModelDeployment.model_validate({"spec": deployment.get("spec")}).spec
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise InvalidSpecError("; ".join(problems)) from error


def read_status(deployment: Object) -> ModelDeploymentStatus:
    """Read ``status``; an unreadable one counts as none, because it is written anew from what is there."""
    try:
        return ModelDeploymentStatus.model_validate(deployment.get("status") or {})
    except ValidationError:
        return ModelDeploymentStatus()


async def observe(cluster: Cluster, deployment: Object, now: datetime) -> tuple[Scene, Observation]:
    """Look at everything that belongs to a ModelDeployment.

    Raises InvalidSpecError, or a ClusterError when the cluster cannot be read.
    """
    spec = read_spec(deployment)
    raw_release = deployment["spec"]["release"]
    try:
        desired = release_hash(raw_release)
    except NotCanonicalError as error:
        raise InvalidSpecError(f"spec.{error}") from error
    name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
    scene = await _read(cluster, deployment, spec, desired_name=revision_name(name, desired))
    route = _route(scene)
    problem = None
    if route.observed is None or not route.exists:
        problem = await _gateway_problem(cluster, namespace, spec)
    if problem is not None and scene.route is not None and not route.foreign:
        # A route that moved there would take what serves off the air: only its weights change until it can move.
        scene = replace(scene, kept=GATEWAY_API.route_traffic(scene.route))
        route = _route(scene)
    seen = Observation(
        now=now,
        name=name,
        generation=int(deployment["metadata"].get("generation", 0)),
        desired=desired,
        desired_name=revision_name(name, desired),
        desired_version=spec.release.model.version,
        replicas=1 if spec.replicas is None else spec.replicas,
        steps=_steps(spec),
        gates=_gates(deployment["spec"]),
        analysis=spec.analysis or AnalysisSpec(),
        rollback=spec.rollback or RollbackSpec(),
        revisions={hash_: _revision(hash_, scene, fleet) for hash_, fleet in (await _fleets(cluster, scene)).items()},
        route=route,
        gateway_problem=problem,
        status=read_status(deployment),
    )
    return scene, seen


def _gates(spec: Object) -> str:
    """What a candidate is judged under. How long pods are kept, and how many revisions, judges nobody."""
    deadline = (spec.get("rollback") or {}).get("progressDeadline")
    return settings_hash({"analysis": spec.get("analysis"), "progressDeadline": deadline})


async def _read(cluster: Cluster, deployment: Object, spec: ModelDeploymentSpec, *, desired_name: str) -> Scene:
    namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
    labels = {LABEL_MODEL_DEPLOYMENT: name}
    revisions: dict[str, Object] = {}
    releases: dict[str, ModelRevision] = {}
    unreadable: dict[str, str] = {}
    for raw in await cluster.list(MODEL_REVISION, namespace, labels=labels):
        if not owned(raw, deployment["metadata"]["uid"]) or raw["metadata"].get("deletionTimestamp"):
            continue
        try:
            revision = _read_revision(raw)
        except ValueError as error:
            unreadable[raw["metadata"]["name"]] = " ".join(str(error).split())
        else:
            revisions[revision.spec.hash] = raw
            releases[revision.spec.hash] = revision
    deployments = await _deployments(cluster, namespace, labels, revisions)
    for revision_, problem in unreadable.items():
        runs = (deployments.get(revision_) or {}).get("spec", {}).get("replicas", 0) > 0
        if runs or revision_ == desired_name:
            raise InvalidSpecError(
                f"ModelRevision {namespace}/{revision_} cannot be read, and nothing is decided without it: restore it, "
                f"or run the version of the operator that wrote it: {problem}"
            )
    return Scene(
        deployment=deployment,
        spec=spec,
        revisions=revisions,
        releases=releases,
        deployments=deployments,
        services=_by_name(await cluster.list(SERVICE, namespace, labels=labels)),
        route=await _optional(cluster, HTTP_ROUTE, namespace, name),
    )


def _read_revision(raw: Object) -> ModelRevision:
    """Read a revision. Raises ValueError for one of another version of the operator, or one that was tampered with."""
    revision = ModelRevision.model_validate({"spec": raw.get("spec"), "status": raw.get("status") or {}})
    if revision.status is not None and revision.status.phase is not None:
        Phase(revision.status.phase)
    return revision


async def _deployments(
    cluster: Cluster, namespace: str, labels: Mapping[str, str], revisions: Mapping[str, Object]
) -> dict[str, Object]:
    """The revisions' Deployments by name. One that lost its label still runs: taken for missing, it would look as if a
    candidate had lost all its pods."""
    found = _by_name(await cluster.list(DEPLOYMENT, namespace, labels=labels))
    for revision in revisions.values():
        metadata = revision["metadata"]
        if metadata["name"] not in found and (revision.get("status") or {}).get("phase") not in _WITHOUT_PODS:
            missed = await cluster.get(DEPLOYMENT, namespace, metadata["name"])
            if missed is not None and owned(missed, metadata["uid"]):
                found |= _by_name([missed])
    return found


def owned(raw: Object, uid: str) -> bool:
    """Whether the object of this uid is an owner of the raw object."""
    return any(owner.get("uid") == uid for owner in raw["metadata"].get("ownerReferences") or [])


def _by_name(objects: list[Object]) -> dict[str, Object]:
    return {obj["metadata"]["name"]: obj for obj in objects if not obj["metadata"].get("deletionTimestamp")}


async def _optional(cluster: Cluster, kind: Kind, namespace: str | None, name: str) -> Object | None:
    """An object of a kind that the cluster may not know."""
    try:
        return await cluster.get(kind, namespace, name)
    except NotServed:
        return None


def _steps(spec: ModelDeploymentSpec) -> tuple[Step, ...]:
    if spec.strategy.canary is None:
        raise InvalidSpecError("spec.strategy: name exactly one strategy: canary")
    return tuple(Step(round(step.weight * 100), step.min_duration) for step in spec.strategy.canary.steps)


async def _fleets(cluster: Cluster, scene: Scene) -> dict[str, FleetStatus]:
    """The fleets by hash, with the reasons of pods that do not come up where some are missing."""
    fleets: dict[str, FleetStatus] = {}
    for hash_ in scene.revisions:
        child = scene.deployments.get(revision_name(scene.name, hash_))
        fleet = fleet_status(child)
        if child is not None and fleet.replicas > fleet.ready:
            fleet = replace(fleet, problem=await _pod_problem(cluster, child) or fleet.problem)
        fleets[hash_] = fleet
    return fleets


async def _pod_problem(cluster: Cluster, deployment: Object) -> str | None:
    """Why pods do not come up. Only words: a look does without them when they cannot be had."""
    selector = deployment["spec"]["selector"]["matchLabels"]
    try:
        return pod_problem(await cluster.list(POD, deployment["metadata"]["namespace"], labels=selector))
    except ClusterError as error:
        _log.warning("the reasons of pods are not known: %s", error)
        return None


def _revision(hash_: str, scene: Scene, fleet: FleetStatus) -> Revision:
    model = scene.releases[hash_]
    return Revision(
        hash=hash_,
        name=revision_name(scene.name, hash_),
        version=model.spec.release.model.version,
        record=model.status or ModelRevisionStatus(),
        fleet=Fleet(fleet.exists, fleet.replicas, fleet.ready, fleet.current, fleet.problem),
    )


def _route(scene: Scene) -> Route:
    status = GATEWAY_API.route_status(
        scene.route,
        owner_uid=scene.deployment["metadata"]["uid"],
        namespace=scene.namespace,
        traffic=scene.traffic,
    )
    if status.exists and not status.owned:
        return Route(exists=True, foreign=True, problem=status.problem)
    hashes = {revision_name(scene.name, hash_): hash_ for hash_ in scene.revisions}

    def by_hash(weights: Mapping[str, int]) -> dict[str, int]:
        return {hashes.get(service, service): weight for service, weight in weights.items()}

    return Route(
        exists=status.exists,
        written=by_hash(status.written),
        observed=by_hash(status.observed) if status.exists and status.observed is not None else None,
        problem=status.problem,
    )


async def _gateway_problem(cluster: Cluster, namespace: str, spec: ModelDeploymentSpec) -> str | None:
    """Why a route would not be served, looked up only while it is not."""
    traffic = spec.traffic.gateway
    gateways: dict[tuple[str, str], Mapping[str, Any] | None] = {}
    classes: dict[str, Mapping[str, Any] | None] = {}
    try:
        for parent in traffic.parent_refs:
            where = parent.namespace or namespace
            gateway = await cluster.get(GATEWAY, where, parent.name)
            gateways[where, parent.name] = gateway
            class_name = ((gateway or {}).get("spec") or {}).get("gatewayClassName")
            if class_name and class_name not in classes:
                classes[class_name] = await cluster.get(GATEWAY_CLASS, None, class_name)
    except NotServed:
        return "the Gateway API is not installed in this cluster: install its CRDs (gateway.networking.k8s.io/v1)"
    except ClusterError as error:
        # What cannot be looked at is not known to be a problem; the route's own status has the last word.
        _log.warning("whether the Gateway can take the route is not known: %s", error)
        return None
    return gateway_problem(gateways, classes, traffic=traffic, namespace=namespace)
