"""The operator as a process: connect, check what is there, watch, and work the queue until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import kopf

from slipway.api import MODEL_DEPLOYMENT_KIND, MODEL_REVISION_KIND
from slipway.cluster import (
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    Cluster,
    ClusterError,
    Conflict,
    ConnectionInfo,
    Forbidden,
    Kind,
    NotServed,
    Throttled,
    connect,
    connection_info,
)
from slipway.cluster.endpoints import http_client
from slipway.controller.budget import RolloutBudget
from slipway.controller.collect import Collector
from slipway.controller.handlers import ROUTES, registry, settings
from slipway.controller.queue import QueueShutDown, WorkQueue
from slipway.controller.reconciler import Key, Reconciler, RefusedError
from slipway.outside import Egress
from slipway.rollout import Limits
from slipway.workload import SLEEPS_SINCE

WORKERS: Final = 8
"""ModelDeployments that are looked at side by side."""

RESYNC: Final = 600.0
"""Seconds between two lists of all ModelDeployments, which heal a deletion that a watch missed."""

LONGEST_PAUSE: Final = 30.0
"""Seconds after which a look that keeps failing is repeated, at the latest: when the API is back after an outage, no
candidate goes unjudged for longer."""

SHORTEST_PAUSE: Final = 1.0
"""Seconds that a server which asks for patience gets at the least, also when it asks for none."""

DRAIN: Final = 20.0
"""Seconds that looks have to finish in when the operator is told to stop: less than a pod's usual 30 s of grace."""

_log = logging.getLogger(__name__)


class MissingCrdError(Exception):
    """The cluster does not serve Slipway's own resources."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an administrator says to the operator; everything about one model is said in its ModelDeployment."""

    kubeconfig: str | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    """Where to work; everywhere when empty."""
    gateway_metrics: tuple[str, ...] = ()
    """Addresses of the metrics pages of the gateway's replicas."""
    egress: Egress = field(default_factory=Egress)
    """What the URLs in users' specifications may lead to."""
    limits: Limits = field(default_factory=Limits)
    """How many rollouts may be under way at a time."""


