"""A cluster in memory, for tests and for simulations of long rollouts.

It does to an object what an API server does: versions, generations, server-side apply with field ownership, status as a
subresource, preconditions, finalizers and the cascade of owner references. It validates nothing and defaults nothing,
and what a real cluster does a moment later (the cascade) it does at once. The same contract tests run against it and
against a server.

Trouble comes on request: an error for the next use of a verb, an answer that gets lost after the write, reads that are
behind, and a hook before every write from which a test can stop its caller at any write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from slipway.cluster.errors import AlreadyExists, Conflict, Invalid, NotServed
from slipway.cluster.kinds import CONFIG_MAP, EVENT, KINDS, LEASE, NAMESPACE, SERVICE, Kind, Object, Objects
from slipway.cluster.merging import Manager, Owners, applied, json_copy, leaves, stored_copy, updated
from slipway.cluster.protocol import FIELD_MANAGER, Propagation
from slipway.cluster.selectors import matcher
from slipway.cluster.target import Target, status_alone, target_of

Verb = Literal["get", "list", "create", "apply", "apply_status", "delete", "merge_patch"]
Change = Literal["ADDED", "MODIFIED", "DELETED"]
Key = tuple[Kind, str | None, str]

SOMEBODY_ELSE = "somebody-else"
"""The field manager of `put`: a user, a GitOps tool, another controller."""

_OTHER: Manager = (SOMEBODY_ELSE, "Update", "")
_READS = frozenset({"get", "list"})
_WITHOUT_GENERATION = frozenset({CONFIG_MAP, EVENT, LEASE, NAMESPACE, SERVICE})
_SERVER_SET = frozenset(
    {"uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields", "selfLink"}
)


@dataclass(frozen=True, slots=True)
class Request:
    """One call, as it is kept in `MemoryCluster.requests`."""

    verb: Verb
    kind: Kind
    namespace: str | None
    name: str | None
    body: Object | None = None


@dataclass(frozen=True, slots=True)
class _Record:
    obj: Object
    owners: Owners


@dataclass(frozen=True, slots=True)
class _Fault:
    verb: Verb
    kind: Kind | None
    error: Exception
    after_write: bool


class MemoryCluster:
    """`Cluster` in memory."""

    def __init__(self, *, clock: Callable[[], datetime] | None = None, absent: Iterable[Kind] = ()) -> None:
        self.requests: list[Request] = []
        """Every call, in order, those that failed too."""
        self.before_write: Callable[[Request], None] | None = None
        """Called before each write does anything; what it raises reaches the writer in place of the write."""
        self.absent_apis: set[str] = set()
        """Groups and versions that the API does not know, though it may serve their kinds."""
        self.schemas: dict[Kind, Object] = {}
        """The OpenAPI schemas that the API publishes."""
        self.absent = set(absent)
        """Kinds that the API does not serve; tests install a CRD by discarding its kind."""
        self.reviews: Callable[[Object], Object] | None = None
        """Answers questions that are not kept, such as whose token something is; without it the API serves none."""
        self._clock = clock or (lambda: datetime.now(UTC))
        self._records: dict[Key, _Record] = {}
        self._version = 0
        self._created = 0
        self._subscribers: list[Callable[[Change, Object], None]] = []
        self._faults: list[_Fault] = []
        self._stale: dict[Key, Object] = {}
        self._stale_reads = 0

    # --- what tests do to it

    def put(self, obj: Object) -> Object:
        """Creates or replaces an object, status included, as another actor would; returns it as it is stored.

        Neither a request nor subject to faults. What the server sets (uid, versions, times) is kept.
        """
        target = target_of("put", obj)
        given = _writable(json_copy(obj), target)
        record = self._records.get(_key(target))
        live = record.obj if record is not None else _identity(target)
        new = _with_server_set(given, live)
        owners = updated(target.kind, _owned_part(live), _owned_part(new), record.owners if record else {}, _OTHER)
        return self._store(target, new, owners)

    def subscribe(self, callback: Callable[[Change, Object], None]) -> Callable[[], None]:
        """Calls back after every change, in order, before the write returns. Returns what ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def fail_next(self, verb: Verb, kind: Kind | None, error: Exception, *, after_write: bool = False) -> None:
        """The next use of a verb, on one kind or on any, raises this error; several of them are used up one by one.

        With `after_write` it does its work first: the answer is lost, as with a connection that breaks at the wrong
        time.
        """
        self._faults.append(_Fault(verb, kind, error, after_write))

    def stale_reads(self, count: int) -> None:
        """The next `count` reads see the cluster as it is at this moment, whatever is written meanwhile."""
        self._stale = {key: record.obj for key, record in self._records.items()}
        self._stale_reads = count

    # --- the verbs of a cluster

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        target = Target("get", kind, namespace if kind.namespaced else None, name)
        await self._begin("get", target)
        found = self._visible().get(_key(target))
        return stored_copy(found) if found is not None else None

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: Mapping[str, str] | str | None = None
    ) -> Objects:
        await self._begin("list", Target("list", kind, namespace))
        selected = matcher(labels or {})
        found = [
            (key[1] or "", key[2], obj)
            for key, obj in self._visible().items()
            if key[0] == kind and namespace in (None, key[1]) and selected(obj["metadata"].get("labels") or {})
        ]
        return [stored_copy(obj) for _, _, obj in sorted(found, key=lambda entry: entry[:2])]

    async def create(self, obj: Object) -> Object:
        target = target_of("create", obj)
        lost = await self._begin("create", target, obj)
        if not target.kind.stored:
            if self.reviews is None:
                raise NotServed(f"{target}: 404 NotFound: nobody answers reviews here")
            return _answered(self.reviews(json_copy(obj)), lost)
        if _key(target) in self._records:
            raise AlreadyExists(f"{target}: 409 AlreadyExists: the name is taken")
        if obj["metadata"].get("resourceVersion"):
            raise Invalid(f"{target}: 400 BadRequest: resourceVersion should not be set on objects to be created")
        new = _with_server_set(_without_status(_writable(json_copy(obj), target)), _identity(target))
        owners: Owners = {(FIELD_MANAGER, "Update", ""): leaves(target.kind, _owned_part(new))}
        return _answered(self._store(target, new, owners), lost)

    async def apply(self, obj: Object) -> Object:
        target = target_of("apply", obj)
        lost = await self._begin("apply", target, obj)
        self._check(target, obj["metadata"].get("uid"), obj["metadata"].get("resourceVersion"))
        given = _owned_part(_without_status(_writable(json_copy(obj), target)))
        return _answered(self._apply(target, given, ""), lost)

    async def apply_status(self, obj: Object) -> Object:
        target = target_of("apply_status", obj)
        lost = await self._begin("apply_status", target, status_alone(obj))
        self._live(target)
        self._check(target, obj["metadata"].get("uid"), obj["metadata"].get("resourceVersion"))
        return _answered(self._apply(target, {"status": json_copy(obj.get("status") or {})}, "status"), lost)

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
        target = Target("delete", kind, namespace if kind.namespaced else None, name)
        lost = await self._begin("delete", target)
        if _key(target) in self._records:
            self._check(target, uid, resource_version)
            self._delete(_key(target), propagation)
        if lost is not None:
            raise lost

    async def merge_patch(self, kind: Kind, namespace: str | None, name: str, patch: Object) -> Object:
        target = Target("merge_patch", kind, namespace if kind.namespaced else None, name)
        lost = await self._begin("merge_patch", target, patch)
        record = self._live(target)
        metadata = patch.get("metadata") or {}
        self._check(target, metadata.get("uid"), metadata.get("resourceVersion"))
        patched = _merge_patched(record.obj, {key: value for key, value in patch.items() if key != "status"})
        new = _with_server_set(_writable(json_copy(patched), target), record.obj)
        manager = (FIELD_MANAGER, "Update", "")
        owners = updated(kind, _owned_part(record.obj), _owned_part(new), record.owners, manager)
        return _answered(self._store(target, new, owners), lost)

    async def version(self) -> tuple[int, int]:
        return 1, 36

    async def served(self) -> frozenset[str]:
        kinds = [kind for kind in KINDS if kind not in self.absent and kind.group]
        return frozenset({kind.api_version for kind in kinds} | {"metrics.k8s.io/v1beta1"}) - self.absent_apis

    async def schema(self, kind: Kind) -> Object | None:
        return self.schemas.get(kind)

    async def close(self) -> None:
        """There is nothing to let go of."""

    # --- what lies beneath

    async def _begin(self, verb: Verb, target: Target, body: Object | None = None) -> Exception | None:
        """Notes a call and lets faults happen; returns the error to raise once the write is done, if there is one."""
        request = Request(
            verb, target.kind, target.namespace, target.name, json_copy(body) if body is not None else None
        )
        self.requests.append(request)
        # A real call lets other tasks run; one that never did would hide their races.
        await asyncio.sleep(0)
        fault = next((f for f in self._faults if f.verb == verb and f.kind in (None, target.kind)), None)
        if fault is not None:
            self._faults.remove(fault)
            if not fault.after_write:
                raise fault.error
        if target.kind in self.absent and verb != "delete":
            raise NotServed(f"{target}: 404 page not found")
        if verb not in _READS and self.before_write is not None:
            self.before_write(request)
        return fault.error if fault is not None else None

    def _visible(self) -> dict[Key, Object]:
        if self._stale_reads:
            self._stale_reads -= 1
            return self._stale
        return {key: record.obj for key, record in self._records.items()}

    def _live(self, target: Target) -> _Record:
        record = self._records.get(_key(target))
        if record is None:
            raise Conflict(f"{target}: 404 NotFound: there is no such object")
        return record

    def _check(self, target: Target, uid: str | None, resource_version: str | None) -> None:
        """The preconditions of a write."""
        record = self._records.get(_key(target))
        live = record.obj["metadata"] if record is not None else {}
        for what, wanted in (("uid", uid), ("resourceVersion", resource_version)):
            if wanted is not None and live.get(what) != wanted:
                raise Conflict(f"{target}: 409 Conflict: {what} is {live.get(what, 'none')}, not {wanted}")

    def _apply(self, target: Target, given: Object, subresource: str) -> Object:
        record = self._records.get(_key(target)) or _Record(_identity(target), {})
        manager: Manager = (FIELD_MANAGER, "Apply", subresource)
        merged, owners = applied(target.kind, record.obj, given, record.owners, manager)
        return self._store(target, _with_server_set(merged, record.obj), owners)

    def _store(self, target: Target, new: Object, owners: Owners) -> Object:
        """Makes a new version of an object, unless nothing of it is new."""
        key = _key(target)
        record = self._records.get(key)
        if record is not None and record.obj == new and record.owners == owners:
            return new
        self._version += 1
        metadata = new["metadata"] | {"resourceVersion": str(self._version)}
        if record is None:
            self._created += 1
            metadata["uid"] = f"00000000-0000-4000-8000-{self._created:012d}"
            metadata["creationTimestamp"] = self._now()
        if target.kind not in _WITHOUT_GENERATION:
            before = record.obj if record is not None else None
            generation = before["metadata"].get("generation", 0) if before is not None else 0
            metadata["generation"] = generation + (before is None or _desired(before) != _desired(new))
        stored = new | {"metadata": metadata}
        self._records[key] = _Record(stored, owners)
        self._tell("ADDED" if record is None else "MODIFIED", stored)
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._remove(key, "Background")
        return stored

    def _delete(self, key: Key, propagation: Propagation) -> None:
        record = self._records[key]
        metadata = record.obj["metadata"]
        if not metadata.get("finalizers"):
            self._remove(key, propagation)
        elif not metadata.get("deletionTimestamp"):
            self._version += 1
            marked = metadata | {"deletionTimestamp": self._now(), "resourceVersion": str(self._version)}
            self._records[key] = replace(record, obj=record.obj | {"metadata": marked})
            self._tell("MODIFIED", self._records[key].obj)

    def _remove(self, key: Key, propagation: Propagation) -> None:
        """Takes an object out, and what it owned; dependents that keep another owner lose the reference only."""
        gone = self._records.pop(key).obj
        self._version += 1
        metadata = gone["metadata"] | {"resourceVersion": str(self._version)}
        self._tell("DELETED", gone | {"metadata": metadata})
        for dependent in [key for key, record in self._records.items() if _refers(record.obj, metadata["uid"])]:
            record = self._records.get(dependent)
            if record is None:  # went with another dependent
                continue
            references = [o for o in record.obj["metadata"]["ownerReferences"] if o.get("uid") != metadata["uid"]]
            if references or propagation == "Orphan":
                kept = record.obj["metadata"] | {"ownerReferences": references}
                if not references:
                    del kept["ownerReferences"]
                self._store(_target(dependent), record.obj | {"metadata": kept}, record.owners)
            else:
                self._delete(dependent, propagation)

    def _tell(self, change: Change, obj: Object) -> None:
        for callback in tuple(self._subscribers):
            callback(change, stored_copy(obj))

    def _now(self) -> str:
        return self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _answered(stored: Object, lost: Exception | None) -> Object:
    if lost is not None:
        raise lost
    answer: Object = stored_copy(stored)
    return answer


def _key(target: Target) -> Key:
    return (target.kind, target.namespace, target.name or "")


def _target(key: Key) -> Target:
    return Target("delete", *key)


def _identity(target: Target) -> Object:
    """An object before anybody said anything of it."""
    metadata = {"name": target.name} | ({"namespace": target.namespace} if target.namespace is not None else {})
    return {"apiVersion": target.kind.api_version, "kind": target.kind.kind, "metadata": metadata}


def _writable(obj: Object, target: Target) -> Object:
    """An object without what only the server may set in its metadata."""
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _SERVER_SET}
    return obj | {"metadata": metadata | _identity(target)["metadata"]}


def _without_status(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key != "status"}


def _owned_part(obj: Object) -> Object:
    """The part of an object that field managers own: not who it is, nor what the server sets."""
    metadata = {
        key: value
        for key, value in obj["metadata"].items()
        if key not in _SERVER_SET and key not in ("name", "namespace")
    }
    part = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    return part | ({"metadata": metadata} if metadata else {})


def _with_server_set(obj: Object, live: Object) -> Object:
    """An object with what the server has set on the live one."""
    kept = {key: value for key, value in live["metadata"].items() if key in _SERVER_SET}
    own = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _SERVER_SET}
    return obj | {"metadata": own | kept}


def _desired(obj: Object) -> Object:
    """What a generation counts the changes of."""
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _refers(obj: Object, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in obj["metadata"].get("ownerReferences") or [])


def _merge_patched(value: Object, patch: Object) -> Object:
    """RFC 7386, section 2."""
    result = dict(value)
    for key, item in patch.items():
        if item is None:
            result.pop(key, None)
        elif isinstance(item, dict):
            below = result.get(key)
            result[key] = _merge_patched(below if isinstance(below, dict) else {}, item)
        else:
            result[key] = item
    return result
