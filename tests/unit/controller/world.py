"""A whole world in one process: the twin of a cluster, its controllers, a gateway, models over HTTP, and the operator.

Only the operator is real. Time is the test's: it stands still while something is due, and otherwise moves on to the
next moment for which the operator asked to be woken. An operator that forgot to ask is never woken, and the test sees
a rollout that stopped in the middle.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from unit.controller.actors import Actors, Gateway, Mirror
from unit.controller.builders import (
    NAMESPACE,
    a_gateway,
    a_gateway_class,
    a_golden_set,
    a_model_deployment,
    a_release,
    golden_text,
)
from unit.controller.fake_clock import FakeClock
from unit.controller.outside import Model, Outside, an_outside

from slipway import outside as reach
from slipway.api import LABEL_MODEL_DEPLOYMENT
from slipway.cluster import (
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    MODEL_REVISION,
    SERVICE,
    Cluster,
    ClusterError,
    Forbidden,
    MemoryCluster,
    Object,
    Request,
    kind_of,
)
from slipway.cluster.endpoints import http_client
from slipway.controller.budget import RolloutBudget
from slipway.controller.collect import Collector
from slipway.controller.handlers import RUNTIMES, WATCHED, WHERE_SERVED
from slipway.controller.listening import key_of
from slipway.controller.notifying import Notifier
from slipway.controller.queue import WorkQueue
from slipway.controller.reacting import Reactions
from slipway.controller.reconciler import Key, Reconciler, RefusedError
from slipway.controller.registries import Registries
from slipway.controller.runtimes import Wanting
from slipway.controller.telemetry import Telemetry
from slipway.controller.traced import TracedCluster
from slipway.controller.workers import look
from slipway.controller.writing_back import WritingBack
from slipway.outside import Egress
from slipway.registries import Registry
from slipway.rollout import Limits

EPOCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LOOK_SECONDS = 0.02


class Killed(BaseException):
    """The operator is gone: nothing of it runs on, not even what handles errors."""


class Watched:
    """A reconciler whose defects a test sees: the operator itself only logs them and goes on."""

    def __init__(self, inner: Reconciler) -> None:
        self._inner = inner
        self.defects: list[Exception] = []

    async def reconcile(self, key: Key) -> timedelta | None:
        try:
            return await self._inner.reconcile(key)
        except (ClusterError, RefusedError):
            raise
        except Exception as error:
            self.defects.append(error)
            raise


class World:
    """See the module."""

    def __init__(self, outside: Outside, client: httpx.AsyncClient) -> None:
        self.clock = FakeClock()
        self.outside = outside
        self.client = client
        self.cluster = MemoryCluster(clock=self.now)
        self.mirror = Mirror(self.cluster)
        self.gateway = Gateway(outside)
        self.actors = Actors(self.cluster, self.mirror, outside, self.gateway, self.clock.time)
        self.looks = 0
        self.expects_defects = False
        self.repairs_pods = False
        self.broken: list[str] = []
        self.writing = False
        """Whether the operator is at work: what changes now is its doing."""
        self._before: dict[str, Object] = {}
        self.limits = Limits()
        self.egress = Egress()
        self.registry = Registry()
        self.image: str | None = None
        self.wanting = Wanting()
        self.pauses: list[float] = []
        self.through: Callable[[Cluster], Cluster] = lambda cluster: cluster
        """What stands between the operator and the cluster."""
        self.start_operator()
        self.cluster.subscribe(self._on_event)
        self.cluster.subscribe(self._watch_over)
        self.cluster.put(a_gateway_class())
        self.cluster.put(a_gateway())
        self.cluster.put(a_golden_set())

    # --- time and the operator

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.clock.time())

    def start_operator(self, *, drain: bool = False) -> None:
        """A new process: it knows what the cluster knows. Its first list brings every ModelDeployment."""
        cluster = self.through(self.cluster)
        self.queue: WorkQueue[Key] = WorkQueue(clock=self.clock, rng=random.Random(1))
        traced = TracedCluster(cluster)
        collector = Collector(
            traced,
            self.client,
            gateway_metrics=[self.outside.metrics_url],
            egress=self.egress,
            image=self.image,
        )
        budget = RolloutBudget(traced, self.limits)
        self.telemetry = Telemetry()
        self.reactions = Reactions(cluster, reach.Outside(self.egress))
        self.notifier = Notifier(cluster, reach.Outside(self.egress), pause=self._paused)
        self.registries = Registries(cluster, reach.Outside(self.egress), registry=self.registry, wake=self.queue.add)
        self.writing_back = WritingBack(self.registries, pause=self._paused)
        self.reconciler = Watched(
            Reconciler(
                traced,
                collector,
                budget=budget,
                reactions=self.reactions,
                notifier=self.notifier,
                registries=self.registries,
                writing_back=self.writing_back,
                drain=drain,
                image=self.image,
                clock=self.now,
                telemetry=self.telemetry,
            )
        )
        for obj in self.mirror.objects(MODEL_DEPLOYMENT):
            self._on_event("ADDED", obj)

    async def _paused(self, seconds: float) -> None:
        """A pause between two attempts, which takes no time here."""
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def restart_operator(self, *, drain: bool) -> None:
        """Another process, in a cluster whose pods can pause before they end."""
        self.kill_operator()
        self.start_operator(drain=drain)

    def limit(self, **limits: int) -> None:
        """An operator with limits on how many rollouts may be under way."""
        self.kill_operator()
        self.limits = Limits(**limits)
        self.start_operator()

    def kill_operator(self) -> None:
        self.queue.shutdown()
        for found in self.mirror.objects(MODEL_DEPLOYMENT):
            self.registries.forget((found["metadata"]["namespace"], found["metadata"]["name"]))

    def _on_event(self, change: str, obj: Object) -> None:
        """What the watches would bring: kinds that are watched, and of the children those with our label."""
        kind = kind_of(obj)
        if kind == MODEL_DEPLOYMENT:
            self.wanting.note(obj, gone=change == "DELETED")
        for key in self.wanting.concerned(obj) if kind in RUNTIMES else ():
            self.queue.add(key)
        labelled = LABEL_MODEL_DEPLOYMENT in (obj["metadata"].get("labels") or {})
        if kind == MODEL_DEPLOYMENT or (kind in (*WATCHED, *WHERE_SERVED) and labelled):
            key = key_of(obj)
            assert key is not None
            self.queue.add(key)

    def _watch_over(self, change: str, obj: Object) -> None:
        """What has to hold at every moment, whatever a test does."""
        name, kind = obj["metadata"]["name"], kind_of(obj)
        accepted = {service for weights in self.gateway.accepted.values() for service in weights}
        before = self._before.get(obj["metadata"]["uid"])
        self._before[obj["metadata"]["uid"]] = obj
        if kind in {DEPLOYMENT, MODEL_REVISION, SERVICE} and change == "DELETED" and name in accepted:
            self.broken.append(f"{kind.kind} {name} was deleted while the gateway sends it requests")
        if before is None or change == "DELETED":
            return
        if kind == DEPLOYMENT:
            fewer = obj["spec"]["replicas"] < before["spec"]["replicas"]
            if fewer and name in accepted and self.writing:
                self.broken.append(f"Deployment {name} was scaled down while the gateway sends it requests")
            if self.writing and not self.repairs_pods and obj["spec"]["template"] != before["spec"]["template"]:
                self.broken.append(f"the pods of Deployment {name} were restarted")
        if kind == MODEL_DEPLOYMENT and self.writing and obj["spec"] != before["spec"]:
            self.broken.append("the operator wrote a user's spec")

    async def look(self) -> None:
        """One pass over the key that is due next."""
        key = await self.queue.get()
        self.looks += 1
        self.clock.advance(LOOK_SECONDS)
        self.writing = True
        try:
            await look(self.queue, self.reconciler, key)
        finally:
            self.writing = False
            self.queue.done(key)
        assert self.expects_defects or not self.reconciler.defects, self.reconciler.defects
        assert not self.broken, f"{self.broken}\n{self.story()}"

    async def run(self, until: Callable[[], bool] | None = None, *, limit: int = 400) -> None:
        """Until something is so, or nothing is due any more."""
        for _ in range(limit):
            await self.actors.settle()
            if until is not None and until():
                return
            due = self.queue.statistics()
            if due.depth:
                await self.look()
            elif due.delayed:
                if self.notifier.busy:
                    await asyncio.sleep(0.01)  # real requests are under way, and time here would run on without them
                self.clock.advance_to_next()
            else:
                assert until is None, f"the operator fell asleep: {self.story()}"
                return
        raise AssertionError(f"the operator never comes to rest: {self.story()}")

    async def pass_time(self, seconds: float) -> None:
        """Lives on for a while."""
        end = self.clock.time() + seconds
        while end - self.clock.time() > 1e-6:  # a rest that is lost in rounding would never pass
            await self.actors.settle()
            due = self.queue.statistics()
            if due.depth:
                await self.look()
            else:
                self.clock.advance(min(2.0, end - self.clock.time()))
        await self.actors.settle()

    # --- what users do

    async def model(self, version: str, **behaviour: Any) -> Model:
        model = await self.outside.model(version)
        for name, value in behaviour.items():
            setattr(model, name, value)
        return model

    def golden(self, items: int) -> None:
        self.outside.golden_items = items
        self.cluster.put(a_golden_set(golden_text(items)))

    def declare(self, version: str = "v1", *, name: str = "fraud", **spec: Any) -> None:
        """`kubectl apply` of a release."""
        known = [obj for obj in self.mirror.objects(MODEL_DEPLOYMENT) if obj["metadata"]["name"] == name]
        if not known:
            self.cluster.put(a_model_deployment(version, name=name, **spec))
        else:
            self.edit(known[0], spec=known[0]["spec"] | {"release": a_release(version)} | spec)

    def edit(self, obj: Object, **parts: Any) -> Object:
        """Replaces parts of an object, as its owner would."""
        return self.cluster.put(obj | parts)

    def refuse_to_repair(self, version: str) -> None:
        """The Deployment of a release is other than it was written, and a new admission policy refuses it."""
        name = self.name_of(version)

        def refuse(request: Request) -> None:
            if (request.kind, request.name) == (DEPLOYMENT, name):
                raise Forbidden("a new admission policy refuses it")

        self.cluster.before_write = refuse
        live = self.mirror.one(DEPLOYMENT, name)
        self.edit(live, metadata=live["metadata"] | {"annotations": {}})

    async def serving(self, version: str = "v1", **spec: Any) -> None:
        """A first release that serves."""
        self.declare(version, **spec)
        await self.run()
        assert self.stable == version, self.story()

    # --- what is so

    @property
    def deployment(self) -> Object:
        return self.mirror.one(MODEL_DEPLOYMENT, "fraud")

    @property
    def status(self) -> Object:
        found: Object = self.deployment.get("status") or {}
        return found

    @property
    def stable(self) -> str | None:
        found: str | None = (self.status.get("stable") or {}).get("version")
        return found

    def condition(self, kind: str, name: str = "fraud") -> Object:
        conditions = (self.mirror.one(MODEL_DEPLOYMENT, name).get("status") or {}).get("conditions", [])
        return next((found for found in conditions if found["type"] == kind), {})

    def revision(self, version: str) -> Object:
        (found,) = [
            obj for obj in self.mirror.objects(MODEL_REVISION) if obj["spec"]["release"]["model"]["version"] == version
        ]
        return found

    def record(self, version: str) -> Object:
        found: Object = self.revision(version).get("status") or {}
        return found

    def phase(self, version: str) -> str | None:
        revisions = [
            obj for obj in self.mirror.objects(MODEL_REVISION) if obj["spec"]["release"]["model"]["version"] == version
        ]
        return (revisions[0].get("status") or {}).get("phase") if revisions else None

    def name_of(self, version: str) -> str:
        return str(self.revision(version)["metadata"]["name"])

    def metric(self, version: str, name: str) -> Object:
        return next(found for found in self.record(version)["metrics"] if found["name"] == name)

    def timeline(self, version: str) -> list[tuple[str, str]]:
        return [(entry["phase"], entry["reason"]) for entry in self.record(version).get("timeline", [])]

    @property
    def route(self) -> Object:
        return self.mirror.one(HTTP_ROUTE, "fraud")

    @property
    def weights(self) -> dict[str, int]:
        """By version, what the route says."""
        versions = {self.name_of(version): version for version in self.versions()}
        (rule,) = self.route["spec"]["rules"]
        return {versions.get(ref["name"], ref["name"]): ref["weight"] for ref in rule["backendRefs"]}

    def versions(self) -> list[str]:
        return [obj["spec"]["release"]["model"]["version"] for obj in self.mirror.objects(MODEL_REVISION)]

    def events(self) -> list[tuple[str, str, str]]:
        """Type, reason and message, in the order in which they were told."""
        return [
            (request.body["type"], request.body["reason"], request.body["message"])
            for request in self.writes()
            if request.kind == EVENT and request.body is not None
        ]

    def writes(self) -> list[Request]:
        return [request for request in self.cluster.requests if request.verb not in {"get", "list"}]

    def story(self) -> str:
        """For a test that failed."""
        records = {version: self.record(version) for version in self.versions()}
        lines = [f"{version}: {record.get('phase')}, {record.get('message')}" for version, record in records.items()]
        status = {item["type"]: (item["status"], item["message"]) for item in self.status.get("conditions", [])}
        return "\n".join([str(status), *lines])


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    """Empty but for a Gateway and a golden set."""
    async with an_outside() as outside, http_client() as client:
        world = World(outside, client)
        yield world
        await world.writing_back.close()
        await world.registries.close()


__all__ = ["NAMESPACE", "Killed", "World", "a_world"]
