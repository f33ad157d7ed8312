"""ReplicaSet: keep so many pods of one template."""

import asyncio
import secrets
from typing import Final

from slipway_sandbox.client import PODS, REPLICA_SETS, ApiError, Client, InformerSet, Manifest, key_of
from slipway_sandbox.controllers.base import Controller, owner_reference, timestamp
from slipway_sandbox.controllers.selectors import (
    is_active,
    is_finished,
    is_ready,
    matches,
    seconds_until_available,
)

NAME_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
BURST: Final = 500
"""Pods created or deleted in one look, as in a cluster."""


class ReplicaSetController(Controller):
    """Creates and deletes pods until as many as asked for are active; adopts orphans and releases strangers."""

    name = "replicaset-controller"

    def __init__(self, client: Client, informers: InformerSet) -> None:
        super().__init__(client, informers)
        self.sets = informers.of(REPLICA_SETS)
        self.pods = informers.of(PODS)
        self.sets.add_handler(lambda _kind, obj, _before: self.queue.add(key_of(obj)))
        self.pods.add_handler(self._pod_changed)

    def _pod_changed(self, _kind: str, pod: Manifest, before: Manifest | None) -> None:
        namespace = pod["metadata"]["namespace"]
        owners = set()
        for version in (pod, before):
            for reference in (version or {}).get("metadata", {}).get("ownerReferences") or ():
                if reference.get("controller") and reference["kind"] == REPLICA_SETS.kind:
                    owners.add(reference["name"])
        for name in owners:
            self.queue.add(f"{namespace}/{name}")
        if not owners and not pod["metadata"].get("deletionTimestamp"):
            for candidate in self.sets.in_namespace(namespace):
                if matches(candidate["spec"].get("selector"), pod["metadata"].get("labels")):
                    self.queue.add(key_of(candidate))

    async def reconcile(self, key: str) -> None:
        replica_set = self.sets.by_key(key)
        if replica_set is None:
            return
        deleting = bool(replica_set["metadata"].get("deletionTimestamp"))
        pods = await self._claimed(replica_set, adopt=not deleting)
        active = [pod for pod in pods if is_active(pod)]
        refusal: ApiError | None = None
        if not deleting:
            refusal = await self._scale(replica_set, active)
            pods = self.pods.controlled_by(replica_set["metadata"]["uid"])
            active = [pod for pod in pods if is_active(pod)]
        await self._report(replica_set, pods, active, refusal)
        if refusal is not None:
            raise refusal

    async def _claimed(self, replica_set: Manifest, *, adopt: bool) -> list[Manifest]:
        uid, selector = replica_set["metadata"]["uid"], replica_set["spec"].get("selector")
        claimed = []
        for pod in self.pods.controlled_by(uid):
            if matches(selector, pod["metadata"].get("labels")):
                claimed.append(pod)
            elif not pod["metadata"].get("deletionTimestamp"):
                await self._release(replica_set, pod)
        if adopt:
            for pod in self.pods.in_namespace(replica_set["metadata"]["namespace"]):
                metadata = pod["metadata"]
                orphan = not any(ref.get("controller") for ref in metadata.get("ownerReferences") or ())
                if orphan and is_active(pod) and matches(selector, metadata.get("labels")):
                    claimed.append(await self._adopt(replica_set, pod))
        return claimed

    async def _adopt(self, replica_set: Manifest, pod: Manifest) -> Manifest:
        metadata = pod["metadata"]
        references = [*(metadata.get("ownerReferences") or ()), owner_reference(replica_set)]
        changes = {"metadata": {"uid": metadata["uid"], "ownerReferences": references}}
        adopted = await self.client.patch(PODS, metadata["namespace"], metadata["name"], changes)
        self.pods.observe(adopted)
        return adopted

    async def _release(self, replica_set: Manifest, pod: Manifest) -> None:
        metadata = pod["metadata"]
        references = [
            reference for reference in metadata["ownerReferences"] if reference["uid"] != replica_set["metadata"]["uid"]
        ]
        changes = {"metadata": {"uid": metadata["uid"], "ownerReferences": references or None}}
        try:
            self.pods.observe(await self.client.patch(PODS, metadata["namespace"], metadata["name"], changes))
        except ApiError as refusal:
            if not refusal.absent:
                raise

    async def _scale(self, replica_set: Manifest, active: list[Manifest]) -> ApiError | None:
        difference = len(active) - int(replica_set["spec"].get("replicas", 1))
        if difference < 0:
            return await self._create(replica_set, min(-difference, BURST))
        if difference > 0:
            await asyncio.gather(
                *(self._delete(replica_set, pod) for pod in sorted(active, key=_worth)[: min(difference, BURST)])
            )
        return None

    async def _create(self, replica_set: Manifest, count: int) -> ApiError | None:
        # One first, then twice as many each time: a template that the API refuses is refused once, not a hundred times.
        batch = 1
        while count > 0:
            size = min(batch, count)
            results = await asyncio.gather(
                *(self._create_one(replica_set) for _ in range(size)), return_exceptions=True
            )
            refused = [result for result in results if isinstance(result, BaseException)]
            if refused:
                if not isinstance(refused[0], ApiError):
                    raise refused[0]
                self.events.record("Warning", replica_set, "FailedCreate", f"Error creating: {refused[0].message}")
                return refused[0]
            count -= size
            batch *= 2
        return None

    async def _create_one(self, replica_set: Manifest) -> None:
        template = replica_set["spec"]["template"]
        namespace, name = replica_set["metadata"]["namespace"], replica_set["metadata"]["name"]
        suffix = "".join(secrets.choice(NAME_ALPHABET) for _ in range(5))
        metadata = {
            name: value for name, value in (template.get("metadata") or {}).items() if name in {"labels", "annotations"}
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **metadata,
                "name": f"{name[:57]}-{suffix}",
                "generateName": f"{name}-",
                "namespace": namespace,
                "ownerReferences": [owner_reference(replica_set)],
            },
            "spec": template["spec"],
        }
        created = await self.client.create(PODS, pod)
        self.pods.observe(created)
        self.events.record("Normal", replica_set, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    async def _delete(self, replica_set: Manifest, pod: Manifest) -> None:
        metadata = pod["metadata"]
        deleted = await self.client.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        if deleted is None:
            return
        if deleted.get("kind") == "Pod" and deleted["metadata"].get("deletionGracePeriodSeconds") != 0:
            self.pods.observe(deleted)
        self.events.record("Normal", replica_set, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    async def _report(
        self, replica_set: Manifest, pods: list[Manifest], active: list[Manifest], refusal: ApiError | None
    ) -> None:
        metadata, spec = replica_set["metadata"], replica_set["spec"]
        min_ready = int(spec.get("minReadySeconds", 0))
        remaining = [seconds_until_available(pod, min_ready) for pod in active]
        template_labels = (spec["template"].get("metadata") or {}).get("labels") or {}
        terminating = [pod for pod in pods if pod["metadata"].get("deletionTimestamp") and not is_finished(pod)]
        counts = {
            "replicas": len(active),
            "fullyLabeledReplicas": sum(template_labels.items() <= _labels(pod).items() for pod in active),
            "readyReplicas": sum(is_ready(pod) for pod in active),
            "availableReplicas": sum(wait == 0 for wait in remaining),
            "terminatingReplicas": len(terminating),
            "observedGeneration": metadata.get("generation", 0),
        }
        old = replica_set.get("status", {})
        conditions = _failure_conditions(old.get("conditions") or [], refusal)
        same = all(old.get(name, 0) == value for name, value in counts.items())
        if not same or conditions != (old.get("conditions") or []):
            status = {
                name: value for name, value in counts.items() if value or name in {"replicas", "terminatingReplicas"}
            }
            if conditions:
                status["conditions"] = conditions
            written = await self.client.replace(REPLICA_SETS, {**replica_set, "status": status}, "status")
            self.sets.observe(written)
        pending = [wait for wait in remaining if wait]
        if pending:
            self.queue.add_after(key_of(replica_set), min(pending) + 0.01)


def _labels(pod: Manifest) -> dict[str, str]:
    return pod["metadata"].get("labels") or {}


def _worth(pod: Manifest) -> tuple[int, int, int, int, str]:
    """Which pod to delete first: the smallest. Unscheduled, then pending, not ready, often restarted, youngest."""
    status = pod.get("status", {})
    phases = {"Pending": 0, "Unknown": 1, "Running": 2}
    restarts = max((entry.get("restartCount", 0) for entry in status.get("containerStatuses") or ()), default=0)
    annotations = pod["metadata"].get("annotations") or {}
    cost = int(annotations.get("controller.kubernetes.io/pod-deletion-cost", "0") or 0)
    created = pod["metadata"].get("creationTimestamp", "")
    started = "".join(chr(0x10FFFF - ord(letter)) for letter in created)  # the youngest sorts first
    scheduled = int(bool(pod["spec"].get("nodeName")))
    return (scheduled * 4 + phases.get(status.get("phase", "Pending"), 0), int(is_ready(pod)), cost, -restarts, started)


def _failure_conditions(conditions: list[Manifest], refusal: ApiError | None) -> list[Manifest]:
    others = [condition for condition in conditions if condition["type"] != "ReplicaFailure"]
    if refusal is None:
        return others
    if len(others) < len(conditions):
        return conditions
    failure = {"type": "ReplicaFailure", "status": "True", "lastTransitionTime": timestamp()}
    return [*others, {**failure, "reason": "FailedCreate", "message": refusal.message}]
