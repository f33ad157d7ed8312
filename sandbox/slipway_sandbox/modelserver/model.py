"""One ONNX model in memory: found by uri, checked by digest, computed by ONNX Runtime on one thread."""

import hashlib
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import onnxruntime  # type: ignore[import-untyped]

from slipway_sandbox.modelserver.protocol import Array, InferRequest, TensorSpec

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}

_SILENT = 4
"""Log nothing below fatal: the runtime's own line for every failed request would repeat what the reply says."""


class ModelLoadError(Exception):
    """The model cannot be served; the message says which and why."""


class ModelFailedError(Exception):
    """The runtime could not compute a valid request; the message is the runtime's reason."""


class Model:
    """A loaded model under the name and version that it is served as."""

    def __init__(self, name: str, version: str | None, session: onnxruntime.InferenceSession) -> None:
        self.name = name
        self.version = version
        self.inputs = _tensor_specs(session.get_inputs())
        self.outputs = _tensor_specs(session.get_outputs())
        self._session = session

    def metadata(self) -> dict[str, object]:
        """The protocol's model metadata."""
        return {
            "name": self.name,
            "versions": [] if self.version is None else [self.version],
            "platform": "onnxruntime_onnx",
            "inputs": [spec.metadata() for spec in self.inputs],
            "outputs": [spec.metadata() for spec in self.outputs],
        }

    def infer(self, request: InferRequest) -> list[tuple[TensorSpec, Array]]:
        """Compute the outputs that the request asks for.

        Raises:
            ModelFailedError: the runtime refused or failed.
        """
        specs = {spec.name: spec for spec in self.outputs}
        try:
            arrays = self._session.run(list(request.outputs), dict(request.inputs))
        except Exception as error:  # the runtime's errors have no base class of their own
            raise ModelFailedError(" ".join(str(error).split())) from error
        return [(specs[name], array) for name, array in zip(request.outputs, arrays, strict=True)]


def load_model(name: str, uri: str, *, version: str | None = None, digest: str | None = None, root: str = "") -> Model:
    """Load the model at `uri`, a `file:` uri whose path is looked up below the folder `root`.

    `digest` (`sha256:` and 64 hexadecimal digits) is compared with the very bytes that are then served.

    Raises:
        ModelLoadError: no such file, another digest, or not a model that the runtime and the protocol can serve.
    """
    path = _local_path(uri, root)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelLoadError(f"cannot read {uri}: {error.strerror} ({path})") from error
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if digest is not None and digest.lower() != found:
        raise ModelLoadError(f"digest mismatch: {uri} is {found}, expected {digest}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # pods share the machine: a pool a pod would fight over two cores
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelLoadError(f"{uri} is not a model ONNX Runtime can load: {' '.join(str(error).split())}") from error
    return Model(name, version, session)


def _local_path(uri: str, root: str) -> Path:
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise ModelLoadError(f"cannot read {uri}: only file:///path is served here")
    # As in a container, ".." ends at the root: a uri cannot name a file outside of the image's own.
    path = posixpath.normpath(unquote(parts.path))
    return Path(root + path) if root else Path(path)


def _tensor_specs(nodes: Sequence[Any]) -> tuple[TensorSpec, ...]:
    if unserved := [f"{node.name} ({node.type})" for node in nodes if node.type not in _DATATYPES]:
        raise ModelLoadError(f"the protocol has no datatype for {', '.join(unserved)}")
    return tuple(TensorSpec(node.name, _DATATYPES[node.type], tuple(node.shape)) for node in nodes)
