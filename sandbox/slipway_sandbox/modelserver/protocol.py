"""Open Inference Protocol V2, JSON form: request bytes to arrays, arrays to reply bytes. Pure: no HTTP, no runtime.

Checked by hand instead of by a schema library, because the checks cross fields (shape × data × the model's signature)
and because a server that is started dozens of times a day pays for every import.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

_DTYPES: dict[str, DTypeLike] = {
    "BOOL": np.bool_,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}

DATATYPES = frozenset(_DTYPES)
"""The datatypes this server reads and writes: all of the protocol's, BYTES as UTF-8 strings."""

_JSON_TYPES: dict[str, frozenset[type]] = {
    "b": frozenset({bool}),
    "i": frozenset({int}),
    "u": frozenset({int}),
    "f": frozenset({int, float}),
    "O": frozenset({str}),
}
"""What JSON values a numpy kind is read from. `bool` is no `int` here: types are compared exactly."""

_JSON_NAMES = {"b": "true or false", "i": "integers", "u": "integers", "f": "numbers", "O": "strings"}


class BadRequestError(ValueError):
    """The request is not valid V2, or does not fit the model; the message tells the client what to change."""


class ReplyError(ValueError):
    """The model's answer cannot be written as JSON; the message names the output."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model. A dimension is its size, or a name (equal names, equal sizes), or None (any)."""

    name: str
    datatype: str
    shape: tuple[int | str | None, ...]

    def metadata(self) -> dict[str, object]:
        """The protocol's own description, in which any free dimension is -1."""
        shape = [dim if isinstance(dim, int) else -1 for dim in self.shape]
        return {"name": self.name, "datatype": self.datatype, "shape": shape}


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request that fits the model: every input is there, in the model's datatype and shape."""

    id: str | None
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]
    """Names of the outputs to answer, in the order asked for; all of them if the request named none."""


