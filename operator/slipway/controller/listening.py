"""What becomes of events: keys on the queue, and what has to be known to find them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.api import LABEL_MODEL_DEPLOYMENT
from slipway.controller.queue import WorkQueue
from slipway.controller.reconciler import Key
from slipway.controller.runtimes import Wanting
from slipway.controller.shard import Shard


def key_of(body: Mapping[str, Any]) -> Key | None:
    """The ModelDeployment that an object is, or belongs to by its label."""
    metadata = body["metadata"]
    if body.get("kind") == "ModelDeployment":
        return metadata["namespace"], metadata["name"]
    name = (metadata.get("labels") or {}).get(LABEL_MODEL_DEPLOYMENT)
    return (metadata["namespace"], name) if name else None


class Listener:
    """Hears of objects, and puts on the queue what is ours. An event may come twice, or never."""

    def __init__(self, queue: WorkQueue[Key], shard: Shard | None = None) -> None:
        self.queue = queue
        self.shard = shard or Shard()
        self.wanting = Wanting()

    def deployment(self, body: Mapping[str, Any], *, gone: bool) -> None:
        """A ModelDeployment is there, has changed or is gone."""
        self.wanting.note(dict(body), gone=gone)
        key = (str(body["metadata"]["namespace"]), str(body["metadata"]["name"]))
        if self.shard.takes(key):
            self.queue.add(key)
        if gone:
            self.shard.forget(key)

    def child(self, body: Mapping[str, Any]) -> None:
        """The same of what belongs to a ModelDeployment."""
        key = key_of(body)
        if key is not None and self.shard.admits(key):
            self.queue.add(key)

    def runtime(self, body: Mapping[str, Any]) -> None:
        """The same of a runtime: those that it may serve are looked at."""
        for key in self.wanting.concerned(dict(body)):
            if self.shard.admits(key):
                self.queue.add(key)

    def namespace(self, name: str, *, gone: bool) -> None:
        """A namespace is there, or is gone; a server tells so of one whose labels a selector does not match any more.
        What leaves is looked at too, and let go by who finds that it is not ours."""
        for key in self.shard.left(name) if gone else self.shard.joined(name):
            self.queue.add(key)
