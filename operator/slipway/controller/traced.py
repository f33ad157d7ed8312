"""A cluster each of whose requests is a part of the look that makes it."""

from __future__ import annotations

from collections.abc import Mapping

from slipway.cluster import Cluster, Kind, Object, Objects
from slipway.cluster.protocol import Propagation
from slipway.controller.tracing import span


class TracedCluster:
    """`Cluster` whose requests are spans by the name of their verb and kind. What they say is in none."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        with span(f"get {kind.kind}", object=name):
            return await self._cluster.get(kind, namespace, name)

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: Mapping[str, str] | None = None
    ) -> Objects:
        with span(f"list {kind.kind}"):
            return await self._cluster.list(kind, namespace, labels=labels)

    async def create(self, obj: Object) -> Object:
        with span(f"create {obj['kind']}", object=obj["metadata"]["name"]):
            return await self._cluster.create(obj)

    async def apply(self, obj: Object) -> Object:
        with span(f"apply {obj['kind']}", object=obj["metadata"]["name"]):
            return await self._cluster.apply(obj)

    async def apply_status(self, obj: Object) -> Object:
        with span(f"apply {obj['kind']}/status", object=obj["metadata"]["name"]):
            return await self._cluster.apply_status(obj)

    async def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        with span(f"delete {kind.kind}", object=name):
            await self._cluster.delete(
                kind, namespace, name, uid=uid, resource_version=resource_version, propagation=propagation
            )

    async def merge_patch(self, kind: Kind, namespace: str | None, name: str, patch: Object) -> Object:
        with span(f"patch {kind.kind}", object=name):
            return await self._cluster.merge_patch(kind, namespace, name, patch)

    async def version(self) -> tuple[int, int]:
        return await self._cluster.version()

    async def served(self) -> frozenset[str]:
        return await self._cluster.served()

    async def schema(self, kind: Kind) -> Object | None:
        return await self._cluster.schema(kind)

    async def close(self) -> None:
        await self._cluster.close()
