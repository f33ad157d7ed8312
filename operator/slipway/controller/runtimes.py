"""Which runtime serves a release: read where a release wants one, and settled once for each revision."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from slipway.api import (
    CLUSTER_MODEL_RUNTIME_KIND,
    MODEL_RUNTIME_KIND,
    FrozenRuntime,
    ModelRevision,
    ReleaseSpec,
    RuntimeKind,
)
from slipway.cluster import CLUSTER_MODEL_RUNTIME, MODEL_RUNTIME, Cluster, Forbidden, Kind, NotServed, Object
from slipway.controller.addresses import address_problem
from slipway.release import Runtime, Unresolved, UnresolvedError, edited, read_runtime, resolve, wants_runtime
from slipway.release.resolve import NEAREST_FIRST

KINDS: Final[dict[RuntimeKind, Kind]] = {
    MODEL_RUNTIME_KIND: MODEL_RUNTIME,
    CLUSTER_MODEL_RUNTIME_KIND: CLUSTER_MODEL_RUNTIME,
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a release that wants a runtime. All None for one that wants none."""

    runtime: FrozenRuntime | None = None
    """What its revision is created with."""
    unresolved: tuple[str, str] | None = None
    edited: str | None = None


async def settled(cluster: Cluster, namespace: str, release: ReleaseSpec, revision: ModelRevision | None) -> Settled:
    """Settle the declared release, or look whether the runtime of its revision was edited since.

    Raises ClusterError when the runtimes cannot be read; not where this operator may not read those of the cluster.
    """
    if not wants_runtime(release):
        return Settled()
    if revision is not None:
        return await _since(cluster, namespace, revision)
    closed: list[str] = []
    try:
        frozen = resolve(release, await _runtimes(cluster, namespace, release, closed))
    except UnresolvedError as error:
        return Settled(unresolved=(error.reason.value, f"{error}{_closed(error, closed)}"))
    # Before a revision is created: what stands in one stays there for good, credentials among it.
    if wrong := address_problem(release, delivered=frozen.delivery is not None):
        return Settled(unresolved=(Unresolved.INVALID.value, wrong))
    return Settled(runtime=frozen)


def _closed(error: UnresolvedError, closed: list[str]) -> str:
    """What to add where some runtimes cannot be read: the one that is missing may be among them."""
    if error.reason is not Unresolved.NOT_FOUND or not closed:
        return ""
    return (
        f"; this operator cannot read all runtimes, so write a {MODEL_RUNTIME_KIND} that it can read, or let it read "
        f"them (of the chart: crds.enabled, permissions.clusterRuntimes): {'; '.join(closed)}"
    )


async def _since(cluster: Cluster, namespace: str, revision: ModelRevision) -> Settled:
    frozen = revision.spec.runtime
    if frozen is None:
        return Settled()
    try:
        found = await cluster.get(KINDS[frozen.kind], _where(frozen.kind, namespace), frozen.name)
        now = read_runtime(frozen.kind, frozen.name, found["spec"]) if found is not None else None
    except (Forbidden, NotServed, UnresolvedError) as error:
        _log.debug("whether %s %s was edited is not known: %s", frozen.kind, frozen.name, error)
        return Settled()
    return Settled(edited=edited(frozen, now, revision.spec.release.model.version) if now is not None else None)


async def _runtimes(cluster: Cluster, namespace: str, release: ReleaseSpec, closed: list[str]) -> list[Runtime]:
    """The runtimes that may serve a release; `closed` gains why those of a kind cannot be read."""
    reference = release.runtime
    kinds = (reference.kind,) if reference is not None and reference.kind is not None else NEAREST_FIRST
    found: list[Runtime] = []
    for kind in kinds:
        where = _where(kind, namespace)
        try:
            if reference is None:
                found += _readable(kind, await cluster.list(KINDS[kind], where))
            elif (raw := await cluster.get(KINDS[kind], where, reference.name)) is not None:
                return [read_runtime(kind, reference.name, raw["spec"])]
        except (Forbidden, NotServed) as error:
            closed.append(str(error))
    return found


def _readable(kind: RuntimeKind, objects: list[Object]) -> list[Runtime]:
    """Of runtimes that a format may choose those that can be read: one of another version spoils no other's choice."""
    out = []
    for raw in objects:
        try:
            out.append(read_runtime(kind, raw["metadata"]["name"], raw["spec"]))
        except UnresolvedError as error:
            _log.warning("not chosen for any format: %s", error)
    return out


def _where(kind: RuntimeKind, namespace: str) -> str | None:
    return namespace if KINDS[kind].namespaced else None


def _under(value: Object, name: str) -> Object:
    """A map in a map; empty where there is none, also because nobody has checked what an event brings."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


class Wanting:
    """Which ModelDeployments an edit of a runtime concerns: kept from the events of ModelDeployments, which are watched
    whole."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str | None] = {}

    def note(self, body: Object, *, gone: bool) -> None:
        """Remember a ModelDeployment, or forget it."""
        key = (str(body["metadata"]["namespace"]), str(body["metadata"]["name"]))
        release = _under(_under(body, "spec"), "release")
        runtime, image = _under(release, "runtime"), _under(release, "container").get("image")
        if gone or (image and not runtime):
            self._names.pop(key, None)
        else:
            self._names[key] = runtime.get("name")

    def keys(self) -> set[tuple[str, str]]:
        """All that are remembered."""
        return set(self._names)

    def forget(self, key: tuple[str, str]) -> None:
        """A ModelDeployment is gone."""
        self._names.pop(key, None)

    def concerned(self, runtime: Object) -> list[tuple[str, str]]:
        """The ModelDeployments whose releases may be served by a runtime."""
        name, namespace = runtime["metadata"]["name"], runtime["metadata"].get("namespace")
        return [key for key, wanted in self._names.items() if namespace in (None, key[0]) and wanted in (None, name)]
