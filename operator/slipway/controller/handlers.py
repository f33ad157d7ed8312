"""The one place that knows kopf: watch events become keys on the queue, and nothing else.

Handlers of kopf's other kinds keep state in annotations, add finalizers and can stop for good after one failed patch.
An event handler keeps nothing: every event only says that an object should be looked at again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import kopf

from slipway.api import GROUP, LABEL_MODEL_DEPLOYMENT
from slipway.cluster import (
    CLUSTER_MODEL_RUNTIME,
    DEPLOYMENT,
    HTTP_ROUTE,
    INGRESS,
    INGRESS_ROUTE,
    JOB,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    MODEL_RUNTIME,
    NAMESPACE,
    SERVICE,
    TRAEFIK_SERVICE,
    VIRTUAL_SERVICE,
    ConnectionInfo,
    Kind,
)
from slipway.controller.queue import WorkQueue
from slipway.controller.reconciler import Key
from slipway.controller.runtimes import Wanting
from slipway.controller.shard import Shard

FINALIZER: Final = f"{GROUP}/unused"
"""Never set: named only so that kopf's default, which all its operators share, can never be meant."""

WATCHED: Final = (MODEL_DEPLOYMENT, MODEL_REVISION, DEPLOYMENT, SERVICE)
"""What is watched: ModelDeployments whole, and of the others what carries our label. Pods are never watched."""

ROUTES: Final = (HTTP_ROUTE, INGRESS, INGRESS_ROUTE, TRAEFIK_SERVICE, VIRTUAL_SERVICE)
"""What leads traffic."""

WHERE_SERVED: Final = (*ROUTES, JOB)
"""What is watched too where the cluster knows it, and lets the operator read it."""

RUNTIMES: Final = (MODEL_RUNTIME, CLUSTER_MODEL_RUNTIME)
"""What serves formats of models: watched whole where it is served, because it belongs to no ModelDeployment."""

REQUEST_TIMEOUT: Final = 30.0
WATCH_SECONDS: Final = 600
"""How long a watch lasts before it is resumed; a little longer is waited for the server to end it. A whole number: it
goes into the address as it is, and an API server refuses ``600.0``."""


class NoDiffs(kopf.DiffBaseStorage):
    """Remembers nothing of objects. kopf would copy each object of each event, to compare it with how it was the last
    time: handlers of events never see that."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002 - kopf's
        """Nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002 - kopf's
        """Nothing is kept."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Nothing is written."""


class Backoffs:
    """Seconds between retries of a failed request: growing, jittered and without end. A list that still fails then
    would end the process."""

    def __iter__(self) -> Iterator[float]:
        """Begin anew for a request."""
        delay = 0.5
        while True:
            yield delay * random.uniform(0.7, 1.3)  # noqa: S311 - jitter, not a secret
            delay = min(30.0, delay * 2)


def settings(shard: Shard | None = None) -> kopf.OperatorSettings:
    """kopf's settings: watches with server-side selectors, and none of what it writes into objects."""
    out = kopf.OperatorSettings()
    out.persistence.finalizer = FINALIZER
    out.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP, v1=False)
    out.persistence.diffbase_storage = NoDiffs()
    out.posting.enabled = False
    out.scanning.disabled = True
    out.peering.standalone = True
    out.networking.request_timeout = REQUEST_TIMEOUT
    out.networking.connect_timeout = 10.0
    out.networking.error_backoffs = Backoffs()
    out.watching.server_timeout = WATCH_SECONDS
    out.watching.client_timeout = WATCH_SECONDS + 60
    out.watching.chunk_size = 500
    for kind in (*WATCHED[1:], *WHERE_SERVED):
        out.watching.label_selectors[kind.group, kind.version, kind.plural] = LABEL_MODEL_DEPLOYMENT
    if shard is not None and shard.selector is not None:
        out.watching.label_selectors[NAMESPACE.group, NAMESPACE.version, NAMESPACE.plural] = shard.selector
    return out


def key_of(body: Mapping[str, Any]) -> Key | None:
    """The ModelDeployment that an object is, or belongs to by its label."""
    metadata = body["metadata"]
    if body.get("kind") == "ModelDeployment":
        return metadata["namespace"], metadata["name"]
    name = (metadata.get("labels") or {}).get(LABEL_MODEL_DEPLOYMENT)
    return (metadata["namespace"], name) if name else None


def registry(
    queue: WorkQueue[Key],
    login: Callable[[], Awaitable[ConnectionInfo]],
    served: Sequence[Kind] = WHERE_SERVED,
    shard: Shard | None = None,
) -> kopf.OperatorRegistry:
    """The handlers: each event of a ModelDeployment or of a child adds a key, and each of a runtime those of the
    ModelDeployments that it concerns. `served` are those of `WHERE_SERVED` and `RUNTIMES` that are."""
    out = kopf.OperatorRegistry()
    ours, wanting = shard or Shard(), Wanting()

    async def on_runtime(body: kopf.Body, **_: Any) -> None:
        for key in wanting.concerned(dict(body)):
            if ours.takes(key):
                queue.add(key)

    async def on_event(body: kopf.Body, type: str | None = None, **_: Any) -> None:  # noqa: A002 - kopf's word
        if body.get("kind") == "ModelDeployment":
            wanting.note(dict(body), gone=type == "DELETED")
        key = key_of(body)
        if key is not None and ours.takes(key):
            queue.add(key)

    async def on_namespace(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's word
        # A server tells of an object that a selector does not match any more as of one that was deleted.
        name = str(body["metadata"]["name"])
        if type == "DELETED":
            ours.left(name)
        else:
            for key in ours.joined(name):
                queue.add(key)

    async def on_login(**_: Any) -> kopf.ConnectionInfo:
        info = await login()
        return kopf.ConnectionInfo(
            server=info.server,
            ca_path=info.ca_path,
            insecure=info.insecure,
            scheme=info.scheme,
            token=info.token,
            certificate_path=info.certificate_path,
            private_key_path=info.private_key_path,
            proxy_url=info.proxy_url,
            default_namespace=info.default_namespace,
            expiration=info.expiration,
        )

    for kind in (*WATCHED, *served):
        handler = on_runtime if kind in RUNTIMES else on_event
        kopf.on.event(kind.group, kind.version, kind.plural, id=f"look-{kind.plural}", registry=out)(handler)
    if ours.selector is not None:
        kopf.on.event(NAMESPACE.group, NAMESPACE.version, NAMESPACE.plural, id="shard", registry=out)(on_namespace)
    kopf.on.login(registry=out)(on_login)
    return out
