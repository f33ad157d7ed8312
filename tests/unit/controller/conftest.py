"""The world as a fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from unit.controller.world import World, a_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as found:
        yield found
