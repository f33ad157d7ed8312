"""Sends one request and reads its answer to the end.

The `kubernetes` package's REST layer does TLS, proxies and server names from the loaded configuration; the typed API
classes above it are left alone, as is its retrying: what may be sent twice is decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from slipway.cluster.answers import Answer
from slipway.cluster.connection import Credentials, Login
from slipway.cluster.errors import ClusterError, Unavailable
from slipway.cluster.kinds import Object
from slipway.cluster.target import Target

CONNECT_TIMEOUT = 5.0
"""Seconds to get a connection; an API server that needs longer is not there."""

REQUEST_TIMEOUT = 30.0
"""Seconds for a whole request. Admission webhooks alone may take 30; whoever waits that long should look again instead.
"""

IN_FLIGHT = 16
"""Requests at once. More would not be faster for one operator and would eat the server's share for others."""

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    body: Object | None
    content_type: str


class Transport:
    """Requests to one API server, at most `IN_FLIGHT` at once, with fresh credentials."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._rest: Any = None
        self._rest_identity: tuple[Any, ...] | None = None
        self._user_agent = f"slipway/{metadata.version('slipway')}"

    async def request(
        self, target: Target, method: str, url: str, body: Object | None = None, content_type: str = JSON
    ) -> Answer:
        """Sends a request, once more with new credentials when the server refuses them.

        `url` is a path with its query, encoded. Raises Unavailable when no whole answer came.
        """
        request = _Request(method, url, body, content_type)
        async with self._slots:
            login = await self._credentials.current()
            answer = await self._send(target, login, request)
            if answer.status == 401:
                renewed = await self._credentials.renewed(login)
                if renewed.authorization != login.authorization or renewed.info != login.info:
                    answer = await self._send(target, renewed, request)
            return answer

    async def close(self) -> None:
        """Closes the connections."""
        rest, self._rest, self._rest_identity = self._rest, None, None
        if rest is not None:
            await rest.close()

    async def _send(self, target: Target, login: Login, request: _Request) -> Answer:
        import aiohttp

        rest = await self._rest_for(login)
        headers = {"Accept": JSON, "User-Agent": self._user_agent, "Content-Type": request.content_type}
        if login.authorization is not None:
            headers["Authorization"] = login.authorization
        tries = 2 if request.method == "GET" else 1
        while True:
            tries -= 1
            try:
                return await _exchange(rest, request, login.info.server, headers)
            except TimeoutError as error:
                raise Unavailable(
                    f"{target}: no answer within {REQUEST_TIMEOUT:.0f} s from {login.info.server}"
                ) from error
            except aiohttp.ClientError as error:
                # A connection that was closed while idle, or an answer that broke off: a read can simply be sent again.
                if not tries:
                    raise Unavailable(f"{target}: {type(error).__name__}: {error}") from error

    async def _rest_for(self, login: Login) -> Any:
        """The REST layer for this login; a new one when certificates have changed, as TLS is settled when it is made.

        Requests that are still in flight on the old one fail as Unavailable, which is rare and heals by itself.
        """
        info = login.info
        identity = (info.server, info.ca_path, info.certificate_path, info.private_key_path, info.insecure)
        if self._rest is None or identity != self._rest_identity:
            from kubernetes.aio.client.rest import RESTClientObject

            await self.close()
            # Reading the environment would also read ~/.netrc before each request, in a thread.
            login.configuration.client_session_kwargs = {"trust_env": False}
            login.configuration.retries = None
            try:
                self._rest, self._rest_identity = RESTClientObject(login.configuration), identity
            except OSError as error:  # ssl.SSLError is one
                raise ClusterError(
                    f"{info.server}: its CA or the client's certificate cannot be loaded: {error}"
                ) from error
        return self._rest


async def _exchange(rest: Any, request: _Request, server: str, headers: Mapping[str, str]) -> Answer:
    import aiohttp
    from yarl import URL

    response = await rest.request(
        request.method,
        URL(server + request.url, encoded=True),
        headers=dict(headers),
        body=request.body,
        _request_timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT, sock_connect=CONNECT_TIMEOUT),
    )
    try:
        content = await response.read()
    finally:
        response.response.release()
    return Answer(response.status, response.headers, content)
