"""Addresses of pods, and the bounds of one question to one of them."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from aiohttp import web
from unit.probes.builders import a_server, an_endpoint

from slipway.cluster.endpoints import AnswerError, Endpoint, UnknownPortError, ask, endpoints, http_client


def a_slice(*pods: dict[str, Any], name: str = "s1", family: str = "IPv4", **ports: int) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "addressType": family,
        "ports": [{"name": key, "port": port, "protocol": "TCP"} for key, port in (ports or {"http": 8080}).items()],
        "endpoints": list(pods),
    }


def a_pod(name: str | None, address: str, **conditions: Any) -> dict[str, Any]:
    target = {} if name is None else {"targetRef": {"kind": "Pod", "name": name}}
    return {"addresses": [address], "conditions": conditions, **target}


def test_a_pod_that_stands_in_several_slices_is_one_endpoint() -> None:
    found = endpoints(
        [
            a_slice(a_pod("a", "fd00::1", ready=True), name="s0", family="IPv6"),
            a_slice(a_pod("a", "10.0.0.1", ready=False), name="s1", http=8080),
            a_slice(a_pod("a", "10.0.0.1", ready=True, terminating=True), name="s2", metrics=9090),
        ]
    )
    assert found == (Endpoint("a", "10.0.0.1", {"http": 8080, "metrics": 9090}, ready=True, terminating=True),)
    assert list(found[0].ports) == ["http", "metrics"], "the first port stays the first"


def test_pods_come_sorted_whatever_the_order_of_the_slices() -> None:
    slices = [a_slice(a_pod("b", "10.0.0.2")), a_slice(a_pod("a", "10.0.0.1"), a_pod(None, "10.0.0.9"), name="s2")]
    names = [endpoint.pod for endpoint in endpoints(slices)]
    assert names == ["10.0.0.9", "a", "b"]
    assert names == [endpoint.pod for endpoint in endpoints(slices[::-1])]


@pytest.mark.parametrize(("ready", "expected"), [(True, True), (False, False), (None, True)])
def test_an_unknown_readiness_counts_as_ready(ready: bool | None, expected: bool) -> None:
    assert endpoints([a_slice(a_pod("a", "10.0.0.1", ready=ready))])[0].ready is expected


def test_slices_of_names_and_empty_ones_give_no_endpoint() -> None:
    empty = {"metadata": {"name": "e"}, "addressType": "IPv4", "ports": None, "endpoints": None}
    assert endpoints([a_slice(a_pod("a", "example.org"), family="FQDN"), empty]) == ()


def test_urls_name_the_first_port_by_default_and_bracket_ipv6() -> None:
    endpoint = Endpoint("a", "fd00::1", {"": 8080, "metrics": 9090}, ready=True, terminating=False)
    assert endpoint.url(None, "/v2") == "http://[fd00::1]:8080/v2"
    assert endpoint.url("metrics", "/metrics") == "http://[fd00::1]:9090/metrics"


def test_an_unknown_port_is_told_with_the_ones_that_there_are() -> None:
    with pytest.raises(UnknownPortError, match="pod pod-a has no port 'grpc': its Service has http"):
        an_endpoint().url("grpc", "/")
    with pytest.raises(UnknownPortError, match="declares none"):
        Endpoint("a", "10.0.0.1", {}, ready=True, terminating=False).url(None, "/")


async def test_a_server_that_drips_bytes_is_cut_off_at_the_timeout() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3000):
            await response.write(b"x")
            await asyncio.sleep(0.02)
        return response

    async with a_server(drip) as port, http_client() as client:
        start = time.monotonic()
        with pytest.raises(AnswerError, match=r"timed out after 0\.2s"):
            await ask(client, "GET", f"http://127.0.0.1:{port}/", timeout=0.2, limit=1000)
        assert time.monotonic() - start < 20, "the server takes a minute"


async def test_an_answer_without_end_is_cut_off_at_the_limit() -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with a_server(flood) as port, http_client() as client:
        with pytest.raises(AnswerError, match="more than 100000 bytes"):
            await ask(client, "GET", f"http://127.0.0.1:{port}/", timeout=20, limit=100_000)


async def test_redirects_are_answers_and_cookies_are_not_kept() -> None:
    asked: list[tuple[str, str | None]] = []

    async def redirect(request: web.Request) -> web.StreamResponse:
        asked.append((request.path, request.headers.get("cookie")))
        return web.Response(status=302, headers={"location": "/elsewhere", "set-cookie": "pod=a"})

    async with a_server(redirect) as port, http_client() as client:
        for _ in range(2):
            answer = await ask(client, "GET", f"http://127.0.0.1:{port}/", timeout=20, limit=1000)
            assert answer.status == 302
    assert asked == [("/", None), ("/", None)]


async def test_a_closed_port_and_a_broken_answer_are_told_apart() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with http_client() as client:
            with pytest.raises(AnswerError, match="could not be connected to"):
                await ask(client, "GET", f"http://127.0.0.1:{unused.getsockname()[1]}/", timeout=20, limit=1000)

    async def crash(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(crash, "127.0.0.1", 0)
    async with server, http_client() as client:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(AnswerError, match="broke off the answer"):
            await ask(client, "GET", f"http://127.0.0.1:{port}/", timeout=20, limit=1000)


def test_settings_of_the_environment_do_not_reach_the_pods_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert not http_client()._mounts  # httpx shows its proxies nowhere else
