"""The first protocol of KServe, which is TensorFlow Serving's: instances in, predictions out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.probes.protocol import GoldenItem, Question, Scalar, document, named, scalars, segment, sent


@dataclass(frozen=True, slots=True)
class KServeV1:
    """`inputs` of an item are a list of instances, or the whole body: an object with either ``instances`` or, by
    column, ``inputs``."""

    output: str | None = None
    """The field of each prediction, or the name of the columnar output, that counts; None where values come bare."""
    version: str | None = None
    """TensorFlow Serving's version of the model."""
    label: str | None = None
    """TensorFlow Serving's label of a version, where `version` is None."""

    @property
    def title(self) -> str:
        """See InferenceProtocol."""
        return "KServe's V1 protocol, which is TensorFlow Serving's"

    @property
    def knows_models(self) -> bool:
        """See InferenceProtocol."""
        return True

    def readiness(self, model: str) -> tuple[Question, ...]:
        """See InferenceProtocol."""
        return (Question("GET", self._path(model)),)

    def unready(self, model: str, body: bytes) -> str:  # noqa: ARG002
        """Both servers answer 200 for models that they are loading: KServe with ``ready``, TensorFlow Serving with
        the state of each version. A body that says neither is believed."""
        try:
            answer = document(body)
        except ValueError:
            return ""
        if not isinstance(answer, dict):
            return ""
        if str(answer.get("ready", True)).lower() == "false":
            return "says that it is not ready"
        versions = answer.get("model_version_status")
        if not isinstance(versions, list):
            return ""
        states = [str(one.get("state")) for one in versions if isinstance(one, dict)]
        return "" if "AVAILABLE" in states else f"has no version available (states: {', '.join(states)[:60] or 'none'})"

    def check(self, inputs: Any) -> None:
        """See InferenceProtocol."""
        if isinstance(inputs, dict):
            if ("instances" in inputs) == ("inputs" in inputs):
                raise ValueError("inputs: an object needs exactly one of 'instances' and 'inputs'")
        elif not isinstance(inputs, list) or not inputs:
            raise ValueError("inputs: give a list of instances, or an object with 'instances' or 'inputs'")
        sent(inputs)

    def inputs(self, row: Mapping[str, Scalar]) -> Any:
        """See InferenceProtocol: one instance of named features."""
        return [dict(row)]

    def question(self, model: str, item: GoldenItem) -> Question:
        """See InferenceProtocol."""
        body = item.inputs if isinstance(item.inputs, dict) else {"instances": item.inputs}
        return Question("POST", f"{self._path(model)}:predict", sent(body))

    def values(self, body: bytes) -> tuple[Scalar, ...]:
        """See InferenceProtocol."""
        answer = document(body)
        if not isinstance(answer, dict) or ("predictions" not in answer and "outputs" not in answer):
            raise ValueError("no predictions")
        found = answer["predictions"] if "predictions" in answer else answer["outputs"]
        return scalars(found if self.output is None else named(found, self.output))

    def _path(self, model: str) -> str:
        if self.version is not None:
            return f"/v1/models/{segment(model)}/versions/{segment(self.version)}"
        return f"/v1/models/{segment(model)}" + (f"/labels/{segment(self.label)}" if self.label else "")
