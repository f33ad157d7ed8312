"""What is gone through again and again, whatever the watches say: they can miss that something went."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from slipway.cluster import MODEL_DEPLOYMENT, NAMESPACE, Cluster, ClusterError
from slipway.controller.listening import Listener
from slipway.controller.reconciler import Key

RESYNC: Final = 600.0
"""Seconds between two lists of all ModelDeployments."""

RESHARD: Final = 60.0
"""Seconds between two lists of the namespaces that are ours, where a part of the cluster is: two groups of replicas may
act on one that left unnoticed."""

_log = logging.getLogger(__name__)


class Remembers(Protocol):
    """What is kept in memory of ModelDeployments."""

    def keys(self) -> Collection[Key]:
        """Of which."""

    def forget(self, key: Key) -> None:
        """One of them is gone, or another group's."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """Heals what a watch missed."""

    cluster: Cluster
    namespaces: Sequence[str]
    """Where to work; everywhere when empty."""
    listener: Listener
    memories: Sequence[Remembers] = ()
    """Beside what the listener remembers."""

    async def keep(self) -> None:
        """Go round until cancelled."""
        rounds = [_again(RESYNC, self.resync)]
        if self.listener.shard.selector is not None:
            rounds.append(_again(RESHARD, self.reshard))
        await asyncio.gather(*rounds)

    async def reshard(self) -> None:
        """Take the namespaces that are ours now, and let the others go."""
        shard = self.listener.shard
        if shard.selector is None:
            return
        before = shard.changes
        try:
            found = await self.cluster.list(NAMESPACE, labels=shard.selector)
        except ClusterError as error:
            _log.warning("which namespaces are ours has to wait for the next round: %s", error)
            return
        if shard.changes == before:  # otherwise events are ahead of the list
            for key in shard.are({namespace["metadata"]["name"] for namespace in found}):
                self.listener.queue.add(key)

    async def resync(self) -> None:
        """Look at every ModelDeployment, and let those go that are gone."""
        await self.reshard()
        memories = (*self.memories, self.listener.shard, self.listener.wanting)
        known = set[Key]().union(*(memory.keys() for memory in memories))
        for namespace in self.namespaces or (None,):
            try:
                found = await self.cluster.list(MODEL_DEPLOYMENT, namespace)
            except ClusterError as error:
                _log.warning("the resync has to wait for the next one: %s", error)
                continue
            listed = {(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in found}
            for key in listed:
                if self.listener.shard.takes(key):
                    self.listener.queue.add(key)
            for key in known - listed:
                if namespace in (None, key[0]):
                    for memory in memories:
                        memory.forget(key)
                    self.listener.queue.add(key)  # should it be there after all, it is looked at


async def _again(seconds: float, what: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
        try:
            await what()
        except Exception:  # noqa: BLE001 - a round that ended would never heal anything again
            _log.exception("a defect of the operator: the round is made again")
