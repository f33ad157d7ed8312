"""Live numbers of every source, as an operator collects them: what counts, who may be asked, and what is said."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from unit.controller.builders import NAMESPACE
from unit.controller.world import World

from slipway.cluster import SECRET, Object
from slipway.outside import Egress

LOOPBACK = Egress(("127.0.0.0/8",))


@dataclass
class Server:
    """A Prometheus, or any page of JSON: what it counts grows with every question."""

    url: str = ""
    bad: dict[str, float] = field(default_factory=dict)
    """Of each hundred requests, by the arm's words in the question."""
    status: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)
    """What was asked, and with which credentials."""
    looks: int = 0

    async def query(self, request: web.Request) -> web.Response:
        promql = str((await request.post())["query"])
        self.asked.append((promql, request.headers.get("authorization", "")))
        self.looks += 1
        pod = promql.split('pod=~"')[1].split("-[0-9a-z]+", maxsplit=1)[0]
        value = 100.0 * self.looks
        found = [{"metric": {"pod": f"{pod}-7d9-x1", "namespace": NAMESPACE}, "value": [0, str(value)]}]
        if promql.startswith("failed_total"):
            found[0]["value"] = [0, str(self._share(pod) * value)]
        if "_bucket" in promql:
            slow = self._share(pod) * value
            found = [
                {"metric": {**found[0]["metric"], "le": le}, "value": [0, str(int(count))]}  # type: ignore[dict-item]
                for le, count in (("0.1", value - slow), ("0.5", value - slow / 2), ("+Inf", value))
            ]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": found}})

    def _share(self, text: str) -> float:
        return next((share for words, share in self.bad.items() if words in text), 0.0)

    async def page(self, request: web.Request) -> web.Response:
        self.asked.append((request.path_qs, request.headers.get("authorization", "")))
        self.looks += 1
        total = 100 * self.looks
        document = {"requests": {"all": total, "failed": int(self._share(request.path_qs) * total)}}
        return web.json_response(document, status=self.status)


@asynccontextmanager
async def a_server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/api/v1/query", server.query)
    app.router.add_get("/counts/{service}", server.page)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


def of_prometheus(server: Server, **source: Any) -> Object:
    counters = {} if "histogram" in source else {"bad": ["failed_total"], "total": ["requests_total"]}
    return {
        "name": "errors",
        "prometheus": {"url": server.url, **counters, **source},
        "comparison": {"margin": 0.005},
        "minSamples": 20,
    }


def of_web(server: Server, **source: Any) -> Object:
    paths = {"bad": "$.requests.failed", "total": "$.requests.all"}
    return {
        "name": "errors",
        "web": {"url": f"{server.url}/counts/{{{{service}}}}?arm={{{{arm}}}}", **paths, **source},
        "comparison": {"margin": 0.005},
        "minSamples": 20,
    }


def a_secret(**data: str) -> Object:
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": "login", "namespace": NAMESPACE},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


async def on_the_way(world: World, metric: Object, *, egress: Egress = LOOPBACK) -> None:
    """Release v2 takes its first traffic beside v1, judged by this metric alone."""
    world.kill_operator()
    world.egress = egress
    world.start_operator()
    analysis = {"interval": "10s", "maxDuration": "10m", "metrics": [metric]}
    await world.serving("v1", analysis=analysis)
    world.declare("v2")
    await world.run(lambda: "v2" in world.weights)


@pytest.mark.parametrize("source", [of_prometheus, of_web])
async def test_a_release_that_fails_no_more_often_is_promoted(world: World, source: Any) -> None:
    async with a_server() as server:
        await on_the_way(world, source(server))
        await world.run()
        assert world.stable == "v2", world.story()
        assert "errors: " in str(world.timeline("v2")) or world.metric("v2", "errors")["cursor"]


async def test_a_release_that_prometheus_sees_fail_is_hauled_back_when_the_ranks_agree(world: World) -> None:
    async with a_server() as server:
        await on_the_way(world, of_prometheus(server))
        server.bad[world.name_of("v2")] = 0.5
        await world.run()
        assert world.stable == "v1", world.story()
        assert "errors: Fail" in world.record("v2")["message"]


async def test_a_release_that_a_page_counts_failures_of_is_hauled_back(world: World) -> None:
    async with a_server() as server:
        await on_the_way(world, of_web(server))
        server.bad["arm=candidate"] = 0.3
        await world.run()
        assert world.stable == "v1", world.story()


