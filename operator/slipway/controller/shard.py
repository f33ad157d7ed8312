"""The part of a very large cluster that one group of replicas works on: namespaces with certain labels."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection

from slipway.controller.reconciler import Key


class Shard:
    """Which ModelDeployments are ours. Without a selector all are.

    Events of an object may come before that of its namespace, and a namespace may leave and return. So every
    ModelDeployment is remembered with its namespace, and becomes due when that comes, or goes.
    """

    def __init__(self, selector: str | None = None) -> None:
        """`selector` is a label selector for namespaces, as the API server reads it."""
        self.selector = selector
        self.changes = 0
        """How often namespaces came or went: a list that was read meanwhile is out of date."""
        self._ours: set[str] = set()
        self._heard: defaultdict[str, set[Key]] = defaultdict(set)

    def admits(self, key: Key) -> bool:
        """Whether a ModelDeployment is ours at this moment."""
        return self.selector is None or key[0] in self._ours

    def takes(self, key: Key) -> bool:
        """The same, of a ModelDeployment that was told of; it is remembered."""
        if self.selector is not None:
            self._heard[key[0]].add(key)
        return self.admits(key)

    def joined(self, namespace: str) -> set[Key]:
        """A namespace is ours; returns what was heard of it, where it was not ours before."""
        if namespace in self._ours:
            return set()
        self.changes += 1
        self._ours.add(namespace)
        return self._of(namespace)

    def left(self, namespace: str) -> set[Key]:
        """A namespace is gone, or another group's; returns what has to be let go."""
        self.changes += 1
        if namespace not in self._ours:
            return set()
        self._ours.remove(namespace)
        return self._of(namespace)

    def are(self, namespaces: Collection[str]) -> set[Key]:
        """These namespaces are ours, and no other; returns what is to be taken or let go."""
        found = set[Key]()
        for namespace in set(namespaces) - self._ours:
            found |= self.joined(namespace)
        for namespace in self._ours - set(namespaces):
            found |= self.left(namespace)
        return found

    def keys(self) -> set[Key]:
        """All that is remembered."""
        return set[Key]().union(*self._heard.values())

    def forget(self, key: Key) -> None:
        """A ModelDeployment is gone."""
        heard = self._heard.get(key[0], set())
        heard.discard(key)
        if not heard:
            self._heard.pop(key[0], None)

    def lease_name(self, base: str) -> str:
        """A lease of its own for each part of the cluster."""
        if self.selector is None:
            return base
        return f"{base}-{hashlib.sha256(self.selector.encode()).hexdigest()[:8]}"

    def _of(self, namespace: str) -> set[Key]:
        return set(self._heard.get(namespace, ()))
