"""One sandbox with one operator for each module of this folder, and a shop of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sandbox.rollout.kit import Open, Shop, complaints, open_shop, processes_of

from demo.stage import Stage, stage

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The sandbox and the operator. Nothing of them may be left when the module is done."""
    state = tmp_path_factory.mktemp("platform")
    async with stage(state_dir=state) as running:
        yield running
    assert processes_of(state) == []


@pytest.fixture
def whispers() -> list[str]:
    """Parts of warnings that a test brings about on purpose; all others fail it."""
    return []


@pytest_asyncio.fixture(loop_scope="module")
async def open_shops(platform: Stage, tmp_path: Path, whispers: list[str]) -> AsyncIterator[Open]:
    """Opens shops: each is a namespace with the golden set, and clients that send requests once told to.

    When the test is done, what the operator logged meanwhile is read: a defect, a traceback or a warning that nobody
    brought about fails the test.
    """
    shops: list[Shop] = []
    begin = platform.operator.log.stat().st_size

    async def new() -> Shop:
        shop = await open_shop(platform, f"shop{next(_numbers)}", tmp_path)
        shops.append(shop)
        return shop

    yield new
    for shop in shops:
        await shop.close()
    assert complaints(platform.operator.log, since=begin, expected=whispers) == []


@pytest_asyncio.fixture(loop_scope="module")
async def shop(open_shops: Open) -> Shop:
    """A shop in which v1 is stable and takes live requests."""
    opened = await open_shops()
    await opened.serve_first_release()
    return opened
