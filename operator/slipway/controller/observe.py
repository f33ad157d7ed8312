"""Observing: from what the API serves to the frozen picture that the core decides on.

Reads are live, not from a cache: a rollout looks a few times a minute, and a decision on a stale copy costs more than
four requests. What is read here carries its resourceVersion into the writes that follow.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from slipway.api import (
    ANNOTATION_COMMAND,
    LABEL_MODEL_DEPLOYMENT,
    AnalysisSpec,
    FrozenRuntime,
    ModelDeployment,
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    ModelRevision,
    ModelRevisionStatus,
    Phase,
    ReleaseSpec,
    RollbackSpec,
)
from slipway.cluster import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_REVISION,
    POD,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    SERVICE,
    Cluster,
    ClusterError,
    Forbidden,
    Kind,
    NotServed,
    Object,
)
from slipway.controller.addresses import address_problem
from slipway.controller.declared import declared, registry_of
from slipway.controller.giver import given_by
from slipway.controller.routing import Routing, Subject, last_asked, missing, read_routing, route_of
from slipway.controller.runtimes import settled
from slipway.probes import schema_problem
from slipway.release import NotCanonicalError, gates_hash, release_hash, revision_name, served_release
from slipway.rollout import (
    WITHOUT_PODS,
    Course,
    Fleet,
    Observation,
    Revision,
    Route,
    course_of,
    needs,
    problems,
    reasons,
)
from slipway.traffic import PlanError, router_name
from slipway.workload import FleetStatus, autoscaler_problem, fleet_status, pod_problem, refused_bytes

_WITHOUT_PODS: Final = frozenset({None, *WITHOUT_PODS})
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
    autoscalers: Mapping[str, tuple[Object, ...]] = field(default_factory=dict)
    budgets: Mapping[str, Object] = field(default_factory=dict)
    """Autoscalers, of whichever kind, and PodDisruptionBudgets by name."""
    runtime: FrozenRuntime | None = None
    """What the declared release was settled with, where its revision is still to be created."""
    mlflow: str | None = None
    """The MLflow server of the declared release's addresses, where its revision is about to be created."""
    routing: Routing | None = None
    """None until the route was read."""

    def release(self, hash_: str) -> ReleaseSpec:
        """The release of this hash as it serves."""
        return served_release(self.releases[hash_].spec)

    @property
    def uid(self) -> str:
        """The ModelDeployment's identity."""
        return str(self.deployment["metadata"]["uid"])

    @property
    def route_name(self) -> str:
        """Name of the route that leads to the model: gateways name what they count after it."""
        gateway = self.spec.traffic.gateway
        return gateway.route.name if gateway is not None and gateway.route is not None else self.name

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


