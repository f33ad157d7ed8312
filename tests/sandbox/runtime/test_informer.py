"""The informer against a server that misbehaves: dropped watches, versions that expired, late news.

Cases: list then watch; a watch that ends is resumed from its last version; 410 lists again and tells what went missing;
own writes count at once and are not told twice; a deletion is not undone by a late answer.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from sandbox.runtime.kit import eventually

from slipway_sandbox.client import CONFIG_MAPS, Client, Informer, Manifest


def a_config_map(name: str, version: int, uid: str = "") -> Manifest:
    metadata = {"name": name, "namespace": "n", "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


class FakeServer:
    """Answers lists with `objects` and each watch with the next script of `watches`."""

    def __init__(self) -> None:
        self.objects: list[Manifest] = []
        self.version = 1
        self.lists = 0
        self.watched_from: list[str] = []
        self.watches: list[list[tuple[str, Any]]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") != "true":
            self.lists += 1
            return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": self.objects})
        self.watched_from.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        if not self.watches:
            await asyncio.sleep(30)
        for kind, obj in self.watches.pop(0):
            line = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
            for start in range(0, len(line), 7):  # in pieces, as a network delivers
                await response.write(line[start : start + 7])
        return response


@asynccontextmanager
async def following(server: FakeServer) -> AsyncIterator[tuple[Informer, list[tuple[str, str]]]]:
    app = web.Application()
    app.router.add_get("/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    told: list[tuple[str, str]] = []
    async with Client(f"http://127.0.0.1:{port}") as client:
        informer = Informer(client, CONFIG_MAPS)
        informer.add_handler(lambda kind, obj, _before: told.append((kind, obj["metadata"]["name"])))
        task = asyncio.create_task(informer.run())
        try:
            await asyncio.wait_for(informer.synced(), 30)
            yield informer, told
        finally:
            task.cancel()
            await asyncio.wait([task])
            await runner.cleanup()


async def until(condition: Callable[[], Any]) -> None:
    async def check() -> Any:
        return condition()

    await eventually(check)


async def test_a_watch_that_ends_is_resumed_from_its_last_version() -> None:
    server = FakeServer()
    server.objects = [a_config_map("a", 1)]
    server.watches = [[("ADDED", a_config_map("b", 5)), ("BOOKMARK", a_config_map("", 9))], []]
    async with following(server) as (informer, told):
        await until(lambda: len(server.watched_from) >= 3)
        assert server.watched_from[:3] == ["1", "9", "9"]
        assert server.lists == 1
        assert told == [("ADDED", "a"), ("ADDED", "b")]
        assert {obj["metadata"]["name"] for obj in informer.all()} == {"a", "b"}


async def test_an_expired_version_lists_again_and_tells_what_went_missing() -> None:
    server = FakeServer()
    server.objects = [a_config_map("a", 1), a_config_map("b", 1)]
    expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    server.watches = [[("ERROR", expired)]]
    async with following(server) as (informer, told):
        server.objects = [a_config_map("a", 1), a_config_map("c", 7)]
        await until(lambda: server.lists == 2 and informer.get("n", "c"))
        assert told == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "b"), ("ADDED", "c")]


async def test_an_object_that_was_made_anew_under_its_name_is_told_as_gone_and_come() -> None:
    server = FakeServer()
    server.objects = [a_config_map("a", 1)]
    server.watches = [[("ERROR", {"code": 410, "reason": "Expired"})]]
    async with following(server) as (_, told):
        server.objects = [a_config_map("a", 8, uid="another")]
        await until(lambda: len(told) == 3)
        assert told == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]


async def test_a_write_of_ones_own_counts_at_once_and_is_told_only_once() -> None:
    server = FakeServer()
    server.watches = [[("ADDED", a_config_map("mine", 5)), ("ADDED", a_config_map("last", 6))]]
    async with following(server) as (informer, told):
        informer.observe(a_config_map("mine", 5))
        assert informer.get("n", "mine") is not None
        await until(lambda: informer.get("n", "last"))
        assert told.count(("ADDED", "mine")) == 1


async def test_a_late_answer_does_not_bring_a_deleted_object_back() -> None:
    server = FakeServer()
    server.objects = [a_config_map("a", 1)]
    server.watches = [[("DELETED", a_config_map("a", 6))]]
    async with following(server) as (informer, _):
        await until(lambda: informer.get("n", "a") is None)
        informer.observe(a_config_map("a", 5))
        assert informer.get("n", "a") is None


async def test_objects_are_found_by_the_uid_of_their_controller() -> None:
    owned = a_config_map("owned", 2)
    owned["metadata"]["ownerReferences"] = [
        {"uid": "u", "controller": True, "kind": "X", "name": "x", "apiVersion": "v1"}
    ]
    released = a_config_map("owned", 3)
    server = FakeServer()
    server.objects = [owned]
    async with following(server) as (informer, _):
        assert [obj["metadata"]["name"] for obj in informer.controlled_by("u")] == ["owned"]
        informer.observe(released)
        assert informer.controlled_by("u") == []
