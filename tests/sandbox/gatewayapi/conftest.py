"""One server for all tests of this folder: they only ask it, or use names of their own."""

from collections.abc import AsyncIterator

import pytest_asyncio
from sandbox.gatewayapi.kit import Api, serving

from slipway_sandbox.gatewayapi import crds


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api() -> AsyncIterator[Api]:
    async with serving(crds()) as found:
        yield found
