"""What the node serves: logs, exec, attach and port-forward, as the API server asks a kubelet for them."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from aiohttp import web

from slipway_sandbox.client import Manifest
from slipway_sandbox.node.container import Container
from slipway_sandbox.node.logs import LogQuery, read_log
from slipway_sandbox.node.portforward import forward
from slipway_sandbox.node.remote import attach, execute
from slipway_sandbox.node.usage import summary

Find = Callable[[str, str, str], Container | None]
"""From namespace, pod and container to the container."""
Address = Callable[[str, str], str | None]
"""From namespace and pod to the pod's address."""
Pods = Callable[[], list[tuple[Manifest, dict[str, int]]]]
"""The pods that run here, each with the process of every container."""
Session = Callable[[web.Request, Container], Awaitable[web.WebSocketResponse]]


class KubeletServer:
    """`GET /containerLogs/{namespace}/{pod}/{container}`, and the WebSockets `exec`, `attach` and `portForward`.

    Each takes the query of the API's subresource of that name. The answer is 404 for a container that is not here, and
    400 for the log of one that has not run yet, with the reason as plain text.
    """

    def __init__(self, find: Find, address: Address, pods: Pods) -> None:
        self._find = find
        self._pods = pods
        self._address = address
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        app.router.add_get("/exec/{namespace}/{pod}/{container}", partial(self._session, execute))
        app.router.add_get("/attach/{namespace}/{pod}/{container}", partial(self._session, attach))
        app.router.add_get("/portForward/{namespace}/{pod}", self._forward)
        app.router.add_get("/stats/summary", self._summary)
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

    async def _summary(self, _request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(summary, self._pods()))

    async def _session(self, serve: Session, request: web.Request) -> web.StreamResponse:
        names = request.match_info
        container = self._find(names["namespace"], names["pod"], names["container"])
        return _absent(names) if container is None else await serve(request, container)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info
        address = self._address(names["namespace"], names["pod"])
        return _absent(names) if address is None else await forward(request, address)

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info
        container = self._find(names["namespace"], names["pod"], names["container"])
        if container is None:
            return _absent(names)
        previous = request.query.get("previous") == "true"
        path = container.previous_log_path() if previous else container.log_path()
        if path is None:
            text = f'previous terminated container "{names["container"]}" in pod "{names["pod"]}" not found'
            return web.Response(status=400, text=text)
        if not path.exists():
            reason = container.state.waiting or "ContainerCreating"
            if reason in {"ErrImagePull", "ImagePullBackOff"}:
                reason = "trying and failing to pull image"
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


def _absent(names: Mapping[str, str]) -> web.Response:
    what = f'container "{names["container"]}" of ' if "container" in names else ""
    return web.Response(status=404, text=f'{what}pod "{names["pod"]}" is not here')


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
