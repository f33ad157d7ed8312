"""The process: options from the command line or the environment, one socket, one model, and an orderly end.

    python -m slipway_sandbox.modelserver --model-name fraud --model-uri file:///models/v1.onnx --host 127.0.0.1

The model is loaded before the socket is opened: whoever can connect can infer. On SIGTERM the server says "not ready"
at once, goes on serving for `LAME_DUCK_SECONDS` while gateways take notice, then closes its listener, finishes the
requests in flight and exits 0. A second signal skips the wait.
"""

import argparse
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType

import prometheus_client
import uvicorn

from slipway_sandbox.modelserver.app import Readiness, create_app
from slipway_sandbox.modelserver.model import ModelLoadError, load_model

LAME_DUCK_SECONDS = 1.0
"""Endpoints are withdrawn while the process already has its signal; requests that were routed in between are served."""

LAST_REQUESTS_SECONDS = 5
"""How long a request in flight may take after the listener is closed."""

IDLE_CONNECTION_SECONDS = 120
"""Longer than gateways keep idle connections (90 s in Go): who closes first must be the side that sends next."""

_OPTIONS = (
    ("--model-name", "SLIPWAY_MODEL_NAME", None, "the name in the protocol's paths"),
    ("--model-uri", "SLIPWAY_MODEL_URI", None, "file:///path of an ONNX file"),
    ("--model-version", "SLIPWAY_MODEL_VERSION", "", "the version in the protocol's paths"),
    ("--model-digest", "SLIPWAY_MODEL_DIGEST", "", "sha256:... that the file must have"),
    ("--host", "HOST", "0.0.0.0", "the only address to listen on"),
    ("--port", "PORT", "8080", "the port to listen on"),
)
"""Option, its variable, the value if neither is given (None: it must be), help."""


class LameDuckServer(uvicorn.Server):
    """Withdraws readiness on a signal, and shuts down only `LAME_DUCK_SECONDS` later."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._closing_at = float("inf")

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        """Start the end, or hurry it: uvicorn's own version would also raise the signal again and so exit non-zero."""
        if self._readiness.ready:
            self._readiness.withdraw()
            self._closing_at = time.monotonic() + LAME_DUCK_SECONDS
        else:
            self._closing_at = 0.0

    async def on_tick(self, counter: int) -> bool:
        """Whether to shut down now; uvicorn asks ten times a second."""
        return await super().on_tick(counter) or time.monotonic() >= self._closing_at


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal; returns the exit code."""
    options = _parser().parse_args(argv)
    try:
        model = load_model(
            options.model_name,
            options.model_uri,
            version=options.model_version or None,
            digest=options.model_digest or None,
            root=os.environ.get("MODEL_ROOT", ""),
        )
        listener = _listen(options.host, options.port)
    except ModelLoadError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"cannot listen on {options.host}:{options.port}: {error.strerror}")
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    readiness = Readiness()
    config = uvicorn.Config(
        create_app(model, readiness),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=LAST_REQUESTS_SECONDS,
    )
    logging.basicConfig(level=logging.WARNING, format="modelserver: %(message)s")
    LameDuckServer(config, readiness).run(sockets=[listener])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelserver",
        description="Serve one ONNX model over the Open Inference Protocol V2.",
        epilog="MODEL_ROOT, in the environment, is a folder put in front of the uri's path.",
    )
    for option, variable, default, text in _OPTIONS:
        value = os.environ.get(variable) or default
        kind = _port if option == "--port" else str
        parser.add_argument(
            option, type=kind, default=value, required=value is None, help=f"{text} (environment: {variable})"
        )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:  # the resolver would take it modulo 65536
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # The protocol is named because asyncio switches Nagle's algorithm off only where it reads TCP: 40 ms a reply.
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    return listener


def _fail(reason: str) -> int:
    print(f"modelserver: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
