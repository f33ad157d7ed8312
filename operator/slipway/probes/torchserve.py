"""TorchServe's inference port. Handlers take and give whatever they like.

``/ping`` speaks for the server, not the model, and the port that knows the models is the management port, which has no
business being open: an unknown model shows at the first golden item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.outside import JsonPath
from slipway.probes.protocol import GoldenItem, Question, Scalar, document, scalars, segment, sent


@dataclass(frozen=True, slots=True)
class TorchServe:
    """`inputs` of an item are a text, sent as it is, or any other JSON."""

    output: str | None = None
    """JSONPath of the prediction in the answer; None where all of it is the prediction."""
    version: str | None = None
    """The model's version; None is the default one."""

    def __post_init__(self) -> None:
        if self.output is not None:
            JsonPath(self.output)

    @property
    def title(self) -> str:
        """See InferenceProtocol."""
        return "TorchServe's inference protocol"

    @property
    def knows_models(self) -> bool:
        """See InferenceProtocol."""
        return False

    def readiness(self, model: str) -> tuple[Question, ...]:  # noqa: ARG002
        """See InferenceProtocol."""
        return (Question("GET", "/ping"),)

    def unready(self, model: str, body: bytes) -> str:  # noqa: ARG002
        """See InferenceProtocol."""
        try:
            answer = document(body)
        except ValueError:
            return ""
        status = answer.get("status", "Healthy") if isinstance(answer, dict) else "Healthy"
        return "" if str(status).lower() == "healthy" else f"says that it is {str(status)[:40]!r}"

    def check(self, inputs: Any) -> None:
        """See InferenceProtocol."""
        if inputs is None or inputs == "":
            raise ValueError("inputs: give a text or any JSON but null")
        sent(inputs)

    def inputs(self, row: Mapping[str, Scalar]) -> Any:
        """See InferenceProtocol: an object of named features."""
        return dict(row)

    def question(self, model: str, item: GoldenItem) -> Question:
        """See InferenceProtocol."""
        path = f"/predictions/{segment(model)}" + (f"/{segment(self.version)}" if self.version else "")
        if isinstance(item.inputs, str):
            return Question("POST", path, item.inputs.encode(), "text/plain; charset=utf-8")
        return Question("POST", path, sent(item.inputs))

    def values(self, body: bytes) -> tuple[Scalar, ...]:
        """What the JSONPath selects, or all of the answer; an answer that is no JSON is a text."""
        if self.output is not None:
            return scalars(JsonPath(self.output).values(document(body)))
        try:
            answer = document(body)
        except ValueError:
            return (_text(body),)
        return scalars(answer)


def _text(body: bytes) -> str:
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise ValueError("no text")
    return text