async def test_a_release_that_prometheus_sees_slow_is_hauled_back(world: World) -> None:
    async with a_server() as server:
        await on_the_way(world, of_prometheus(server, histogram="duration_seconds"))
        server.bad[world.name_of("v2")] = 0.6
        await world.run()
        assert world.stable == "v1", world.story()
        assert "slower than" in world.record("v2")["message"]


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"bearer": {"name": "login", "key": "token"}}, "Bearer s3cret"),
        ({"basic": {"name": "login"}}, "Basic " + base64.b64encode(b"ann:pw").decode()),
    ],
)
@pytest.mark.parametrize("source", [of_prometheus, of_web])
async def test_credentials_come_from_a_secret_that_is_read_by_name_at_each_look(
    world: World, source: Any, auth: Object, header: str
) -> None:
    async with a_server() as server:
        world.cluster.put(a_secret(token="s3cret\n", username="ann", password="pw"))
        await on_the_way(world, source(server, auth=auth))
        await world.pass_time(15)
        assert {credentials for _, credentials in server.asked} == {header}
        reads = [request for request in world.cluster.requests if request.kind == SECRET]
        assert {request.verb for request in reads} == {"get"}
        assert "s3cret" not in str(world.record("v2"))


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (None, "Secret shop/login does not exist: create it"),
        (a_secret(other="x"), "Secret shop/login has no key 'token' (it has other)"),
        (a_secret() | {"data": {"token": "/w=="}}, "holds no text under 'token'"),
    ],
)
async def test_a_secret_that_is_not_there_holds_the_weight_and_names_the_field(
    world: World, secret: Object | None, said: str
) -> None:
    async with a_server() as server:
        if secret is not None:
            world.cluster.put(secret)
        await on_the_way(world, of_prometheus(server, auth={"bearer": {"name": "login", "key": "token"}}))
        await world.pass_time(15)
        message = world.metric("v2", "errors")["message"]
        assert message.startswith("spec.analysis.metrics[errors].prometheus.auth.bearer: ")
        assert said in message
        assert world.weights == {"v1": 9000, "v2": 1000}
        assert server.asked == []


async def test_nothing_is_reached_that_no_rule_opens(world: World) -> None:
    async with a_server() as server:
        await on_the_way(world, of_prometheus(server), egress=Egress())
        await world.pass_time(15)
        message = world.metric("v2", "errors")["message"]
        assert "spec.analysis.metrics[errors].prometheus: " in message
        assert "loopback is allowed by an address only, and no rule has it" in message
        assert server.asked == []


async def test_a_page_that_answers_with_an_error_is_no_evidence(world: World) -> None:
    async with a_server() as server:
        server.status = 500
        await on_the_way(world, of_web(server))
        await world.pass_time(15)
        assert world.metric("v2", "errors")["verdict"] == "Error"
        assert "spec.analysis.metrics[errors].web: " in world.metric("v2", "errors")["message"]
        server.status = 200
        await world.run()
        assert world.stable == "v2", world.story()


async def test_a_path_that_is_none_is_told_with_its_field(world: World) -> None:
    async with a_server() as server:
        await on_the_way(world, of_web(server, bad="requests["))
        await world.pass_time(15)
        assert world.metric("v2", "errors")["message"].startswith("spec.analysis.metrics[errors].web.bad: ")


OF_GATEWAY = {"name": "errors", "gateway": {}, "comparison": {"margin": 0.02}, "minSamples": 50}


@pytest.mark.parametrize("times", [0.0, 3.0])
async def test_a_gateway_that_does_not_follow_the_weight_holds_it_until_it_does(world: World, times: float) -> None:
    await on_the_way(world, OF_GATEWAY | {"minSamples": 1000})
    world.gateway.strays[world.name_of("v2")] = times
    await world.pass_time(60)
    assert world.record("v2")["reason"] == "RoutingMismatch"
    assert "at a weight of 10.00%" in world.condition("Ready")["message"]
    assert world.weights == {"v1": 9000, "v2": 1000}
    world.gateway.strays.clear()
    await world.run()
    assert world.stable == "v2", world.story()


async def test_a_gateway_that_follows_the_weights_is_never_taken_for_one_that_does_not(world: World) -> None:
    world.gateway.requests_per_second = 2_000
    await on_the_way(world, OF_GATEWAY)
    await world.run()
    assert world.stable == "v2", world.story()
    assert "RoutingMismatch" not in {reason for _, reason, _ in world.events()}


async def test_a_relative_margin_is_taken_from_the_manifest_to_the_sentence(world: World) -> None:
    await on_the_way(world, OF_GATEWAY | {"comparison": {"relative": 0.2}})
    await world.pass_time(30)
    assert "margin 20% of stable's" in world.metric("v2", "errors")["message"]
