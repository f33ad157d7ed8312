"""The HTTP side: the protocol's paths over one model, and what becomes of a request that goes wrong."""

import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version as installed_version

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from slipway_sandbox.modelserver.metrics import Metrics
from slipway_sandbox.modelserver.model import Model, ModelFailedError
from slipway_sandbox.modelserver.protocol import BadRequestError, ReplyError, parse_request, render_reply

MAX_BODY_BYTES = 4 * 1024 * 1024
"""A larger request is answered 413."""

_MAX_DISCARDED_BYTES = 16 * MAX_BODY_BYTES
"""How much of a too large request is still read, and thrown away: a client that is cut off in mid-write sees a broken
connection instead of the 413."""

VERSION_HEADER = "model-version"
"""Says on every answer to an inference which version gave it, failures included."""

_BINARY_HEADER = "inference-header-content-length"


class Readiness:
    """Whether the server wants new requests. It goes from yes to no once, before the listener closes."""

    def __init__(self) -> None:
        self.ready = True

    def withdraw(self) -> None:
        """Tell every probe from now on that this server is leaving."""
        self.ready = False


def create_app(model: Model, readiness: Readiness) -> Starlette:
    """The ASGI application that serves `model`, with counters of its own under `/metrics`."""
    server = _Server(model, readiness)
    model_paths = ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"]
    routes = [
        Route("/v2/health/live", server.live),
        Route("/v2/health/ready", server.ready),
        Route("/v2", server.server_metadata),
        *[Route(path, server.model_metadata) for path in model_paths],
        *[Route(f"{path}/ready", server.model_ready) for path in model_paths],
        *[Route(f"{path}/infer", server.infer, methods=["POST"]) for path in model_paths],
        Route("/metrics", server.metrics),
    ]
    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        HTTPException: _http_error,
        ClientDisconnect: _client_gone,
        Exception: _unexpected,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


class _Server:
    """The endpoints. Inference runs on the event loop itself: for the sandbox's models, computed in microseconds, a hop
    to a thread would cost more than the computation it makes room for."""

    def __init__(self, model: Model, readiness: Readiness) -> None:
        self._model = model
        self._readiness = readiness
        self._metrics = Metrics(model.name, model.version)

    async def live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, _request: Request) -> Response:
        return JSONResponse({"ready": self._readiness.ready}, 200 if self._readiness.ready else 503)

    async def server_metadata(self, _request: Request) -> Response:
        name = "slipway-sandbox-modelserver"
        return JSONResponse({"name": name, "version": installed_version("slipway"), "extensions": []})

    async def model_metadata(self, request: Request) -> Response:
        self._check_model(request)
        return JSONResponse(self._model.metadata())

    async def model_ready(self, request: Request) -> Response:
        self._check_model(request)
        ready = self._readiness.ready
        return JSONResponse({"name": self._model.name, "ready": ready}, 200 if ready else 503)

    async def infer(self, request: Request) -> Response:
        self._check_model(request)
        if _BINARY_HEADER in request.headers:
            raise HTTPException(400, "the binary tensor extension is not spoken here: send the tensors as JSON")
        body = await _read_body(request)
        started = time.perf_counter()
        try:
            response = Response(self._compute(body), media_type="application/json")
            self._metrics.success.inc()
        except BadRequestError as error:
            raise HTTPException(400, str(error)) from error
        except (ModelFailedError, ReplyError) as error:
            response = _error(500, f"model {self._model.name!r} failed: {error}")
            self._metrics.failure.inc()
        except Exception:
            self._metrics.failure.inc()
            raise
        self._metrics.duration.observe(time.perf_counter() - started)
        if self._model.version is not None:
            response.headers[VERSION_HEADER] = self._model.version  # a failure has no other way to say whose it is
        if not self._readiness.ready:
            # A gateway's pooled connection must not outlive the listener: it would be cut under the next request.
            response.headers["connection"] = "close"
        return response

    async def metrics(self, _request: Request) -> Response:
        return Response(self._metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})

    def _compute(self, body: bytes) -> bytes:
        request = parse_request(body, self._model.inputs, self._model.outputs)
        outputs = self._model.infer(request)
        reply = render_reply(self._model.name, self._model.version, request.id, outputs)
        self._metrics.count([*request.inputs.items(), *((spec.name, tensor) for spec, tensor in outputs)])
        return reply

    def _check_model(self, request: Request) -> None:
        name, version = request.path_params["model"], request.path_params.get("version")
        if name != self._model.name:
            raise HTTPException(404, f"model {name!r} is not here; {self._model.name!r} is")
        if version is not None and version != self._model.version:
            raise HTTPException(404, f"version {version!r} of model {name!r} is not here; {self._model.version!r} is")


async def _read_body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > _MAX_DISCARDED_BYTES:
            break
        else:
            chunks.clear()
    if size > MAX_BODY_BYTES:
        reason = f"the request is larger than {MAX_BODY_BYTES} bytes"
        raise HTTPException(413, reason, headers={"connection": "close"})
    return b"".join(chunks)


def _error(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it; it only ends the request


async def _unexpected(_request: Request, error: Exception) -> Response:
    return _error(500, f"unexpected {type(error).__name__}; the server's log says more")
