"""The operator as a process: connect, check what is there, watch, and work the queue until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import uuid
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import kopf

from slipway.cluster import (
    Cluster,
    ConnectionInfo,
    Elector,
    FencedCluster,
    Forbidden,
    Kind,
    LeaseTimes,
    NotServed,
    connect,
    connection_info,
)
from slipway.cluster.endpoints import http_client
from slipway.controller.budget import RolloutBudget
from slipway.controller.collect import Collector
from slipway.controller.handlers import RUNTIMES, WHERE_SERVED, registry, settings
from slipway.controller.health import Health, serving
from slipway.controller.notifying import Notifier
from slipway.controller.queue import WorkQueue
from slipway.controller.reacting import Reactions
from slipway.controller.reception import Reception
from slipway.controller.reconciler import Key, Reconciler, utc_now
from slipway.controller.registries import Registries
from slipway.controller.registry_desk import RegistryDesk
from slipway.controller.shard import Shard
from slipway.controller.surroundings import Surroundings
from slipway.controller.telemetry import Telemetry
from slipway.controller.traced import TracedCluster
from slipway.controller.tracing import tracing
from slipway.controller.workers import LONGEST_PAUSE, WORKERS, resyncing, working
from slipway.controller.writing_back import WritingBack
from slipway.feedback import Ledger
from slipway.outside import Egress, Outside
from slipway.registries import Registry
from slipway.rollout import Limits
from slipway.workload import SLEEPS_SINCE

DRAIN: Final = 20.0
"""Seconds that looks have to finish in when the operator is told to stop: less than a pod's usual 30 s of grace."""

LOOK_AROUND: Final = 5.0
"""Seconds between two looks for what the operator cannot work without."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an administrator says to the operator; everything about one model is said in its ModelDeployment."""

    kubeconfig: str | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    """Where to work; everywhere when empty."""
    namespace_selector: str | None = None
    """Labels of the namespaces to work in, where several groups of replicas share a cluster."""
    gateway_metrics: tuple[str, ...] = ()
    """Addresses of the metrics pages of the gateway's replicas."""
    egress: Egress = field(default_factory=Egress)
    """What the URLs in users' specifications may lead to."""
    mlflow_tracking_uri: str | None = None
    """The MLflow server where neither a ModelDeployment nor its Secret names one."""
    image: str | None = None
    """The operator's own image, for Jobs and for fetching models; without it no model is delivered, and no Job replays
    golden sets."""
    limits: Limits = field(default_factory=Limits)
    """How many rollouts may be under way at a time."""
    settle_seconds: float | None = None
    """How long what leads the traffic takes to follow a change, where it does not report back; None: as its router
    knows it."""
    health: str | None = None
    """Where to tell of health and metrics, as HOST:PORT or :PORT; nowhere when None."""
    feedback: tuple[str | None, int] | None = None
    """Address and port on which reports on answers are taken; none are where it is None."""
    elect: bool = False
    """Whether there may be several replicas, of which one leads."""
    lease_name: str = "slipway"
    lease_namespace: str | None = None
    """Where the lease is; the operator's own namespace when None."""
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    """How long a leader that is not heard of is waited for."""
    debug: bool = False
    """Whether to show, beside the health, what the queue holds: names of objects, for administrators."""


