"""Helm, and an API server, for all tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from chart.kit import Chart
from sandbox.apiserver.conftest import Client
from sandbox.clients.helmfetch import UnavailableError

from slipway_sandbox.apiserver import ApiServer


@pytest.fixture(scope="session", params=["helm3", "helm4"])
def any_helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """The chart in the hands of each Helm."""
    return _chart(request.param, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """The chart in the hands of the newest Helm."""
    return _chart("helm4", tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def chart_of_helm_3(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """The chart in the hands of the Helm before."""
    return _chart("helm3", tmp_path_factory.mktemp("home"))


def _chart(helm: str, home: Path) -> Chart:
    try:
        return Chart(helm, home)
    except UnavailableError as why:
        pytest.skip(str(why))


@pytest.fixture
async def admin() -> AsyncIterator[Client]:
    """An API server of its own for each test, in the hands of its administrator."""
    server = ApiServer()
    await server.start()
    async with aiohttp.ClientSession() as session:
        yield Client(server.url, session)
    await server.stop()
