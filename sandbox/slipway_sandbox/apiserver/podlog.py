"""The log of a container: asked of the node that runs the pod, and passed on as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp

from slipway_sandbox.apiserver import errors
from slipway_sandbox.apiserver.calls import Answer, Call
from slipway_sandbox.apiserver.store import Store

_PASSED_ON = ("follow", "previous", "tailLines", "limitBytes", "sinceSeconds", "sinceTime", "timestamps")
_NODES = ("", "nodes")


def pod_log(store: Store, pod: dict[str, Any], call: Call) -> Answer:
    """An answer that is fetched from the node when the request is carried out.

    Raises:
        ApiError: 400 when the container has to be named, is not in the pod, or the pod is on no node yet.
    """
    name, container = pod["metadata"]["name"], container_of(pod, call.query.get("container", ""))
    node = kubelet_of(store, pod)
    url = f"{node}/containerLogs/{quote(pod['metadata']['namespace'])}/{quote(name)}/{quote(container)}"
    query = {key: call.query[key] for key in _PASSED_ON if key in call.query}

    async def fetch() -> Answer:
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=5))
        try:
            response = await session.get(url, params=query)
            if response.status != 200:
                raise errors.bad_request(await response.text())
        except aiohttp.ClientError as problem:
            await session.close()
            raise errors.internal(f"the node of pod {name} cannot be reached: {problem}") from problem
        except BaseException:
            await session.close()
            raise
        return Answer(content_type="text/plain", stream=_passed_on(session, response))

    return Answer(deferred=fetch)


async def _passed_on(session: aiohttp.ClientSession, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    finally:
        response.close()
        await session.close()


def container_of(pod: dict[str, Any], asked: str) -> str:
    """The container that a request means; the only one need not be named.

    Raises:
        ApiError: 400 when it has to be named, or is not in the pod.
    """
    name, spec = pod["metadata"]["name"], pod["spec"]
    if not asked:
        if len(spec["containers"]) > 1:
            choices = " ".join(one["name"] for one in spec["containers"])
            raise errors.bad_request(f"a container name must be specified for pod {name}, choose one of: [{choices}]")
        return str(spec["containers"][0]["name"])
    if asked not in [one["name"] for kind in ("initContainers", "containers") for one in spec.get(kind) or ()]:
        raise errors.bad_request(f"container {asked} is not valid for pod {name}")
    return asked


def kubelet_of(store: Store, pod: dict[str, Any]) -> str:
    """The address of the kubelet that runs a pod.

    Raises:
        ApiError: 400 when the pod is on no node yet, 500 when its node does not say where its kubelet is.
    """
    name = pod["spec"].get("nodeName", "")
    node = store.get(_NODES, name) if name else None
    if node is None:
        raise errors.bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    status = node.obj.get("status", {})
    addresses = [entry["address"] for entry in status.get("addresses") or () if entry["type"] == "InternalIP"]
    port = status.get("daemonEndpoints", {}).get("kubeletEndpoint", {}).get("Port")
    if not addresses or not port:
        raise errors.internal(f"node {name} does not say where its kubelet is")
    return f"http://{addresses[0]}:{port}"