async def run(options: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises AddressError, OSError or ClusterError when the operator cannot start, and LostLeadError when it led and
    another replica may lead now. What a cluster lacks is told and waited for.
    """
    told = asyncio.Event()
    _listen(told)
    health, telemetry = Health(), Telemetry()
    health.metrics = telemetry.page
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(tracing())
        if options.health is not None:
            told_at = await stack.enter_async_context(serving(health, options.health))
            _log.info("health and metrics are told at %s", told_at)
        reception = await stack.enter_async_context(Reception.at(options.feedback))
        cluster = await connect(kubeconfig=options.kubeconfig, context=options.context)
        stack.push_async_callback(cluster.close)
        elector = await _elector(cluster, options)
        around = Surroundings(cluster, options.namespaces, options.namespace_selector)
        process = _Process(options, cluster, elector, around, health, telemetry, told, reception)
        if await _unless(told, process.stand_by()):
            await process.lead()


async def _elector(cluster: Cluster, options: Settings) -> Elector | None:
    if not options.elect:
        return None
    namespace = options.lease_namespace
    if namespace is None:
        info = await connection_info(kubeconfig=options.kubeconfig, context=options.context)
        namespace = info.default_namespace or "default"
    identity = f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    return Elector(cluster, namespace, _lease_name(options), identity, times=options.lease)


def _lease_name(options: Settings) -> str:
    return Shard(options.namespace_selector).lease_name(options.lease_name)


async def _unless(told: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do something that may take for ever, unless told to stop; whether it was done."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(told.wait())
    await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if doing.done():
        await doing
        return True
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    return False


@dataclass(frozen=True, slots=True)
class _Process:
    """The parts of one operator that last as long as it does."""

    options: Settings
    cluster: Cluster
    elector: Elector | None
    around: Surroundings
    health: Health
    telemetry: Telemetry
    told: asyncio.Event
    reception: Reception

    async def stand_by(self) -> None:
        """Wait for what cannot be done without, and then for the lead."""
        self.health.needs.append(lambda: self.around.missing)
        self.health.wishes.append(lambda: self.around.restricted)
        while not await self.around.look():  # noqa: ASYNC110 - there is nobody to set an event
            await asyncio.sleep(LOOK_AROUND)
        if self.elector is not None:
            elector = self.elector
            self.health.needs.append(lambda: elector.problem)
            self.health.role = "standing by"
            self.telemetry.leads(_lease_name(self.options), leading=False)
            _log.info("standing by until no other replica leads")
            await elector.acquire()
            self.telemetry.leads(_lease_name(self.options), leading=True)

    async def lead(self) -> None:
        """Work until told to stop. Raises LostLeadError when another replica may lead."""
        elector, acting = self.elector, self.cluster
        keeping: asyncio.Task[None] | None = None
        if elector is not None:
            keeping = asyncio.create_task(elector.keep(), name="lease")
            acting = FencedCluster(self.cluster, lambda: elector.leading)
        self.health.role = "leading"
        try:
            async with http_client() as client:
                with self.reception.opened(acting) as ledger:
                    await self._work(acting, client, ledger, Ending(self.told, keeping, elector, self.health))
            if keeping is not None and keeping.done() and not self.told.is_set():
                await keeping
        finally:
            if keeping is not None:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)

    async def _work(self, cluster: Cluster, client: httpx.AsyncClient, ledger: Ledger | None, ending: Ending) -> None:
        options, telemetry = self.options, self.telemetry
        queue: WorkQueue[Key] = WorkQueue(max_delay=LONGEST_PAUSE, waited=telemetry.waited, worked=telemetry.worked)
        telemetry.watch_queue(queue.statistics, WORKERS)
        self.health.longest_look = lambda: queue.statistics().longest_running_processor_seconds
        if options.debug:
            self.health.pages["/debug/queue"] = lambda: json.dumps(queue.picture(), indent=2)
        reactions = Reactions(cluster, Outside(options.egress))
        notifier = Notifier(cluster, Outside(options.egress))
        shard = Shard(options.namespace_selector)
        registries = Registries(
            cluster,
            Outside(options.egress),
            registry=Registry(options.mlflow_tracking_uri),
            wake=queue.add,
            ours=shard.takes,
        )
        writing_back = WritingBack(registries)
        if self.reception.endpoint is not None:
            self.reception.endpoint.desk = RegistryDesk(registries, clock=utc_now).take
        traced = TracedCluster(cluster)
        reconciler = Reconciler(
            traced,
            Collector(
                traced,
                client,
                gateway_metrics=options.gateway_metrics,
                egress=options.egress,
                ledger=ledger,
                image=options.image,
            ),
            budget=RolloutBudget(traced, options.limits, options.namespaces),
            reactions=reactions,
            notifier=notifier,
            registries=registries,
            writing_back=writing_back,
            drain=await cluster.version() >= SLEEPS_SINCE,
            image=options.image,
            settles=options.settle_seconds,
            telemetry=telemetry,
        )
        resync = resyncing(queue, cluster, options.namespaces, self.around, shard)
        async with working(queue, reconciler, telemetry, resync, shard):
            served = await _served(cluster, options.namespaces, (*WHERE_SERVED, *RUNTIMES))
            await _watch(queue, options, served, shard, ending)
        await reactions.close()
        await notifier.close()
        if self.reception.endpoint is not None:
            self.reception.endpoint.desk = None
        await writing_back.close()
        await registries.close()


async def _served(cluster: Cluster, namespaces: Sequence[str], kinds: Sequence[Kind]) -> list[Kind]:
    """The kinds that the cluster knows, and lets be read: a watch of any other would complain for ever."""
    found = []
    for kind in kinds:
        try:
            await cluster.list(kind, namespaces[0] if namespaces else None, labels={"slipway.dev/none": "none"})
        except NotServed:
            _log.debug("%s is not watched: the cluster does not know it", kind.kind)
        except Forbidden as error:  # by an administrator's choice, or by mistake
            _log.info("%s is not watched, and its changes are noticed later: %s", kind.kind, error)
        else:
            found.append(kind)
    return found


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and how the operator ends."""

    told: asyncio.Event
    keeping: asyncio.Task[None] | None
    elector: Elector | None
    health: Health

    async def wait(self) -> None:
        """Until it is told to stop, or leads no more."""
        waiting: set[asyncio.Task[Any]] = {asyncio.create_task(self.told.wait())}
        if self.keeping is not None:
            waiting.add(self.keeping)
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        self.health.role = "stopping"

    async def give_back(self) -> None:
        """Let another replica lead at once."""
        if self.elector is not None and self.keeping is not None:
            self.keeping.cancel()
            await asyncio.gather(self.keeping, return_exceptions=True)
            await self.elector.release()


async def _watch(
    queue: WorkQueue[Key], options: Settings, served: Sequence[Kind], shard: Shard, ending: Ending
) -> None:
    async def login() -> ConnectionInfo:
        return await connection_info(kubeconfig=options.kubeconfig, context=options.context)

    ready, stop = asyncio.Event(), asyncio.Event()
    stopping = asyncio.create_task(_stop_in_order(queue, ready, stop, ending), name="stopping")
    _log.info("watching %s", ", ".join(options.namespaces) or shard.selector or "all namespaces")
    try:
        await kopf.operator(
            registry=registry(queue, login, served, shard),
            settings=settings(shard),
            standalone=True,
            clusterwide=not options.namespaces,
            namespaces=options.namespaces,
            ready_flag=ready,
            stop_flag=stop,
        )
    finally:
        stopping.cancel()


def _listen(told: asyncio.Event) -> None:
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, told.set)


async def _stop_in_order(queue: WorkQueue[Key], ready: asyncio.Event, stop: asyncio.Event, ending: Ending) -> None:
    """On a signal, finish the looks that have begun, give the lead back, and only then end the watches.

    kopf takes the signals for itself, and cancels every task that is younger than it is when it ends: requests in the
    middle of a look among them, so that the look would go on with half of the answers. Hence the signals are taken
    back once kopf is up, and kopf is stopped last. Without the lead there is nothing to finish: no write would pass.
    """
    await ready.wait()
    _listen(ending.told)
    await ending.wait()
    queue.shutdown()
    if ending.told.is_set():
        _log.info("told to stop: finishing what has begun")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(queue.drain(), DRAIN)
        await ending.give_back()
    else:
        _log.error("another replica may lead: ending at once")
    stop.set()
