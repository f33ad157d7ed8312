"""The Open Inference Protocol V2 over REST: is a model ready, and what does it predict.

Readiness is the status code alone: servers answer it with JSON, with an empty body or with text. There is no falling
back from the model's path to the server's: a server that is ready without the model would then pass, and an unknown
model is the mistake to find.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from slipway.cluster.endpoints import AnswerError, Endpoint, UnknownPortError, ask
from slipway.probes.golden import GoldenItem, Scalar, flattened

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of one answer."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a model answers for itself, and what to do if not."""

    ready: bool
    message: str


async def model_ready(
    client: httpx.AsyncClient, endpoint: Endpoint, *, port: str | None, model: str, timeout: float
) -> Readiness:
    """Asks one pod whether it serves the model. `timeout` is in seconds, for the whole answer. Never raises for what
    a pod does."""
    try:
        url = endpoint.url(port, f"/v2/models/{quote(model, safe='')}/ready")
        answer = await ask(client, "GET", url, timeout=timeout, limit=MAX_ANSWER)
    except UnknownPortError as error:
        return Readiness(False, str(error))
    except AnswerError as error:
        return Readiness(False, f"model {model} on pod {endpoint.pod}: {error}")
    if answer.ok:
        return Readiness(True, f"model {model} is ready on pod {endpoint.pod}")
    return Readiness(False, f"pod {endpoint.pod} {_unready(model, answer.status)}")


def _unready(model: str, status: int) -> str:
    if status == 404:
        return (
            f"does not know model {model} (HTTP 404): "
            "correct spec.release.model.name, or serve the model under that name"
        )
    if status in (405, 501):
        return (
            f"does not tell whether model {model} is ready (HTTP {status}): "
            "its first port has to speak the Open Inference Protocol V2"
        )
    if 300 <= status < 400:
        return f"answers for model {model} with a redirect (HTTP {status}), which is not followed: serve /v2 itself"
    return f"says that model {model} is not ready (HTTP {status})"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One arm's answer to one item: the values of an output tensor, or why there are none."""

    values: tuple[Scalar, ...] | None
    problem: str = ""
    """Where there are no values: a short phrase that shows nothing of the body."""
    status: int | None = None
    """The HTTP status; None when no whole answer came."""
    reached: bool = True
    """Whether a server is known to have been reached, answering or not."""

    @property
    def refused(self) -> bool:
        """Whether the server said that the request is at fault."""
        return self.status is not None and 400 <= self.status < 500


async def predict(
    client: httpx.AsyncClient,
    endpoint: Endpoint,
    item: GoldenItem,
    *,
    port: str | None,
    model: str,
    output: str | None,
    timeout: float,
) -> Prediction:
    """One inference. Raises UnknownPortError; whatever else goes wrong is in the Prediction."""
    url = endpoint.url(port, f"/v2/models/{quote(model, safe='')}/infer")
    request: dict[str, Any] = {"id": item.id, "inputs": list(item.inputs)}
    if output is not None:
        request["outputs"] = [{"name": output}]
    try:
        answer = await ask(
            client,
            "POST",
            url,
            timeout=timeout,
            limit=MAX_ANSWER,
            content=json.dumps(request).encode(),
            headers={"content-type": "application/json"},
        )
    except AnswerError as error:
        return Prediction(None, str(error), reached=error.reached)
    if not answer.ok:
        return Prediction(None, f"answered HTTP {answer.status}", answer.status)
    try:
        return Prediction(_values(answer.body, output), "", answer.status)
    except ValueError as error:
        return Prediction(None, f"gave no prediction: {error}", answer.status)


def _values(body: bytes, output: str | None) -> tuple[Scalar, ...]:
    """The named output tensor, or the first one, in row-major order. Raises ValueError for anything but finite
    values."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    outputs = answer.get("outputs") if isinstance(answer, dict) else None
    if not isinstance(outputs, list) or not outputs or not all(isinstance(tensor, dict) for tensor in outputs):
        raise ValueError("no outputs")
    named = outputs if output is None else [tensor for tensor in outputs if tensor.get("name") == output]
    if not named:
        raise ValueError(f"no output named {output!r} (see goldenSet.output)")
    values = flattened(named[0].get("data"))
    if not all(isinstance(value, str | int | float) for value in values):
        raise ValueError("data that are no tensor")
    if not all(math.isfinite(value) for value in values if isinstance(value, float)):
        raise ValueError("NaN or infinity")
    if _size(named[0].get("shape"), len(values)) != len(values):
        raise ValueError("data that do not fit their shape")
    return tuple(values)


def _size(shape: Any, unknown: int) -> int:
    """How many values a shape holds; servers that leave the shape out, or a dimension open, are believed."""
    if not isinstance(shape, list) or not all(isinstance(size, int) and size >= 0 for size in shape):
        return unknown
    return math.prod(shape)
