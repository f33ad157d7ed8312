"""Models that are asked in the protocol of their release, and golden sets of any address and form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from unit.controller.builders import ACCURACY, GOLDEN, KEY, a_golden_set, a_release, golden_text
from unit.controller.world import World

from slipway.cluster import Object
from slipway.outside import Egress
from slipway.release import release_hash

CUSTOM = {
    "path": "/ask/{{model}}",
    "readyPath": "/alive/{{model}}",
    "template": '{"n": "{{inputs.x}}"}',
    "output": "$.label",
}
TABLE = "id,x,expected\n" + "".join(f"g{n},{n},{n % 2}\n" for n in range(8))


@dataclass
class Files:
    """A server of files, and a model that speaks a protocol of its own."""

    url: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)


@asynccontextmanager
async def files(**texts: str) -> AsyncIterator[Files]:
    server = Files(texts=texts)

    async def answer(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        server.fetched.append(name)
        stem = name.partition(".")[0]
        return web.Response(text=server.texts[stem]) if stem in server.texts else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


def accuracy(**golden: Any) -> Object:
    return {"metrics": [{**ACCURACY, "goldenSet": {"timeout": "2s", **golden}}]}


def opened(world: World) -> None:
    world.kill_operator()
    world.egress = Egress(("127.0.0.0/8",))
    world.start_operator()


# --- protocols --------------------------------------------------------------------------------------------------------


def test_a_release_that_names_no_protocol_has_the_hash_that_it_had() -> None:
    pinned = "2b7c39cbcaa826d8"
    assert release_hash(a_release("v1"))[:16] == pinned
    assert release_hash(a_release("v1") | {"protocol": {"name": "KServeV1"}})[:16] != pinned


async def test_a_model_that_speaks_a_protocol_of_its_own_is_asked_in_it(world: World) -> None:
    world.cluster.put(a_golden_set(TABLE))
    release = a_release("v1") | {"protocol": {"name": "CustomHTTP", "custom": CUSTOM}}
    source = {"configMap": {"name": GOLDEN, "key": KEY}, "format": "CSV"}
    world.declare("v1", release=release, analysis=accuracy(**source))
    model = await world.model("v1")
    await world.run()
    assert world.stable == "v1", world.story()
    assert model.asked == 8


async def test_a_template_that_is_none_is_told_with_its_field(world: World) -> None:
    broken = {**CUSTOM, "template": '{"n": {{inputs}}}'}
    world.declare("v1", release=a_release("v1") | {"protocol": {"name": "CustomHTTP", "custom": broken}})
    await world.pass_time(30)
    message = world.record("v1")["message"]
    assert "spec.release.protocol.custom: the template is not JSON" in message


async def test_a_server_of_another_protocol_is_not_ready(world: World) -> None:
    world.declare("v1", release=a_release("v1") | {"protocol": {"name": "KServeV1"}})
    await world.pass_time(30)
    assert world.phase("v1") == "Starting"
    assert "HTTP 404" in world.record("v1")["message"]


async def test_arms_of_two_protocols_are_not_asked_the_same_inputs(world: World) -> None:
    await world.serving("v1", analysis=accuracy(configMap={"name": GOLDEN, "key": KEY}))
    release = a_release("v2") | {"protocol": {"name": "CustomHTTP", "custom": CUSTOM}}
    world.edit(world.deployment, spec=world.deployment["spec"] | {"release": release})
    await world.pass_time(30)
    assert "the candidate speaks another protocol than stable" in world.metric("v2", "accuracy")["message"]
    assert world.weights == {"v1": 10000}


async def test_a_protocol_that_is_named_is_the_same_as_the_default(world: World) -> None:
    await world.serving("v1", analysis=accuracy(configMap={"name": GOLDEN, "key": KEY}))
    release = a_release("v2") | {"protocol": {"name": "OpenInferenceV2"}}
    world.edit(world.deployment, spec=world.deployment["spec"] | {"release": release})
    await world.run()
    assert world.stable == "v2", world.story()


# --- golden sets ------------------------------------------------------------------------------------------------------


async def test_a_golden_set_of_an_address_is_fetched_once_for_a_replay(world: World) -> None:
    opened(world)
    async with files(golden=golden_text()) as server:
        await world.serving("v1", analysis=accuracy(url=f"{server.url}/golden.jsonl"))
        assert server.fetched == ["golden.jsonl"]
        assert world.metric("v1", "accuracy")["dataset"].startswith("sha256:")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.jsonl", "answered HTTP 404"),
        ("golden", "has a name that tells no format"),
        ("bad.jsonl", "not JSON"),
    ],
)
async def test_an_address_that_gives_no_golden_set_is_told_with_its_field(world: World, name: str, said: str) -> None:
    opened(world)
    async with files(golden=golden_text(), bad="nothing\n") as server:
        world.declare("v1", analysis=accuracy(url=f"{server.url}/{name}"))
        await world.pass_time(30)
        message = world.metric("v1", "accuracy")["message"]
        assert message.startswith("spec.analysis.metrics[accuracy].goldenSet.url")
        assert said in message


async def test_no_golden_set_is_fetched_from_where_no_rule_leads(world: World) -> None:
    async with files(golden=golden_text()) as server:
        world.declare("v1", analysis=accuracy(url=f"{server.url}/golden.jsonl"))
        await world.pass_time(30)
        assert "loopback is allowed by an address only" in world.metric("v1", "accuracy")["message"]
        assert server.fetched == []


async def test_items_that_are_bad_are_counted_where_some_may_be(world: World) -> None:
    text = golden_text(8) + '\n{"id": "g0001", "inputs": [], "expected": [1]}\nnothing\n'
    world.cluster.put(a_golden_set(text))
    source = {"configMap": {"name": GOLDEN, "key": KEY}}
    world.declare("v1", analysis=accuracy(**source))
    await world.pass_time(30)
    assert world.metric("v1", "accuracy")["verdict"] == "Error"
    world.declare("v2", analysis=accuracy(**source, tolerance=0.2))
    await world.run()
    assert world.stable == "v2", world.story()
    assert "2 of 10 items are bad and left out: " in world.metric("v2", "accuracy")["message"]


@pytest.mark.parametrize(
    ("match", "served"),
    [(None, False), ({"within": {"absolute": 1}}, True), ({"within": {"relative": 0.5}}, False), ({"text": {}}, False)],
)
async def test_a_prediction_is_right_when_its_match_says_so(world: World, match: Object | None, served: bool) -> None:
    """The model is one off in half of its answers."""
    await world.model("v1", accuracy=0.5)
    source = {"configMap": {"name": GOLDEN, "key": KEY}} | ({"match": match} if match else {})
    world.declare("v1", analysis=accuracy(**source))
    await world.pass_time(60)
    assert (world.stable == "v1") is served, world.story()
