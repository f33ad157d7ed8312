"""Acting: carrying a decision out, in an order that is safe to stop anywhere.

The record comes first. It says what is intended, and it is written on the version that was observed: whoever decided on
an older picture is stopped there, before anything else was touched. After it come fleets that grow, the route, fleets
that shrink; the ModelDeployment's status and the Events come last, because they only tell.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence, Set
from datetime import datetime
from typing import Final

from slipway.api import (
    API_VERSION,
    GROUP,
    MODEL_DEPLOYMENT_KIND,
    MODEL_REVISION_KIND,
    ModelDeploymentStatus,
)
from slipway.cluster import (
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    AlreadyExists,
    Cluster,
    ClusterError,
    Conflict,
    EventRecorder,
    Forbidden,
    Invalid,
    NotLeading,
    NotServed,
    Object,
    Throttled,
    Unavailable,
    kind_of,
)
from slipway.controller.observe import Scene, owned, read_status
from slipway.controller.route_plans import route_plan
from slipway.controller.routing import read_live, says
from slipway.controller.statuses import StatusWriter
from slipway.release import revision_name
from slipway.rollout import Decision, FleetTarget, Notice
from slipway.traffic import Change, Live, PlanError, Reference, RoutePlan, router_named, router_of
from slipway.workload import (
    Fetch,
    Owner,
    autoscaler_manifest,
    deployment_manifest,
    disruption_budget_manifest,
    fetches_with,
    needs_apply,
    revision_manifest,
    service_manifest,
)

FINALIZER: Final = f"{GROUP}/route"
"""On a ModelDeployment that sets weights in a route of the user: that route is given back before it goes."""

REFUSALS: Final = (Invalid, Forbidden, AlreadyExists, NotServed, PlanError)
"""Answers to a write that stay the same until somebody changes something: they are said in the status."""

_log = logging.getLogger(__name__)


class Actor:
    """Writes to the cluster what was decided, and nothing that is so already."""

    def __init__(
        self,
        cluster: Cluster,
        recorder: EventRecorder,
        *,
        drain: bool = False,
        image: str | None = None,
        written: Callable[[Scene, Sequence[Notice]], None] | None = None,
    ) -> None:
        """`drain` says that the cluster's pods can pause before they end, `image` is the operator's own, which fetches
        models. `written` is told of messages as soon as the
        status that has them is written: whatever fails after it, nobody else sends them."""
        self._written = written
        self._cluster = cluster
        self._statuses = StatusWriter(cluster)
        self._recorder = recorder
        self._drain = drain
        self._image = image

    async def record(self, scene: Scene, decision: Decision) -> None:
        """Write down what is intended, before anything is done. Raises ClusterError where nothing may be done."""
        if decision.create is None:
            for hash_, record in decision.records.items():
                await self._statuses.revision(scene.revisions[hash_], record)

    async def act(self, scene: Scene, decision: Decision, now: datetime) -> None:
        """Carry out what was recorded. Raises ClusterError where the cluster refuses; what was done stays done."""
        if decision.create is not None:
            await self._create_revision(scene, decision.create)
            return
        try:
            await self._bring_about(scene, decision)
        except NotLeading:
            raise
        except (ClusterError, PlanError):
            await self._tell(scene, decision, now)  # it is on record, so no later look would tell of it
            raise
        await self._tell(scene, decision, now)

    async def _bring_about(self, scene: Scene, decision: Decision) -> None:
        shrinking: list[FleetTarget] = []
        failures: list[ClusterError | PlanError] = []
        for target in decision.fleets:
            live = scene.deployments.get(revision_name(scene.name, target.hash))
            if live is not None and target.replicas < live["spec"].get("replicas", 1):
                shrinking.append(target)
                continue
            try:
                await self._apply_fleet(scene, target, decision)
            except (ClusterError, PlanError) as error:
                # The route does not wait for this: its weights were decided on the pods that are ready, and a candidate
                # that fails has to leave it whatever an admission policy thinks of a Deployment, or whether its webhook
                # answers at all.
                failures.append(error)
        try:
            await self._lead_traffic(scene, decision)
        except (Unavailable, Throttled):
            # Nothing shrinks before the route is known to be so; but what was decided is told, also while the API that
            # carries the route does not answer.
            await self.publish(scene, decision, decision.status_so_far)
            raise
        if failures:
            raise await self._foremost(scene, decision, failures)
        if decision.abandon is not None:
            await self._abandon(scene, decision.abandon)
        for target in shrinking:
            await self._apply_fleet(scene, target, decision)
        for hash_ in decision.delete:
            await self._delete_revision(scene, hash_)
        await self.publish(scene, decision, decision.status)

    async def _foremost(
        self, scene: Scene, decision: Decision, failures: Sequence[ClusterError | PlanError]
    ) -> ClusterError | PlanError:
        """What to say of fleets that could not be brought about: a refusal, which whoever catches it writes into the
        status, or else what passes by itself, beside what was decided."""
        refusal = next((error for error in failures if isinstance(error, REFUSALS)), None)
        if refusal is None:
            await self.publish(scene, decision, decision.status_so_far)
        return refusal or failures[0]

    async def publish(self, scene: Scene, decision: Decision, status: ModelDeploymentStatus | None) -> None:
        """Write what the ModelDeployment says of a decision, unless it is None, and begin with the messages in it."""
        if status is not None:
            await self.write_status(scene.deployment, status)
            if self._written is not None and decision.notices:
                self._written(scene, decision.notices)

    async def _lead_traffic(self, scene: Scene, decision: Decision) -> None:
        """Write the route. One that could not be read is written only when something was decided just now: blindly, as
        a read that fails says nothing of a write."""
        unread = scene.routing is not None and scene.routing.unread is not None
        if decision.weights is None or (unread and not decision.records):
            return
        await self._apply_route(scene, route_plan(scene, decision.weights, decision.beside))

    async def _tell(self, scene: Scene, decision: Decision, now: datetime) -> None:
        status = decision.status or read_status(scene.deployment)
        on_trial = status.candidate or status.stable
        about = {"revision": on_trial.revision} if on_trial is not None else {}
        for announcement in decision.announcements:
            _log.info(
                "%s/%s: %s: %s",
                scene.namespace,
                scene.name,
                announcement.reason,
                announcement.message,
                extra={"reason": announcement.reason, **about},
            )
            await self._recorder.record(
                scene.deployment,
                type=announcement.type,
                reason=announcement.reason,
                message=announcement.message,
                now=now,
            )

    async def write_status(self, deployment: Object, status: ModelDeploymentStatus) -> None:
        """Write the whole status of a ModelDeployment. Raises Conflict when it has changed since it was read."""
        await self._statuses.deployment(deployment, status)

    async def _create_revision(self, scene: Scene, hash_: str) -> None:
        manifest = revision_manifest(
            model_deployment=scene.name,
            namespace=scene.namespace,
            release=scene.deployment["spec"]["release"],
            runtime=scene.runtime,
            mlflow=scene.mlflow,
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

    async def _apply_fleet(self, scene: Scene, target: FleetTarget, decision: Decision) -> None:
        release = scene.release(target.hash)
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
        live = scene.deployments.get(name)
        deployment = deployment_manifest(
            model_deployment=scene.name,
            namespace=scene.namespace,
            release=release,
            full_hash=target.hash,
            replicas=target.replicas,
            role=target.role.value,
            owner=owner,
            drain=self._drain,
            fetch=self._fetch(scene, target.hash, decision, live),
            live=live,
        )
        await self._apply(scene.services.get(name), service)
        unknown: NotServed | None = None
        try:  # before the Deployment: with the old floor an autoscaler could take new pods away again
            await self._scale(scene, target, owner)
        except NotServed as error:
            unknown = error  # pods do not wait for an autoscaler that nobody knows
        await self._apply(live, deployment)
        if unknown is not None:
            field = "keda" if scene.spec.autoscaling is not None and scene.spec.autoscaling.keda else "metrics"
            raise NotServed(
                f"spec.autoscaling.{field}: the cluster does not know this kind of autoscaler: install it "
                f"({'KEDA' if field == 'keda' else 'autoscaling/v2'}), or name another one"
            ) from unknown

    def _fetch(self, scene: Scene, hash_: str, decision: Decision, live: Object | None) -> Fetch | None:
        """What the pods of a release fetch their model with. Raises Invalid where that is not known."""
        if scene.release(hash_).delivery is None:
            return None
        record = decision.records.get(hash_) or scene.releases[hash_].status
        image = fetches_with(live) or self._image
        if image is None:
            raise Invalid(
                "spec.release.delivery: the operator does not know its own image, which fetches models: start it with "
                "--image, or SLIPWAY_IMAGE"
            )
        if record is None or record.artifact is None:
            raise Invalid(f"ModelRevision {revision_name(scene.name, hash_)}: status.artifact is gone: restore it")
        return Fetch(image, record.artifact.digest, scene.releases[hash_].spec.mlflow_tracking_uri)

    async def _scale(self, scene: Scene, target: FleetTarget, owner: Owner) -> None:
        """The autoscaler and the disruption budget of a revision; those that are not asked for any more are deleted."""
        name = revision_name(scene.name, target.hash)
        wanted: Object | None = None
        if scene.spec.autoscaling is not None and target.floor is not None and target.ceiling is not None:
            wanted = autoscaler_manifest(
                model_deployment=scene.name,
                namespace=scene.namespace,
                autoscaling=scene.spec.autoscaling,
                full_hash=target.hash,
                min_replicas=target.floor,
                max_replicas=target.ceiling,
                role=target.role.value,
                owner=owner,
            )
        await self._keep_one(scene.autoscalers.get(name, ()), wanted)
        budget: Object | None = None
        if scene.spec.pod_disruption_budget is not None and target.replicas:
            budget = disruption_budget_manifest(
                model_deployment=scene.name,
                namespace=scene.namespace,
                budget=scene.spec.pod_disruption_budget,
                full_hash=target.hash,
                role=target.role.value,
                owner=owner,
            )
        found = scene.budgets.get(name)
        await self._keep_one((found,) if found is not None else (), budget)

    async def _keep_one(self, live: Sequence[Object], wanted: Object | None) -> None:
        """Of the objects of one name, keep the wanted one as it shall be, and delete the others."""
        same = next((found for found in live if wanted is not None and found["kind"] == wanted["kind"]), None)
        for found in live:
            if found is not same:
                await self._delete(found)
        if wanted is not None:
            await self._apply(same, wanted)

    async def _delete(self, live: Object) -> None:
        metadata = live["metadata"]
        await self._cluster.delete(kind_of(live), metadata["namespace"], metadata["name"], uid=metadata["uid"])

    async def _apply_route(self, scene: Scene, plan: RoutePlan) -> None:
        routing = scene.routing
        if routing is None:
            return
        changes = routing.router.changes(
            model_deployment=scene.name,
            namespace=scene.namespace,
            traffic=routing.settings,
            plan=plan,
            owner=_owner(scene.deployment, MODEL_DEPLOYMENT_KIND).reference(),
            live=routing.live,
        )
        if any(change.patch for change in changes):
            await self._hold_on(scene.deployment)
        for change in changes:
            await self._carry_out(scene.namespace, change, routing.live.get(change.reference))

    async def _carry_out(self, namespace: str, change: Change, live: Object | None) -> None:
        """One change of a route. A patch of a user's object is sent where it says anything new, on the version read."""
        if change.delete:
            if live is not None:
                await self._delete(live)
        elif not change.patch:
            await self._apply(live, change.body)
        elif live is not None and not says(live, change.body):
            kind = kind_of({"apiVersion": change.reference.api_version, "kind": change.reference.kind})
            version = {"resourceVersion": live["metadata"]["resourceVersion"]}
            body = change.body | {"metadata": change.body.get("metadata", {}) | version}
            await self._cluster.merge_patch(kind, namespace, change.reference.name, body)

    async def _hold_on(self, deployment: Object) -> None:
        """Set the finalizer before anything of the user is changed: what was changed is given back."""
        metadata = deployment["metadata"]
        held = metadata.get("finalizers") or []
        if FINALIZER in held:
            return
        patch = {"metadata": {"finalizers": [*held, FINALIZER], "resourceVersion": metadata["resourceVersion"]}}
        await self._cluster.merge_patch(MODEL_DEPLOYMENT, metadata["namespace"], metadata["name"], patch)
        raise Conflict("the finalizer was set: what follows is decided on the new version")

    async def _abandon(self, scene: Scene, name: str) -> None:
        """Take away what another router left behind, and give back what it had of the user's."""
        current = set(scene.routing.live) if scene.routing is not None else set()
        await self.clean_up(name, scene.name, scene.namespace, scene.uid, current)

    async def clean_up(
        self, name: str, model_deployment: str, namespace: str, uid: str, spared: Set[Reference]
    ) -> None:
        """Delete the owned objects of the router of this name, and give the user's back; `spared` are left alone."""
        settings = router_named(name)
        if settings is None:
            return
        router, traffic = router_of(settings)
        references = router.references(model_deployment=model_deployment, traffic=traffic)
        live = await read_live(self._cluster, namespace, references)
        await self.give_back(namespace, router.restored(traffic=traffic, owner_uid=uid, live=live), live)
        for reference, found in live.items():
            if found is not None and owned(found, uid) and reference not in spared:
                await self._delete(found)

    async def let_go(self, deployment: Object) -> None:
        """Take the finalizer away."""
        metadata = deployment["metadata"]
        rest = [name for name in metadata.get("finalizers") or [] if name != FINALIZER]
        patch = {"metadata": {"finalizers": rest or None, "resourceVersion": metadata["resourceVersion"]}}
        await self._cluster.merge_patch(MODEL_DEPLOYMENT, metadata["namespace"], metadata["name"], patch)

    async def give_back(self, namespace: str, changes: Sequence[Change], live: Live) -> None:
        """Put what belongs to the user back as it was."""
        for change in changes:
            found = live.get(change.reference)
            await self._carry_out(namespace, change, dict(found) if found is not None else None)

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
