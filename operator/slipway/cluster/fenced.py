"""A cluster that is written to only while something is so: while this replica leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from slipway.cluster.errors import NotLeading
from slipway.cluster.kinds import Kind, Object, Objects
from slipway.cluster.protocol import Cluster, Propagation


class FencedCluster:
    """`Cluster` whose writes raise NotLeading once `may_write` says no. Reads go through.

    A process that was stopped in the middle of a look, and goes on when another one leads, gets no further than its
    next write.
    """

    def __init__(self, cluster: Cluster, may_write: Callable[[], bool]) -> None:
        self._cluster = cluster
        self._may_write = may_write

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        return await self._cluster.get(kind, namespace, name)

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: Mapping[str, str] | None = None
    ) -> Objects:
        return await self._cluster.list(kind, namespace, labels=labels)

    async def create(self, obj: Object) -> Object:
        self._check("create")
        return await self._cluster.create(obj)

    async def apply(self, obj: Object) -> Object:
        self._check("apply")
        return await self._cluster.apply(obj)

    async def apply_status(self, obj: Object) -> Object:
        self._check("apply the status")
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
        self._check("delete")
        await self._cluster.delete(
            kind, namespace, name, uid=uid, resource_version=resource_version, propagation=propagation
        )

    async def merge_patch(self, kind: Kind, namespace: str | None, name: str, patch: Object) -> Object:
        self._check("patch")
        return await self._cluster.merge_patch(kind, namespace, name, patch)

    async def version(self) -> tuple[int, int]:
        return await self._cluster.version()

    async def served(self) -> frozenset[str]:
        return await self._cluster.served()

    async def schema(self, kind: Kind) -> Object | None:
        return await self._cluster.schema(kind)

    async def close(self) -> None:
        await self._cluster.close()

    def _check(self, verb: str) -> None:
        if not self._may_write():
            raise NotLeading(f"{verb}: another replica leads, or may lead soon")
