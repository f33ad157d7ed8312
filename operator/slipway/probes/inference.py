"""Questions to one pod, in whichever protocol: is a model ready, and what does it predict."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import httpx

from slipway.cluster.endpoints import Answer, AnswerError, Endpoint, UnknownPortError, ask
from slipway.probes.open_inference import OpenInferenceV2
from slipway.probes.protocol import GoldenItem, InferenceProtocol, Question, Scalar, document
from slipway.probes.schema import BodySchema, SchemaError

MAX_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of one answer."""

_UNKNOWN: Final = 501
"""The status by which a server says that it does not know such a question."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a model answers for itself, and what to do if not."""

    ready: bool
    message: str


async def model_ready(
    client: httpx.AsyncClient,
    endpoint: Endpoint,
    *,
    port: str | None,
    model: str,
    timeout: float,
    protocol: InferenceProtocol | None = None,
) -> Readiness:
    """Asks one pod whether it serves the model. `timeout` is in seconds, for each whole answer; `protocol` is the Open
    Inference Protocol V2 where none is given. Never raises for what a pod does."""
    used = protocol or OpenInferenceV2()
    try:
        answer = await _first_known(client, endpoint, port, used.readiness(model), timeout)
    except UnknownPortError as error:
        return Readiness(False, str(error))
    except AnswerError as error:
        return Readiness(False, f"model {model} on pod {endpoint.pod}: {error}")
    if not answer.ok:
        return Readiness(False, f"pod {endpoint.pod} {_unready(model, answer.status, used)}")
    problem = used.unready(model, answer.body)
    if problem:
        return Readiness(False, f"model {model} on pod {endpoint.pod}: the server {problem}")
    return Readiness(True, f"model {model} is ready on pod {endpoint.pod}")


async def _first_known(
    client: httpx.AsyncClient, endpoint: Endpoint, port: str | None, questions: tuple[Question, ...], timeout: float
) -> Answer:
    for question in questions[:-1]:
        answer = await _ask(client, endpoint, port, question, timeout)
        if answer.status != _UNKNOWN:
            return answer
    return await _ask(client, endpoint, port, questions[-1], timeout)


async def _ask(
    client: httpx.AsyncClient, endpoint: Endpoint, port: str | None, question: Question, timeout: float
) -> Answer:
    return await ask(
        client,
        question.method,
        endpoint.url(port, question.path),
        timeout=timeout,
        limit=MAX_ANSWER,
        content=question.content,
        headers=None if question.content is None else {"content-type": question.content_type},
    )


def _unready(model: str, status: int, protocol: InferenceProtocol) -> str:
    if status == 404 and protocol.knows_models:
        return (
            f"does not know model {model} (HTTP 404): correct spec.release.model.name, serve the model under that "
            "name, or name the protocol of its server in spec.release.protocol"
        )
    if status in (404, 405, 501):
        return (
            f"does not tell whether model {model} is ready (HTTP {status}): "
            f"its first port has to speak {protocol.title}"
        )
    if 300 <= status < 400:
        path = protocol.readiness(model)[0].path
        return f"answers for model {model} with a redirect (HTTP {status}), which is not followed: serve {path} itself"
    return f"says that model {model} is not ready (HTTP {status})"


@dataclass(frozen=True, slots=True)
class Prediction:
    """One arm's answer to one item: the values of the prediction, or why there are none."""

    values: tuple[Scalar, ...] | None
    problem: str = ""
    """Where there are no values: a short phrase that shows nothing of the body."""
    status: int | None = None
    """The HTTP status; None when no whole answer came."""
    reached: bool = True
    """Whether a server is known to have been reached, answering or not."""
    seconds: float | None = None
    """How long the whole answer took; None when none came."""
    severed: bool = False
    """Whether the connection was refused or broke off."""

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
    protocol: InferenceProtocol,
    timeout: float,
    answers: BodySchema | None = None,
) -> Prediction:
    """One inference. `answers` is what the release declares its answers to be: one that does not match is no
    prediction. Raises UnknownPortError; whatever else goes wrong is in the Prediction."""
    try:
        question = protocol.question(model, item)
    except ValueError as error:
        return Prediction(None, f"cannot be asked: {error}", reached=False)
    begin = time.perf_counter()
    try:
        answer = await _ask(client, endpoint, port, question, timeout)
    except AnswerError as error:
        return Prediction(None, str(error), reached=error.reached, severed=error.severed)
    seconds = time.perf_counter() - begin
    if not answer.ok:
        return Prediction(None, f"answered HTTP {answer.status}", answer.status, seconds=seconds)
    try:
        problem = answers.problem(document(answer.body)) if answers is not None else ""
        values = None if problem else protocol.values(answer.body)
    except (SchemaError, ValueError) as error:
        problem, values = str(error), None
    if values is None:
        return Prediction(None, f"gave no prediction: {problem}", answer.status, seconds=seconds)
    return Prediction(values, "", answer.status, seconds=seconds)
