"""What every controller has in common: a queue, workers, and a rule for failures."""

import abc
import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

import aiohttp

from slipway_sandbox.client import ApiError, Client, EventRecorder, InformerSet, Manifest
from slipway_sandbox.controllers.queue import WorkQueue

log = logging.getLogger(__name__)

WORKERS: Final = 4


class Controller(abc.ABC):
    """A loop over keys. Subclasses register handlers in their constructor and say in `reconcile` what to do."""

    name: str

    def __init__(self, client: Client, informers: InformerSet) -> None:
        self.client = client
        self.informers = informers
        self.queue = WorkQueue()
        self.events = EventRecorder(client, self.name)

    @abc.abstractmethod
    async def reconcile(self, key: str) -> None:
        """Bring one object closer to what it asks for. Raised API errors are retried with growing pauses."""

    async def run(self) -> None:
        """Work until cancelled."""
        await self.informers.synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.events.run(), name=f"{self.name}-events")
            for number in range(WORKERS):
                group.create_task(self._work(), name=f"{self.name}-{number}")

    async def _work(self) -> None:
        while True:
            key = await self.queue.take()
            try:
                await self.reconcile(key)
                self.queue.succeeded(key)
            except (TimeoutError, ApiError, aiohttp.ClientError, OSError) as failure:
                pause = self.queue.retry(key)
                # A conflict is the ordinary way to learn that the informer lags; anything else deserves a line.
                level = logging.DEBUG if isinstance(failure, ApiError) and failure.conflict else logging.WARNING
                log.log(level, "%s: %s: %r (again in %.2f s)", self.name, key, failure, pause)
            except Exception:
                # One object that cannot be handled must not stop the others.
                log.exception("%s: %s: again in %.2f s", self.name, key, self.queue.retry(key))
            finally:
                self.queue.done(key)


def timestamp(moment: datetime | None = None) -> str:
    """A moment as the API writes it: UTC, whole seconds."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(text: str) -> datetime:
    """The moment that an API timestamp names."""
    return datetime.fromisoformat(text)


def owner_reference(owner: Manifest, *, controller: bool = True) -> Manifest:
    """A reference that makes `owner` answer for an object, and its deletion the object's."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": True,
    }
