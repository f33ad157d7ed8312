"""What an inference protocol has to tell: which questions to ask, and how to read an answer. No I/O.

A protocol is a frozen value with its settings. It never sees a socket, so that time-outs, limits and what counts as
reached are the same for all of them, in one place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import quote

Scalar = str | int | float | bool
"""One value of a prediction or of a label."""

MAX_VALUES: Final = 1_000_000
"""Values of one prediction."""


@dataclass(frozen=True, slots=True)
class GoldenItem:
    """One labelled input."""

    id: str
    inputs: Any
    """As the protocol takes them: for the Open Inference Protocol V2 tensors, for others what `check` allows."""
    expected: tuple[Scalar, ...]
    """The prediction's values in row-major order."""
    slices: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The groups that the item belongs to, by what they are groups of: ``{"country": "de"}``."""


@dataclass(frozen=True, slots=True)
class Question:
    """One HTTP request to a pod."""

    method: str
    path: str
    content: bytes | None = None
    content_type: str = "application/json"


class InferenceProtocol(Protocol):
    """How to talk to a model server."""

    @property
    def title(self) -> str:
        """What it is called in a message: "the Open Inference Protocol V2"."""
        ...

    @property
    def knows_models(self) -> bool:
        """Whether its readiness is that of the model asked about, so that 404 means an unknown one."""
        ...

    def readiness(self, model: str) -> tuple[Question, ...]:
        """What to ask. Each further question is asked only where the one before was answered with 501."""
        ...

    def unready(self, model: str, body: bytes) -> str:
        """Why an answer with a good status means that the model is not ready all the same; empty where it is."""
        ...

    def check(self, inputs: Any) -> None:
        """Raises ValueError for inputs that cannot be sent, with where and why."""
        ...

    def inputs(self, row: Mapping[str, Scalar]) -> Any:
        """The inputs that a row of a table stands for. Raises ValueError."""
        ...

    def question(self, model: str, item: GoldenItem) -> Question:
        """The inference request of an item whose inputs were checked."""
        ...

    def values(self, body: bytes) -> tuple[Scalar, ...]:
        """The prediction in a good answer. Raises ValueError, which shows nothing of the body, for anything but
        finite values."""
        ...


def segment(text: str) -> str:
    """A name as one segment of a path."""
    return quote(text, safe="")


def sent(document: Any) -> bytes:
    """A document as it is sent. Raises ValueError for what is no JSON, such as NaN."""
    try:
        return json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, RecursionError):
        raise ValueError("not JSON") from None


def document(body: bytes) -> Any:
    """The JSON of an answer. Raises ValueError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None


def flattened(data: Any) -> list[Any]:
    """The values of a tensor's data, which may be nested or flat, in row-major order."""
    values, pending = [], [data]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(reversed(value))
        else:
            values.append(value)
    return values


def scalars(data: Any) -> tuple[Scalar, ...]:
    """The finite values of anything nested in lists. Raises ValueError for none, and for objects, null, NaN and
    infinity among them."""
    values = flattened(data)
    if any(isinstance(value, dict) for value in values):
        raise ValueError("objects where values are needed")
    if not values or not all(isinstance(value, str | int | float) for value in values):
        raise ValueError("data that are no tensor")
    if not all(math.isfinite(value) for value in values if isinstance(value, float)):
        raise ValueError("NaN or infinity")
    if len(values) > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES} values")
    return tuple(values)


def named(found: Any, output: str) -> Any:
    """A field of an object, or of every object of a list. Raises ValueError where one does not have it."""
    records = found if isinstance(found, list) else [found]
    if not all(isinstance(record, dict) and output in record for record in records):
        raise ValueError(f"no output named {output!r}")
    return [record[output] for record in records]
