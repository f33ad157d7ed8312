"""Namespaces: what every one of them holds from the start, and how one is emptied before it goes."""

import asyncio
from typing import Final

from slipway_sandbox.client import (
    CONFIG_MAPS,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    ApiError,
    Client,
    InformerSet,
    Manifest,
    Resource,
    key_of,
)
from slipway_sandbox.controllers.base import Controller, timestamp

ROOT_CA_NAME: Final = "kube-root-ca.crt"
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0


class NamespaceDefaultsController(Controller):
    """Gives every namespace the `default` ServiceAccount and the ConfigMap with the API server's certificate."""

    name = "serviceaccount-controller"

    def __init__(self, client: Client, informers: InformerSet, *, ca_certificate: str = "") -> None:
        super().__init__(client, informers)
        self.ca_certificate = ca_certificate
        self.namespaces = informers.of(NAMESPACES)
        self.accounts = informers.of(SERVICE_ACCOUNTS)
        self.config_maps = informers.of(CONFIG_MAPS)
        self.namespaces.add_handler(lambda _kind, obj, _before: self.queue.add(key_of(obj)))
        self.accounts.add_handler(self._removed)
        self.config_maps.add_handler(self._removed)

    def _removed(self, kind: str, obj: Manifest, _before: Manifest | None) -> None:
        if kind == "DELETED" and obj["metadata"]["name"] in {"default", ROOT_CA_NAME}:
            self.queue.add(obj["metadata"]["namespace"])

    async def reconcile(self, key: str) -> None:
        namespace = self.namespaces.by_key(key)
        if namespace is None or namespace["metadata"].get("deletionTimestamp"):
            return
        if self.accounts.get(key, "default") is None:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": key}}
            await self._create(SERVICE_ACCOUNTS, account)
        if self.config_maps.get(key, ROOT_CA_NAME) is None:
            note = "The certificate of the API server; empty while it speaks plain HTTP on the loopback interface."
            config_map = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": ROOT_CA_NAME,
                    "namespace": key,
                    "annotations": {"kubernetes.io/description": note},
                },
                "data": {"ca.crt": self.ca_certificate},
            }
            await self._create(CONFIG_MAPS, config_map)

    async def _create(self, resource: Resource, obj: Manifest) -> None:
        try:
            self.informers.of(resource).observe(await self.client.create(resource, obj))
        except ApiError as refusal:
            # It exists, or the namespace began to go: both settle the matter.
            if not (refusal.conflict or refusal.absent or refusal.code == 403):
                raise


class NamespaceController(Controller):
    """Empties a namespace that is being deleted, then lets it go."""

    name = "namespace-controller"

    def __init__(self, client: Client, informers: InformerSet) -> None:
        super().__init__(client, informers)
        self._pauses: dict[str, float] = {}
        self.namespaces = informers.of(NAMESPACES)
        self.namespaces.add_handler(self._changed)

    def _changed(self, kind: str, namespace: Manifest, _before: Manifest | None) -> None:
        if kind != "DELETED" and namespace["metadata"].get("deletionTimestamp"):
            self.queue.add(key_of(namespace))

    async def reconcile(self, key: str) -> None:
        namespace = self.namespaces.by_key(key)
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return
        if "kubernetes" not in (namespace.get("spec", {}).get("finalizers") or ()):
            return
        remaining, held_by = await self._empty(key)
        await self._report(namespace, remaining, held_by)
        if remaining:
            # Pods may take their grace period: look seldom when nothing moves.
            pause = self._pauses.get(key, FIRST_PAUSE_SECONDS)
            self._pauses[key] = min(pause * 2, LONGEST_PAUSE_SECONDS)
            self.queue.add_after(key, pause)
            return
        self._pauses.pop(key, None)
        fresh = await self.client.find(NAMESPACES, None, key)
        if fresh is not None:
            finalizers = [entry for entry in fresh["spec"].get("finalizers") or () if entry != "kubernetes"]
            await self.client.replace(NAMESPACES, {**fresh, "spec": {"finalizers": finalizers}}, "finalize")

    async def _empty(self, namespace: str) -> tuple[dict[str, int], dict[str, int]]:
        """Delete everything inside; what is still there by resource, and by finalizer."""
        versions = await self.client.group_versions()
        served = await asyncio.gather(*(self.client.served_by(version) for version in versions))
        resources = [
            resource
            for entries in served
            for resource, verbs in entries
            if resource.namespaced and {"list", "delete"} <= verbs
        ]
        contents = await asyncio.gather(*(self.client.list_all(resource, namespace) for resource in resources))
        remaining: dict[str, int] = {}
        held_by: dict[str, int] = {}
        deletions = []
        for resource, (items, _) in zip(resources, contents, strict=True):
            if not items:
                continue
            name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
            remaining[name] = len(items)
            for item in items:
                metadata = item["metadata"]
                for finalizer in metadata.get("finalizers") or ():
                    held_by[finalizer] = held_by.get(finalizer, 0) + 1
                if not metadata.get("deletionTimestamp"):
                    propagation = None if resource == PODS else "Background"
                    deletions.append(self.client.delete(resource, namespace, metadata["name"], propagation=propagation))
        await asyncio.gather(*deletions)
        return remaining, held_by

    async def _report(self, namespace: Manifest, remaining: dict[str, int], held_by: dict[str, int]) -> None:
        content = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(remaining.items()))
        finalizers = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(held_by.items()))
        conditions = [
            _condition(
                "NamespaceContentRemaining",
                content,
                ("SomeResourcesRemain", f"Some resources are remaining: {content}"),
                ("ContentRemoved", "All content successfully removed"),
            ),
            _condition(
                "NamespaceFinalizersRemaining",
                finalizers,
                ("SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {finalizers}"),
                ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
            ),
        ]
        old = {entry["type"]: entry for entry in namespace.get("status", {}).get("conditions") or ()}
        changed = False
        for condition in conditions:
            known = old.get(condition["type"], {})
            if (known.get("status"), known.get("message")) != (condition["status"], condition["message"]):
                changed = True
            if known.get("status") == condition["status"]:
                condition["lastTransitionTime"] = known["lastTransitionTime"]
        if changed and remaining:
            await self._write(namespace["metadata"]["name"], conditions)

    async def _write(self, name: str, conditions: list[Manifest]) -> None:
        try:
            status = {"status": {"conditions": conditions}}
            self.namespaces.observe(await self.client.patch(NAMESPACES, None, name, status, subresource="status"))
        except ApiError as refusal:
            if not refusal.absent:
                raise


def _condition(kind: str, remains: str, yes: tuple[str, str], no: tuple[str, str]) -> Manifest:
    reason, message = yes if remains else no
    return {
        "type": kind,
        "status": "True" if remains else "False",
        "lastTransitionTime": timestamp(),
        "reason": reason,
        "message": message,
    }
