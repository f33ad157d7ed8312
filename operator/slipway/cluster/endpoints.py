"""Where a revision's pods are, and how to ask one of them something without being held up by it.

Pods are addressed one by one through EndpointSlices: that works in any cluster without DNS and gives evidence for
each pod. Each answer is bounded in time, as a whole and not by silence between two bytes, and in size, because what
answers is somebody else's program.
"""

from __future__ import annotations

import asyncio
import importlib.util
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx


class UnknownPortError(LookupError):
    """An endpoint has no port of that name."""


class AnswerError(Exception):
    """No whole answer came: unreachable, cut off, too slow or too large. The message is a short phrase."""

    def __init__(self, message: str, *, reached: bool, severed: bool = False) -> None:
        super().__init__(message)
        self.reached = reached
        """Whether a server is known to have been reached; silence does not tell."""
        self.severed = severed
        """Whether the connection was refused or broke off, as it does where a pod ends."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pod of a Service."""

    pod: str
    """Name of the pod; the address where the slice does not name one."""
    address: str
    """An IP address, without brackets."""
    ports: Mapping[str, int] = field(hash=False)
    """Numbers by the names of the Service's ports, in their order; an unnamed port is under the empty name."""
    ready: bool
    terminating: bool

    def url(self, port: str | None, path: str) -> str:
        """The address of a path on a named port, or on the first port. Raises UnknownPortError."""
        if port is not None and port not in self.ports:
            known = ", ".join(name or "(unnamed)" for name in self.ports) or "none"
            raise UnknownPortError(f"pod {self.pod} has no port {port!r}: its Service has {known}")
        if not self.ports:
            raise UnknownPortError(f"pod {self.pod} has no port: its Service declares none")
        number = next(iter(self.ports.values())) if port is None else self.ports[port]
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{number}{path}"


def endpoints(slices: Sequence[Mapping[str, Any]]) -> tuple[Endpoint, ...]:
    """The pods behind a Service's EndpointSlices, each once, sorted by name.

    A pod stands in several slices while they are rebalanced, and in one for each address family: its ports are then
    united, it is ready if any slice says so and terminating if any does, and its IPv4 address is the one that is
    used.
    """
    found: dict[str, Endpoint] = {}
    for item in sorted(slices, key=_slice_order):
        if item.get("addressType", "IPv4") not in ("IPv4", "IPv6"):
            continue  # names would have to be resolved, and no pod of ours has one
        ports = {
            port.get("name") or "": int(port["port"])
            for port in item.get("ports") or ()
            if port.get("port") is not None and port.get("protocol", "TCP") == "TCP"
        }
        for raw in item.get("endpoints") or ():
            endpoint = _endpoint(raw, ports)
            known = found.get(endpoint.pod)
            found[endpoint.pod] = _united(known, endpoint) if known else endpoint
    return tuple(found[pod] for pod in sorted(found))


def _slice_order(item: Mapping[str, Any]) -> tuple[bool, str]:
    return item.get("addressType") == "IPv6", str(item.get("metadata", {}).get("name", ""))


def _endpoint(raw: Mapping[str, Any], ports: Mapping[str, int]) -> Endpoint:
    address = str(raw["addresses"][0])
    conditions = raw.get("conditions") or {}
    ready = conditions.get("ready")
    return Endpoint(
        pod=str((raw.get("targetRef") or {}).get("name") or address),
        address=address,
        ports=ports,
        ready=ready is None or bool(ready),  # the API says that an unknown state counts as ready
        terminating=bool(conditions.get("terminating")),
    )


def _united(one: Endpoint, other: Endpoint) -> Endpoint:
    return replace(
        one,
        ports={**one.ports, **{name: number for name, number in other.ports.items() if name not in one.ports}},
        ready=one.ready or other.ready,
        terminating=one.terminating or other.terminating,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer of a server."""

    status: int
    content_type: str
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities that are trusted: reading them takes longer than most requests."""
    return httpx.create_ssl_context(trust_env=False)


def http_client() -> httpx.AsyncClient:
    """The client that probes and scrapes share.

    - No proxy, netrc or certificate setting of the environment applies: pods are reached directly.
    - Redirects are not followed and cookies are refused: whoever answers does not choose what is asked next.
    - The pool has no limit: a wait for a free connection would be counted as the candidate's slowness. What is in
      flight is limited where it is started.
    - Answers are asked for uncompressed, so that their size on the wire is their size.
    - The transport looks for the package sniffio three times a request, to learn which event loop it is in. Where it is
      not installed, each look goes through all of the path: a quarter of a millisecond, unless it is said once.
    - Idle connections are dropped after a second, before common servers drop them: a request that meets a closing
      connection looks like a failure of the model.
    """
    if importlib.util.find_spec("sniffio") is None:
        sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
    return httpx.AsyncClient(
        verify=_certificates(),
        trust_env=False,
        headers={"accept-encoding": "identity", "user-agent": "slipway"},
        follow_redirects=False,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=1.0),
    )


async def ask(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    timeout: float,
    limit: int,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request and its whole answer, within `timeout` seconds from start to end and `limit` bytes of body.

    Raises AnswerError when there is no such answer; the status of one that came is the caller's to judge.
    """
    try:
        async with (
            asyncio.timeout(timeout),
            client.stream(
                method, url, content=content, headers=headers, timeout=httpx.Timeout(timeout), follow_redirects=False
            ) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    raise AnswerError(f"answered with more than {limit} bytes", reached=True)
            return Answer(response.status_code, response.headers.get("content-type", ""), bytes(body))
    except (TimeoutError, httpx.TimeoutException):
        raise AnswerError(f"timed out after {timeout:g}s", reached=False) from None
    except httpx.ConnectError:
        raise AnswerError("could not be connected to", reached=False, severed=True) from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise AnswerError(f"broke off the answer ({type(error).__name__})", reached=True, severed=True) from error
