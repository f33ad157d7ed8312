"""Writes what Argo CD's tests read, and the Kustomize base: `python tests/unit/gitops/record.py gitops`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import yaml
from chart import kustomize
from chart.kit import Chart
from sandbox.clients.helmfetch import UnavailableError
from unit.gitops.lua import action, actions, health
from unit.gitops.recorded import STORIES, record

from slipway.cluster import Object

FOLDER = Path("argocd/slipway.dev/ModelDeployment")
ACTED_ON = "awaiting-approval"
"""The one whose actions are tested in Argo's layout."""

Files = dict[Path, str]


def files() -> Files:
    """Every generated file by its path under the folder of GitOps."""
    recorded = {name: record(name) for name in STORIES}
    out = {FOLDER / "testdata" / f"{name}.yaml": _yaml(obj) for name, obj in recorded.items()}
    out[FOLDER / "health_test.yaml"] = _yaml(
        {"tests": [{"healthStatus": health(obj), "inputPath": _input(name)} for name, obj in recorded.items()]}
    )
    obj = recorded[ACTED_ON]
    acted: Files = {}
    tests = []
    for name in sorted(actions(obj)):
        path = f"testdata/{ACTED_ON}-{name}.yaml"
        acted[FOLDER / path] = _yaml(action(name, obj))
        tests.append({"action": name, "inputPath": _input(ACTED_ON), "expectedOutputPath": path})
    discovered = [
        {"inputPath": _input(name), "result": [{"name": key} | found for key, found in sorted(actions(obj).items())]}
        for name, obj in recorded.items()
    ]
    out |= acted
    out[FOLDER / "action_test.yaml"] = _yaml({"discoveryTests": discovered, "actionTests": tests})
    out[Path("argocd/argocd-cm.yaml")] = _yaml(config_map())
    return out


def config_map() -> Object:
    """What an administrator of Argo CD adds to its settings."""
    root = Path(__file__).parents[3] / "gitops" / FOLDER
    named = sorted(path.parent.name for path in root.glob("actions/*/action.lua"))
    definitions = [{"name": name, "action.lua": (root / f"actions/{name}/action.lua").read_text()} for name in named]
    discovery = (root / "actions/discovery.lua").read_text()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {
            "resource.customizations.health.slipway.dev_ModelDeployment": (root / "health.lua").read_text(),
            "resource.customizations.actions.slipway.dev_ModelDeployment": _yaml(
                {"discovery.lua": discovery, "definitions": definitions}
            ),
        },
    }


def _input(name: str) -> str:
    return f"testdata/{name}.yaml"


class _Blocks(yaml.SafeDumper):
    """Texts of several lines as blocks."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _text)


def _yaml(obj: object) -> str:
    return yaml.dump(obj, Dumper=_Blocks, sort_keys=False, width=120, allow_unicode=True)


def main(folder: Path) -> None:
    """Write them. What Helm renders stays as it is where there is no Helm, which is said."""
    found = files()
    with tempfile.TemporaryDirectory() as home:
        try:
            found |= kustomize.files(Chart("helm4", Path(home)))
        except UnavailableError as why:
            print(f"{folder}/kustomize is not written anew: {why}", file=sys.stderr)
    for path, text in found.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
