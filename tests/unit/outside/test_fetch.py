"""Fetching for users: the address that was judged is the one that is asked, hop by hop, within limits."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from unit.certificates import a_certificate
from unit.probes.builders import a_server

from slipway.cluster.endpoints import Answer
from slipway.outside import Egress, EgressError, FetchError, Outside, Resolved

LOCAL = Egress(("127.0.0.0/8",))


def resolving(*answers: str | OSError, **names: str) -> Callable[[str, int], Awaitable[Resolved]]:
    """A resolver that gives these addresses one after the other, or always those of the names."""
    given = list(answers)

    async def resolve(host: str, port: int) -> Resolved:
        answer: Any = names[host.replace(".", "_")] if names else given.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return Resolved(tuple(answer.split()), host)

    return resolve


async def get(url: str, outside: Outside | None = None, **options: Any) -> Answer:
    given = {"namespace": "ml", "timeout": 5, "limit": 10_000} | options
    return await (outside or Outside(LOCAL)).request(url, **given)


async def echo(request: web.Request) -> web.StreamResponse:
    return web.json_response(
        {"host": request.headers["host"], "headers": dict(request.headers), "path": request.path_qs}
    )


async def test_an_address_that_is_allowed_is_fetched() -> None:
    async with a_server(echo) as port:
        answer = await get(f"http://127.0.0.1:{port}/data?x=1")
    assert answer.status == 200
    assert b'"path": "/data?x=1"' in answer.body


async def test_nothing_is_sent_to_an_address_that_is_not_allowed() -> None:
    asked = []

    async def serve(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response()

    async with a_server(serve) as port:
        for url in (f"http://127.0.0.1:{port}/", f"http://[::ffff:127.0.0.1]:{port}/"):
            with pytest.raises(EgressError, match="loopback"):
                await get(url, Outside(Egress()))
        with pytest.raises(EgressError, match="metadata"):
            await get("http://169.254.169.254/latest/meta-data", Outside(LOCAL))
    assert asked == []


async def test_a_name_that_changes_its_address_after_the_check_changes_nothing() -> None:
    async with a_server(echo) as port:
        outside = Outside(LOCAL, resolver=resolving("127.0.0.1", "169.254.169.254"))
        answer = await get(f"http://rebind.example.com:{port}/", outside)
    assert f'"host": "rebind.example.com:{port}"'.encode() in answer.body


async def test_every_hop_is_resolved_and_judged_anew() -> None:
    asked: list[str] = []

    async def redirect(request: web.Request) -> web.StreamResponse:
        asked.append(request.host.partition(":")[0])
        target = {"/": f"http://second.example.com:{request.url.port}/next", "/next": "http://169.254.169.254/"}
        return web.Response(status=302, headers={"location": target[request.path]})

    async with a_server(redirect) as port:
        outside = Outside(LOCAL, resolver=resolving("127.0.0.1", "127.0.0.2 127.0.0.1", "169.254.169.254"))
        with pytest.raises(EgressError, match="metadata"):
            await get(f"http://first.example.com:{port}/", outside)
    assert asked == ["first.example.com", "second.example.com"]


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://user:pw@127.0.0.1/", "http://", "\\\\x"]
)
async def test_a_redirect_to_something_else_than_a_page_is_refused(location: str) -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        if request.path != "/":
            return web.Response(status=404)
        return web.Response(status=301, headers={"location": location})

    async with a_server(redirect) as port:
        with suppress(EgressError):
            assert (await get(f"http://127.0.0.1:{port}/")).status == 404


async def test_redirects_end_and_are_answers_where_none_are_wanted() -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"location": f"{request.path}x"})

    async with a_server(redirect) as port:
        with pytest.raises(FetchError, match="redirects more than 5 times"):
            await get(f"http://127.0.0.1:{port}/")
        assert (await get(f"http://127.0.0.1:{port}/", redirects=0)).status == 302
        assert (await get(f"http://127.0.0.1:{port}/", method="POST", content=b"x")).status == 302


async def test_credentials_stay_with_the_origin_that_they_were_given_for() -> None:
    seen: list[str | None] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("authorization"))
        if request.path == "/":
            return web.Response(status=307, headers={"location": "/same"})
        if request.path == "/same":
            return web.Response(status=307, headers={"location": f"http://127.0.0.1:{request.url.port}/other"})
        return web.Response()

    async with a_server(serve) as port:
        outside = Outside(LOCAL, resolver=resolving(*["127.0.0.1"] * 3))
        await get(f"http://a.example.com:{port}/", outside, headers={"authorization": "Bearer t"})
    assert seen == ["Bearer t", "Bearer t", None]


@pytest.mark.parametrize(
    "url",
    ["", "data", "/etc/passwd", "file:///etc/passwd", "ftp://127.0.0.1/", "http://", "http://user:pw@127.0.0.1/",
     "http://a b/", "http://127.0.0.1:x/", "http://127.0.0.1:99999/", "http://[::1",
     f"http://127.0.0.1/{'x' * 9000}"],
)  # fmt: skip
async def test_what_is_no_http_url_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        await get(url)
    assert "pw" not in str(caught.value)


async def test_a_query_is_not_repeated_in_messages() -> None:
    with pytest.raises(FetchError) as caught:
        await get("http://127.0.0.1:9/x?token=secret")
    assert "secret" not in str(caught.value)
    assert "cannot be connected to" in str(caught.value)


async def test_an_unknown_name_is_told() -> None:
    with pytest.raises(FetchError, match="cannot be resolved"):
        await get("http://nowhere.invalid/", Outside(LOCAL, resolver=resolving(OSError())))


async def test_the_next_address_is_tried_when_the_first_is_closed() -> None:
    async with a_server(echo) as port:
        outside = Outside(LOCAL, resolver=resolving("127.9.9.9 127.0.0.1"))
        assert (await get(f"http://two.example.com:{port}/", outside)).status == 200


async def test_a_server_that_drips_or_floods_is_cut_off() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * (1 if request.path == "/drip" else 65536))
            await asyncio.sleep(0.01)

    async with a_server(serve) as port:
        with pytest.raises(FetchError, match=r"did not answer within 0\.3s"):
            await get(f"http://127.0.0.1:{port}/drip", timeout=0.3)
        with pytest.raises(FetchError, match="more than 10000 bytes"):
            await get(f"http://127.0.0.1:{port}/flood")


async def test_a_slow_resolver_is_cut_off_too() -> None:
    async def resolve(_: str, __: int) -> Resolved:
        await asyncio.sleep(30)
        raise AssertionError

    with pytest.raises(FetchError, match="did not answer within"):
        await get("http://slow.example.com/", Outside(LOCAL, resolver=resolve), timeout=0.1)


async def test_a_compressed_answer_is_refused_before_it_is_unpacked() -> None:
    async def bomb(request: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b"0" * 10_000_000), headers={"content-encoding": "gzip"})

    async with a_server(bomb) as port:
        with pytest.raises(FetchError, match="compressed"):
            await get(f"http://127.0.0.1:{port}/")


async def test_a_broken_answer_is_told() -> None:
    async def crash(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(crash, "127.0.0.1", 0)
    async with server:
        with pytest.raises(FetchError, match="no whole answer"):
            await get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


@asynccontextmanager
async def a_tls_server(key: Path, certificate: Path, location: str | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 302 Found\r\nlocation: {location}" if location else "HTTP/1.1 200 OK"
        writer.write(f"{head}\r\ncontent-length: 2\r\n\r\nok".encode())
        writer.close()
        await writer.wait_closed()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_the_certificate_is_that_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    key, certificate = a_certificate(tmp_path, "DNS:good.example.com")
    trust = ssl.create_default_context(cafile=str(certificate))
    async with a_tls_server(key, certificate) as port:
        outside = Outside(LOCAL, resolver=resolving("127.0.0.1", "127.0.0.1"), certificates=trust)
        assert (await get(f"https://good.example.com:{port}/", outside)).body == b"ok"
        with pytest.raises(FetchError, match="certificate is not trusted"):
            await get(f"https://other.example.com:{port}/", outside)
        with pytest.raises(FetchError, match="certificate is not trusted"):
            await get(f"https://good.example.com:{port}/", Outside(LOCAL, resolver=resolving("127.0.0.1")))


async def test_a_redirect_to_plain_http_is_not_followed(tmp_path: Path) -> None:
    key, certificate = a_certificate(tmp_path, "DNS:good.example.com")
    trust = ssl.create_default_context(cafile=str(certificate))
    async with a_tls_server(key, certificate, "http://good.example.com/") as port:
        outside = Outside(LOCAL, resolver=resolving("127.0.0.1", "127.0.0.1"), certificates=trust)
        with pytest.raises(EgressError, match="from https to http"):
            await get(f"https://good.example.com:{port}/", outside)
