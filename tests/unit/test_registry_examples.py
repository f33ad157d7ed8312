"""The manifests in `examples/registries` are right by the schema and the rules of the CRD, and wrong ones are not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from slipway.api import ModelDeployment
from slipway.cli.lint import problems
from slipway.cli.manifests import read

FOLDER: Final = Path(__file__).parents[2] / "examples" / "registries"
FILES: Final = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_lint_finds_nothing_in_an_example(path: Path) -> None:
    (manifest,) = read(str(path))
    assert [str(problem) for problem in problems(manifest)] == []
    assert ModelDeployment.model_validate({"spec": manifest.document["spec"]}).spec.release.from_ is not None


def test_both_policies_have_an_example() -> None:
    assert [path.name for path in FILES] == ["automatic.yaml", "suggest.yaml"]


def two_sources(release: dict[str, Any]) -> None:
    release["from"]["s3"] = {"prefix": "s3://models/fraud"}


def a_version_beside_automatic(release: dict[str, Any]) -> None:
    release["model"]["version"] = "7"


def no_version_beside_suggest(release: dict[str, Any]) -> None:
    release["from"]["policy"] = "Suggest"


def the_alias_that_is_followed(release: dict[str, Any]) -> None:
    release["from"]["writeBack"]["alias"] = "production"


def nothing_to_write(release: dict[str, Any]) -> None:
    release["from"]["writeBack"] = {}


def writing_elsewhere(release: dict[str, Any]) -> None:
    release["from"]["s3"] = {"prefix": "s3://models/fraud"}
    del release["from"]["mlflow"]


def too_often(release: dict[str, Any]) -> None:
    release["from"]["interval"] = "29s"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (two_sources, "name exactly one of mlflow, huggingFace, oci and s3"),
        (a_version_beside_automatic, "leave them out, or set from.policy to Suggest"),
        (no_version_beside_suggest, "model.version is required"),
        (the_alias_that_is_followed, "name another one, such as champion"),
        (nothing_to_write, "name alias, tag or both"),
        (writing_elsewhere, "writeBack is for mlflow"),
        (too_often, "between 30s and 24h"),
    ],
)
def test_lint_says_what_is_wrong_and_what_to_do(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    document = copy.deepcopy(yaml.safe_load((FOLDER / "automatic.yaml").read_text()))
    change(document["spec"]["release"])
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump(document))
    (manifest,) = read(str(path))
    found = [problem for problem in problems(manifest) if problem.path[:2] == ("spec", "release")]
    assert [problem for problem in found if said in problem.message], found
