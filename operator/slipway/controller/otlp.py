"""Spans on their way to a collector, by OpenTelemetry's SDK. Imported only where traces are asked for.

The SDK's batches leave from a thread of their own, with a bounded queue: what a collector does not take is dropped, and
no look waits for it. The SDK reads its own settings, the standard variables OTEL_*.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Final

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import Status, StatusCode, Tracer, set_span_in_context

from slipway.controller.tracing import Span, Value

_log = logging.getLogger(__name__)

PREFIX: Final = "slipway."
"""Of every attribute but the standard's own."""


class OtlpTraces:
    """`Traces` by OTLP over HTTP. Raises ValueError for settings that cannot be."""

    def __init__(self) -> None:
        ours = {
            "service.name": "slipway",
            "service.version": metadata.version("slipway"),
            "service.instance.id": socket.gethostname(),
        }
        # What the environment says wins; Resource.create alone would have it the other way round.
        resource = Resource.create(ours).merge(OTELResourceDetector().detect())
        self._exporter = _Sender()
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self.root: Span = _Root(self._provider.get_tracer("slipway", metadata.version("slipway")))

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def abandon(self) -> None:
        """Let a sending that waits for its next attempt wait no more."""
        self._exporter.shutdown()


class _Root:
    """Not a span itself: each of its children begins a trace."""

    trace_id: str | None = None

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def child(self, name: str, attributes: Mapping[str, Value]) -> Span:
        return _begun(self._tracer, name, attributes, Context())

    def set(self, attributes: Mapping[str, Value]) -> None:
        pass

    def end(self, error: BaseException | None) -> None:
        pass


class _Recorded:
    """A span of a trace. One that the sampler left out has parts that are left out too."""

    def __init__(self, tracer: Tracer, inner: OtelSpan) -> None:
        self._tracer = tracer
        self._inner = inner
        context = inner.get_span_context()
        self.trace_id = f"{context.trace_id:032x}" if context.trace_flags.sampled else None

    def child(self, name: str, attributes: Mapping[str, Value]) -> Span:
        return _begun(self._tracer, name, attributes, set_span_in_context(self._inner, Context()))

    def set(self, attributes: Mapping[str, Value]) -> None:
        self._inner.set_attributes(_named(attributes))

    def end(self, error: BaseException | None) -> None:
        if error is not None:
            self._inner.set_attribute("error.type", type(error).__name__)
            self._inner.set_status(Status(StatusCode.ERROR))
        self._inner.end()


def _begun(tracer: Tracer, name: str, attributes: Mapping[str, Value], context: Context) -> _Recorded:
    return _Recorded(tracer, tracer.start_span(name, context, attributes=_named(attributes)))


def _named(attributes: Mapping[str, Value]) -> dict[str, Any]:
    return {PREFIX + name: value for name, value in attributes.items() if value is not None}


class _Sender(SpanExporter):
    """Sends, and says once when it begins to fail and once when it works again: the SDK would say it with every batch,
    and with addresses, which may be secrets."""

    def __init__(self) -> None:
        session = requests.Session()
        session.hooks["response"].append(self._answered)
        self._inner = OTLPSpanExporter(session=session)
        self._answer: str | None = None
        self._failing = False
        self._closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._answer = None
        result = self._inner.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            _log.warning(
                "the collector does not take traces (%s): they are dropped until it does", self._answer or "no answer"
            )
        elif self._failing and not failed:
            _log.info("the collector takes traces again")
        self._failing = failed
        return result

    def shutdown(self) -> None:
        if not self._closed:
            self._closed = True
            self._inner.shutdown()  # type: ignore[no-untyped-call]

    def _answered(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self._answer = f"answer {response.status_code}"
