"""A server a test, and a client that speaks to it over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from slipway_sandbox.apiserver import ApiServer

JSON = "application/json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass
class Reply:
    status: int
    body: Any
    headers: Any = field(repr=False)

    @property
    def causes(self) -> list[str]:
        return sorted(cause["field"] for cause in (self.body.get("details") or {}).get("causes", ()))


class Client:
    def __init__(self, url: str, session: aiohttp.ClientSession, *, token: str | None = None) -> None:
        self.url = url
        self._session = session
        self._who = {"Authorization": f"Bearer {token}"} if token else {}

    async def as_account(self, name: str) -> Client:
        """The same client with a service account of the default namespace, which may exist already."""
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        await self.post(accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        issued = await self.post(f"{accounts}/{name}/token", request)
        return Client(self.url, self._session, token=issued.body["status"]["token"])

    async def call(
        self, method: str, path: str, body: Any = None, *, kind: str = JSON, accept: str = JSON, **query: str
    ) -> Reply:
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        data = None if raw is None else io.BytesIO(raw)
        headers = {"Accept": accept, **self._who, **({"Content-Type": kind} if data is not None else {})}
        async with self._session.request(method, self.url + path, data=data, headers=headers, params=query) as response:
            raw = await response.read()
            is_json = "json" in response.headers["Content-Type"]
            return Reply(response.status, json.loads(raw) if is_json else raw, response.headers)

    async def get(self, path: str, **query: str) -> Reply:
        return await self.call("GET", path, **query)

    async def post(self, path: str, body: Any, **query: str) -> Reply:
        return await self.call("POST", path, body, **query)

    async def merge(self, path: str, body: Any, **query: str) -> Reply:
        return await self.call("PATCH", path, body, kind=MERGE, **query)

    async def apply(self, path: str, body: Any, manager: str, **query: str) -> Reply:
        return await self.call("PATCH", path, body, kind=APPLY, fieldManager=manager, **query)

    async def delete(self, path: str, body: Any = None) -> Reply:
        return await self.call("DELETE", path, body)

    async def watch(self, path: str, count: int, **query: str) -> list[dict[str, Any]]:
        """The first events of a watch."""
        events: list[dict[str, Any]] = []
        async with asyncio.timeout(30):
            async with self._session.get(self.url + path, params={"watch": "true", **query}) as response:
                async for line in response.content:
                    events.append(json.loads(line))
                    if len(events) == count:
                        break
        return events

    async def define(self, definition: dict[str, Any]) -> None:
        """Create a definition and wait until it is served."""
        created = await self.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        assert created.status == 201, created.body
        spec = definition["spec"]
        async with asyncio.timeout(30):
            path = f"/apis/{spec['group']}/{spec['versions'][-1]['name']}/{spec['names']['plural']}"
            while (await self.get(path)).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


def a_definition(schema: dict[str, Any] | None = None, **version: Any) -> dict[str, Any]:
    """A definition of Boats with a schema for `spec`."""
    spec = schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    whole = {
        "type": "object",
        "properties": {"spec": spec, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.test.example"},
        "spec": {
            "group": "test.example",
            "scope": "Namespaced",
            "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": whole}, **version}
            ],
        },
    }


BOATS = "/apis/test.example/v1/namespaces/default/boats"


def a_boat(name: str = "b", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "test.example/v1", "kind": "Boat", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    found = ApiServer()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(server.url, session)