def parse_request(body: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> InferRequest:
    """Read a request for a model with these `inputs` and `outputs`.

    `parameters`, of the request or of a tensor, are accepted and have no effect.

    Raises:
        BadRequestError: for anything that is not a request this model can compute.
    """
    request = _object(_parse_json(body), "the request")
    request_id = request.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise BadRequestError("id: a string is expected")
    tensors = _by_name(request.get("inputs"), "inputs")
    specs = {spec.name: spec for spec in inputs}
    if missing := [name for name in specs if name not in tensors]:
        raise BadRequestError(f"inputs: {_names(missing)} missing; the model takes {_names(specs)}")
    if unknown := [name for name in tensors if name not in specs]:
        raise BadRequestError(f"inputs: {_names(unknown)} unknown; the model takes {_names(specs)}")
    arrays = {name: _read_tensor(tensors[name], spec) for name, spec in specs.items()}
    _check_shapes(arrays, inputs)

    wanted = tuple(spec.name for spec in outputs)
    if request.get("outputs"):
        asked = tuple(_by_name(request["outputs"], "outputs"))
        if unknown := [name for name in asked if name not in wanted]:
            raise BadRequestError(f"outputs: {_names(unknown)} unknown; the model answers {_names(wanted)}")
        wanted = asked
    return InferRequest(request_id, arrays, wanted)


def render_reply(
    model_name: str, model_version: str | None, request_id: str | None, outputs: Sequence[tuple[TensorSpec, Array]]
) -> bytes:
    """Write the reply, data flat and row-major.

    Raises:
        ReplyError: an output holds NaN or an infinity, for which JSON has no word.
    """
    reply: dict[str, object] = {"model_name": model_name}
    if model_version is not None:
        reply["model_version"] = model_version
    if request_id is not None:
        reply["id"] = request_id
    reply["outputs"] = [_write_tensor(spec, array) for spec, array in outputs]
    return json.dumps(reply, separators=(",", ":")).encode()


def _parse_json(body: bytes) -> object:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadRequestError("the body is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, numbers with too many digits
        raise BadRequestError(f"the body is not JSON: {error}") from None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON value")


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequestError(f"{where}: an object is expected")
    return value


def _by_name(value: object, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, list):
        raise BadRequestError(f"{where}: a list of tensors is expected")
    tensors: dict[str, dict[str, Any]] = {}
    for index, item in enumerate(value):
        tensor = _object(item, f"{where}[{index}]")
        name = tensor.get("name")
        if not isinstance(name, str):
            raise BadRequestError(f"{where}[{index}].name: a string is expected")
        if name in tensors:
            raise BadRequestError(f"{where}[{index}].name: {name!r} is there twice")
        tensors[name] = tensor
    return tensors


def _names(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(repr(name) for name in names)


def _read_tensor(tensor: dict[str, Any], spec: TensorSpec) -> Array:
    where = f"input {spec.name!r}"
    if tensor.get("datatype") != spec.datatype:
        raise BadRequestError(f"{where}: datatype {tensor.get('datatype')!r} where the model takes {spec.datatype}")
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(dim) is int and dim >= 0 for dim in shape):
        raise BadRequestError(f"{where}: shape is expected to be a list of sizes, each 0 or more")
    data = tensor.get("data")
    if not isinstance(data, list):
        raise BadRequestError(f"{where}: data is expected to be a list (the binary extension is not spoken here)")
    flat = data
    if data and isinstance(data[0], list):
        flat = _flatten(data, shape, where)
    if len(flat) != math.prod(shape):
        raise BadRequestError(f"{where}: {len(flat)} values do not fill the shape {shape}")
    array = _to_array(flat, spec.datatype, where)
    try:
        return array.reshape(shape)
    except (OverflowError, ValueError):  # an empty tensor may claim sizes that no machine can address
        raise BadRequestError(f"{where}: the shape {shape} is too large") from None


def _flatten(data: list[Any], shape: list[int], where: str) -> list[Any]:
    """Nested data must be nested as the shape says: guessing at another reading could answer a different question."""
    level = [data]
    for size in shape:
        if not all(isinstance(part, list) and len(part) == size for part in level):
            raise BadRequestError(f"{where}: data is nested, but not in the shape {shape}")
        level = [item for part in level for item in part]
    return level


def _to_array(flat: list[Any], datatype: str, where: str) -> Array:
    dtype = np.dtype(_DTYPES[datatype])
    if not _JSON_TYPES[dtype.kind].issuperset(map(type, flat)):
        raise BadRequestError(f"{where}: data of datatype {datatype} are {_JSON_NAMES[dtype.kind]}, and nothing else")
    try:
        if dtype.kind == "O":
            "".join(flat).encode()  # JSON can spell half a surrogate pair, UTF-8 cannot
        with np.errstate(over="ignore"):
            array = np.array(flat, dtype=dtype)
    except UnicodeEncodeError:
        raise BadRequestError(f"{where}: a string is not valid Unicode") from None
    except OverflowError:
        raise BadRequestError(f"{where}: a value is out of the range of {datatype}") from None
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise BadRequestError(f"{where}: a value is out of the range of {datatype}")
    return array


def _check_shapes(arrays: Mapping[str, Array], specs: Sequence[TensorSpec]) -> None:
    sizes: dict[str, int] = {}
    for spec in specs:
        shape = arrays[spec.name].shape
        fits = len(shape) == len(spec.shape) and all(
            size == (sizes.setdefault(dim, size) if isinstance(dim, str) else dim) or dim is None
            for size, dim in zip(shape, spec.shape, strict=True)
        )
        if not fits:
            takes = [dim if isinstance(dim, int) else sizes.get(dim or "", -1) for dim in spec.shape]
            raise BadRequestError(f"input {spec.name!r}: shape {list(shape)} where the model takes {takes}")


def _write_tensor(spec: TensorSpec, array: Array) -> dict[str, object]:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ReplyError(f"output {spec.name!r} holds NaN or an infinity, which JSON cannot carry")
    return {
        "name": spec.name,
        "datatype": spec.datatype,
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }
