"""Counters of pods: selection, sums, and which pods have to be readable."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from aiohttp import web
from unit.controller.virtual_time import in_virtual_time
from unit.probes.builders import a_client, a_server, an_endpoint

from slipway.api import PodsSource
from slipway.cluster.endpoints import Endpoint, http_client
from slipway.metrics import MAX_READINGS, Reading, SelectorError, SourceError, read_pods


def a_source(**fields: Any) -> PodsSource:
    return PodsSource(**{"bad": ['req_total{code=~"5.."}'], "total": ["req_total"]} | fields)


PAGE = 'req_total{code="200"} 90\nreq_total{code="500"} 3\nreq_total{code="503"} 2\nfailed_total 4\n'


async def read(endpoints: list[Endpoint], source: PodsSource, **pages: str | int) -> tuple[Reading, ...]:
    """Reads pods whose addresses are names of pages; a number is a status."""

    def answer(request: httpx.Request) -> httpx.Response:
        page = pages[request.url.host]
        return httpx.Response(page) if isinstance(page, int) else httpx.Response(200, text=page)

    async with a_client(answer) as client:
        return await read_pods(client, "stable", endpoints, source)


def a_pod(name: str, **options: Any) -> Endpoint:
    return an_endpoint(name, address=name, **options)


async def test_each_pod_is_one_reading_of_the_selected_series() -> None:
    readings = await read([a_pod("a"), a_pod("b")], a_source(), a=PAGE, b='req_total{code="200"} 1')
    assert readings == (Reading("stable/a", 5, 95), Reading("stable/b", 0, 1))


async def test_a_series_that_two_selectors_match_counts_once() -> None:
    source = a_source(bad=['req_total{code="500"}', "failed_total"], total=["req_total", 'req_total{code="200"}'])
    assert await read([a_pod("a")], source, a=PAGE) == (Reading("stable/a", 7, 95),)


async def test_series_that_are_not_born_yet_are_zero() -> None:
    assert await read([a_pod("a")], a_source(), a="# TYPE req_total counter\n") == (Reading("stable/a", 0, 0),)


async def test_a_ready_pod_that_cannot_be_read_puts_everything_off() -> None:
    with pytest.raises(SourceError, match="HTTP 500") as caught:
        await read([a_pod("a"), a_pod("b")], a_source(), a=PAGE, b=500)
    assert caught.value.source == "stable/b"


@pytest.mark.parametrize("state", [{"ready": False}, {"terminating": True}])
async def test_a_pod_that_does_not_serve_is_read_if_it_answers(state: dict[str, bool]) -> None:
    pods = [a_pod("a"), a_pod("b", **state)]
    assert len(await read(pods, a_source(), a=PAGE, b=PAGE)) == 2
    assert await read(pods, a_source(), a=PAGE, b=500) == (Reading("stable/a", 5, 95),)


async def test_an_arm_without_a_ready_pod_gives_no_reading() -> None:
    with pytest.raises(SourceError, match="no pod is ready"):
        await read([a_pod("a", ready=False)], a_source(), a=PAGE)


async def test_more_pods_than_a_status_holds_are_refused_before_they_are_asked() -> None:
    with pytest.raises(SourceError, match="201 pods are more than the 200 that are scraped: use gateway"):
        await read([a_pod(f"p{n}") for n in range(MAX_READINGS + 1)], a_source())


@pytest.mark.parametrize(("takes", "told"), [(3600.0, "timed out after 5s"), (4.5, "was not read within 10s")])
def test_many_slow_pods_together_take_no_longer_than_an_arm_may(takes: float, told: str) -> None:
    async def test() -> None:
        async def answer(_: httpx.Request) -> httpx.Response:
            await asyncio.sleep(takes)
            return httpx.Response(200, text=PAGE)

        pods = [a_pod(f"p{n}") for n in range(MAX_READINGS)]
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            with pytest.raises(SourceError, match=told):
                await read_pods(client, "stable", pods, a_source())
        assert asyncio.get_running_loop().time() < 11

    in_virtual_time(test())


async def test_a_bad_selector_names_its_field_before_any_pod_is_asked() -> None:
    with pytest.raises(SelectorError, match=r"^pods\.total\[1\]: 'rate\(x\)' is not a selector"):
        await read([a_pod("a")], a_source(total=["req_total", "rate(x)"]))


async def test_a_port_that_the_service_does_not_have_names_the_field() -> None:
    with pytest.raises(SourceError, match=r"pod a has no port 'metrics'.*correct pods\.port"):
        await read([a_pod("a")], a_source(port="metrics"), a=PAGE)


async def test_a_label_too_long_for_a_pattern_is_an_error_and_not_a_miss() -> None:
    with pytest.raises(SourceError, match="longer than the 256"):
        await read([a_pod("a")], a_source(), a=f'req_total{{code="{"5" * 300}"}} 1')


async def test_a_real_pod_is_scraped_at_its_port_and_path() -> None:
    asked: list[tuple[str, str | None]] = []

    async def metrics(request: web.Request) -> web.StreamResponse:
        asked.append((request.path, request.headers.get("accept")))
        return web.Response(text=PAGE, headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    async with a_server(metrics) as port, http_client() as client:
        pod = Endpoint("a", "127.0.0.1", {"http": 1, "metrics": port}, ready=True, terminating=False)
        readings = await read_pods(client, "stable", [pod], a_source(port="metrics", path="/stats/prometheus"))
    assert readings == (Reading("stable/a", 5, 95),)
    assert asked[0][0] == "/stats/prometheus"
    assert (asked[0][1] or "").startswith("text/plain")
