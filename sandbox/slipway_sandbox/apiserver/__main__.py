"""`python -m slipway_sandbox.apiserver --port N`: serve until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from slipway_sandbox.apiserver import ApiServer, StateFileError


async def _serve(server: ApiServer) -> None:
    await server.start()
    print(server.url, flush=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()
    await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="slipway_sandbox.apiserver", description="Serve a Kubernetes API from memory."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=None, help="the bearer token that requests have to carry")
    parser.add_argument("--state-file", type=Path, default=None, help="keep the objects in this file")
    parser.add_argument("--tls-dir", type=Path, default=None, help="speak HTTPS, with certificates made in this folder")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    server = ApiServer(
        options.host, options.port, options.token, state_file=options.state_file, tls_dir=options.tls_dir
    )
    try:
        asyncio.run(_serve(server))
    except (StateFileError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