async def observe(
    cluster: Cluster, deployment: Object, now: datetime, *, settles: float | None = None
) -> tuple[Scene, Observation]:
    """Look at everything that belongs to a ModelDeployment. `settles` is as in `Subject`.

    Raises InvalidSpecError, NothingDeclared, or a ClusterError when the cluster cannot be read.
    """
    status = read_status(deployment)
    try:
        registry = registry_of(deployment)
        deployment = await declared(cluster, deployment, status)
    except ValueError as error:
        raise InvalidSpecError(str(error)) from error
    spec = read_spec(deployment)
    try:
        desired = release_hash(deployment["spec"]["release"])
    except NotCanonicalError as error:
        raise InvalidSpecError(f"spec.{error}") from error
    if problem := schema_problem(spec.release.schemas):
        raise InvalidSpecError(problem)
    if wrong := address_problem(spec.release, delivered=spec.release.delivery is not None):
        raise InvalidSpecError(wrong)
    name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
    scene = await _read(cluster, deployment, spec, desired_name=revision_name(name, desired))
    served = await settled(cluster, namespace, spec.release, scene.releases.get(desired))
    scene = replace(scene, runtime=served.runtime)
    fleets = await _fleets(cluster, scene)
    revisions = {hash_: _revision(hash_, scene, fleet) for hash_, fleet in fleets.items()}
    replicas = _replicas(spec, revisions)
    course = _course(spec, replicas)
    ready = {revision.name: revision.fleet.ready for revision in revisions.values()}
    needed = needs(spec, course)
    try:
        subject = Subject(name, namespace, scene.uid, ready, settles)
        routing = await read_routing(cluster, subject, spec, needed, now)
    except PlanError as error:
        raise InvalidSpecError(str(error)) from error
    seen = Observation(
        now=now,
        name=name,
        generation=int(deployment["metadata"].get("generation", 0)),
        desired=desired,
        desired_name=revision_name(name, desired),
        desired_version=spec.release.model.version,
        replicas=replicas,
        course=course,
        gates=gates_hash(deployment["spec"]),
        analysis=spec.analysis or AnalysisSpec(),
        rollback=spec.rollback or RollbackSpec(),
        drift=spec.drift,
        unresolved=served.unresolved,
        edited=served.edited,
        revisions=revisions,
        route=_route(routing, revisions),
        gateway_problem=routing.problem,
        status=status,
        write_back=registry.write_back if registry is not None else None,
        router=router_name(spec.traffic),
        paused=spec.paused,
        command=(deployment["metadata"].get("annotations") or {}).get(ANNOTATION_COMMAND),
        commanded_by=given_by(deployment["metadata"]),
        unsupported=missing(needed, routing, spec)
        or next(problems(spec, course, replicas=replicas, resolution=routing.capabilities.resolution), None),
        autoscaled=(spec.autoscaling.min_replicas, spec.autoscaling.max_replicas) if spec.autoscaling else None,
    )
    return replace(scene, routing=routing), seen


def _course(spec: ModelDeploymentSpec, replicas: int) -> Course:
    """The course of the declared strategy. Raises InvalidSpecError when there is not exactly one."""
    try:
        return course_of(spec.strategy, replicas=replicas, by_replicas=spec.traffic.service is not None)
    except ValueError as error:
        raise InvalidSpecError(f"spec.strategy: {error}") from error


def _route(routing: Routing, revisions: Mapping[str, Revision]) -> Route:
    if routing.unread is not None:
        return last_asked(revisions, routing.unread)
    return route_of(routing.status, {revision.name: hash_ for hash_, revision in revisions.items()})


def _declared_replicas(spec: ModelDeploymentSpec) -> int:
    if spec.autoscaling is not None:
        return spec.autoscaling.min_replicas
    return 1 if spec.replicas is None else spec.replicas


def _replicas(spec: ModelDeploymentSpec, revisions: Mapping[str, Revision]) -> int:
    """Pods that carry all traffic: as declared, or as many as the autoscaler has given to the stable release."""
    if spec.autoscaling is None:
        return _declared_replicas(spec)
    serving = [rev.fleet.replicas for rev in revisions.values() if rev.record.phase in (Phase.STABLE, Phase.WATCHING)]
    least, most = spec.autoscaling.min_replicas, spec.autoscaling.max_replicas
    return min(most, max([least, *serving]))


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
    autoscalers, budgets = await _scaling(cluster, deployment, spec, labels)
    return Scene(
        deployment=deployment,
        spec=spec,
        revisions=revisions,
        releases=releases,
        deployments=deployments,
        services=_by_name(await cluster.list(SERVICE, namespace, labels=labels)),
        autoscalers=autoscalers,
        budgets=budgets,
    )


