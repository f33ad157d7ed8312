"""Live numbers of every source, as an operator collects them: what counts, who may be asked, and what is said."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from unit.controller.builders import NAMESPACE
from unit.controller.world import World

from slipway.cluster import SECRET, Object
from slipway.controller.logs import log_to_stderr
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
    instead: Callable[[], web.Response] | None = None
    """What a Prometheus answers in the place of series."""
    numbers: dict[str, Any] = field(default_factory=dict)
    """What a query of one number, or a page's value, gives, by the arm's words in the question; a list is one a pod."""

    async def query(self, request: web.Request) -> web.Response:
        promql = str((await request.post())["query"])
        self.asked.append((promql, request.headers.get("authorization", "")))
        self.looks += 1
        if self.instead is not None:
            return self.instead()
        if "queue" in promql:
            return web.json_response(
                {"status": "success", "data": {"resultType": "vector", "result": self._numbers(promql)}}
            )
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

    def _numbers(self, text: str) -> list[Any]:
        found = next((number for words, number in self.numbers.items() if words in text), None)
        several = found if isinstance(found, list) else [] if found is None else [found]
        names = [{"pod": f"pod-{index}"} for index in range(len(several))] if isinstance(found, list) else [{}]
        return [{"metric": name, "value": [0, str(one)]} for name, one in zip(names, several, strict=False)]

    def _share(self, text: str) -> float:
        return next((share for words, share in self.bad.items() if words in text), 0.0)

    async def page(self, request: web.Request) -> web.Response:
        self.asked.append((request.path_qs, request.headers.get("authorization", "")))
        self.looks += 1
        total = 100 * self.looks
        number = next((number for words, number in self.numbers.items() if words in request.path_qs), None)
        if number == "html":
            return web.Response(text="<html>log in</html>", content_type="text/html")
        document = {"queue": number, "requests": {"all": total, "failed": int(self._share(request.path_qs) * total)}}
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


async def on_the_way(world: World, metric: Object, *, egress: Egress = LOOPBACK, longest: str = "10m") -> None:
    """Release v2 takes its first traffic beside v1, judged by this metric alone."""
    world.kill_operator()
    world.egress = egress
    world.start_operator()
    analysis = {"interval": "10s", "maxDuration": longest, "metrics": [metric]}
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


@pytest.mark.parametrize("status", [200, 401])
async def test_a_token_is_in_no_log_and_in_no_object_but_its_secret(
    world: World, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    for logger in (None, "httpx", "kopf"):
        caplog.set_level(logging.DEBUG, logger=logger)
    log_to_stderr(form="json", verbose=True)
    async with a_server() as server:
        server.status = status
        world.cluster.put(a_secret(token="s3cret"))
        url = f"{server.url}/counts/{{{{service}}}}?arm={{{{arm}}}}&key=qu3ry"
        auth = {"bearer": {"name": "login", "key": "token"}}
        await on_the_way(world, {**of_web(server, auth=auth), "web": {**of_web(server, auth=auth)["web"], "url": url}})
        await world.pass_time(30)
        assert {credentials for _, credentials in server.asked} == {"Bearer s3cret"}
    written = str([request.body for request in world.writes()])
    logged = " ".join(entry.getMessage() for entry in caplog.records if entry.name != "aiohttp.access")  # the server's
    assert "request_headers" in logged
    assert "s3cret" not in written + logged
    assert "qu3ry" not in logged + str(world.record("v2"))


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


# --- what is no evidence ----------------------------------------------------------------------------------------------


def series(*values: Any, **fields: Any) -> Callable[[], web.Response]:
    """An answer of a Prometheus: one series for each value, of one pod, told apart by what scraped it."""
    found = [
        {"metric": {"pod": "fraud-1-a", "instance": str(n)}, "value": [0, str(value)]} for n, value in enumerate(values)
    ]
    document = {"status": "success", "data": {"resultType": "vector", "result": found}} | fields
    return lambda: web.json_response(document)


def html() -> web.Response:
    return web.Response(text="<html><body>log in</body></html>", content_type="text/html")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (html, "it answered HTTP 200 with HTML where JSON was asked for"),
        (series("NaN"), "is nan, which is not a count"),
        (series("+Inf"), "is inf, which is not a count"),
        (series(-1), "is -1, which is not a count"),
        (series(), "it knows no series of requests_total for either revision"),
        (series(5, 6), "pod fraud-1-a"),
        (series(5, warnings=["one store did not answer"]), "it warns about its answer"),
        (lambda: web.json_response({"status": "fine"}), "is not that of a Prometheus: check its address"),
    ],
    ids=["HTML", "NaN", "Inf", "negative", "no series", "two targets", "warning", "another server"],
)
async def test_a_prometheus_that_shows_no_counts_holds_the_weight(world: World, answer: Any, said: str) -> None:
    async with a_server() as server:
        await on_the_way(world, of_prometheus(server))
        server.instead = answer
        await world.pass_time(15)
        status = world.metric("v2", "errors")
        assert status["verdict"] == "Error"
        assert status["message"].startswith("spec.analysis.metrics[errors].prometheus: ")
        assert said in status["message"]
        assert world.record("v2")["reason"] == "MetricsUnavailable"
        assert world.weights == {"v1": 9000, "v2": 1000}


REQUESTS = 'traefik_service_requests_total{code="200",service="shop-fraud-http-80"}'


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<html></html>", "did not answer with metrics"),
        ("some_total 5\n", "shows no metrics of Traefik or Envoy"),
        (REQUESTS.replace("fraud-", "{v2}-") + " NaN\n", "is nan, which is not a count"),
        (REQUESTS.replace("fraud-", "{v2}-") + " -4\n", "is -4, which is not a count"),
        ((REQUESTS.replace("fraud-", "{v2}-") + " 4\n") * 2, "shows one series twice"),
    ],
    ids=["HTML", "another server", "NaN", "negative", "twice"],
)
async def test_a_gateway_that_shows_no_counts_holds_the_weight(
    world: World, monkeypatch: pytest.MonkeyPatch, page: str, said: str
) -> None:
    await on_the_way(world, OF_GATEWAY)
    monkeypatch.setattr(world.gateway, "serve", lambda *_: None)
    world.outside.page = page.replace("{v2}", world.name_of("v2"))
    await world.pass_time(15)
    status = world.metric("v2", "errors")
    assert (status["verdict"], said in status["message"]) == ("Error", True), status["message"]
    assert world.record("v2")["reason"] == "MetricsUnavailable"
    assert world.weights == {"v1": 9000, "v2": 1000}


async def test_a_gateway_that_began_anew_counts_from_nothing(world: World) -> None:
    await on_the_way(world, OF_GATEWAY | {"minSamples": 200})
    await world.pass_time(20)
    world.gateway.sent.clear()
    await world.run()
    assert world.stable == "v2", world.story()


# --- numbers that are read --------------------------------------------------------------------------------------------


def a_query(server: Server, **gate: Any) -> Object:
    query = "max(queue{{{selector}}})"
    return {"name": "queue", "prometheus": {"url": server.url, "query": query}} | (
        gate or {"threshold": {"max": 50, "for": "1m"}}
    )


def a_value(server: Server, **gate: Any) -> Object:
    source = {"url": f"{server.url}/counts/{{{{service}}}}?arm={{{{arm}}}}", "value": "$.queue"}
    return {"name": "queue", "web": source} | (gate or {"threshold": {"max": 50, "for": "1m"}})


@pytest.mark.parametrize("source", [a_query, a_value])
async def test_a_number_within_its_limit_for_a_while_lets_the_rollout_go_on(world: World, source: Any) -> None:
    async with a_server() as server:
        server.numbers = {"": 7}
        await on_the_way(world, source(server))
        await world.pass_time(30)
        assert "value=7 (max 50), within for " in world.metric("v2", "queue")["message"]
        assert world.weights == {"v1": 9000, "v2": 1000}
        await world.run()
        assert world.stable == "v2", world.story()


@pytest.mark.parametrize("source", [a_query, a_value])
async def test_a_number_beyond_its_limit_for_a_while_hauls_back_and_a_spike_does_not(world: World, source: Any) -> None:
    async with a_server() as server:
        server.numbers = {"": 7}
        await on_the_way(world, source(server, threshold={"max": 50, "for": "4m"}))
        server.numbers = {"": 70}
        await world.pass_time(60)
        assert "beyond for " in world.metric("v2", "queue")["message"]
        server.numbers = {"": 7}
        await world.pass_time(60)
        assert "within for " in world.metric("v2", "queue")["message"]
        server.numbers = {"": 70}
        await world.run()
        assert world.stable == "v1", world.story()
        assert "queue: Fail value=70 (max 50), beyond for " in world.record("v2")["message"]


async def test_a_number_beyond_its_limit_is_no_reason_to_go_on_when_the_time_is_over(world: World) -> None:
    async with a_server() as server:
        server.numbers = {"": 70}
        await on_the_way(world, a_query(server, threshold={"max": 50, "for": "1h"}), longest="2m")
        await world.pass_time(150)
        assert world.record("v2")["reason"] == "Inconclusive"
        assert world.weights == {"v1": 9000, "v2": 1000}


@pytest.mark.parametrize("source", [a_query, a_value])
async def test_no_number_yet_holds_and_says_what_to_look_at(world: World, source: Any) -> None:
    async with a_server() as server:
        await on_the_way(world, source(server))
        await world.pass_time(30)
        status = world.metric("v2", "queue")
        assert status["verdict"] == "NoData"
        assert "no number of candidate yet: does " in status["message"]
        assert world.record("v2")["reason"] == "NoData"
        server.numbers = {"": 7}
        await world.run()
        assert world.stable == "v2", world.story()


@pytest.mark.parametrize(
    ("source", "numbers", "said"),
    [
        (a_query, {"": "+Inf"}, "spec.analysis.metrics[queue].prometheus: "),
        (a_value, {"": "many"}, "$.queue selects str where it has to select a finite number"),
        (a_value, {"": "html"}, "it answered HTTP 200 with HTML where JSON was asked for"),
    ],
)
async def test_what_is_no_number_is_no_evidence(world: World, source: Any, numbers: Any, said: str) -> None:
    async with a_server() as server:
        server.numbers = numbers
        await on_the_way(world, source(server))
        await world.pass_time(30)
        status = world.metric("v2", "queue")
        assert status["verdict"] == "Error"
        assert said in status["message"]
        assert world.weights == {"v1": 9000, "v2": 1000}


@pytest.mark.parametrize(
    ("worse", "gate", "stays"),
    [("Higher", "comparison", "v1"), ("Lower", "comparison", "v2"), ("Lower", "nonInferiority", "v2")],
)
async def test_numbers_of_pods_are_ranked_against_those_of_stable(
    world: World, worse: str, gate: str, stays: str
) -> None:
    async with a_server() as server:
        metric = a_query(server, **{gate: {"relative": 0.2}}, worse=worse)
        await on_the_way(world, metric)
        server.numbers = {world.name_of("v2"): [80, 90], world.name_of("v1"): [40, 45, 50]}
        await world.run()
        assert world.stable == stays, world.story()
        if stays == "v1":
            assert "queue: Fail n=" in world.record("v2")["message"]
            assert "beside stable's 45, worse by +88.9% (margin 20%)" in world.record("v2")["message"]


async def test_pods_are_ranked_once_a_minute_however_often_one_looks(world: World) -> None:
    async with a_server() as server:
        await on_the_way(world, a_query(server, comparison={"relative": 0.2}))
        server.numbers = {world.name_of("v2"): [40], world.name_of("v1"): [40, 45, 50]}
        await world.pass_time(150)
        assert world.metric("v2", "queue")["message"].startswith(("n=2 ", "n=3 "))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [(7, "it gives one number for a whole release"), ([-1, 2], "a pod of candidate is below 0")],
)
async def test_numbers_that_cannot_be_ranked_are_told_with_their_field(world: World, numbers: Any, said: str) -> None:
    async with a_server() as server:
        server.numbers = {"": numbers}
        await on_the_way(world, a_query(server, comparison={"relative": 0.2}))
        await world.pass_time(30)
        message = world.metric("v2", "queue")["message"]
        assert message.startswith("spec.analysis.metrics[queue].prometheus.query: ")
        assert said in message
