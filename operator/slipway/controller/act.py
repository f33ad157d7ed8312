"""Acting: carrying a decision out, in an order that is safe to stop anywhere.

The record comes first. It says what is intended, and it is written on the version that was observed: whoever decided on
an older picture is stopped there, before anything else was touched. After it come fleets that grow, the route, fleets
that shrink; the ModelDeployment's status and the Events come last, because they only tell.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from slipway.api import (
    API_VERSION,
    MODEL_DEPLOYMENT_KIND,
    MODEL_REVISION_KIND,
    ModelDeploymentStatus,
    ModelRevisionStatus,
)
from slipway.cluster import (
    MODEL_REVISION,
    AlreadyExists,
    Cluster,
    ClusterError,
    Conflict,
    EventRecorder,
    Forbidden,
    Invalid,
    NotServed,
    Object,
)
from slipway.controller.observe import Scene, owned
from slipway.release import revision_name
from slipway.rollout import Decision, FleetTarget
from slipway.traffic import GATEWAY_API, Backend
from slipway.workload import Owner, deployment_manifest, needs_apply, revision_manifest, service_manifest

REFUSALS: Final = (Invalid, Forbidden, AlreadyExists, NotServed)
"""Answers to a write that stay the same until somebody changes something: they are said in the status."""

_log = logging.getLogger(__name__)


class Actor:
    """Writes to the cluster what was decided, and nothing that is so already."""

    def __init__(self, cluster: Cluster, recorder: EventRecorder) -> None:
        self._cluster = cluster
        self._recorder = recorder

    async def act(self, scene: Scene, decision: Decision, now: datetime) -> None:
        """Carry the decision out. Raises ClusterError where the cluster refuses; what was done stays done."""
        if decision.create is not None:
            await self._create_revision(scene, decision.create)
            return
        for hash_, record in decision.records.items():
            await self._write_record(scene, hash_, record)
        try:
            await self._bring_about(scene, decision)
        except (Conflict, *REFUSALS):
            await self._tell(scene, decision, now)  # it is on record, so no later look would tell of it
            raise
        await self._tell(scene, decision, now)

    async def _bring_about(self, scene: Scene, decision: Decision) -> None:
        shrinking: list[FleetTarget] = []
        refusals: list[ClusterError] = []
        for target in decision.fleets:
            live = scene.deployments.get(revision_name(scene.name, target.hash))
            if live is not None and target.replicas < live["spec"].get("replicas", 1):
                shrinking.append(target)
                continue
            try:
                await self._apply_fleet(scene, target)
            except REFUSALS as error:
                # The route does not wait for this: its weights were decided on the pods that are ready, and a candidate
                # that fails has to leave it whatever an admission policy thinks of a Deployment.
                refusals.append(error)
        if decision.weights is not None:
            await self._apply_route(scene, dict(decision.weights))
        if refusals:
            raise refusals[0]
        for target in shrinking:
            await self._apply_fleet(scene, target)
        for hash_ in decision.delete:
            await self._delete_revision(scene, hash_)
        if decision.status is not None:
            await self.write_status(scene.deployment, decision.status)

    async def _tell(self, scene: Scene, decision: Decision, now: datetime) -> None:
        for announcement in decision.announcements:
            _log.info("%s/%s: %s: %s", scene.namespace, scene.name, announcement.reason, announcement.message)
            await self._recorder.record(
                scene.deployment,
                type=announcement.type,
                reason=announcement.reason,
                message=announcement.message,
                now=now,
            )

    async def write_status(self, deployment: Object, status: ModelDeploymentStatus) -> None:
        """Write the whole status of a ModelDeployment. Raises Conflict when it has changed since it was read."""
        await self._cluster.apply_status(
            _status_object(MODEL_DEPLOYMENT_KIND, deployment, status.model_dump(by_alias=True, exclude_none=True))
        )

    async def _create_revision(self, scene: Scene, hash_: str) -> None:
        manifest = revision_manifest(
            model_deployment=scene.name,
            namespace=scene.namespace,
            release=scene.deployment["spec"]["release"],
            full_hash=hash_,
            owner=_owner(scene.deployment, MODEL_DEPLOYMENT_KIND),
        )
        try:
            await self._cluster.create(manifest)
        except AlreadyExists as error:
            name = manifest["metadata"]["name"]
            taken = await self._cluster.get(MODEL_REVISION, scene.namespace, name)
            if taken is None or owned(taken, scene.deployment["metadata"]["uid"]):
                raise Conflict(f"ModelRevision {scene.namespace}/{name} was created or deleted meanwhile") from error
            raise AlreadyExists(
                f"ModelRevision {scene.namespace}/{name} exists and does not belong to this ModelDeployment: "
                "delete it, or give the ModelDeployment another name"
            ) from error

    async def _write_record(self, scene: Scene, hash_: str, record: ModelRevisionStatus) -> None:
        revision = scene.revisions[hash_]
        await self._cluster.apply_status(
            _status_object(MODEL_REVISION_KIND, revision, record.model_dump(by_alias=True, exclude_none=True))
        )

    async def _apply_fleet(self, scene: Scene, target: FleetTarget) -> None:
        release = scene.releases[target.hash].spec.release
        owner = _owner(scene.revisions[target.hash], MODEL_REVISION_KIND)
        name = revision_name(scene.name, target.hash)
        service = service_manifest(
            model_deployment=scene.name,
            namespace=scene.namespace,
            release=release,
            full_hash=target.hash,
            role=target.role.value,
            owner=owner,
        )
        deployment = deployment_manifest(
            model_deployment=scene.name,
            namespace=scene.namespace,
            release=release,
            full_hash=target.hash,
            replicas=target.replicas,
            role=target.role.value,
            owner=owner,
        )
        await self._apply(scene.services.get(name), service)
        await self._apply(scene.deployments.get(name), deployment)

    async def _apply_route(self, scene: Scene, weights: dict[str, int]) -> None:
        manifest = GATEWAY_API.route_manifest(
            model_deployment=scene.name,
            namespace=scene.namespace,
            traffic=scene.traffic,
            backends=[
                Backend(revision_name(scene.name, hash_), share) for hash_, share in sorted(weights.items()) if share
            ],
            owner=_owner(scene.deployment, MODEL_DEPLOYMENT_KIND).reference(),
        )
        await self._apply(scene.route, manifest)

    async def _apply(self, live: Object | None, manifest: Object) -> None:
        """Apply a manifest where it is not so, and only onto what was looked at: a look that was held up ends here, and
        brings back neither a weight that was hauled back nor pods that were taken away meanwhile."""
        if not needs_apply(live, manifest):
            return
        version = {"resourceVersion": live["metadata"]["resourceVersion"]} if live is not None else {}
        await self._cluster.apply(manifest | {"metadata": manifest["metadata"] | version})

    async def _delete_revision(self, scene: Scene, hash_: str) -> None:
        metadata = scene.revisions[hash_]["metadata"]
        await self._cluster.delete(MODEL_REVISION, scene.namespace, metadata["name"], uid=metadata["uid"])


def _owner(obj: Object, kind: str) -> Owner:
    return Owner(API_VERSION, kind, obj["metadata"]["name"], obj["metadata"]["uid"])


def _status_object(kind: str, live: Object, status: Object) -> Object:
    metadata = live["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "status": status,
    }
