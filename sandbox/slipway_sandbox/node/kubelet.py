"""What the node serves: the logs of its containers, as the API server asks a kubelet for them."""

import contextlib
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from slipway_sandbox.node.container import Container
from slipway_sandbox.node.logs import LogQuery, read_log

Find = Callable[[str, str, str], Container | None]
"""From namespace, pod and container to the container."""


class KubeletServer:
    """`GET /containerLogs/{namespace}/{pod}/{container}` with the query of the API's `log` subresource.

    Answers 404 for a container that is not here and 400 for one that has not run yet, with the reason as plain text.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        app.router.add_get("/healthz", self._healthy)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)

    async def start(self, listening: socket.socket) -> None:
        """Serve on a socket that listens already."""
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    async def stop(self) -> None:
        """Close; followers of logs are cut off."""
        await self._runner.cleanup()

    async def _healthy(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info
        container = self._find(names["namespace"], names["pod"], names["container"])
        if container is None:
            return web.Response(
                status=404, text=f'container "{names["container"]}" of pod "{names["pod"]}" is not here'
            )
        previous = request.query.get("previous") == "true"
        path = container.log_path(previous=previous)
        if previous and not container.state.restarts:
            text = f'previous terminated container "{names["container"]}" in pod "{names["pod"]}" not found'
            return web.Response(status=400, text=text)
        if not path.exists():
            reason = container.state.waiting or "ContainerCreating"
            problem = f'container "{names["container"]}" in pod "{names["pod"]}" is waiting to start: {reason}'
            return web.Response(status=400, text=problem)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        running = container.log_path

        def still_written() -> bool:
            return not previous and container.is_running and running() == path

        with contextlib.suppress(ConnectionResetError):  # the reader has seen enough
            async for block in read_log(path, _query(request), still_written=still_written):
                await response.write(block)
            await response.write_eof()
        return response


def _query(request: web.Request) -> LogQuery:
    query = request.query
    since = None
    if "sinceTime" in query:
        since = datetime.fromisoformat(query["sinceTime"])
    elif "sinceSeconds" in query:
        since = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
    return LogQuery(
        follow=query.get("follow") == "true",
        tail=int(query["tailLines"]) if "tailLines" in query else None,
        since=since,
        timestamps=query.get("timestamps") == "true",
        limit_bytes=int(query["limitBytes"]) if "limitBytes" in query else None,
    )