async def run(options: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises MissingCrdError or ClusterError when the operator cannot start.
    """
    cluster = await connect(kubeconfig=options.kubeconfig, context=options.context)
    try:
        await _check_crds(cluster, options.namespaces)
        queue: WorkQueue[Key] = WorkQueue(max_delay=LONGEST_PAUSE)
        async with http_client() as client:
            collector = Collector(cluster, client, gateway_metrics=options.gateway_metrics, egress=options.egress)
            budget = RolloutBudget(cluster, options.limits, options.namespaces)
            drain = await cluster.version() >= SLEEPS_SINCE
            reconciler = Reconciler(cluster, collector, budget=budget, drain=drain)
            async with _working(queue, reconciler, cluster, options.namespaces):
                await _watch(queue, options, await _served(cluster, options.namespaces, ROUTES))
    finally:
        await cluster.close()


async def _check_crds(cluster: Cluster, namespaces: Sequence[str]) -> None:
    """Say at the start what a watch would wait for in silence."""
    namespace = namespaces[0] if namespaces else None
    for kind, name in ((MODEL_DEPLOYMENT, MODEL_DEPLOYMENT_KIND), (MODEL_REVISION, MODEL_REVISION_KIND)):
        try:
            await cluster.list(kind, namespace, labels={"slipway.dev/none": "none"})
        except NotServed as error:
            raise MissingCrdError(
                f"the cluster does not know {name}: install the CRDs first (kubectl apply -f crds/)"
            ) from error


async def _served(cluster: Cluster, namespaces: Sequence[str], kinds: Sequence[Kind]) -> list[Kind]:
    """The kinds that the cluster knows, and lets be read: a watch of any other would complain for ever."""
    found = []
    for kind in kinds:
        try:
            await cluster.list(kind, namespaces[0] if namespaces else None, labels={"slipway.dev/none": "none"})
        except (NotServed, Forbidden):
            _log.debug("%s is not watched: the cluster does not serve it to the operator", kind.kind)
        else:
            found.append(kind)
    return found


async def _watch(queue: WorkQueue[Key], options: Settings, routes: Sequence[Kind]) -> None:
    async def login() -> ConnectionInfo:
        return await connection_info(kubeconfig=options.kubeconfig, context=options.context)

    ready, stop = asyncio.Event(), asyncio.Event()
    stopping = asyncio.create_task(_stop_in_order(queue, ready, stop), name="stopping")
    _log.info("watching %s", ", ".join(options.namespaces) or "all namespaces")
    try:
        await kopf.operator(
            registry=registry(queue, login, routes),
            settings=settings(),
            standalone=True,
            clusterwide=not options.namespaces,
            namespaces=options.namespaces,
            ready_flag=ready,
            stop_flag=stop,
        )
    finally:
        stopping.cancel()


async def _stop_in_order(queue: WorkQueue[Key], ready: asyncio.Event, stop: asyncio.Event) -> None:
    """On a signal, finish the looks that have begun, and only then end the watches.

    kopf takes the signals for itself, and cancels every task that is younger than it is when it ends: requests in the
    middle of a look among them, so that the look would go on with half of the answers. Hence the signals are taken
    back once kopf is up, and kopf is stopped last.
    """
    await ready.wait()
    told = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, told.set)
    await told.wait()
    _log.info("told to stop: finishing what has begun")
    queue.shutdown()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(queue.drain(), DRAIN)
    stop.set()


@contextlib.asynccontextmanager
async def _working(
    queue: WorkQueue[Key], reconciler: Reconciler, cluster: Cluster, namespaces: Sequence[str]
) -> AsyncIterator[None]:
    """Work the queue in the background; on leaving, finish the passes that have begun."""
    workers = [asyncio.create_task(_work(queue, reconciler), name=f"worker-{n}") for n in range(WORKERS)]
    resync = asyncio.create_task(_resync(queue, cluster, namespaces), name="resync")
    try:
        yield
    finally:
        resync.cancel()
        queue.shutdown()
        await asyncio.gather(*workers, resync, return_exceptions=True)


async def _work(queue: WorkQueue[Key], reconciler: Reconciler) -> None:
    while True:
        try:
            key = await queue.get()
        except QueueShutDown:
            return
        try:
            await _look(queue, reconciler, key)
        finally:
            queue.done(key)


async def _look(queue: WorkQueue[Key], reconciler: Reconciler, key: Key) -> None:
    """One pass. Whatever goes wrong with one object is tried again, and never stops the others."""
    name = "/".join(key)
    try:
        wake_after = await reconciler.reconcile(key)
    except Conflict as error:
        _log.debug("%s: decided on an older version, looking again: %s", name, error)
        queue.add_rate_limited(key)
    except Throttled as error:
        queue.add_after(key, max(error.retry_after, SHORTEST_PAUSE))
    except RefusedError as error:
        _log.warning("%s: the cluster refused: %s", name, error)
        queue.add_rate_limited(key)
        if error.wake_after is not None:
            queue.add_after(key, error.wake_after.total_seconds())
    except ClusterError as error:
        _log.warning("%s: will be looked at again: %s", name, error)
        queue.add_rate_limited(key)
    except Exception:  # noqa: BLE001 - a worker that died would leave its share of the objects unlooked at
        _log.exception("%s: a defect of the operator; will be looked at again", name)
        queue.add_rate_limited(key)
    else:
        queue.forget(key)
        if wake_after is not None:
            queue.add_after(key, wake_after.total_seconds())


async def _resync(queue: WorkQueue[Key], cluster: Cluster, namespaces: Sequence[str]) -> None:
    while True:
        await asyncio.sleep(RESYNC * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
        for namespace in namespaces or (None,):
            try:
                found = await cluster.list(MODEL_DEPLOYMENT, namespace)
            except ClusterError as error:
                _log.warning("the resync has to wait for the next one: %s", error)
                continue
            for obj in found:
                queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))
