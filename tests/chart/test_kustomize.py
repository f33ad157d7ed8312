"""The Kustomize base and its overlays: what kubectl builds is what Helm renders, and an API server takes it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart import kustomize
from chart.kit import ROOT, VERSIONS, Chart, Manifest
from chart.test_rendering import problems
from sandbox.apiserver.conftest import Client
from sandbox.clients.terminal import KUBECTL

GITOPS = ROOT / "gitops"
DIGEST = f"sha256:{'0' * 64}"

OVERLAYS: dict[str, Manifest] = {
    "base": {},
    "overlays/pinned": {"image": {"digest": DIGEST}},
    "overlays/namespaced": {"scope": {"namespaces": [kustomize.TEAM]}},
}
"""The values that say the same."""


async def kubectl(home: Path, *words: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    process = await asyncio.create_subprocess_exec(
        str(KUBECTL), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment
    )
    out, error = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, error.decode()
    return out.decode()


async def built(home: Path, name: str) -> dict[tuple[str, ...], Manifest]:
    return by_name(yaml.load_all(await kubectl(home, "kustomize", str(GITOPS / "kustomize" / name)), yaml.CSafeLoader))


def by_name(objects: Any) -> dict[tuple[str, ...], Manifest]:
    """Objects by their kind, namespace and name, which no two share."""
    found = [obj for obj in objects if obj]
    names = [(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in found]
    assert len(set(names)) == len(names)
    return dict(zip(names, found, strict=True))


def test_the_rendered_files_are_what_helm_says_now(chart: Chart) -> None:
    for path, text in kustomize.files(chart).items():
        assert (GITOPS / path).read_text() == text, f"{path}: run make generate"


@pytest.mark.parametrize("name", OVERLAYS)
async def test_kubectl_builds_what_helm_renders_and_the_namespace(chart: Chart, tmp_path: Path, name: str) -> None:
    objects = await built(tmp_path, name)
    namespace = objects.pop(("Namespace", "", kustomize.NAMESPACE))
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert objects == by_name(yaml.load_all(kustomize.rendered(chart, OVERLAYS[name]), yaml.CSafeLoader))
    assert problems([namespace, *objects.values()], VERSIONS[-1]) == []


def relative(path: Path, start: Path) -> str:
    return os.path.relpath(path, start)


async def test_the_base_can_be_put_into_another_namespace(tmp_path: Path) -> None:
    base = relative(GITOPS / "kustomize" / "base", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"namespace": "other", "resources": [base]}))
    objects = by_name(yaml.load_all(await kubectl(tmp_path, "kustomize", str(tmp_path)), yaml.CSafeLoader))
    assert {namespace for _, namespace, _ in objects} == {"", "other"}
    bindings = [obj for (kind, *_), obj in objects.items() if kind in {"RoleBinding", "ClusterRoleBinding"}]
    assert {subject["namespace"] for obj in bindings for subject in obj["subjects"]} == {"other"}
    [container] = objects["Deployment", "other", "slipway"]["spec"]["template"]["spec"]["containers"]
    assert [word for word in container["args"] if kustomize.NAMESPACE in word] == []


@pytest.mark.parametrize("way", [("--server-side",), ()], ids=["server-side", "client-side"])
async def test_one_command_installs_it_and_the_next_changes_nothing(
    admin: Client, tmp_path: Path, way: tuple[str, ...]
) -> None:
    there = [f"--server={admin.url}", *way, "--kustomize", str(GITOPS / "kustomize" / "base")]
    told = await kubectl(tmp_path, "apply", *there)
    assert len(told.splitlines()) == len(await built(tmp_path, "base"))
    found = await versions(admin)
    assert len(found) == 2
    await kubectl(tmp_path, "apply", *there)
    assert await versions(admin) == found


async def versions(admin: Client) -> list[str]:
    """resourceVersions of what shall not be written twice."""
    paths = (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/modeldeployments.slipway.dev",
        f"/apis/apps/v1/namespaces/{kustomize.NAMESPACE}/deployments/slipway",
    )
    return [(await admin.get(path)).body["metadata"]["resourceVersion"] for path in paths]
