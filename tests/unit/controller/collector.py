"""A collector of traces that takes OTLP over HTTP and keeps what it took, or answers as a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Span:
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool
    resource: dict[str, Any]


@dataclass
class Collected:
    url: str = ""
    status: int = 200
    spans: list[Span] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: bytes = b""

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def below(self, parent: Span) -> list[Span]:
        return [span for span in self.spans if span.parent == parent.id]

    def tree(self, root: Span) -> dict[str, Any]:
        """The names below a span, each with those below it; those of one name are one."""
        found: dict[str, Any] = {}
        for span in self.below(root):
            found.setdefault(span.name, {}).update(self.tree(span))
        return found

    def take(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.raw += body
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _attributes(group.resource.attributes)
            for scope in group.scope_spans:
                for span in scope.spans:
                    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                    attributes, failed = _attributes(span.attributes), span.status.code == 2
                    self.spans.append(Span(span.name, *ids, attributes, failed, resource))


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind)
    return [_value(one) for one in found.values] if kind == "array_value" else found


@asynccontextmanager
async def a_collector() -> AsyncIterator[Collected]:
    collected = Collected()

    async def traces(request: web.Request) -> web.Response:
        collected.headers.append({name.lower(): value for name, value in request.headers.items()})
        if collected.status == 200:
            collected.take(await request.read())
        return web.Response(status=collected.status)

    app = web.Application()
    app.add_routes([web.post("/v1/traces", traces)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        collected.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield collected
    finally:
        await runner.cleanup()
