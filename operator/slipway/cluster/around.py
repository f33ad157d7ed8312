"""A cluster around each of whose requests something else happens, such as a check, or a span of a trace."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from slipway.cluster.kinds import Kind, Object, Objects, kind_of
from slipway.cluster.protocol import Cluster, Propagation


@dataclass(frozen=True, slots=True)
class Call:
    """One request: what is done, to which object of which kind. ``name`` is empty for a list."""

    verb: Literal["get", "list", "create", "apply", "delete", "patch"]
    kind: Kind
    namespace: str | None
    name: str = ""
    subresource: str = ""

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.verb not in ("get", "list")


class ClusterAround(ABC):
    """`Cluster` whose every request is made inside of `around`. What is asked of the API itself is not."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @abstractmethod
    def around(self, call: Call) -> AbstractContextManager[object]:
        """What a request happens in. Raise here to keep it from being made."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        with self.around(Call("get", kind, namespace, name)):
            return await self._cluster.get(kind, namespace, name)

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: Mapping[str, str] | str | None = None
    ) -> Objects:
        with self.around(Call("list", kind, namespace)):
            return await self._cluster.list(kind, namespace, labels=labels)

    async def create(self, obj: Object) -> Object:
        with self.around(_call("create", obj)):
            return await self._cluster.create(obj)

    async def apply(self, obj: Object) -> Object:
        with self.around(_call("apply", obj)):
            return await self._cluster.apply(obj)

    async def apply_status(self, obj: Object) -> Object:
        with self.around(_call("apply", obj, "status")):
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
        with self.around(Call("delete", kind, namespace, name)):
            await self._cluster.delete(
                kind, namespace, name, uid=uid, resource_version=resource_version, propagation=propagation
            )

    async def merge_patch(self, kind: Kind, namespace: str | None, name: str, patch: Object) -> Object:
        with self.around(Call("patch", kind, namespace, name)):
            return await self._cluster.merge_patch(kind, namespace, name, patch)

    async def version(self) -> tuple[int, int]:
        return await self._cluster.version()

    async def served(self) -> frozenset[str]:
        return await self._cluster.served()

    async def schema(self, kind: Kind) -> Object | None:
        return await self._cluster.schema(kind)

    async def close(self) -> None:
        await self._cluster.close()


def _call(verb: Literal["create", "apply"], obj: Object, subresource: str = "") -> Call:
    metadata = obj.get("metadata") or {}
    return Call(verb, kind_of(obj), metadata.get("namespace"), str(metadata.get("name", "")), subresource)
