"""The operator's account in a cluster in memory: what its roles do not allow is refused, in an API server's words."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from slipway.cluster import Cluster, Forbidden, Kind, Object, kind_of
from slipway.cluster.kinds import Objects
from slipway.cluster.protocol import Propagation

USER = "system:serviceaccount:ops:rel-slipway"


class Right(NamedTuple):
    """One thing that a role allows."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"

    @property
    def refusal(self) -> str:
        """What an API server says, with a name before it and the namespace behind."""
        return f'User "{USER}" cannot {self.verb} resource "{self.resource}" in API group "{self.group}"'


@dataclass
class Account:
    """What an account may do, and what it did."""

    rights: frozenset[Right]
    used: set[Right] = field(default_factory=set)

    def demand(self, kind: Kind, verb: str, namespace: str | None, name: str = "", subresource: str = "") -> None:
        """Note a request. Raises Forbidden where it is not allowed."""
        right = Right(kind.group, f"{kind.plural}/{subresource}" if subresource else kind.plural, verb)
        self.used.add(right)
        if right not in self.rights:
            about = f'{kind.plural}.{kind.group} "{name}"' if name else f"{kind.plural}.{kind.group}"
            where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
            raise Forbidden(f"{verb} {kind.kind}: 403 Forbidden: {about} is forbidden: {right.refusal}{where}")

    def of(self, cluster: Cluster) -> Cluster:
        """The cluster as this account finds it."""
        return _Guarded(cluster, self)


class _Guarded:
    """`Cluster` behind an account's rights."""

    def __init__(self, cluster: Cluster, account: Account) -> None:
        self._cluster, self._account = cluster, account

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        self._account.demand(kind, "get", namespace, name)
        return await self._cluster.get(kind, namespace, name)

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: Mapping[str, str] | None = None
    ) -> Objects:
        self._account.demand(kind, "list", namespace)
        return await self._cluster.list(kind, namespace, labels=labels)

    async def create(self, obj: Object) -> Object:
        self._demand("create", obj)
        return await self._cluster.create(obj)

    async def apply(self, obj: Object) -> Object:
        """A server asks for both where the object is not there yet."""
        self._demand("patch", obj)
        metadata = obj["metadata"]
        if await self._cluster.get(kind_of(obj), metadata.get("namespace"), metadata["name"]) is None:
            self._demand("create", obj)
        return await self._cluster.apply(obj)

    async def apply_status(self, obj: Object) -> Object:
        self._demand("patch", obj, "status")
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
        self._account.demand(kind, "delete", namespace, name)
        await self._cluster.delete(
            kind, namespace, name, uid=uid, resource_version=resource_version, propagation=propagation
        )

    async def merge_patch(self, kind: Kind, namespace: str | None, name: str, patch: Object) -> Object:
        self._account.demand(kind, "patch", namespace, name)
        return await self._cluster.merge_patch(kind, namespace, name, patch)

    async def version(self) -> tuple[int, int]:
        return await self._cluster.version()

    async def served(self) -> frozenset[str]:
        return await self._cluster.served()

    async def schema(self, kind: Kind) -> Object | None:
        return await self._cluster.schema(kind)

    async def close(self) -> None:
        await self._cluster.close()

    def _demand(self, verb: str, obj: Object, subresource: str = "") -> None:
        metadata = obj.get("metadata") or {}
        self._account.demand(kind_of(obj), verb, metadata.get("namespace"), metadata.get("name", ""), subresource)


@dataclass
class Seen:
    """What came of a scene: where it stopped, if it did, and what the operator said."""

    stopped_at: str | None = None
    place: str = "the beginning"
    """What is waited for at this moment."""
    told: dict[str, str] = field(default_factory=dict)
    """By the place where one reads it: all of its text at the end."""

    def waits_for(self, place: str) -> None:
        self.place = place

    def says(self, right: Right) -> str | None:
        """Where the operator names the right, the most visible place first; None where it does nowhere."""
        return next((where for where, text in self.told.items() if right.refusal in text), None)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


Scene = Callable[[Account, Seen], Awaitable[None]]


async def played(scene: Scene, rights: Iterable[Right]) -> tuple[Account, Seen]:
    """A scene with these rights, until its end or the place at which it stops. Defects of the operator get out."""
    account, seen, heard = Account(frozenset(rights)), Seen(), _Lines()
    log = logging.getLogger("slipway")
    level = log.level
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    try:
        with suppress(Stopped):
            await scene(account, seen)
    finally:
        log.removeHandler(heard)
        log.setLevel(level)
    seen.told["log"] = "\n".join(heard.lines)
    return account, seen


class Stopped(Exception):
    """A scene does not go on."""
