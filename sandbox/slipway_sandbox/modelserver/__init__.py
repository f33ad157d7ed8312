"""A small model server for the sandbox: the Open Inference Protocol V2 over REST, computed by ONNX Runtime.

It stands where KServe, MLServer or Triton stand in a cluster, so it is built to be judged by, not to be fast or rich:

- It is honest. What the client got wrong is a 4xx with a reason, what the server got wrong is a 5xx, and nothing is
  repaired in silence: no cast between datatypes, no extra inputs, no broadcast shapes, no answer that JSON cannot
  carry. Operators shift traffic on the strength of these codes and counters.
- A model that is not the one asked for (digest, format) never listens: the process ends with one line on stderr.
- Model and server are one: one process serves one model at one version, and is as old as the model in it.

`protocol` is pure (bytes in, arrays out, and back), `model` wraps the runtime, `app` is HTTP and metrics, `__main__` is
the process: options, the socket, and the way it ends.
"""

from slipway_sandbox.modelserver.app import Readiness, create_app
from slipway_sandbox.modelserver.model import Model, ModelFailedError, ModelLoadError, load_model
from slipway_sandbox.modelserver.protocol import (
    BadRequestError,
    InferRequest,
    ReplyError,
    TensorSpec,
    parse_request,
    render_reply,
)

__all__ = [
    "create_app",
    "Readiness",
    "load_model",
    "Model",
    "ModelLoadError",
    "ModelFailedError",
    "parse_request",
    "render_reply",
    "InferRequest",
    "TensorSpec",
    "BadRequestError",
    "ReplyError",
]
