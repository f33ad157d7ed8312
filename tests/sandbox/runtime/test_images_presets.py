"""The presets: which image names they stand for, at which versions, and with which Python.

Nothing is installed here; `test_images_servers.py` serves models with them.
"""

import re
import sys
from pathlib import Path

import pytest

from slipway_sandbox import ImageEntry, ImageTable
from slipway_sandbox.images import BuildError, Cache, EnvironmentStore, Plan

REQUIREMENTS = Path(sys.modules[ImageTable.__module__].__file__ or "").parent / "requirements"
PIN = re.compile(r"[a-z0-9-]+==[\w.]+( ; .+)?")


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("seldonio/mlserver:1.7.1-sklearn", "mlserver-sklearn"),
        ("docker.io/seldonio/mlserver:1.7.1-xgboost", "mlserver-xgboost"),
        ("mirror.example:5000/hub/seldonio/mlserver:1.6.0-lightgbm", "mlserver-lightgbm"),
        ("seldonio/mlserver:1.7.1-mlflow@sha256:0009", "mlserver-mlflow"),
        ("seldonio/mlserver:1.7.1", "mlserver"),
        ("seldonio/mlserver", "mlserver"),
        ("kserve/sklearnserver:v0.15.2", "kserve-sklearnserver"),
        ("kserve/sklearnserver", "kserve-sklearnserver"),
        ("ghcr.io/mlflow/mlflow:v3.17.2-full", "mlflow"),
        ("motoserver/moto:5.2.5", "moto"),
    ],
)
def test_public_names_of_model_servers_need_no_mapping(image: str, wanted: str) -> None:
    entry = ImageTable.builtin().resolve(image)
    assert entry is not None
    lines = (REQUIREMENTS / f"{wanted}.txt").read_text().splitlines()
    assert entry.requirements == ("--no-deps", *lines)
    assert entry.version is not None


@pytest.mark.parametrize(
    "image",
    [
        "seldonio/mlserver:1.7.1-huggingface",
        "seldonio/mlserver:1.7.1-slim",
        "other/mlserver:1.7.1",
        "xkserve/sklearnserver",
    ],
)
def test_an_image_that_no_preset_can_stand_for_is_left_unknown(image: str) -> None:
    assert ImageTable.builtin().resolve(image) is None


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("seldonio/mlserver:1.7.1-sklearn", ""),
        ("seldonio/mlserver:1.7-sklearn", ""),
        ("seldonio/mlserver:v1.7.1", ""),
        ("seldonio/mlserver:latest", ""),
        ("registry.example:5000/seldonio/mlserver", ""),
        ("seldonio/mlserver:1.7.10", "it stands for version 1.7.1 here, not for the 1.7.10 of its tag"),
        ("seldonio/mlserver:v0.15", "it stands for version 1.7.1 here, not for the 0.15 of its tag"),
        ("seldonio/mlserver@sha256:0001", "its digest is not checked"),
    ],
)
def test_an_image_that_is_not_what_its_name_asks_for_says_so(image: str, told: str) -> None:
    assert ImageEntry(version="1.7.1").difference(image) == told
    assert ImageEntry().difference(image.partition("@")[0]) == ""


def test_every_package_of_a_preset_is_pinned_and_the_wanted_ones_are_among_them() -> None:
    wanted = sorted(REQUIREMENTS.glob("*.in"), key=lambda path: path.stem)
    assert [path.stem for path in wanted] == sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))
    for path in wanted:
        lines = path.with_suffix(".txt").read_text().splitlines()
        assert [line for line in lines if not PIN.fullmatch(line)] == []
        names = {line.partition("==")[0] for line in lines}
        for line in path.read_text().splitlines():
            assert line in lines or line in names, f"{path.name}: {line} is not what {path.stem}.txt was resolved from"


def fake_python(folder: Path, name: str, answer: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{answer}\n")
    (folder / name).chmod(0o755)


def test_another_python_is_used_for_packages_that_are_not_made_for_the_sandboxs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert Plan("a", (), pythons=("2.7", own)).interpreter.path == sys.executable
    fake_python(tmp_path / "shims", "python2.7", "echo 'command not found' >&2; exit 127")
    fake_python(tmp_path / "old", "python2.6", """echo '["2.6.9", "/opt/old"]'""")
    monkeypatch.setenv("PATH", f"{tmp_path}/shims:{tmp_path}/old:/usr/bin:/bin")
    plan = Plan("a", (), pythons=("2.7", "2.6"))
    assert plan.interpreter.path == str(tmp_path / "old" / "python2.6")
    assert plan.key.startswith("py2.6.9-")


async def test_a_python_that_is_not_there_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    plan = Plan("a", ("anything",), pythons=("2.5", "2.4"))
    cache = Cache(tmp_path)
    assert cache.find(plan) is None
    with pytest.raises(
        BuildError, match=r"made for Python 2\.5 or 2\.4.*no python2\.5 or python2\.4 on its PATH: inst"
    ):
        await EnvironmentStore(cache).get(plan)
