"""A real Prometheus for tests, and its tool."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "slipway" / "prometheus"


def binary(name: str) -> Path:
    """`prometheus` or `promtool` as it is installed, or unpacked from the distribution's package into a cache.

    Skips the test where neither can be had.
    """
    found = shutil.which(name)
    unpacked = CACHE / "usr" / "bin" / name
    if found or unpacked.exists():
        return Path(found or unpacked)
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("no prometheus is installed, and this is no Debian to take its package from")
    CACHE.mkdir(parents=True, exist_ok=True)
    for package in (name, "prometheus"):  # the tool has a package of its own in newer releases of Debian
        try:
            subprocess.run(["apt-get", "download", package], cwd=CACHE, check=True, capture_output=True, timeout=90)
            archive = max(CACHE.glob(f"{package}_*.deb"))
            subprocess.run(["dpkg-deb", "-x", archive, CACHE], check=True, capture_output=True, timeout=60)
            archive.unlink()
        except (subprocess.SubprocessError, ValueError):
            continue
        if unpacked.exists():
            return unpacked
    pytest.skip(f"no {name} is installed, and its package cannot be had")
