"""Models that answer with their name, and a router that leads requests to them through the sandbox's gateway."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiohttp import web

from slipway.api import Traffic
from slipway.cluster import CONFIG_MAP, Cluster, Conflict, Object, kind_of
from slipway.traffic import Reference, RoutePlan, RouteStatus, router_of
from slipway.workload import needs_apply

DEADLINE = 45.0


async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = DEADLINE) -> Any:
    """The condition's first true value. Fails when there is none in time."""
    async with asyncio.timeout(seconds):
        while True:
            found = await condition()
            if found:
                return found
            await asyncio.sleep(0.05)


@dataclass
class Model:
    """A server in this process behind a Service of its own. It counts what it is asked."""

    service: str
    requests: Counter[str] = field(default_factory=Counter)
    """Requests by path."""
    port: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests[request.path] += 1
        return web.Response(text=self.service)

    def objects(self, namespace: str) -> list[Object]:
        """The Service, and the endpoints that no controller keeps because it selects no pods."""
        metadata = {"name": self.service, "namespace": namespace}
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {"ports": [{"name": "http", "port": 80, "targetPort": self.port}]},
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**metadata, "labels": {"kubernetes.io/service-name": self.service}},
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": self.port, "protocol": "TCP"}],
                "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True, "serving": True}}],
            },
        ]


@dataclass
class Place:
    """A namespace with models in it, and a client of the gateway."""

    cluster: Cluster
    namespace: str
    gateway_url: str
    http: httpx.AsyncClient
    models: dict[str, Model] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """A host that no other test uses."""
        return f"{self.namespace}.example"

    async def model(self, service: str) -> Model:
        model = Model(service)
        await model.start()
        self.models[service] = model
        for obj in model.objects(self.namespace):
            await self.cluster.apply(obj)
        return model

    async def route(self, traffic: Mapping[str, Any], name: str = "fraud") -> Route:
        """A ModelDeployment's place in this, with an owner that the garbage collector finds."""
        owner = await self.cluster.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": self.namespace}}
        )
        return Route(self, Traffic.model_validate(traffic), name, owner["metadata"]["uid"])

    async def ask(self, path: str = "/", host: str | None = None, **headers: str) -> httpx.Response:
        self.http.cookies.clear()  # every request is that of a new client
        return await self.http.get(f"{self.gateway_url}{path}", headers={"Host": host or self.host, **headers})

    async def answers(self, count: int, path: str = "/", host: str | None = None, **headers: str) -> Counter[str]:
        """Who answered so many requests; those that nobody answered stand under their code."""
        found: Counter[str] = Counter()
        for _ in range(count):
            response = await self.ask(path, host, **headers)
            found[response.text if response.status_code == 200 else str(response.status_code)] += 1
        return found

    async def until(
        self, expected: Mapping[str, int], path: str = "/", host: str | None = None, **headers: str
    ) -> None:
        """Wait until as many requests are answered by whom they should be: a gateway accepts before it acts."""

        async def answered() -> bool:
            return await self.answers(sum(expected.values()), path, host, **headers) == expected

        try:
            await eventually(answered)
        except TimeoutError:
            assert await self.answers(sum(expected.values()), path, host, **headers) == expected


@dataclass
class Route:
    """A router at work on a real cluster: it writes what its changes say, each onto the version that was read."""

    place: Place
    traffic: Traffic
    name: str
    uid: str

    async def live(self) -> dict[Reference, Object | None]:
        router, settings = router_of(self.traffic)
        return {
            reference: await self.place.cluster.get(_kind(reference), self.place.namespace, reference.name)
            for reference in router.references(model_deployment=self.name, traffic=settings)
        }

    async def write(self, plan: RoutePlan) -> int:
        """Carry a plan out; returns how many writes it took."""
        return await _looking_again(lambda: self._write(plan))

    async def _write(self, plan: RoutePlan) -> int:
        router, settings = router_of(self.traffic)
        owner = {"apiVersion": "v1", "kind": CONFIG_MAP.kind, "name": self.name, "uid": self.uid}
        live = await self.live()
        changes = router.changes(
            model_deployment=self.name,
            namespace=self.place.namespace,
            traffic=settings,
            plan=plan,
            owner=owner,
            live=live,
        )
        return await self._carry_out(changes, live)

    async def restore(self) -> int:
        """Give back what is the user's; returns how many writes it took."""
        return await _looking_again(self._restore)

    async def _restore(self) -> int:
        router, settings = router_of(self.traffic)
        live = await self.live()
        return await self._carry_out(router.restored(traffic=settings, owner_uid=self.uid, live=live), live)

    async def _carry_out(self, changes: Any, live: Mapping[Reference, Object | None]) -> int:
        cluster, namespace, writes = self.place.cluster, self.place.namespace, 0
        for change in changes:
            kind, found = _kind(change.reference), live[change.reference]
            metadata = change.body.get("metadata", {})
            version = {"resourceVersion": found["metadata"]["resourceVersion"]} if found is not None else {}
            body = {**change.body, "metadata": {**metadata, **version}}
            if change.delete:
                await cluster.delete(kind, namespace, change.reference.name)
            elif not needs_apply(found, change.body):
                continue
            elif change.patch:
                await cluster.merge_patch(kind, namespace, change.reference.name, body)
            else:
                await cluster.apply(body)
            writes += 1
        return writes

    async def status(self, *, later: timedelta = timedelta(0), ready: Mapping[str, int] | None = None) -> RouteStatus:
        router, settings = router_of(self.traffic)
        return router.status(
            model_deployment=self.name,
            namespace=self.place.namespace,
            traffic=settings,
            owner_uid=self.uid,
            live=await self.live(),
            ready=ready or {},
            now=datetime.now(UTC) + later,
        )

    async def lead(self, plan: RoutePlan) -> RouteStatus:
        """Carry a plan out, and wait until somebody says that it was taken up; where nobody does, time is skipped."""
        await self.write(plan)

        async def observed() -> RouteStatus | None:
            status = await self.status(later=timedelta(minutes=1))
            return status if status.observed is not None else None

        found: RouteStatus = await eventually(observed)
        return found


async def _looking_again(work: Callable[[], Awaitable[int]]) -> int:
    """As the operator does when an object changed after it was read: a gateway writes its status at any time."""
    for _ in range(10):
        with contextlib.suppress(Conflict):
            return await work()
    return await work()


def _kind(reference: Reference) -> Any:
    return kind_of({"apiVersion": reference.api_version, "kind": reference.kind})
