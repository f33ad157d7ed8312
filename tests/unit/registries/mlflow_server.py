"""An MLflow registry over real HTTP that answers with what a real server was recorded to answer."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

_RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "mlflow-3.17.2.json").read_text())["answers"]
_BASE = "/api/2.0/mlflow/"


@dataclass
class MLflowServer:
    """One registered model, fraud. Its versions are addresses by number."""

    versions: dict[str, str] = field(default_factory=lambda: {"1": "s3://models/fraud/1", "2": "s3://models/fraud/2"})
    aliases: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    instead: web.Response | None = None
    """What every request is answered with, in the place of the answer."""
    opens: asyncio.Event | None = None
    """What it waits for before it answers."""
    url: str = ""

    def written(self) -> list[str]:
        """The requests that changed something."""
        return [one for one in self.asked if one.startswith("POST")]

    async def answer(self, request: web.Request) -> web.Response:
        what = f"{request.method} {request.path.removeprefix(_BASE)}"
        self.asked.append(what)
        self.authorizations.append(request.headers.get("authorization"))
        if self.opens is not None:
            await self.opens.wait()
        if self.instead is not None:
            return _again(self.instead)
        said = dict(request.query) if request.method == "GET" else await request.json()
        if said.get("name") != "fraud":
            return _recorded("GET registered-models/alias of a missing model")
        if request.method == "GET" and what == "GET registered-models/alias":
            version = self.aliases.get(said["alias"])
            if version is None:
                return _recorded("GET registered-models/alias of a missing alias")
            return self._version(version)
        if said.get("version") not in self.versions:
            return _recorded("POST of a missing version")
        if what == "GET model-versions/get":
            return self._version(said["version"])
        if what == "GET model-versions/get-download-uri":
            return _recorded(what, artifact_uri=self.versions[said["version"]])
        if what == "POST registered-models/alias":
            self.aliases[said["alias"]] = said["version"]
        elif what == "POST model-versions/set-tag":
            self.tags.setdefault(said["version"], {})[said["key"]] = said["value"]
        else:
            return web.Response(status=404, text="<!doctype html><title>404 Not Found</title>")
        return _recorded(what)

    def _version(self, version: str) -> web.Response:
        body = copy.deepcopy(_RECORDED["GET registered-models/alias"]["body"])
        tags = [{"key": key, "value": value} for key, value in self.tags.get(version, {}).items()]
        body["model_version"] |= {
            "version": version,
            "source": self.versions[version],
            "tags": tags,
            "aliases": [alias for alias, at in self.aliases.items() if at == version],
        }
        return web.json_response(body)


def _recorded(what: str, **changes: Any) -> web.Response:
    recorded = _RECORDED[what]
    return web.json_response(recorded["body"] | changes, status=recorded["status"])


def _again(response: web.Response) -> web.Response:
    """A response can be sent once."""
    return web.Response(status=response.status, body=response.body, content_type=response.content_type)


@asynccontextmanager
async def an_mlflow_server() -> AsyncIterator[MLflowServer]:
    """Listens on loopback until the test is over."""
    server = MLflowServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
