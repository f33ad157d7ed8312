"""exec, attach and port-forward: WebSockets that end at the node, of which this server is a messenger."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import WSMsgType, web

from slipway_sandbox.apiserver import errors
from slipway_sandbox.apiserver.calls import Answer, Call
from slipway_sandbox.apiserver.podlog import container_of, kubelet_of
from slipway_sandbox.apiserver.store import Store

STREAMED = {"exec": "exec", "attach": "attach", "portforward": "portForward"}
"""Subresources by the name that a kubelet gives them."""
_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "SPDY/3.1+portforward.k8s.io")
_LARGEST_MESSAGE = 32 * 1024 * 1024


def pod_stream(store: Store, pod: dict[str, Any], call: Call) -> Answer:
    """An answer that takes the connection over and joins it with one to the node.

    Raises:
        ApiError: 400 when the container has to be named, is not in the pod, or the pod is on no node yet.
    """
    kind = call.target.subresource
    parts = [STREAMED[kind], pod["metadata"]["namespace"], pod["metadata"]["name"]]
    if kind != "portforward":
        parts.append(container_of(pod, call.query.get("container", "")))
    elif pod.get("status", {}).get("phase") != "Running":
        raise errors.bad_request(f"unable to forward port because pod is not running. Current status={_phase(pod)}")
    url = "/".join([kubelet_of(store, pod), *(quote(part, safe="") for part in parts)])

    async def join(request: web.BaseRequest) -> web.WebSocketResponse:
        offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        spoken = next((name for name in _PROTOCOLS if name in offered), None)
        if spoken is None or request.headers.get("Upgrade", "").lower() != "websocket":
            raise errors.bad_request(
                f"{kind} needs a WebSocket with one of the protocols {', '.join(_PROTOCOLS)}; kubectl 1.31 and later "
                "speak them"
            )
        return await _join(request, url, spoken)

    return Answer(upgrade=join)


async def _join(request: web.BaseRequest, url: str, protocol: str) -> web.WebSocketResponse:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=5)) as session:
        try:
            node = await session.ws_connect(
                f"{url}?{request.rel_url.raw_query_string}", protocols=[protocol], max_msg_size=_LARGEST_MESSAGE
            )
        except aiohttp.ClientError as problem:
            raise errors.internal(f"the node cannot be reached: {problem}") from problem
        async with node:
            client = web.WebSocketResponse(protocols=[protocol], max_msg_size=_LARGEST_MESSAGE)
            await client.prepare(request)
            tasks = [asyncio.create_task(_carry(client, node)), asyncio.create_task(_carry(node, client))]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            await client.close()
            return client


async def _carry(source: Any, target: Any) -> None:
    """Messages one way, until the source closes or the target is gone."""
    async for message in source:
        if message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await target.send_str(message.data)


def _phase(pod: dict[str, Any]) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))
