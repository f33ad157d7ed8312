"""The chart as a function from values to objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from sandbox.clients.helmfetch import helm_binary

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "charts" / "slipway"
PROFILES: Final = sorted((CHART / "ci").glob("*-values.yaml"))
VERSIONS: Final = [f"1.{minor}" for minor in range(29, 38)]

Manifest = dict[str, Any]
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Refused(Exception):
    """Helm said no; the message is what it said."""


class Chart:
    """The chart, rendered by one Helm as a release called `rel` in the namespace `ops`."""

    def __init__(self, helm: str, home: Path) -> None:
        self.binary = helm_binary(helm)
        self._home = home
        self._known: dict[tuple[str, str], list[Manifest]] = {}

    def run(self, *words: str, stdin: str = "", **variables: str) -> str:
        """Run Helm; what it printed. Raises Refused."""
        environment = {"HOME": str(self._home), "PATH": "/usr/bin:/bin", **variables}
        command = [str(self.binary), *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=180, env=environment)
        if done.returncode != 0:
            raise Refused(done.stderr)
        return done.stdout

    def text(self, values: Mapping[str, Any] | Path | None = None, *, version: str = "1.37") -> str:
        """The rendered manifests as `helm template` prints them."""
        given = values.read_text() if isinstance(values, Path) else json.dumps(values or {})
        where = ["--namespace=ops", f"--kube-version={version}.0", "--values=-"]
        return self.run("template", "rel", str(CHART), *where, stdin=given)

    def objects(self, values: Mapping[str, Any] | Path | None = None, *, version: str = "1.37") -> list[Manifest]:
        """The rendered objects; they are kept, so do not change them."""
        key = (str(values) if isinstance(values, Path) else json.dumps(values), version)
        if key not in self._known:
            documents = yaml.load_all(self.text(values, version=version), Loader=_LOADER)
            self._known[key] = [document for document in documents if document]
        return self._known[key]


def of_kind(objects: list[Manifest], *kinds: str) -> list[Manifest]:
    """The objects of these kinds."""
    return [obj for obj in objects if obj["kind"] in kinds]


def switches(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The paths of all booleans, with their defaults."""
    for key, value in values.items():
        if isinstance(value, bool):
            yield (*path, key), value
        elif isinstance(value, Mapping):
            yield from switches(value, (*path, key))


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """`a.b.c` with a value as nested mappings."""
    for key in reversed(path):
        value = {key: value}
    found: dict[str, Any] = value
    return found


def granted(objects: list[Manifest], account: str) -> set[tuple[str, str, str, str]]:
    """What roles give a service account: (namespace or `*`, group, resource, verb)."""
    roles = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in of_kind(objects, "Role", "ClusterRole")}  # fmt: skip  # noqa: E501
    found = set()
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        if account not in {subject["name"] for subject in binding["subjects"]}:
            continue
        where, ref = binding["metadata"].get("namespace"), binding["roleRef"]
        role = roles[ref["kind"], where if ref["kind"] == "Role" else None, ref["name"]]
        for rule in role["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    found |= {(where or "*", group, resource, verb) for verb in rule["verbs"]}
    return found
