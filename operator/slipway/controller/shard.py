"""The part of a very large cluster that one group of replicas works on: namespaces with certain labels."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from slipway.controller.reconciler import Key


class Shard:
    """Which ModelDeployments are ours. Without a selector all are.

    Events of an object may come before that of its namespace: what is not ours yet is remembered by its key, and
    becomes due when its namespace turns out, or comes, to be ours.
    """

    def __init__(self, selector: str | None = None) -> None:
        """`selector` is a label selector for namespaces, as the API server reads it."""
        self.selector = selector
        self._ours: set[str] = set()
        self._others: defaultdict[str, set[Key]] = defaultdict(set)

    def admits(self, key: Key) -> bool:
        """Whether a ModelDeployment is ours at this moment."""
        return self.selector is None or key[0] in self._ours

    def takes(self, key: Key) -> bool:
        """The same, of an event; one that is not ours is remembered."""
        if self.admits(key):
            return True
        self._others[key[0]].add(key)
        return False

    def joined(self, namespace: str) -> set[Key]:
        """A namespace is ours; returns what was heard of it before."""
        self._ours.add(namespace)
        return self._others.pop(namespace, set())

    def left(self, namespace: str) -> None:
        """A namespace is gone, or another group's."""
        self._ours.discard(namespace)

    def lease_name(self, base: str) -> str:
        """A lease of its own for each part of the cluster."""
        if self.selector is None:
            return base
        return f"{base}-{hashlib.sha256(self.selector.encode()).hexdigest()[:8]}"
