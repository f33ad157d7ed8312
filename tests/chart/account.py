"""The operator's account in a cluster in memory: what its roles do not allow is refused, in an API server's words."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from slipway.cluster import Call, Cluster, ClusterAround, Forbidden, Kind, Object, kind_of

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


VERBS: Final = {"apply": "patch"}
"""What a server asks for, where that is another word."""


class _Guarded(ClusterAround):
    """`Cluster` behind an account's rights."""

    def __init__(self, cluster: Cluster, account: Account) -> None:
        super().__init__(cluster)
        self._account = account

    def around(self, call: Call) -> AbstractContextManager[object]:
        verb = VERBS.get(call.verb, call.verb)
        self._account.demand(call.kind, verb, call.namespace, call.name, call.subresource)
        return nullcontext()

    async def apply(self, obj: Object) -> Object:
        """A server asks for both rights where the object is not there yet."""
        kind, metadata = kind_of(obj), obj["metadata"]
        self._account.demand(kind, "patch", metadata.get("namespace"), metadata["name"])
        if await self._cluster.get(kind, metadata.get("namespace"), metadata["name"]) is None:
            self._account.demand(kind, "create", metadata.get("namespace"), metadata["name"])
        return await self._cluster.apply(obj)


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
