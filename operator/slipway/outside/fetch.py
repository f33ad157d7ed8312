"""One bounded request to a URL that a user gave.

The name is resolved once a hop, all its addresses are judged, and the connection goes to one that was judged, with the
name kept for the certificate and the Host header: a name that changes its address in between (DNS rebinding) changes
nothing. Every request has a connection of its own, because a kept one was checked for another name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import httpx

from slipway.cluster.endpoints import Answer
from slipway.outside.egress import Egress, EgressError, FetchError, Resolved, UnreachedError

MAX_REDIRECTS: Final = 5
"""Hops after the first that a GET may take."""

MAX_URL: Final = 8192
"""Characters of a URL."""

_PORTS: Final = {"http": 80, "https": 443}
_OWN_HEADERS: Final = {"accept-encoding": "identity", "user-agent": "slipway", "connection": "close"}
_WHOLE_ONLY: Final = httpx.Timeout(None)
"""Limits of the whole are set around it."""

Resolver = Callable[[str, int], Awaitable[Resolved]]
"""Turns a host and a port into addresses. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Fetched(Answer):
    """An answer, with what its server calls this version of it."""

    version: str
    """The ETag without its quotes; empty where there is none."""
    challenge: str = ""
    """Of an answer 401: how its server wants to be told who asks (``WWW-Authenticate``)."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked, for whom, at every hop."""

    method: str
    content: bytes | None
    headers: Mapping[str, str]
    namespace: str
    limit: int


class Outside:
    """Fetches for users. Holds a certificate store and no connection, so there is nothing to close."""

    def __init__(
        self, egress: Egress, *, resolver: Resolver | None = None, certificates: ssl.SSLContext | None = None
    ) -> None:
        self.egress = egress
        self._resolve = resolver or _system
        self._certificates = certificates
        self._reading = asyncio.Lock()

    async def request(
        self,
        url: str,
        *,
        namespace: str,
        timeout: float,
        limit: int,
        method: str = "GET",
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        redirects: int = MAX_REDIRECTS,
    ) -> Fetched:
        """The answer of a URL, within `timeout` seconds and `limit` bytes in all, for an object of `namespace`.

        A GET follows up to `redirects` redirects, each judged like the first URL; it never goes from https to http, and
        headers that were given go to the first origin only. With `redirects=0` a redirect is an answer. Raises
        EgressError for what may not be reached and FetchError for what gave no whole answer.
        """
        wanted = _Wanted(method, content, headers or {}, namespace, limit)
        try:
            async with asyncio.timeout(timeout):
                return await self._follow(url, wanted, redirects)
        except TimeoutError:
            raise FetchError(f"{shown(url)} did not answer within {timeout:g}s") from None

    async def _follow(self, url: str, wanted: _Wanted, redirects: int) -> Fetched:
        first = target = _parsed(url)
        for _ in range(redirects + 1):
            here = wanted if _origin(target) == _origin(first) else replace(wanted, headers={})
            answer, location = await self._one(target, here)
            if location is None or wanted.method != "GET" or not redirects:
                return answer
            following = _parsed(str(target.join(_parsed(location, relative=True))))
            if target.scheme == "https" and following.scheme != "https":
                raise EgressError(f"{shown(url)} redirects from https to http, which is not followed")
            target = following
        raise FetchError(f"{shown(url)} redirects more than {redirects} times")

    async def _one(self, url: httpx.URL, wanted: _Wanted) -> tuple[Fetched, str | None]:
        """The answer of one hop, and where it redirects to."""
        host, port = self.egress.name(url.host), url.port or _PORTS[url.scheme]
        try:
            resolved = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise UnreachedError(f"{shown(str(url))}: the host name cannot be resolved") from None
        self.egress.check(host, resolved, port, namespace=wanted.namespace)
        problem = None
        for address in resolved.addresses:
            try:
                return await self._send(url, address, wanted)
            except httpx.ConnectError as error:
                problem = error
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
                raise FetchError(f"{shown(str(url))} gave no whole answer ({type(error).__name__})") from None
        raise UnreachedError(f"{shown(str(url))} cannot be connected to{_certificate(problem)}")

    async def _send(self, url: httpx.URL, address: str, wanted: _Wanted) -> tuple[Fetched, str | None]:
        async with (
            httpx.AsyncClient(trust_env=False, verify=await self._trusted(url.scheme), timeout=_WHOLE_ONLY) as client,
            client.stream(
                wanted.method,
                url.copy_with(host=address),
                content=wanted.content,
                headers={**wanted.headers, **_OWN_HEADERS, "host": url.netloc.decode()},
                extensions={"sni_hostname": url.host},
                follow_redirects=False,
            ) as response,
        ):
            location = response.headers.get("location") if 300 <= response.status_code < 400 else None
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise FetchError(f"{shown(str(url))} answered compressed, though it was asked not to")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > wanted.limit:
                    raise FetchError(f"{shown(str(url))} answered with more than {wanted.limit} bytes")
            kind, version = response.headers.get("content-type", ""), response.headers.get("etag", "")
            version = version.removeprefix("W/").strip('"')[:128]
            challenge = response.headers.get("www-authenticate", "")[:MAX_URL]
            return Fetched(response.status_code, kind, bytes(body), version, challenge), location

    async def _trusted(self, scheme: str) -> ssl.SSLContext:
        """The certificate store, which takes a while to read: once, also where many ask at the same time.

        Without TLS nobody's certificate is looked at, and an empty store will do: it would trust nobody.
        """
        if scheme != "https":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with self._reading:
            if self._certificates is None:
                self._certificates = await asyncio.to_thread(httpx.create_ssl_context)
        return self._certificates


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or _PORTS[url.scheme]


def shown(url: str) -> str:
    """A URL as messages show it: without its query and fragment, which may hold secrets."""
    bare = url.partition("?")[0].partition("#")[0]
    scheme, found, rest = bare.partition("://")
    authority, slash, path = rest.partition("/")
    bare = f"{scheme}{found}{authority.rpartition('@')[2]}{slash}{path}" if found else bare
    return repr(bare if len(bare) <= 200 else bare[:199] + "…")


def _parsed(url: str, *, relative: bool = False) -> httpx.URL:
    try:
        if len(url) > MAX_URL:
            raise ValueError
        parsed = httpx.URL(url)
        if parsed.port is not None and not 0 < parsed.port < 65536:
            raise ValueError
    except (httpx.InvalidURL, ValueError, TypeError):
        raise EgressError(f"{shown(url)} is no URL") from None
    if relative and not parsed.scheme:
        return parsed
    if parsed.scheme not in _PORTS or not parsed.host:
        raise EgressError(f"{shown(url)} is no http or https URL")
    if parsed.userinfo:
        raise EgressError(f"{shown(url)} holds a user or a password: give credentials by a Secret")
    return parsed


def _certificate(error: httpx.ConnectError | None) -> str:
    cause = error.__cause__ if error is not None else None
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f": its certificate is not trusted ({cause.verify_message})"
        cause = cause.__cause__ or cause.__context__
    return ""


async def _system(host: str, port: int) -> Resolved:
    """Asks the system. Names are asked for as absolute ones: a search list would turn ``a.b`` into the Service a of
    namespace b."""
    absolute = host if host[-1:].isdigit() or ":" in host else f"{host}."
    found = await asyncio.get_running_loop().getaddrinfo(
        absolute, port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
    )
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    return Resolved(addresses, next((entry[3] for entry in found if entry[3]), host).rstrip("."))
