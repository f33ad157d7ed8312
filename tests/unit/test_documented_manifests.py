"""What pages show as YAML is what `lint` takes: whole manifests, and the parts of one that a page is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from slipway.api import ModelDeploymentSpec, Strategy, Traffic
from slipway.cli.lint import problems
from slipway.cli.manifests import Manifest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK: Final = re.compile(r"^(?P<indent> *)```ya?ml\n(?P<text>.*?)^ *```", re.MULTILINE | re.DOTALL)
SPEC: Final = frozenset(info.alias or name for name, info in ModelDeploymentSpec.model_fields.items())

Object = dict[str, Any]

BASE: Final[Object] = {
    "replicas": 2,
    "release": {"model": {"name": "fraud", "version": "v2"}, "container": {"image": "registry.example/fraud:1"}},
    "strategy": {"canary": {"steps": [{"weight": 10}]}},
    "traffic": {"gateway": {"parentRefs": [{"name": "public"}]}},
}
"""What a part of a specification is shown in."""


def documents(page: Path) -> Iterator[tuple[int, Any]]:
    """Every document of every YAML block of a page, with its line."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        for document in yaml.safe_load_all(block["text"]):
            yield line, document


def manifest(document: Any) -> Object | None:
    """The ModelDeployment that a document is, or is a part of; None for anything else."""
    if isinstance(document, list):
        metrics = document if all(isinstance(item, dict) and "name" in item for item in document) else []
        document = {"analysis": {"metrics": metrics}} if metrics else {}
    if not isinstance(document, dict):
        return None
    if document.get("kind") == "ModelDeployment":
        return document
    part = document.get("spec", document) if "kind" not in document else {}
    if not part or not isinstance(part, dict) or not part.keys() <= SPEC:
        return None
    spec = {**BASE, **{name: whole(name, value) for name, value in part.items()}}
    if "autoscaling" in spec:
        del spec["replicas"]
    head = {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "fraud"}}
    return {**head, "spec": spec}


def whole(name: str, value: Any) -> Any:
    """A part of the release is shown within one."""
    if name != "release":
        return value
    container = {**BASE["release"]["container"], **value.get("container", {})}
    return {**BASE["release"], **value, "container": container}


FOUND: Final = [
    pytest.param(page, line, found, id=f"{page.relative_to(ROOT).as_posix()}:{line}")
    for page in PAGES
    for line, document in documents(page)
    if (found := manifest(document)) is not None
]


@pytest.mark.parametrize(("page", "line", "document"), FOUND)
def test_lint_takes_what_a_page_shows(page: Path, line: int, document: Object) -> None:
    assert list(problems(Manifest(source=str(page), document=document, line=line))) == []


def test_whole_manifests_and_parts_are_found() -> None:
    shown = [param.values[2]["metadata"] for param in FOUND]
    assert len(shown) > 25
    assert len([metadata for metadata in shown if "namespace" in metadata]) > 0


def test_there_is_a_how_to_for_every_strategy() -> None:
    """Each with a whole manifest of it, so that none can be shown that does not exist."""
    how_to = [param.values[2]["spec"] for param in FOUND if "how-to" in str(param.values[0])]
    assert {name for spec in how_to for name in spec["strategy"]} == {
        info.alias or name for name, info in Strategy.model_fields.items()
    }
    assert all(
        set(spec["traffic"]) <= {info.alias or name for name, info in Traffic.model_fields.items()} for spec in how_to
    )


def test_a_wrong_manifest_on_a_page_would_be_seen() -> None:
    wrong = manifest(
        {"analysis": {"metrics": [{"name": "errors", "gateway": {}, "threshold": {"max": 0.1, "min": 0.2}}]}}
    )
    assert wrong is not None
    assert problems(Manifest(source="page", document=wrong, line=1)) != []
