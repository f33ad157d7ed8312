"""A model server on loopback whose answers are given by path, and the custom protocol that tests describe."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from unit.probes.builders import a_server, an_endpoint

from slipway.cluster.endpoints import http_client
from slipway.probes import GoldenItem, InferenceProtocol, Prediction, Readiness, model_ready
from slipway.probes.inference import predict

try:
    import jsonpath  # noqa: F401

    from slipway.probes import CustomHTTP

    CUSTOM: InferenceProtocol | None = CustomHTTP(
        path="/score/{{model}}",
        template='{"x": "{{inputs.x}}", "note": "{{id}} for {{model}}", "fixed": [1, true]}',
        output="$.result[*].label",
        ready_path="/up",
    )
except ImportError:
    CUSTOM = None

needs_jsonpath = pytest.mark.skipif(CUSTOM is None, reason="the package python-jsonpath is not installed")

Answer = Callable[[], web.Response]


@dataclass
class Server:
    """A model server whose answers are given by path; others are 404."""

    answers: dict[str, Answer]
    asked: list[tuple[str, str, str, Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        kind = request.content_type
        sent = json.loads(body) if kind == "application/json" and body else body.decode()
        self.asked.append((request.method, request.rel_url.raw_path, kind, sent))
        answer = self.answers.get(request.rel_url.raw_path)
        return answer() if answer is not None else web.Response(status=404, text='{"detail": "Not Found"}')

    async def ready(self, protocol: InferenceProtocol, model: str = "iris") -> Readiness:
        async with a_server(self.handle) as port, http_client() as client:
            pod = an_endpoint(port=port)
            return await model_ready(client, pod, port=None, model=model, timeout=20, protocol=protocol)

    async def ask(self, protocol: InferenceProtocol, inputs: Any, model: str = "iris") -> Prediction:
        protocol.check(inputs)
        item = GoldenItem("g1", inputs, (1,))
        async with a_server(self.handle) as port, http_client() as client:
            pod = an_endpoint(port=port)
            return await predict(client, pod, item, port=None, model=model, protocol=protocol, timeout=20)


def says(document: Any = None, *, status: int = 200, text: str | None = None) -> Answer:
    if text is not None:
        return lambda: web.Response(text=text, status=status)
    return lambda: web.json_response(document, status=status)


EMPTY = says(text="")
