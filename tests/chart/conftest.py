"""Helm for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from chart.kit import Chart
from sandbox.clients.helmfetch import UnavailableError


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
