"""A watched copy of one resource: list, then watch, and list again when the watch cannot be resumed.

Reads of a controller come from here, so an idle controller asks the API for nothing. The copy also takes in what the
controller's own writes returned (`observe`), so that it never acts a second time merely because the watch is late.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import aiohttp

from slipway_sandbox.client.resources import Manifest, Resource, key_of
from slipway_sandbox.client.rest import ApiError, Client

log = logging.getLogger(__name__)

Handler = Callable[[str, Manifest, Manifest | None], None]
"""Called with the event's type (ADDED, MODIFIED, DELETED), the object, and the object as it was before."""

FIRST_RETRY_SECONDS: Final = 0.1
LONGEST_RETRY_SECONDS: Final = 5.0
REMEMBERED_DELETIONS: Final = 4096


class Informer:
    """A live, indexed copy of all objects of one resource.

    Handlers run inside the event loop, in the order of the watch, and must not block. What they raise is logged.
    """

    def __init__(self, client: Client, resource: Resource, *, slim: bool = False) -> None:
        """A `slim` informer keeps no more of an object than its metadata."""
        self.resource = resource
        self._slim = slim
        self._client = client
        self._objects: dict[str, Manifest] = {}
        self._by_namespace: dict[str, dict[str, Manifest]] = {}
        self._by_owner: dict[str, dict[str, Manifest]] = {}
        self._deleted: deque[str] = deque(maxlen=REMEMBERED_DELETIONS)
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()

    def add_handler(self, handler: Handler) -> None:
        """Tell of every change from now on, and of every object that is here already as ADDED."""
        self._handlers.append(handler)
        for obj in self._objects.values():
            handler("ADDED", obj, None)

    def get(self, namespace: str | None, name: str) -> Manifest | None:
        """The object as last seen. Callers must not change it."""
        return self._objects.get(f"{namespace}/{name}" if namespace else name)

    def by_key(self, key: str) -> Manifest | None:
        """The object as last seen, by `namespace/name`. Callers must not change it."""
        return self._objects.get(key)

    def all(self) -> Iterator[Manifest]:
        """Every object, in no order."""
        return iter(list(self._objects.values()))

    def in_namespace(self, namespace: str) -> list[Manifest]:
        """The objects of one namespace."""
        return list(self._by_namespace.get(namespace, {}).values())

    def controlled_by(self, uid: str) -> list[Manifest]:
        """The objects whose controlling owner has this uid."""
        return list(self._by_owner.get(uid, {}).values())

    async def synced(self) -> None:
        """Wait until the first list has been taken in."""
        await self._synced.wait()

    def observe(self, obj: Manifest) -> None:
        """Take in what a write returned, unless the watch has told something newer already."""
        key, uid = key_of(obj), obj["metadata"].get("uid", "")
        known = self._objects.get(key)
        if uid in self._deleted or (known is not None and _version(known) >= _version(obj)):
            return
        self._store(key, obj)
        self._tell("MODIFIED" if known else "ADDED", obj, known)

    async def run(self) -> None:
        """Follow the resource until cancelled."""
        delay = FIRST_RETRY_SECONDS
        version = ""
        while True:
            try:
                if not version:
                    version = await self._relist()
                    self._synced.set()
                    delay = FIRST_RETRY_SECONDS
                async for kind, obj in self._client.watch(self.resource, version):
                    version = str(obj["metadata"]["resourceVersion"])
                    delay = FIRST_RETRY_SECONDS
                    self._take(kind, obj)
                await asyncio.sleep(FIRST_RETRY_SECONDS)  # a server that ends every watch at once is not worth a storm
                continue
            except ApiError as refusal:
                if refusal.expired:
                    version = ""
                    continue
                # A kind that was removed answers 404 for good, and one that comes back is a new list.
                version = ""
                log.debug("watch of %s: %s", self.resource.plural, refusal)
            except (TimeoutError, aiohttp.ClientError, OSError) as failure:
                log.debug("watch of %s: %r", self.resource.plural, failure)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY_SECONDS)

    async def _relist(self) -> str:
        items, version = await self._client.list_all(self.resource)
        present = {key_of(item) for item in items}
        for key in [key for key in self._objects if key not in present]:
            self._take("DELETED", self._objects[key])
        for item in items:
            known = self._objects.get(key_of(item))
            if known is not None and known["metadata"].get("uid") != item["metadata"].get("uid"):
                self._take("DELETED", known)
                known = None
            if known is None or _version(known) < _version(item):
                self._take("ADDED", item)
        return version

    def _take(self, kind: str, obj: Manifest) -> None:
        if kind == "BOOKMARK":
            return
        key = key_of(obj)
        known = self._objects.get(key)
        if kind == "DELETED":
            self._deleted.append(obj["metadata"].get("uid", ""))
            self._forget(key)
            self._tell("DELETED", obj, known)
            return
        if known is not None and _version(known) >= _version(obj):
            return  # our own write, taken in before the watch brought it
        obj.setdefault("apiVersion", self.resource.api_version)
        obj.setdefault("kind", self.resource.kind)
        self._store(key, obj)
        self._tell("MODIFIED" if known else "ADDED", obj, known)

    def _tell(self, kind: str, obj: Manifest, before: Manifest | None) -> None:
        for handler in self._handlers:
            try:
                handler(kind, obj, before)
            except Exception:
                # One strange object must not end the watch of all the others.
                log.exception("%s of %s %s", kind, self.resource.plural, key_of(obj))

    def _store(self, key: str, obj: Manifest) -> None:
        self._forget(key)
        if self._slim:
            obj = {"metadata": obj["metadata"]}
        self._objects[key] = obj
        metadata = obj["metadata"]
        self._by_namespace.setdefault(metadata.get("namespace", ""), {})[key] = obj
        owner = controller_of(obj)
        if owner:
            self._by_owner.setdefault(owner, {})[key] = obj

    def _forget(self, key: str) -> None:
        obj = self._objects.pop(key, None)
        if obj is None:
            return
        _drop(self._by_namespace, obj["metadata"].get("namespace", ""), key)
        owner = controller_of(obj)
        if owner:
            _drop(self._by_owner, owner, key)


class InformerSet:
    """The informers of one process: each resource is watched once, however many controllers look at it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Resource, Informer] = {}

    def of(self, resource: Resource) -> Informer:
        """The shared informer of a resource; ask before `run`."""
        if resource not in self._informers:
            self._informers[resource] = Informer(self._client, resource)
        return self._informers[resource]

    def find(self, resource: Resource) -> Informer | None:
        """The shared informer of a resource, if there is one."""
        return self._informers.get(resource)

    async def synced(self) -> None:
        """Wait until every informer has its first list."""
        for informer in list(self._informers.values()):
            await informer.synced()

    async def run(self) -> None:
        """Follow every resource until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run(), name=f"informer-{informer.resource.plural}")


def controller_of(obj: Manifest) -> str | None:
    """The uid of the owner that controls the object."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return None


def _version(obj: Manifest) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)


def _drop(index: dict[str, dict[str, Manifest]], bucket: str, key: str) -> None:
    entries = index.get(bucket)
    if entries is not None:
        entries.pop(key, None)
        if not entries:
            del index[bucket]