async def _scaling(
    cluster: Cluster, deployment: Object, spec: ModelDeploymentSpec, labels: Mapping[str, str]
) -> tuple[dict[str, tuple[Object, ...]], dict[str, Object]]:
    """Autoscalers and disruption budgets. They are looked for while they are asked for, and after every edit until
    nothing is refused any more: it may have been the one that dropped them."""
    namespace, scaling = deployment["metadata"]["namespace"], spec.autoscaling
    edited = _is_unsettled(deployment)
    autoscalers: dict[str, tuple[Object, ...]] = {}
    if scaling is not None or edited:
        wanted = None if scaling is None else HORIZONTAL_POD_AUTOSCALER if scaling.keda is None else SCALED_OBJECT
        for kind in (HORIZONTAL_POD_AUTOSCALER, SCALED_OBJECT):
            listed = await _listed(cluster, kind, namespace, labels, asked=kind == wanted)
            for name, found in _by_name(listed).items():
                autoscalers[name] = (*autoscalers.get(name, ()), found)
    budgeted = spec.pod_disruption_budget is not None
    if not budgeted and not edited:
        return autoscalers, {}
    return autoscalers, _by_name(await _listed(cluster, POD_DISRUPTION_BUDGET, namespace, labels, asked=budgeted))


def _is_unsettled(deployment: Object) -> bool:
    """Whether the specification was never carried out as a whole: nobody has looked since it was edited, or the cluster
    refused a part of it."""
    status = deployment.get("status") or {}
    edited = status.get("observedGeneration") != deployment["metadata"].get("generation")
    return bool(edited or status.get("reason") == reasons.APPLY_REFUSED)


async def _listed(
    cluster: Cluster, kind: Kind, namespace: str, labels: Mapping[str, str], *, asked: bool
) -> list[Object]:
    """Objects of a kind that the cluster may not know, or that the operator may have no rights to; `asked` is whether
    the specification asks for one all the same. A refusal to list them keeps no candidate from being judged."""
    try:
        return await cluster.list(kind, namespace, labels=labels)
    except NotServed:
        return []  # where one is asked for, the refusal to write it is told
    except Forbidden as error:
        if asked:
            _log.warning(
                "what there is of %s in %s is not known, and is not cleaned up: %s", kind.kind, namespace, error
            )
        return []


def _read_revision(raw: Object) -> ModelRevision:
    """Read a revision. Raises ValueError for one of another version of the operator, or one that was tampered with."""
    revision = ModelRevision.model_validate({"spec": raw.get("spec"), "status": raw.get("status") or {}})
    if revision.status is not None and revision.status.phase is not None:
        Phase(revision.status.phase)
    served_release(revision.spec)
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


async def _fleets(cluster: Cluster, scene: Scene) -> dict[str, FleetStatus]:
    """The fleets by hash, with the reasons of pods that do not come up where some are missing."""
    fleets: dict[str, FleetStatus] = {}
    for hash_ in scene.revisions:
        child = scene.deployments.get(revision_name(scene.name, hash_))
        fleet = fleet_status(child)
        if child is not None and fleet.replicas > fleet.ready:
            pods = await _pods(cluster, child)
            fleet = replace(fleet, problem=pod_problem(pods) or fleet.problem, other_bytes=refused_bytes(pods))
        elif fleet.replicas and fleet.problem is None:
            said = (autoscaler_problem(found) for found in scene.autoscalers.get(revision_name(scene.name, hash_), ()))
            fleet = replace(fleet, problem=next(filter(None, said), None))
        fleets[hash_] = fleet
    return fleets


async def _pods(cluster: Cluster, deployment: Object) -> list[Object]:
    """The pods, for why they do not come up. Only words: a look does without them when they cannot be had."""
    selector = deployment["spec"]["selector"]["matchLabels"]
    try:
        return await cluster.list(POD, deployment["metadata"]["namespace"], labels=selector)
    except ClusterError as error:
        _log.warning("the reasons of pods are not known: %s", error)
        return []


def _revision(hash_: str, scene: Scene, fleet: FleetStatus) -> Revision:
    model = scene.releases[hash_]
    return Revision(
        hash=hash_,
        name=revision_name(scene.name, hash_),
        version=model.spec.release.model.version,
        record=model.status or ModelRevisionStatus(),
        fleet=Fleet(fleet.exists, fleet.replicas, fleet.ready, fleet.current, fleet.problem, fleet.other_bytes),
    )
