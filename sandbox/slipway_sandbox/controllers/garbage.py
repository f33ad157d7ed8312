"""Garbage collection: objects go with their owners, in the way that the deletion asked for.

The collector knows every object of every kind by its uid and its owners, nothing more of it. What it is about to
delete it first reads anew: its knowledge may be late, and a deletion cannot be taken back.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from slipway_sandbox.client import (
    CUSTOM_RESOURCE_DEFINITIONS,
    JSON_PATCH,
    ApiError,
    Client,
    Informer,
    InformerSet,
    Manifest,
    Resource,
)
from slipway_sandbox.controllers.base import Controller

log = logging.getLogger(__name__)

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"
NEW_KIND_PAUSE_SECONDS: Final = 0.2


@dataclass
class Node:
    """One object in the graph of owners."""

    resource: Resource
    namespace: str | None
    name: str
    owners: tuple[tuple[str, str, str, str], ...] = ()
    """Owner references as (uid, apiVersion, kind, name)."""
    dependents: set[str] = field(default_factory=set)
    deleting: bool = False
    finalizers: frozenset[str] = frozenset()


class GarbageCollector(Controller):
    """Deletes what has lost its owners; carries out foreground and orphan deletion. Keys are uids."""

    name = "garbage-collector-controller"

    def __init__(self, client: Client, informers: InformerSet) -> None:
        super().__init__(client, informers)
        self.nodes: dict[str, Node] = {}
        self.dependents: dict[str, set[str]] = {}
        self._watched: dict[Resource, asyncio.Task[None]] = {}
        self._kinds_changed = asyncio.Event()
        informers.of(CUSTOM_RESOURCE_DEFINITIONS).add_handler(self._kind_changed)

    def _kind_changed(self, _kind: str, _obj: Manifest, _before: Manifest | None) -> None:
        self._kinds_changed.set()

    async def run(self) -> None:
        """Follow every deletable kind, new ones as they come, and collect."""
        async with asyncio.TaskGroup() as group:
            group.create_task(super().run())
            await self.informers.synced()
            while True:
                self._kinds_changed.clear()
                try:
                    await self._follow_kinds(group)
                except (TimeoutError, ApiError, aiohttp.ClientError, OSError) as failure:
                    log.debug("discovery: %r", failure)
                    self._kinds_changed.set()
                await asyncio.sleep(NEW_KIND_PAUSE_SECONDS)
                await self._kinds_changed.wait()
                # A definition is served a moment after it is written; its discovery must not be read too early.
                await asyncio.sleep(NEW_KIND_PAUSE_SECONDS)

    async def _follow_kinds(self, group: asyncio.TaskGroup) -> None:
        served: set[Resource] = set()
        for version in await self.client.group_versions():
            try:
                entries = await self.client.served_by(version)
            except ApiError as refusal:
                if not refusal.absent:
                    raise
                continue
            served |= {resource for resource, verbs in entries if {"list", "watch", "delete"} <= verbs}
        # Events have no owners and are many: following them would cost more than everything else together.
        served = {resource for resource in served if resource.plural != "events"}
        for resource in served - self._watched.keys():
            self._watched[resource] = group.create_task(self._follow(resource))
        for resource in self._watched.keys() - served:
            self._watched.pop(resource).cancel()

    async def _follow(self, resource: Resource) -> None:
        shared = self.informers.find(resource)
        if shared is not None:
            shared.add_handler(lambda kind, obj, _before: self._take(resource, kind, obj))
            return
        informer = Informer(self.client, resource, slim=True)
        informer.add_handler(lambda kind, obj, _before: self._take(resource, kind, obj))
        await informer.run()

    # --- the graph -----------------------------------------------------------------------------------------------

    def _take(self, resource: Resource, kind: str, obj: Manifest) -> None:
        metadata = obj["metadata"]
        uid = metadata["uid"]
        if kind == "DELETED":
            self._remove(uid)
            return
        node = self.nodes.get(uid)
        if node is None:
            node = Node(resource, metadata.get("namespace"), metadata["name"])
            self.nodes[uid] = node
        before = node.owners
        node.owners = tuple(
            (str(ref["uid"]), str(ref["apiVersion"]), str(ref["kind"]), str(ref["name"]))
            for ref in metadata.get("ownerReferences") or ()
        )
        node.deleting = bool(metadata.get("deletionTimestamp"))
        node.finalizers = frozenset(metadata.get("finalizers") or ())
        if node.owners != before:
            for owner in before:
                self.dependents.get(owner[0], set()).discard(uid)
            for owner in node.owners:
                self.dependents.setdefault(owner[0], set()).add(uid)
            if any(owner[0] not in self.nodes for owner in node.owners):
                self.queue.add_after(uid, 0.5)  # the owner may just not have been seen yet
            for owner in node.owners:
                if owner[0] in self.nodes and FOREGROUND in self.nodes[owner[0]].finalizers:
                    self.queue.add(owner[0])
        if node.deleting and node.finalizers & {FOREGROUND, ORPHAN}:
            self.queue.add(uid)

    def _remove(self, uid: str) -> None:
        node = self.nodes.pop(uid, None)
        if node is None:
            return
        for owner in node.owners:
            siblings = self.dependents.get(owner[0])
            if siblings is not None:
                siblings.discard(uid)
            if owner[0] in self.nodes and FOREGROUND in self.nodes[owner[0]].finalizers:
                self.queue.add(owner[0])
        for dependent in self.dependents.pop(uid, ()):
            self.queue.add(dependent)

    # --- what to do ----------------------------------------------------------------------------------------------

    async def reconcile(self, key: str) -> None:
        node = self.nodes.get(key)
        if node is None:
            return
        if node.deleting and FOREGROUND in node.finalizers:
            await self._foreground(key, node)
        elif node.deleting and ORPHAN in node.finalizers:
            await self._orphan(key, node)
        elif node.owners and not node.deleting:
            await self._collect_if_orphaned(key, node)

    async def _foreground(self, uid: str, node: Node) -> None:
        fresh = await self._read(uid, node)
        if fresh is None:
            return
        blocking = False
        for dependent_uid in list(self.dependents.get(uid, ())):
            dependent = self.nodes.get(dependent_uid)
            live = await self._read(dependent_uid, dependent) if dependent else None
            if dependent is None or live is None:
                continue
            references = live["metadata"].get("ownerReferences") or ()
            own = next((reference for reference in references if reference["uid"] == uid), None)
            if own is None:
                continue
            if len(references) > 1 and await self._any_owner_lives(live, but=uid):
                await self._drop_owner(dependent_uid, dependent, live, uid)
                continue
            blocking = blocking or bool(own.get("blockOwnerDeletion"))
            if not live["metadata"].get("deletionTimestamp"):
                await self.client.delete(
                    dependent.resource, dependent.namespace, dependent.name, uid=dependent_uid, propagation="Foreground"
                )
        if not blocking:
            await self._drop_finalizer(node, fresh, FOREGROUND)

    async def _orphan(self, uid: str, node: Node) -> None:
        fresh = await self._read(uid, node)
        if fresh is None:
            return
        for dependent_uid in list(self.dependents.get(uid, ())):
            dependent = self.nodes.get(dependent_uid)
            live = await self._read(dependent_uid, dependent) if dependent else None
            if dependent is not None and live is not None:
                await self._drop_owner(dependent_uid, dependent, live, uid)
        await self._drop_finalizer(node, fresh, ORPHAN)

    async def _collect_if_orphaned(self, uid: str, node: Node) -> None:
        live = await self._read(uid, node)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        if not live["metadata"].get("ownerReferences") or await self._any_owner_lives(live):
            return
        finalizers = live["metadata"].get("finalizers") or ()
        propagation = "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else "Background"
        await self.client.delete(node.resource, node.namespace, node.name, uid=uid, propagation=propagation)

    async def _any_owner_lives(self, live: Manifest, *, but: str = "") -> bool:
        for reference in live["metadata"].get("ownerReferences") or ():
            if reference["uid"] == but:
                continue
            known = self.nodes.get(reference["uid"])
            if known is not None and not (known.deleting and FOREGROUND in known.finalizers):
                return True
            if known is None and await self._exists(reference, live["metadata"].get("namespace")):
                return True
        return False

    async def _exists(self, reference: Manifest, namespace: str | None) -> bool:
        try:
            resource = await self.client.resource_for(reference["apiVersion"], reference["kind"])
        except ApiError as refusal:
            if refusal.absent:
                return False
            raise
        owner = await self.client.find(resource, namespace if resource.namespaced else None, reference["name"])
        return owner is not None and owner["metadata"]["uid"] == reference["uid"]

    async def _read(self, uid: str, node: Node) -> Manifest | None:
        live = await self.client.find(node.resource, node.namespace, node.name)
        return live if live is not None and live["metadata"]["uid"] == uid else None

    async def _drop_owner(self, uid: str, node: Node, live: Manifest, owner: str) -> None:
        references = [ref for ref in live["metadata"].get("ownerReferences") or () if ref["uid"] != owner]
        changes = {"metadata": {"uid": uid, "ownerReferences": references or None}}
        await self.client.patch(node.resource, node.namespace, node.name, changes)

    async def _drop_finalizer(self, node: Node, live: Manifest, finalizer: str) -> None:
        finalizers = list(live["metadata"].get("finalizers") or ())
        if finalizer not in finalizers:
            return
        index = finalizers.index(finalizer)
        changes = [
            {"op": "test", "path": f"/metadata/finalizers/{index}", "value": finalizer},
            {"op": "remove", "path": f"/metadata/finalizers/{index}"},
        ]
        try:
            await self.client.patch(node.resource, node.namespace, node.name, changes, content_type=JSON_PATCH)
        except ApiError as refusal:
            if not refusal.absent:
                raise
