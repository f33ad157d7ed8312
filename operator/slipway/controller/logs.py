"""The log: a line a decision, in words for people or in JSON for machines, each with the object that it is about."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal

from slipway.controller.tracing import trace_id

_look: ContextVar[dict[str, str] | None] = ContextVar("look", default=None)

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextlib.contextmanager
def looking_at(namespace: str, name: str) -> Iterator[str]:
    """Whatever is logged meanwhile is about this ModelDeployment, and part of one look, whose id this yields."""
    look = {"namespace": namespace, "name": name, "reconcileID": uuid.uuid4().hex[:16]}
    token = _look.set(look)
    try:
        yield look["reconcileID"]
    finally:
        _look.reset(token)


def concerning(revision: str) -> None:
    """From here on, the look is about this revision."""
    look = _look.get()
    if look is not None:
        look["revision"] = revision


class JsonFormatter(logging.Formatter):
    """One JSON object a line. What is passed as ``extra`` becomes members of it; nothing else is taken apart."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
            **(_look.get() or {}),
            **_trace(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def _trace() -> dict[str, str]:
    found = trace_id()
    return {} if found is None else {"trace_id": found}


class TextFormatter(logging.Formatter):
    """One line for people. What others have written, such as the answer of a server, is quoted in some of them: it
    begins no line of its own and moves nobody's cursor."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """The line, without what is written behind it of an exception."""
        record.message = "".join(one if one.isprintable() else repr(one)[1:-1] for one in record.message)
        return super().formatMessage(record)


def log_to_stderr(*, form: Literal["text", "json"], verbose: bool) -> None:
    """Say what the operator decides, and with ``verbose`` what it looks at."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    logging.getLogger("kopf").setLevel(logging.WARNING)
    for name in ("running", "orchestration"):  # watches that fail are told in one line, and begun anew
        logging.getLogger(f"kopf._core.reactor.{name}").setLevel(logging.CRITICAL)
    # it would say whole addresses, which may be secrets
    for name in ("httpx", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # what it would say is said once, in `otlp`
