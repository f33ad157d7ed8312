"""Helm and an API server, as the tests of the chart have them, and the code of the version before."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from chart.conftest import admin, chart
from upgrade.frozen import FORMER, ROOT

__all__ = ["admin", "chart", "former"]


@pytest.fixture(scope="session")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chart and operator of that version, out of the history of this repository."""
    folder = tmp_path_factory.mktemp(FORMER.version)
    packed = folder / "former.tar"
    command = ["git", "archive", f"--output={packed}", FORMER.about["commit"], "operator", "charts"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the code of {FORMER.version} is not in this checkout's history: {done.stderr.strip()}")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder
