"""No credentials and proxies of whoever runs the tests, small parts, and no waiting between attempts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from unit.delivery.servers import CHUNK


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if (
            name.startswith(("AWS_", "GOOGLE_", "AZURE_", "HF_", "MLFLOW_", "DOCKER_", "SLIPWAY_"))
            or "PROXY" in name.upper()
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("slipway.delivery.transfer.FIRST_WAIT", 0.01)
    monkeypatch.setattr("slipway.delivery.transfer.LONGEST_WAIT", 0.02)
    monkeypatch.setattr("slipway.delivery.transfer.CHUNK", CHUNK)
