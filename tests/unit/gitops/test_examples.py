"""What is in `gitops/` for users to take: every document of every file is what its reader lets in."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from cel_expr_python import cel
from unit.gitops.recorded import STORIES, record
from unit.gitops.schemas import OF_FILES, SCHEMAS
from unit.gitops.test_kstatus import EXPECTED

from slipway.cli.lint import problems as lint
from slipway.cli.manifests import read
from slipway.cluster import Object

ROOT = Path(__file__).parents[3]
GITOPS = ROOT / "gitops"
FILES = sorted(GITOPS.rglob("*.yaml"))
OWN = "slipway.dev/"


def documents(path: Path) -> list[Any]:
    return [document for document in yaml.load_all(path.read_text(), yaml.CSafeLoader) if document]


def one(path: str, kind: str, name: str) -> Object:
    found = [
        document
        for document in documents(GITOPS / path)
        if (document["kind"], document["metadata"]["name"]) == (kind, name)
    ]
    assert len(found) == 1
    return dict(found[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(GITOPS)))
def test_every_document_is_what_its_reader_lets_in(path: Path) -> None:
    for document in documents(path):
        if path.name in OF_FILES:
            jsonschema.validate(document, OF_FILES[path.name])
            continue
        known = f"{document['apiVersion']} {document['kind']}"
        if document["apiVersion"].startswith(OWN):
            continue  # linted below, or recorded from the operator
        if known in SCHEMAS:
            jsonschema.validate(document, SCHEMAS[known])
        else:
            kubernetes_validate.validate(document, "1.37", strict=True)


def test_the_models_are_what_lint_lets_pass() -> None:
    path = GITOPS / "models" / "fraud.yaml"
    assert [str(problem) for manifest in read(str(path)) for problem in lint(manifest)] == []


def test_kustomize_is_told_of_every_file_beside_it() -> None:
    for path in GITOPS.rglob("kustomization.yaml"):
        if path.parent.name == "flux":
            continue
        beside = {found.name for found in path.parent.glob("*.yaml")} - {path.name}
        named = set(documents(path)[0]["resources"])
        assert {name for name in named if not name.startswith("..")} == beside


def test_both_install_the_release_of_this_checkout() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "charts" / "slipway" / "Chart.yaml").read_text())["version"]
    assert one("argocd/applications.yaml", "Application", "slipway")["spec"]["source"]["targetRevision"] == chart
    assert one("flux/operator.yaml", "GitRepository", "slipway")["spec"]["ref"]["tag"] == f"v{version}"
    path = one("flux/operator.yaml", "Kustomization", "slipway")["spec"]["path"]
    assert (ROOT / path / "kustomization.yaml").is_file()


def test_the_operator_comes_before_the_models() -> None:
    found = {name: one("argocd/applications.yaml", "Application", name) for name in ("slipway", "models")}
    key = "argocd.argoproj.io/sync-wave"
    waves = {name: int(obj["metadata"]["annotations"][key]) for name, obj in found.items()}
    assert waves["slipway"] < waves["models"]
    models = one("flux/kustomization.yaml", "Kustomization", "models")["spec"]
    assert models["dependsOn"] == [{"name": one("flux/operator.yaml", "Kustomization", "slipway")["metadata"]["name"]}]


def test_a_sync_of_models_has_one_wave_so_that_no_commit_waits_for_a_rollout() -> None:
    """Argo CD waits for health within a sync that has several waves or hooks, and begins no other one meanwhile."""
    for path in (GITOPS / "models").glob("*.yaml"):
        for document in documents(path):
            annotations = document.get("metadata", {}).get("annotations") or {}
            assert not [key for key in annotations if key.startswith("argocd.argoproj.io/")]


@pytest.mark.parametrize("name", STORIES)
def test_the_expressions_for_flux_say_what_kstatus_says(name: str) -> None:
    obj = record(name)
    (expressions,) = one("flux/kustomization.yaml", "Kustomization", "models")["spec"]["healthCheckExprs"]
    assert flux_status(expressions, obj) == EXPECTED[name]


def flux_status(expressions: Object, obj: Object) -> str:
    """How Flux evaluates them: not before the generation was observed; in progress, failed, current, in this order."""
    status = obj.get("status") or {}
    if status.get("observedGeneration") != obj["metadata"]["generation"]:
        return "InProgress"
    environment = cel.NewEnv(variables=dict.fromkeys(("metadata", "spec", "status"), cel.Type.DYN))
    for field, said in (("inProgress", "InProgress"), ("failed", "Failed"), ("current", "Current")):
        if field not in expressions:
            continue
        found = environment.compile(expressions[field]).eval(
            data={"metadata": obj["metadata"], "spec": obj["spec"], "status": status}
        )
        assert found.type().name() == "BOOL", found.value()
        if found.plain_value():
            return said
    return "InProgress"
