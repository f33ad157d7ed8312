"""Deployment: replace the pods of one template by those of the next, within the bounds that the user set."""

from typing import Final

from slipway_sandbox.client import DEPLOYMENTS, PODS, REPLICA_SETS, ApiError, Client, InformerSet, Manifest, key_of
from slipway_sandbox.controllers import deploymentstatus, rolling
from slipway_sandbox.controllers.base import Controller, owner_reference
from slipway_sandbox.controllers.selectors import is_finished, matches

_NOT_COPIED: Final = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        rolling.REVISION_ANNOTATION,
        "deployment.kubernetes.io/revision-history",
        rolling.DESIRED_ANNOTATION,
        rolling.MAXIMUM_ANNOTATION,
        "deprecated.deployment.rollback.to",
    }
)


class DeploymentController(Controller):
    """Makes a ReplicaSet for each template and moves the replicas over."""

    name = "deployment-controller"

    def __init__(self, client: Client, informers: InformerSet) -> None:
        super().__init__(client, informers)
        self.deployments = informers.of(DEPLOYMENTS)
        self.sets = informers.of(REPLICA_SETS)
        self.pods = informers.of(PODS)
        self.deployments.add_handler(lambda _kind, obj, _before: self.queue.add(key_of(obj)))
        self.sets.add_handler(self._set_changed)
        self.pods.add_handler(self._pod_changed)

    def _set_changed(self, _kind: str, replica_set: Manifest, before: Manifest | None) -> None:
        for version in (replica_set, before or {}):
            for reference in version.get("metadata", {}).get("ownerReferences") or ():
                if reference.get("controller") and reference["kind"] == DEPLOYMENTS.kind:
                    self.queue.add(f"{replica_set['metadata']['namespace']}/{reference['name']}")

    def _pod_changed(self, kind: str, pod: Manifest, _before: Manifest | None) -> None:
        # Counts come from the sets; pods matter by themselves only to Recreate, which waits for the last one to go.
        if kind != "DELETED":
            return
        for reference in pod["metadata"].get("ownerReferences") or ():
            owner = self.sets.get(pod["metadata"]["namespace"], reference["name"])
            if owner is not None and reference["kind"] == REPLICA_SETS.kind:
                self._set_changed(kind, owner, None)

    async def reconcile(self, key: str) -> None:
        known = self.deployments.by_key(key)
        if known is None:
            return
        deployment = dict(known)  # a look may carry its own, newer metadata and status from step to step
        sets = await self._claimed(deployment)
        if deployment["metadata"].get("deletionTimestamp"):
            await self._report(deployment, _find_new(deployment, sets), sets)
            return
        if await self._mark_paused(deployment):
            return  # the write brings the deployment back
        new = _find_new(deployment, sets)
        if deployment["spec"].get("paused") or _needs_scaling(deployment, sets):
            new, sets = await self._scale(deployment, new, sets)
        elif deployment["spec"].get("strategy", {}).get("type") == "Recreate":
            new, sets = await self._recreate(deployment, new, sets)
        else:
            new, sets = await self._roll(deployment, new, sets)
        status = await self._report(deployment, new, sets)
        await self._clean_up(deployment, status, new, sets)

    # --- which sets are ours -------------------------------------------------------------------------------------

    async def _claimed(self, deployment: Manifest) -> list[Manifest]:
        metadata, selector = deployment["metadata"], deployment["spec"].get("selector")
        sets = [
            entry
            for entry in self.sets.controlled_by(metadata["uid"])
            if matches(selector, entry["metadata"].get("labels"))
        ]
        if not metadata.get("deletionTimestamp"):
            for entry in self.sets.in_namespace(metadata["namespace"]):
                orphan = not any(ref.get("controller") for ref in entry["metadata"].get("ownerReferences") or ())
                if orphan and matches(selector, entry["metadata"].get("labels")):
                    references = [*(entry["metadata"].get("ownerReferences") or ()), owner_reference(deployment)]
                    sets.append(await self._patch_set(entry, {"metadata": {"ownerReferences": references}}))
        return sorted(sets, key=_age)

    # --- strategies ----------------------------------------------------------------------------------------------

    async def _roll(
        self, deployment: Manifest, new: Manifest | None, sets: list[Manifest]
    ) -> tuple[Manifest, list[Manifest]]:
        new, sets = await self._ensure_new(deployment, new, sets)
        replicas = int(deployment["spec"].get("replicas", 1))
        surge, unavailable = rolling.bounds(deployment)
        olds = [entry for entry in sets if entry["metadata"]["uid"] != new["metadata"]["uid"]]
        wanted = rolling.grow_new(replicas, surge, _scale_of(new), [_scale_of(old) for old in olds])
        if wanted != new["spec"].get("replicas", 1):
            new = await self._resize(deployment, new, wanted)
        elif olds:
            targets = rolling.shrink_old(replicas, unavailable, _scale_of(new), [_scale_of(old) for old in olds])
            olds = [await self._resize(deployment, old, targets[old["metadata"]["name"]]) for old in olds]
        return new, [*olds, new]

    async def _recreate(
        self, deployment: Manifest, new: Manifest | None, sets: list[Manifest]
    ) -> tuple[Manifest | None, list[Manifest]]:
        olds = [entry for entry in sets if new is None or entry["metadata"]["uid"] != new["metadata"]["uid"]]
        olds = [await self._resize(deployment, old, 0) for old in olds]
        if any(not is_finished(pod) for old in olds for pod in self.pods.controlled_by(old["metadata"]["uid"])):
            return new, [*olds, *([new] if new else [])]
        new, _ = await self._ensure_new(deployment, new, sets)
        new = await self._resize(deployment, new, int(deployment["spec"].get("replicas", 1)))
        return new, [*olds, new]

    async def _scale(
        self, deployment: Manifest, new: Manifest | None, sets: list[Manifest]
    ) -> tuple[Manifest | None, list[Manifest]]:
        replicas = int(deployment["spec"].get("replicas", 1))
        alive = [entry for entry in sets if int(entry["spec"].get("replicas", 1)) > 0]
        if len(alive) <= 1:
            only = alive[0] if alive else new
            targets = {only["metadata"]["name"]: replicas} if only else {}
        elif new is not None and new.get("status", {}).get("availableReplicas", 0) == replicas == _wanted(new):
            targets = {entry["metadata"]["name"]: 0 for entry in sets if entry is not new}
        else:
            surge, _ = rolling.bounds(deployment)
            targets = rolling.proportional(replicas, surge, [_scale_of(entry) for entry in sets])
        resized = []
        for entry in sets:
            changed = await self._resize(deployment, entry, targets.get(entry["metadata"]["name"], _wanted(entry)))
            new = changed if entry is new else new
            resized.append(changed)
        return new, resized

    # --- sets ----------------------------------------------------------------------------------------------------

    async def _ensure_new(
        self, deployment: Manifest, new: Manifest | None, sets: list[Manifest]
    ) -> tuple[Manifest, list[Manifest]]:
        revision = str(max((_revision(entry) for entry in sets if entry is not new), default=0) + 1)
        if new is None:
            new = await self._create_set(deployment, sets, revision)
            sets = [*sets, new]
        elif (
            not (notes := _annotations(deployment, str(max(int(revision), _revision(new))))).items()
            <= (new["metadata"].get("annotations") or {}).items()
        ):
            updated = await self._patch_set(new, {"metadata": {"annotations": notes}})
            sets = [updated if entry is new else entry for entry in sets]
            new = updated
        shown = str(_revision(new))
        if (deployment["metadata"].get("annotations") or {}).get(rolling.REVISION_ANNOTATION) != shown:
            metadata = deployment["metadata"]
            changes = {"metadata": {"annotations": {rolling.REVISION_ANNOTATION: shown}}}
            patched = await self.client.patch(DEPLOYMENTS, metadata["namespace"], metadata["name"], changes)
            deployment["metadata"] = patched["metadata"]
            self.deployments.observe(patched)
        return new, sets

    async def _create_set(self, deployment: Manifest, sets: list[Manifest], revision: str) -> Manifest:
        metadata, spec = deployment["metadata"], deployment["spec"]
        collisions = int(deployment.get("status", {}).get("collisionCount", 0))
        digest = rolling.template_hash(spec["template"], collisions)
        template = rolling.without_hash(spec["template"])
        template["metadata"]["labels"][rolling.HASH_LABEL] = digest
        selector = dict(spec["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), rolling.HASH_LABEL: digest}
        replicas = int(spec.get("replicas", 1))
        surge, _ = rolling.bounds(deployment)
        first = rolling.grow_new(replicas, surge, rolling.Scale("", 0), [_scale_of(entry) for entry in sets])
        if spec.get("strategy", {}).get("type") == "Recreate":
            first = replicas
        replica_set = {
            "apiVersion": REPLICA_SETS.api_version,
            "kind": REPLICA_SETS.kind,
            "metadata": {
                "name": f"{metadata['name']}-{digest}",
                "namespace": metadata["namespace"],
                "labels": template["metadata"]["labels"],
                "annotations": {
                    **_annotations(deployment, revision),
                    rolling.DESIRED_ANNOTATION: str(replicas),
                    rolling.MAXIMUM_ANNOTATION: str(replicas + surge),
                },
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {
                "replicas": first,
                "minReadySeconds": spec.get("minReadySeconds", 0),
                "selector": selector,
                "template": template,
            },
        }
        try:
            created = await self.client.create(REPLICA_SETS, replica_set)
        except ApiError as refusal:
            if refusal.conflict:
                await self._count_collision(deployment, replica_set)
            raise
        self.sets.observe(created)
        name = created["metadata"]["name"]
        message = f"Scaled up replica set {name} from 0 to {first}"
        if first:
            self.events.record("Normal", deployment, "ScalingReplicaSet", message)
        status = deploymentstatus.with_condition(
            deployment, "Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"'
        )
        if status is not None and "progressDeadlineSeconds" in spec:
            deployment["status"] = status  # written with the counts at the end of this look
        return created

    async def _count_collision(self, deployment: Manifest, replica_set: Manifest) -> None:
        metadata = replica_set["metadata"]
        existing = await self.client.find(REPLICA_SETS, metadata["namespace"], metadata["name"])
        if existing is None:
            return
        self.sets.observe(existing)
        owned = any(
            ref["uid"] == deployment["metadata"]["uid"] for ref in existing["metadata"].get("ownerReferences") or ()
        )
        if owned and rolling.without_hash(existing["spec"]["template"]) == rolling.without_hash(
            deployment["spec"]["template"]
        ):
            return  # ours; the informer was late
        status = {"collisionCount": int(deployment.get("status", {}).get("collisionCount", 0)) + 1}
        owner = deployment["metadata"]
        await self.client.patch(
            DEPLOYMENTS, owner["namespace"], owner["name"], {"status": status}, subresource="status"
        )

    async def _resize(self, deployment: Manifest, replica_set: Manifest, wanted: int) -> Manifest:
        replicas = int(deployment["spec"].get("replicas", 1))
        surge, _ = rolling.bounds(deployment)
        notes = {rolling.DESIRED_ANNOTATION: str(replicas), rolling.MAXIMUM_ANNOTATION: str(replicas + surge)}
        current = _wanted(replica_set)
        annotations = replica_set["metadata"].get("annotations") or {}
        if wanted == current and (not wanted or notes.items() <= annotations.items()):
            return replica_set
        changes: Manifest = {"metadata": {"annotations": notes}, "spec": {"replicas": wanted}}
        changed = await self._patch_set(replica_set, changes)
        if wanted != current:
            direction = "up" if wanted > current else "down"
            name = replica_set["metadata"]["name"]
            message = f"Scaled {direction} replica set {name} from {current} to {wanted}"
            self.events.record("Normal", deployment, "ScalingReplicaSet", message)
        return changed

    async def _patch_set(self, replica_set: Manifest, changes: Manifest) -> Manifest:
        metadata = replica_set["metadata"]
        changes.setdefault("metadata", {})["uid"] = metadata["uid"]
        changed = await self.client.patch(REPLICA_SETS, metadata["namespace"], metadata["name"], changes)
        self.sets.observe(changed)
        return changed

    # --- status --------------------------------------------------------------------------------------------------

    async def _mark_paused(self, deployment: Manifest) -> bool:
        if "progressDeadlineSeconds" not in deployment["spec"]:
            return False
        paused = bool(deployment["spec"].get("paused"))
        known = next(
            (c for c in deployment.get("status", {}).get("conditions") or () if c["type"] == "Progressing"), None
        )
        if known is not None and known["reason"] == "ProgressDeadlineExceeded":
            return False
        if paused:
            status = deploymentstatus.with_condition(
                deployment, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"
            )
        elif known is not None and known["reason"] == "DeploymentPaused":
            status = deploymentstatus.with_condition(
                deployment, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"
            )
        else:
            return False
        if status is None:
            return False
        await self._write_status(deployment, status)
        return True

    async def _report(self, deployment: Manifest, new: Manifest | None, sets: list[Manifest]) -> Manifest:
        status = deploymentstatus.next_status(deployment, new, sets)
        fresh = self.deployments.by_key(key_of(deployment)) or deployment
        if status != fresh.get("status", {}):
            await self._write_status(deployment, status)
        wait = deploymentstatus.seconds_to_deadline(deployment, status)
        if wait is not None:
            self.queue.add_after(key_of(deployment), wait)
        return status

    async def _write_status(self, deployment: Manifest, status: Manifest) -> None:
        self.deployments.observe(await self.client.replace(DEPLOYMENTS, {**deployment, "status": status}, "status"))

    async def _clean_up(
        self, deployment: Manifest, status: Manifest, new: Manifest | None, sets: list[Manifest]
    ) -> None:
        if new is None or not deploymentstatus.is_complete(deployment, status):
            return
        limit = int(deployment["spec"].get("revisionHistoryLimit", 10))
        olds = [entry for entry in sets if entry["metadata"]["uid"] != new["metadata"]["uid"]]
        for old in sorted(olds, key=_revision)[: max(0, len(olds) - limit)]:
            metadata, state = old["metadata"], old.get("status", {})
            if _wanted(old) == 0 and not state.get("replicas") and not metadata.get("deletionTimestamp"):
                await self.client.delete(REPLICA_SETS, metadata["namespace"], metadata["name"], uid=metadata["uid"])


def _find_new(deployment: Manifest, sets: list[Manifest]) -> Manifest | None:
    """The oldest set with the deployment's template: there can be two after a race, and the choice must stay."""
    template = rolling.without_hash(deployment["spec"]["template"])
    for entry in sets:
        if rolling.without_hash(entry["spec"]["template"]) == template:
            return entry
    return None


def _needs_scaling(deployment: Manifest, sets: list[Manifest]) -> bool:
    wanted = str(deployment["spec"].get("replicas", 1))
    for entry in sets:
        noted = (entry["metadata"].get("annotations") or {}).get(rolling.DESIRED_ANNOTATION)
        if _wanted(entry) > 0 and noted is not None and noted != wanted:
            return True
    return False


def _scale_of(replica_set: Manifest) -> rolling.Scale:
    status = replica_set.get("status", {})
    largest = (replica_set["metadata"].get("annotations") or {}).get(rolling.MAXIMUM_ANNOTATION)
    return rolling.Scale(
        name=replica_set["metadata"]["name"],
        wanted=_wanted(replica_set),
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        largest=int(largest) if largest else None,
    )


def _wanted(replica_set: Manifest) -> int:
    return int(replica_set["spec"].get("replicas", 1))


def _revision(replica_set: Manifest) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(rolling.REVISION_ANNOTATION, 0))


def _age(replica_set: Manifest) -> tuple[str, str]:
    return replica_set["metadata"].get("creationTimestamp", ""), replica_set["metadata"]["name"]


def _annotations(deployment: Manifest, revision: str) -> dict[str, str]:
    own = deployment["metadata"].get("annotations") or {}
    copied = {name: value for name, value in own.items() if name not in _NOT_COPIED}
    return {**copied, rolling.REVISION_ANNOTATION: revision}
