"""One sandbox for all tests of this folder, and a namespace of its own for each of them."""

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sandbox.runtime.kit import BACKOFF_SECONDS, Space

from slipway_sandbox import Sandbox
from slipway_sandbox.client import NAMESPACES

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    state = tmp_path_factory.mktemp("sandbox")
    async with Sandbox(state_dir=state, backoff_seconds=BACKOFF_SECONDS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def space(sandbox: Sandbox) -> AsyncIterator[Space]:
    name = f"t{next(_numbers)}"
    await sandbox.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield Space(sandbox, name)
    await sandbox.client.delete(NAMESPACES, None, name)
