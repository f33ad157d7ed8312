"""Traces: what a look consists of, and how long each part of it took.

`span` opens a part of whatever is open. Outside of a look, and in an operator that nobody asked for traces, nothing is
open that records: a span is then a name and nothing else, and OpenTelemetry is not imported. What records is in `otlp`.

Attributes say which object, which revision and which decision, in words that logs and metrics use too. Values that
users write freely (messages, addresses, what models answer) are never among them, and of an error only its type: who
reads traces is not always who may read the objects.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Final, Protocol

_log = logging.getLogger(__name__)

Value = str | int | float | bool | Sequence[str] | None
"""What an attribute may be; None is left out."""

FLUSH: Final = 3.0
"""Seconds that the last spans have to be sent in when the operator ends. With the looks' 20 s, it is done before a
pod's shortest grace."""

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class Span(Protocol):
    """One part of a look while it lasts."""

    trace_id: str | None
    """32 hexadecimal digits; None where nothing is recorded."""

    def child(self, name: str, attributes: Mapping[str, Value]) -> Span:
        """A part of this part, which begins now."""

    def set(self, attributes: Mapping[str, Value]) -> None:
        """Say more of it."""

    def end(self, error: BaseException | None) -> None:
        """It ends, well or with an error."""


class Traces(Protocol):
    """Where spans go."""

    @property
    def root(self) -> Span:
        """What the first span of a look is a child of."""

    def close(self) -> None:
        """Send what is left. Takes as long as that takes."""

    def abandon(self) -> None:
        """Give up on what is left."""


class _Untraced:
    """The span that records nothing. All its parts are itself."""

    trace_id: str | None = None

    def child(self, name: str, attributes: Mapping[str, Value]) -> Span:  # noqa: ARG002 - a Span's
        return self

    def set(self, attributes: Mapping[str, Value]) -> None:
        pass

    def end(self, error: BaseException | None) -> None:
        pass


_open: ContextVar[Span] = ContextVar("span", default=_Untraced())  # noqa: B039 - it holds nothing that changes


@contextlib.contextmanager
def span(called: str, /, **attributes: Value) -> Iterator[None]:
    """What is done meanwhile is a part, by this name, of what is done around it."""
    part = _open.get().child(called, attributes)
    token = _open.set(part)
    try:
        yield
    except BaseException as error:
        part.end(error)
        raise
    else:
        part.end(None)
    finally:
        _open.reset(token)


def note(**attributes: Value) -> None:
    """Say more of the span that is open."""
    _open.get().set(attributes)


def trace_id() -> str | None:
    """The trace that the present look is recorded in, as 32 hexadecimal digits."""
    return _open.get().trace_id


@contextlib.asynccontextmanager
async def tracing() -> AsyncIterator[None]:
    """Record spans while the block runs, as the standard variables of OpenTelemetry (OTEL_*) say; nothing without an
    endpoint. What cannot be recorded or sent is told in the log, and is nobody else's matter."""
    traces = _traces(os.environ)
    if traces is None:
        yield
        return
    token = _open.set(traces.root)
    try:
        yield
    finally:
        _open.reset(token)
        await _flush(traces)


def _traces(environment: Mapping[str, str]) -> Traces | None:
    endpoint = next(filter(None, map(environment.get, _ENDPOINTS)), None)
    off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if endpoint is None or off or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    problem = _problem(endpoint, environment)
    if problem is not None:
        _log.warning("no traces are sent: %s", problem)
        return None
    try:
        from slipway.controller.otlp import OtlpTraces
    except ImportError:
        _log.warning("no traces are sent: OpenTelemetry is not installed: pip install 'slipway[traces]'")
        return None
    try:
        return OtlpTraces()
    except ValueError as error:
        _log.warning("no traces are sent: one of the variables OTEL_* cannot be read: %s", error)
        return None


def _problem(endpoint: str, environment: Mapping[str, str]) -> str | None:
    """Why there cannot be traces although they were asked for. The endpoint may hold a password: it is not repeated."""
    if not endpoint.startswith(("http://", "https://")):
        return "OTEL_EXPORTER_OTLP_ENDPOINT is no URL that begins with http:// or https://"
    exporter = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter != "otlp":
        return f"OTEL_TRACES_EXPORTER is {exporter!r}, and the operator knows otlp and none"
    protocol = next(filter(None, map(environment.get, _PROTOCOLS)), "http/protobuf")
    if protocol != "http/protobuf":
        return (
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}, and the operator speaks http/protobuf, usually on port 4318"
        )
    return None


async def _flush(traces: Traces) -> None:
    """In a thread that the process does not wait for: a collector that hangs keeps no operator from ending."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        traces.close()
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=close, name="traces", daemon=True).start()
    try:
        await asyncio.wait_for(done.wait(), FLUSH)
    except TimeoutError:
        _log.info("the last traces were not taken within %.0f s, and are dropped", FLUSH)
        traces.abandon()
