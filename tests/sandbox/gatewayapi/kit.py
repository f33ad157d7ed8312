"""A server with the Gateway API, a client that asks what it would do, and objects with good defaults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from slipway_sandbox.apiserver import ApiServer
from slipway_sandbox.gatewayapi import GROUP

Object = dict[str, Any]

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True)
class Verdict:
    """What a server said of an object: the object with its defaults, or the fields that it complains about."""

    status: int
    body: Object

    @property
    def accepted(self) -> bool:
        return self.status in {200, 201}

    @property
    def complaints(self) -> list[str]:
        """The fields, one entry for each complaint; what the server says of the object as a whole is left out."""
        return [field for field in self.causes if field != "<nil>"]

    @property
    def causes(self) -> list[str]:
        causes = (self.body.get("details") or {}).get("causes", ())
        return [] if self.accepted else sorted(cause["field"] for cause in causes)

    @property
    def messages(self) -> str:
        return str(self.body.get("message", ""))


class Api:
    """A server that knows the given definitions."""

    def __init__(self, url: str, session: aiohttp.ClientSession, plurals: dict[str, str]) -> None:
        self.url = url
        self._session = session
        self._plurals = plurals

    async def call(
        self, method: str, path: str, body: Object | None = None, *, accept: str = "", **query: str
    ) -> Verdict:
        headers = {"Accept": accept or "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        async with self._session.request(method, self.url + path, json=body, headers=headers, params=query) as answer:
            return Verdict(answer.status, await answer.json())

    def path(self, kind: str, *, version: str = "v1") -> str:
        place = "" if kind == "GatewayClass" else "/namespaces/default"
        return f"/apis/{GROUP}/{version}{place}/{self._plurals[kind]}"

    async def judge(self, obj: Object) -> Verdict:
        """What the server would make of a new object."""
        path = self.path(obj["kind"], version=obj["apiVersion"].partition("/")[2])
        return await self.call("POST", path, obj, dryRun="All", fieldValidation="Strict")

    async def create(self, obj: Object) -> Verdict:
        return await self.call("POST", self.path(obj["kind"], version=obj["apiVersion"].partition("/")[2]), obj)


@asynccontextmanager
async def serving(definitions: Iterable[Object]) -> AsyncIterator[Api]:
    """A server with these definitions, all of them served."""
    server = ApiServer()
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            known = list(definitions)
            api = Api(
                server.url, session, {each["spec"]["names"]["kind"]: each["spec"]["names"]["plural"] for each in known}
            )
            for definition in known:
                created = await api.call("POST", _DEFINITIONS, definition)
                assert created.accepted, created.messages
            for definition in known:
                await _served(api, definition)
            yield api
    finally:
        await server.stop()


async def _served(api: Api, definition: Object) -> None:
    """A definition is served a moment after it was written."""
    path = f"{_DEFINITIONS}/{definition['metadata']['name']}"
    async with asyncio.timeout(30):
        while True:
            found = (await api.call("GET", path)).body
            states = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", ())}
            assert states.get("NonStructuralSchema") != "True", found["status"]
            if states.get("Established") == "True":
                return
            await asyncio.sleep(0.005)


# -- objects


def an_object(kind: str, spec: Object, *, name: str = "x", version: str = "v1", **more: Any) -> Object:
    place = {} if kind == "GatewayClass" else {"namespace": "default"}
    metadata = {"name": name, **place}
    return {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": metadata, "spec": spec, **more}


def a_gateway(*listeners: Object, **spec: Any) -> Object:
    """A Gateway, by default with one listener for HTTP."""
    return an_object("Gateway", {"gatewayClassName": "c", "listeners": list(listeners) or [a_listener()], **spec})


def a_listener(name: str = "web", port: int = 80, protocol: str = "HTTP", **more: Any) -> Object:
    return {"name": name, "port": port, "protocol": protocol, **more}


def a_route(*rules: Object, **spec: Any) -> Object:
    """An HTTPRoute of one parent, by default with one rule to one backend."""
    return an_object(
        "HTTPRoute", {"parentRefs": [{"name": "g"}], "rules": list(rules) or [{"backendRefs": [a_backend()]}], **spec}
    )


def a_backend(name: str = "shop", port: int | None = 80, **more: Any) -> Object:
    return {"name": name, **({"port": port} if port else {}), **more}


def on_path(value: str, type_: str = "PathPrefix") -> Object:
    """A rule for one path."""
    return {"matches": [{"path": {"type": type_, "value": value}}], "backendRefs": [a_backend()]}


def filtered(*filters: Object, **rule: Any) -> Object:
    """A rule with filters and no backends."""
    return {"filters": list(filters), **rule}


def a_filter(type_: str, **settings: Any) -> Object:
    """A filter; its settings stand under its own field."""
    field = {"URLRewrite": "urlRewrite", "CORS": "cors"}.get(type_, type_[0].lower() + type_[1:])
    return {"type": type_, field: settings}


def replacing_prefix(by: str = "/") -> Object:
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": by}
