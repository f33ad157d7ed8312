"""ingress-nginx's annotations lead real requests, through the one program at hand that reads them: Traefik.

Its provider for them was written anew from the same documentation, so agreement is evidence about our reading of it and
none about ingress-nginx itself. Sessions are left out: Traefik keeps them in cookies of other names.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from sandbox.traffic.kit import Place, eventually

from slipway.api import HeaderMatch, Preview, RequestMatch
from slipway.traffic import WHOLE, Backend, RoutePlan
from slipway_sandbox import Sandbox
from slipway_sandbox.gateway import find_traefik

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

OLD, NEW = "fraud-0a0a0a0a", "fraud-1b1b1b1b"
SPLIT = RoutePlan([Backend(OLD, 7500), Backend(NEW, 2500)])
ALL_OLD = RoutePlan([Backend(OLD, WHOLE)])
ALL_NEW = RoutePlan([Backend(NEW, WHOLE)])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _listens(address: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(*address.split(":"))
    except OSError:
        return False
    writer.close()
    return True


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def controller(sandbox: Sandbox) -> AsyncIterator[str]:
    """A controller of the IngressClass ``nginx``; its address."""
    await sandbox.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "nginx"},
            "spec": {"controller": "k8s.io/ingress-nginx"},
        }
    )
    address = f"127.0.0.1:{_free_port()}"
    process = await asyncio.create_subprocess_exec(
        str(find_traefik()),
        f"--entrypoints.web.address={address}",
        "--providers.kubernetesingressnginx=true",
        f"--providers.kubernetesingressnginx.endpoint={sandbox.api_url}",
        "--providers.kubernetesingressnginx.httpentrypoint=web",
        "--providers.providersthrottleduration=50ms",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await eventually(lambda: _listens(address))
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
def there(place: Place, controller: str) -> Place:
    place.gateway_url = controller
    return place


async def test_the_canary_takes_its_weight_is_promoted_and_is_hauled_back(there: Place) -> None:
    await there.model(OLD)
    await there.model(NEW)
    route = await there.route({"ingressNginx": {"hostnames": [there.host], "path": "/score"}})
    assert (await route.lead(SPLIT)).observed == {OLD: 7500, NEW: 2500}
    await there.until({OLD: 9, NEW: 3}, "/score")
    assert await there.answers(1, "/scores") == {"404": 1}
    assert await route.write(SPLIT) == 0
    await route.lead(ALL_OLD)
    await there.until({OLD: 8}, "/score")
    await route.lead(SPLIT)
    await there.until({OLD: 3, NEW: 1}, "/score")
    await route.lead(ALL_NEW)
    await there.until({NEW: 8}, "/score")


@pytest.mark.parametrize("values", [["b.1"], ["b.1", "c"]])
async def test_a_header_leads_to_the_canary_and_others_do_not(there: Place, values: list[str]) -> None:
    await there.model(OLD)
    await there.model(NEW)
    route = await there.route({"ingressNginx": {"hostnames": [there.host]}})
    matches = [RequestMatch(header=HeaderMatch(name="X-Group", value=value)) for value in values]
    await route.lead(replace(ALL_OLD, matches=matches, matched=NEW))
    for value in values:
        await there.until({NEW: 3}, **{"X-Group": value})
    for value in ("b", "bx1", "b.12", "always"):
        assert await there.answers(2, **{"X-Group": value}) == {OLD: 2}, value
    assert await there.answers(3) == {OLD: 3}


async def test_a_preview_host_leads_to_the_candidate_and_nowhere_else(there: Place) -> None:
    await there.model(OLD)
    await there.model(NEW)
    host = f"next.{there.host}"
    route = await there.route({"ingressNginx": {"hostnames": [there.host]}})
    await route.lead(replace(ALL_OLD, preview=Preview(hostname=host), previewed=NEW))
    await there.until({NEW: 3}, "/", host)
    await there.until({OLD: 3})
    await route.lead(ALL_NEW)
    await there.until({"404": 1}, "/", host)
    await there.until({NEW: 3})
