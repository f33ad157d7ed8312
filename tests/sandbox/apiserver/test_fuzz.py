"""No request ends the server or makes it fail: many drawn ones, and the extremes one by one."""

# ruff: noqa: E501 - lists of bad values are data

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
import pytest
from sandbox.apiserver.conftest import BOATS, Client, a_boat, a_definition
from sandbox.apiserver.fuzz import Fuzzer, FuzzRequest, Kind
from yarl import URL

from slipway_sandbox.apiserver import ApiServer

LIMIT = 3 * 1024 * 1024
MAPS = "/api/v1/namespaces/default/configmaps"
SAIL = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {
    "crew": {"type": "integer", "minimum": 1, "default": 1}, "hull": {"x-kubernetes-int-or-string": True},
    "sails": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "maxItems": 5,
              "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}},
    "x-kubernetes-validations": [{"rule": "!has(self.crew) || self.crew < 100"}]}  # fmt: skip


async def _kinds(client: Client, definitions: dict[str, Any]) -> list[Kind]:
    schemas = {}
    for name, schema in definitions.items():
        for found in schema.get("x-kubernetes-group-version-kind", ()):
            schemas[found["group"], found["version"], found["kind"]] = name
    groups = (await client.get("/apis")).body["groups"]
    versions = ["v1", *(version["groupVersion"] for group in groups for version in group["versions"])]
    kinds = []
    for api_version in versions:
        prefix = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
        group, _, version = api_version.rpartition("/")
        for found in (await client.get(prefix)).body["resources"]:
            if "/" not in found["name"]:
                schema = schemas.get((group, version, found["kind"]), "")
                kinds.append(Kind(prefix, found["name"], found["namespaced"], api_version, found["kind"], schema))
    return kinds


class Victim:
    """A server under fire, which keeps what its log and its event loop complain of."""

    def __init__(self, server: ApiServer, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture) -> None:
        self._url = server.url
        self._session = session
        self._caplog = caplog
        self._failures: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self._failures.append(str(context)))

    async def send(self, request: FuzzRequest) -> int:
        """The answer's code; the test fails when the server did."""
        url = URL(self._url + request.path, encoded=True)
        async with self._session.request(request.method, url, headers=request.headers, data=request.body) as answer:
            if "watch" in request.path:
                answer.close()
            else:
                text = await answer.read()
                if answer.content_type == "application/json" and text:
                    json.loads(text.decode("utf-8", "surrogatepass"))
        errors = [record.getMessage() + str(record.exc_text or "") for record in self._caplog.records]
        assert not errors + self._failures, f"{request}: {errors + self._failures}"
        return answer.status


@pytest.mark.parametrize("seed", range(6))
async def test_no_drawn_request_makes_the_server_fail(
    seed: int, server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    boats = a_definition(SAIL, subresources={"status": {}, "scale": {"specReplicasPath": ".spec.crew", "statusReplicasPath": ".status.crew"}})  # fmt: skip
    await client.define(boats)
    definitions = (await client.get("/openapi/v2")).body["definitions"]
    kinds = await _kinds(client, definitions)
    fuzzer = Fuzzer(seed, kinds, definitions)
    codes: dict[int, int] = {}
    async with aiohttp.ClientSession() as session:
        victim = Victim(server, session, caplog)
        for request in fuzzer.seeds():
            code = await victim.send(request)
            assert code in {201, 409}, request  # some kinds are served at two versions
        for _ in range(1000):
            code = await victim.send(fuzzer.request())
            codes[code] = codes.get(code, 0) + 1
        for kind in kinds:
            for accept in ("application/json", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml"):
                await victim.send(FuzzRequest("GET", f"{kind.prefix}/{kind.plural}", {"Accept": accept}))
        assert await victim.send(FuzzRequest("GET", "/openapi/v2")) == 200
    assert {200, 201, 400, 404, 405, 415, 422} <= set(codes), (
        codes
    )  # else the requests are not what they are meant to be


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_body_over_the_limit_is_refused_and_the_next_request_answered(client: Client, method: str) -> None:
    path = MAPS if method == "POST" else f"{MAPS}/m"
    answer = await client.call(method, path, b" " * (LIMIT + 1))
    assert (answer.status, answer.body["reason"]) == (413, "RequestEntityTooLarge")
    assert (await client.get(MAPS)).status == 200


async def test_what_is_nested_too_deeply_is_refused_at_once_or_bit_by_bit(client: Client) -> None:
    await client.define(a_definition(SAIL))

    def nested(depth: int, inner: Any) -> Any:
        for _ in range(depth):
            inner = {"a": inner}
        return inner

    for depth in (260, 480, 700, 950, 5000):
        raw = b'{"a":' * depth + b"1" + b"}" * depth
        body = b'{"apiVersion":"test.example/v1","kind":"Boat","metadata":{"name":"b"},"spec":{"x":%s}}' % raw
        assert (await client.call("POST", BOATS, body)).status == 400, depth
    assert (await client.post(BOATS, a_boat(x=nested(200, {})))).status == 201
    assert (await client.merge(f"{BOATS}/b", {"spec": {"x": nested(200, nested(200, 1))}})).status == 400
    assert (await client.get(BOATS)).status == 200


async def test_a_body_of_the_limit_is_read(client: Client) -> None:
    assert (await client.call("POST", MAPS, b"{" + b" " * (LIMIT - 1))).status == 400


@pytest.mark.parametrize("raw", [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"POST /api/v1/pods HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /api HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n", b"POST /api/v1/pods HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
])  # fmt: skip
async def test_bytes_that_are_no_request_harm_nobody(server: ApiServer, client: Client, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
    writer.write(raw)
    writer.write_eof()
    async with asyncio.timeout(30):
        assert not (await reader.read()).startswith(b"HTTP/1.1 5")
    writer.close()
    assert (await client.get("/readyz")).status == 200
