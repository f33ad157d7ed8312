"""MLflow's scoring server, which serves one model and tells nothing about it.

A model with a signature wants its columns by name, and refuses bare arrays; so a row of a table becomes a
``dataframe_split``. The server is ready when it answers: it loads its model first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway.probes.protocol import GoldenItem, Question, Scalar, document, named, scalars, sent

_TABLES: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
_LANGUAGE: Final = ("messages", "prompt", "input")


@dataclass(frozen=True, slots=True)
class MLflow:
    """`inputs` of an item are the body: an object with exactly one of ``dataframe_split``, ``dataframe_records``,
    ``instances`` and ``inputs``, or with one of ``messages``, ``prompt`` and ``input`` for a language model."""

    output: str | None = None
    """The column of the predictions that counts; None where values come bare."""

    @property
    def title(self) -> str:
        """See InferenceProtocol."""
        return "the protocol of MLflow's scoring server"

    @property
    def knows_models(self) -> bool:
        """See InferenceProtocol."""
        return False

    def readiness(self, model: str) -> tuple[Question, ...]:  # noqa: ARG002
        """See InferenceProtocol."""
        return (Question("GET", "/ping"),)

    def unready(self, model: str, body: bytes) -> str:  # noqa: ARG002
        """See InferenceProtocol: the body is empty, whatever its type says."""
        return ""

    def check(self, inputs: Any) -> None:
        """See InferenceProtocol."""
        keys = [key for key in (*_TABLES, *_LANGUAGE) if isinstance(inputs, dict) and key in inputs]
        if len(keys) != 1:
            raise ValueError(f"inputs: give an object with exactly one of {', '.join((*_TABLES, *_LANGUAGE))}")
        sent(inputs)

    def inputs(self, row: Mapping[str, Scalar]) -> Any:
        """See InferenceProtocol."""
        return {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}

    def question(self, model: str, item: GoldenItem) -> Question:  # noqa: ARG002
        """See InferenceProtocol."""
        return Question("POST", "/invocations", sent(item.inputs))

    def values(self, body: bytes) -> tuple[Scalar, ...]:
        """The predictions; a language model's result comes without that name around it."""
        answer = document(body)
        found = answer["predictions"] if isinstance(answer, dict) and "predictions" in answer else answer
        return scalars(found if self.output is None else named(found, self.output))
