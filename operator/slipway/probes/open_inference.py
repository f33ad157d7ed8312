"""The Open Inference Protocol V2 over REST: KServe, MLServer, Triton, OpenVINO and others.

Readiness is the status code alone: servers answer it with JSON, with an empty body or with text. There is no falling
back from the model's path to the server's: a server that is ready without the model would then pass, and an unknown
model is the mistake to find. A version's path is another matter: some servers do not know versions at all and say so
with 501, and the model's own path is then asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from slipway.probes.protocol import GoldenItem, Question, Scalar, document, flattened, scalars, segment, sent

_TENSOR: Final = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "shape": {"type": "array", "maxItems": 16, "items": {"type": "integer", "minimum": 0, "maximum": 1 << 31}},
        "datatype": {
            "enum": ["BOOL", "BYTES", "FP16", "FP32", "FP64"]
            + [f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]
        },
        "parameters": {"type": "object"},
        "data": {"type": "array"},
    },
}
_TENSORS: Final = Draft202012Validator({"type": "array", "minItems": 1, "maxItems": 64, "items": _TENSOR})


@dataclass(frozen=True, slots=True)
class OpenInferenceV2:
    """`inputs` of an item are V2 tensors."""

    output: str | None = None
    """Name of the output tensor that is the prediction; None is the first one."""
    version: str | None = None
    """The model's version; None leaves the choice to the server."""
    tensor: str | None = None
    """Name of the one FP32 tensor that the columns of a table become; None makes each column a tensor of its own."""

    @property
    def title(self) -> str:
        """See InferenceProtocol."""
        return "the Open Inference Protocol V2"

    @property
    def knows_models(self) -> bool:
        """See InferenceProtocol."""
        return True

    def readiness(self, model: str) -> tuple[Question, ...]:
        """See InferenceProtocol."""
        plain = Question("GET", f"/v2/models/{segment(model)}/ready")
        return (plain,) if self.version is None else (Question("GET", f"{self._path(model)}/ready"), plain)

    def unready(self, model: str, body: bytes) -> str:  # noqa: ARG002
        """See InferenceProtocol: the status has said it all."""
        return ""

    def check(self, inputs: Any) -> None:
        """See InferenceProtocol."""
        error = best_match(_TENSORS.iter_errors(inputs))
        if error is not None:
            raise ValueError(_explained(error.json_path, error.message))
        for index, tensor in enumerate(inputs):
            _check_tensor(tensor, f"inputs[{index}]")

    def inputs(self, row: Mapping[str, Scalar]) -> Any:
        """See InferenceProtocol."""
        if self.tensor is None:
            return [
                {"name": name, "shape": [1, 1], "datatype": _datatype(value), "data": [value]}
                for name, value in row.items()
            ]
        words = [name for name, value in row.items() if isinstance(value, str)]
        if words:
            raise ValueError(f"column {words[0]!r} holds text, which tensor {self.tensor!r} cannot")
        return [{"name": self.tensor, "shape": [1, len(row)], "datatype": "FP32", "data": [*map(float, row.values())]}]

    def question(self, model: str, item: GoldenItem) -> Question:
        """See InferenceProtocol."""
        request: dict[str, Any] = {"id": item.id, "inputs": list(item.inputs)}
        if self.output is not None:
            request["outputs"] = [{"name": self.output}]
        return Question("POST", f"{self._path(model)}/infer", sent(request))

    def values(self, body: bytes) -> tuple[Scalar, ...]:
        """The named output tensor, or the first one."""
        answer = document(body)
        outputs = answer.get("outputs") if isinstance(answer, dict) else None
        if not isinstance(outputs, list) or not outputs or not all(isinstance(tensor, dict) for tensor in outputs):
            raise ValueError("no outputs")
        named = outputs if self.output is None else [one for one in outputs if one.get("name") == self.output]
        if not named:
            raise ValueError(f"no output named {self.output!r} (see goldenSet.output)")
        values = scalars(named[0].get("data"))
        if _size(named[0].get("shape"), len(values)) != len(values):
            raise ValueError("data that do not fit their shape")
        return values

    def _path(self, model: str) -> str:
        version = "" if self.version is None else f"/versions/{segment(self.version)}"
        return f"/v2/models/{segment(model)}{version}"


def _size(shape: Any, unknown: int) -> int:
    """How many values a shape holds; servers that leave the shape out, or a dimension open, are believed."""
    if not isinstance(shape, list) or not all(isinstance(size, int) and size >= 0 for size in shape):
        return unknown
    return math.prod(shape)


def _check_tensor(tensor: Mapping[str, Any], path: str) -> None:
    values, shape, datatype = flattened(tensor["data"]), tensor["shape"], tensor["datatype"]
    if len(values) != math.prod(shape):
        raise ValueError(
            f"{path}.data has {len(values)} values, shape {shape} needs {math.prod(shape)}: correct data or shape"
        )
    if not all(_fits(value, datatype) for value in values):
        raise ValueError(f"{path}.data has values that are not {datatype}: correct the data or the datatype")


def _fits(value: Any, datatype: str) -> bool:
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL":
        return isinstance(value, bool)
    if datatype.startswith("FP"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool)


def _datatype(value: Scalar) -> str:
    if isinstance(value, bool):
        return "BOOL"
    if isinstance(value, str):
        return "BYTES"
    return "INT64" if isinstance(value, int) else "FP64"


def _explained(path: str, message: str) -> str:
    place = "inputs" + path.removeprefix("$")
    return f"{place}: {message if len(message) <= 200 else message[:80] + ' … ' + message[-117:]}"
