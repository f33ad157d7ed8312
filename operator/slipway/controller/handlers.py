"""The one place that knows kopf: watch events become keys on the queue, and nothing else.

Handlers of kopf's other kinds keep state in annotations, add finalizers and can stop for good after one failed patch.
An event handler keeps nothing: every event only says that an object should be looked at again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
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
from slipway.controller.listening import Listener

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


def settings(namespace_selector: str | None = None) -> kopf.OperatorSettings:
    """kopf's settings: watches with server-side selectors, and none of what it writes into objects."""
    out = kopf.OperatorSettings()
    out.process.ultimate_exiting_timeout = None  # it would kill the process some time after watches that failed
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
    if namespace_selector is not None:
        out.watching.label_selectors[NAMESPACE.group, NAMESPACE.version, NAMESPACE.plural] = namespace_selector
    return out


def registry(
    listener: Listener,
    login: Callable[[], Awaitable[ConnectionInfo]],
    kinds: Sequence[Kind] = (*WATCHED, *WHERE_SERVED),
    here: Callable[[Callable[[], None]], object] = lambda act: act(),
) -> kopf.OperatorRegistry:
    """The handlers: each event of one of these kinds is told to the listener. `here` calls what it is given at once, or
    on the event loop that the listener belongs to."""
    out = kopf.OperatorRegistry()

    async def on_deployment(body: kopf.Body, type: str | None = None, **_: Any) -> None:  # noqa: A002 - kopf's word
        here(partial(listener.deployment, body, gone=type == "DELETED"))

    async def on_child(body: kopf.Body, **_: Any) -> None:
        here(partial(listener.child, body))

    async def on_runtime(body: kopf.Body, **_: Any) -> None:
        here(partial(listener.runtime, body))

    async def on_namespace(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's word
        here(partial(listener.namespace, str(body["metadata"]["name"]), gone=type == "DELETED"))

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

    others: dict[Kind, Any] = {MODEL_DEPLOYMENT: on_deployment, NAMESPACE: on_namespace}
    for kind in kinds:
        handler = on_runtime if kind in RUNTIMES else others.get(kind, on_child)
        kopf.on.event(kind.group, kind.version, kind.plural, id=f"look-{kind.plural}", registry=out)(handler)
    kopf.on.login(registry=out)(on_login)
    return out
