"""A sandbox in which Helm installs the chart: the operator runs in pods, as its service account."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml
from chart.kit import CHART, ROOT, Chart, Manifest
from sandbox.clients.kit import Tool, eventually
from sandbox.clients.terminal import KUBECTL
from sandbox.rollout.kit import a_config_map, a_release, accuracy, golden_text, merge

from demo.stage import images
from slipway_sandbox import ImageEntry, ImageTable

IMAGE: Final = "ghcr.io/slipway-dev/slipway:*"
FOLDER: Final = "/etc/sandbox"
NAMESPACE: Final = "{{ .Release.Namespace }}"
HERE: Final = {"metadata": {"namespace": NAMESPACE}}

Right = tuple[str, str, str, str]
"""Where (a namespace, or `*`), API group, resource and verb."""


def all_images() -> ImageTable:
    """The models of the example, and the operator as it is in this checkout."""
    table = images()
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'operator')!r}); from slipway.cli import main; main()"
    table.add(IMAGE, ImageEntry(command=(sys.executable, "-c", program)))
    return table


def at_home(server: str, **values: Any) -> Manifest:
    """Values with which the operator finds the sandbox: pods are processes of one machine there, so the account's token
    lies elsewhere, and each listens on its own address."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "contexts": [{"name": "pod", "context": {"cluster": "sandbox", "user": "account", "namespace": NAMESPACE}}],
        "clusters": [{"name": "sandbox", "cluster": {"server": server}}],
        "users": [{"name": "account", "user": {"tokenFile": "token"}}],
    }
    sources = [{"configMap": {"name": "kubeconfig"}}, {"serviceAccountToken": {"path": "token"}}]
    home = {
        "extraArgs": ["--health-address=0.0.0.0:8081"],
        "extraEnv": [{"name": "KUBECONFIG", "value": f"{FOLDER}/config"}],
        "extraVolumes": [{"name": "sandbox", "projected": {"sources": sources}}],
        "extraVolumeMounts": [{"name": "sandbox", "mountPath": FOLDER}],
        "extraObjects": [merge(a_config_map("kubeconfig", {"config": yaml.safe_dump(config)}), HERE)],
        "startupProbe": {"periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {"periodSeconds": 1},
    }
    merged: Manifest = merge(home, values)
    return merged


@dataclass
class Installed:
    """A release of the chart in a sandbox, with a kubectl of the administrator."""

    chart: Chart
    kubectl: Tool
    release: str
    folder: Path

    @property
    def user(self) -> str:
        """The service account as the API server knows it."""
        return f"system:serviceaccount:{self.kubectl.namespace}:{self.release}"

    def helm(self, *words: str, values: Manifest | None = None) -> str:
        """Helm with the administrator's rights, in the namespace of the release."""
        path = self.folder / "values.yaml"
        path.write_text(yaml.safe_dump(values or {}))
        where = [f"--namespace={self.kubectl.namespace}", f"--kubeconfig={self.kubectl.kubeconfig}"]
        given = [f"--values={path}"] if values is not None else []
        return self.chart.run(*words, *where, *given)

    def install(self, values: Manifest) -> str:
        """Install it and wait until every replica is ready; what Helm said."""
        return self.helm("upgrade", "--install", self.release, str(CHART), "--wait", "--timeout=120s", values=values)

    def drift(self, values: Manifest) -> str:
        """What an apply of the rendered manifests would change."""
        rendered = self.helm("template", self.release, str(CHART), values=values)
        # Objects are in several namespaces, so none may be named on the command line.
        command = [self.kubectl.binary, "diff", "--server-side", "--force-conflicts", "--filename=-"]
        environment = self.kubectl.environment()
        done = subprocess.run(command, input=rendered, capture_output=True, text=True, env=environment)
        return done.stdout + done.stderr

    def apply(self, namespace: str, *manifests: Manifest) -> None:
        """What a user does."""
        self.within(namespace)("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def within(self, namespace: str) -> Tool:
        """The administrator's kubectl in another namespace."""
        return replace(self.kubectl, namespace=namespace)

    def until(self, what: str, condition: Callable[[], Any], *, seconds: float = 20) -> None:
        """Wait until something is so; a deadline that passes shows what the operator logged."""
        try:
            eventually(condition, seconds)
        except AssertionError as late:
            log = self.kubectl("logs", f"--selector=app.kubernetes.io/instance={self.release}", "--tail=40")
            raise AssertionError(f"{what}: {late}\n{log}") from late


def requests_of(user: str, rows: list[Manifest]) -> tuple[set[Right], set[Right]]:
    """What a user asked of the API, as the sandbox counted it: what was allowed, and what was refused."""
    mine = [row for row in rows if row["user"] == user]
    found: dict[bool, set[Right]] = {True: set(), False: set()}
    for row in mine:
        found[row["allowed"]].add((row["namespace"] or "*", row["group"], row["resource"], row["verb"]))
    return found[True], found[False]


def a_quick_release(version: str, **spec: Any) -> Manifest:
    """A release that needs no requests of users to be judged: its golden set is enough."""
    quick = {"analysis": {"metrics": [accuracy()]}, "rollback": {"revisionHistoryLimit": 0, "watch": "0s"}}
    return a_release(version, steps=((100, "0s"),), **{**quick, **spec})


def golden_set() -> Manifest:
    """What the releases are judged on."""
    return a_config_map("golden", {"golden.jsonl": golden_text()})


__all__ = ["KUBECTL", "Installed", "a_quick_release", "all_images", "at_home", "golden_set", "requests_of"]
