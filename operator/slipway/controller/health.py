"""What the kubelet, and an administrator, may ask the operator over HTTP.

`/healthz` says whether the process works: it runs on the same event loop as everything else, so a loop that is stuck
answers nobody, and a look that never ends is told. `/readyz` says whether it leads or is ready to lead, and what is
missing where it is not; a missing resource is no reason to be restarted. `/metrics` is for Prometheus.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

STUCK: Final = 300.0
"""Seconds after which a look counts as one that never ends. What users write, and how their models and servers behave,
cannot bring one there: what it asks of them ends within a minute. What does is a defect, which a restart may heal.
"""


Problem = Callable[[], str | None]
"""Asked for what is wrong at this moment, in one sentence; None when nothing is."""


@dataclass
class Health:
    """What the parts of the operator say of themselves."""

    role: str = "starting"
    """What this replica is doing: starting, standing by, leading or stopping."""
    needs: list[Problem] = field(default_factory=list)
    """What it cannot do without."""
    wishes: list[Problem] = field(default_factory=list)
    """What only some ModelDeployments need."""
    longest_look: Callable[[], float] = lambda: 0.0
    """Seconds that the longest of the looks under way has lasted."""
    metrics: Callable[[], bytes] = lambda: b""
    """The page of metrics, in the Prometheus text format."""
    pages: dict[str, Callable[[], str]] = field(default_factory=dict)
    """Further pages, in JSON, by their path."""

    def alive(self) -> tuple[bool, str]:
        """Whether to leave the process alone, and why."""
        longest = self.longest_look()
        if longest > STUCK:
            return False, f"a look has lasted {longest:.0f} s"
        return True, self.role

    def ready(self) -> tuple[bool, str]:
        """Whether this replica leads or could, and what is missing or restricted."""
        missing = [problem for need in self.needs if (problem := need()) is not None]
        restricted = [f"restricted: {problem}" for wish in self.wishes if (problem := wish()) is not None]
        return not missing and self.role in {"leading", "standing by"}, "\n".join([self.role, *missing, *restricted])


class AddressError(ValueError):
    """An address to listen on that is none."""


def listen_address(text: str) -> tuple[str | None, int]:
    """Host and port of ``HOST:PORT`` or ``:PORT``, which is every address of the machine.

    Raises AddressError, which says what is expected.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    with contextlib.suppress(ValueError):
        if host and host != "localhost":
            ipaddress.ip_address(host)
        if colon and 0 <= int(port) < 65536:
            return host or None, int(port)
    raise AddressError(f"{text!r} is not HOST:PORT, such as 0.0.0.0:8081 or :8081, with an IP address for a host")


@contextlib.asynccontextmanager
async def serving(health: Health, address: str) -> AsyncIterator[str]:
    """Answer at an address while the block runs; yields the URL. Raises AddressError, and OSError for a port in use."""
    host, port = listen_address(address)

    async def healthz(_: web.Request) -> web.Response:
        return _plain(*health.alive())

    async def readyz(_: web.Request) -> web.Response:
        return _plain(*health.ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=health.metrics(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    async def page(request: web.Request) -> web.Response:
        found = health.pages.get(request.path)
        if found is None:
            raise web.HTTPNotFound
        return web.Response(text=found(), content_type="application/json")

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
            web.get("/{page:.*}", page),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield str(site.name)
    finally:
        await runner.cleanup()


def _plain(well: bool, text: str) -> web.Response:
    return web.Response(status=200 if well else 503, text=f"{text}\n")
