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
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from slipway.cluster import (
    Cluster,
    ConnectionInfo,
    Elector,
    FencedCluster,
    LeaseTimes,
    connect,
    connection_info,
)
from slipway.cluster.endpoints import http_client
from slipway.controller.budget import RolloutBudget
from slipway.controller.collect import Collector
from slipway.controller.health import Health, serving
from slipway.controller.listening import Listener
from slipway.controller.notifying import Notifier
from slipway.controller.queue import WorkQueue
from slipway.controller.reacting import Reactions
from slipway.controller.reception import Reception
from slipway.controller.reconciler import Key, Reconciler, utc_now
from slipway.controller.registries import Registries
from slipway.controller.registry_desk import RegistryDesk
from slipway.controller.rounds import Rounds
from slipway.controller.shard import Shard
from slipway.controller.surroundings import LOOK_AROUND, Surroundings
from slipway.controller.telemetry import Telemetry
from slipway.controller.traced import TracedCluster
from slipway.controller.tracing import tracing
from slipway.controller.watching import Watches
from slipway.controller.workers import LONGEST_PAUSE, WORKERS, working
from slipway.controller.writing_back import WritingBack
from slipway.feedback import Ledger
from slipway.outside import Egress, Outside
from slipway.registries import Registry
from slipway.rollout import Limits
from slipway.workload import SLEEPS_SINCE

DRAIN: Final = 20.0
"""Seconds that looks have to finish in when the operator is told to stop: less than a pod's usual 30 s of grace."""

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
        elector = await _elector(options, stack) if options.elect else None
        around = Surroundings(cluster, options.namespaces, options.namespace_selector)
        process = _Process(options, cluster, elector, around, health, telemetry, told, reception)
        if not await _unless(told, process.check()):
            return
        async with _meanwhile(around.keep_looking(), "around"):
            if await _unless(told, process.stand_by()):
                await process.lead()


async def _elector(options: Settings, stack: contextlib.AsyncExitStack) -> Elector:
    """Over connections of its own: nothing that takes long on the others may cost the lead."""
    cluster = await connect(kubeconfig=options.kubeconfig, context=options.context)
    stack.push_async_callback(cluster.close)
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

    async def check(self) -> None:
        """Wait for what cannot be done without."""
        self.health.needs.append(lambda: self.around.missing)
        self.health.wishes.append(lambda: self.around.restricted)
        while not await self.around.look():  # noqa: ASYNC110 - there is nobody to set an event
            await asyncio.sleep(LOOK_AROUND)

    async def stand_by(self) -> None:
        """Wait for the lead."""
        if self.elector is not None:
            elector = self.elector
            self.health.needs.append(lambda: elector.problem)
            self.health.role = "standing by"
            self.telemetry.leads(_lease_name(self.options), leading=False)
            _log.info("standing by until no other replica leads")
            await elector.acquire()
            self.telemetry.leads(_lease_name(self.options), leading=True)

    async def lead(self) -> None:
        """Work until told to stop. Raises LostLeadError when another replica may lead. However it ends, the lease is
        given back."""
        elector, acting = self.elector, self.cluster
        keeping: asyncio.Task[None] | None = None
        if elector is not None:
            keeping = asyncio.create_task(elector.keep(), name="lease")
            acting = FencedCluster(self.cluster, lambda: elector.leading)
        self.health.role = "leading"
        ending = Ending(self.told, keeping, elector, self.health)
        try:
            async with http_client() as client:
                with self.reception.opened(acting) as ledger:
                    await self._work(acting, client, ledger, ending)
            if keeping is not None and keeping.done() and not self.told.is_set():
                await keeping
        finally:
            await ending.give_back()

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
            ours=shard.admits,
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
            drain=self.around.version >= SLEEPS_SINCE,
            image=options.image,
            settles=options.settle_seconds,
            telemetry=telemetry,
        )

        async def login() -> ConnectionInfo:
            return await connection_info(kubeconfig=options.kubeconfig, context=options.context)

        listener = Listener(queue, shard)
        memories = (telemetry, registries, reactions)
        rounds = Rounds(cluster, options.namespaces, listener, memories)
        watches = Watches(cluster, self.around, listener, login, options.namespaces)
        self.health.wishes.append(lambda: watches.problem)

        def let_go(key: Key) -> None:
            for memory in memories:
                memory.forget(key)

        async with (
            working(queue, reconciler, telemetry, rounds.keep(), shard=shard, let_go=let_go),
            _meanwhile(watches.keep(), "watches") as watching,
        ):
            await ending.wait(watching)
            if not watching.done():
                await _stop_in_order(queue, watching, ending)
        await reactions.close()
        await notifier.close()
        if self.reception.endpoint is not None:
            self.reception.endpoint.desk = None
        await writing_back.close()
        await registries.close()


@contextlib.asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[asyncio.Task[None]]:
    """Do something beside the block, and break it off at its end. Raises what broke it off before."""
    doing = asyncio.create_task(work, name=name)
    try:
        yield doing
        if doing.done() and not doing.cancelled():
            doing.result()
    finally:
        if not doing.cancelling():  # who is told twice does not even finish ending
            doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and how the operator ends."""

    told: asyncio.Event
    keeping: asyncio.Task[None] | None
    elector: Elector | None
    health: Health

    async def wait(self, watching: asyncio.Task[None]) -> None:
        """Until it is told to stop, leads no more, or watches no more, which only a defect brings about."""
        telling = asyncio.create_task(self.told.wait())
        keeping = [self.keeping] if self.keeping is not None else []
        try:
            await asyncio.wait([telling, watching, *keeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
        self.health.role = "stopping"

    async def give_back(self) -> None:
        """Let another replica lead at once."""
        if self.elector is not None and self.keeping is not None:
            self.keeping.cancel()
            await asyncio.gather(self.keeping, return_exceptions=True)
            await self.elector.release()


def _listen(told: asyncio.Event) -> None:
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, told.set)


async def _stop_in_order(queue: WorkQueue[Key], watching: asyncio.Task[None], ending: Ending) -> None:
    """Finish the looks that have begun, and give the lead back. Without the lead there is nothing to finish: no write
    would pass."""
    queue.shutdown()
    watching.cancel()  # it takes its time, beside the looks
    if not ending.told.is_set():
        _log.error("another replica may lead: ending at once")
        return
    _log.info("told to stop: finishing what has begun")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(queue.drain(), DRAIN)
    await ending.give_back()
