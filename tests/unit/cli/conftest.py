"""A terminal: the command, run in this process against a cluster in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from typer.testing import CliRunner
from unit.cli.builders import Object, a_deployment, a_fleet, stable_revision, stepping_revision

from slipway.cli.app import app
from slipway.cluster import ConnectionInfo, MemoryCluster


@dataclass
class Terminal:
    """What was typed goes in, what was printed comes out."""

    cluster: MemoryCluster
    connections: list[dict[str, Any]] = field(default_factory=list)
    """What was asked of each connection."""
    namespace: str | None = None
    """The namespace of the kubeconfig."""

    def __call__(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """The exit code, and what went to standard output and standard error."""
        done = CliRunner().invoke(app, words, env={"KUBECONFIG": None, **environment})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def put(self, *objects: Object) -> None:
        """Put objects into the cluster, owned by the ModelDeployment that is there."""
        for obj in objects:
            owned = copy.deepcopy(obj)
            for owner in owned["metadata"].get("ownerReferences", ()):
                owner["uid"] = self.uid
            self.cluster.put(owned)

    @property
    def uid(self) -> str:
        """The uid of the ModelDeployment."""
        return str(self.deployment["metadata"]["uid"])

    @property
    def deployment(self) -> Object:
        """The ModelDeployment as it is now."""
        found = [obj for key, obj in self._objects() if key == "ModelDeployment"]
        return found[0]

    def _objects(self) -> list[tuple[str, Object]]:
        return [(record.obj["kind"], record.obj) for record in self.cluster._records.values()]

    def shop(self, *revisions: Object, **deployment: Any) -> None:
        """Put fraud and its revisions there, with a status about its present generation."""
        obj = a_deployment(**deployment)
        stored = self.cluster.put(obj)
        generation = stored["metadata"]["generation"]
        status = copy.deepcopy(obj["status"])
        if "observedGeneration" in status and status["observedGeneration"] == obj["metadata"]["generation"]:
            status["observedGeneration"] = generation
            for condition in status.get("conditions", ()):
                condition["observedGeneration"] = generation
        self.cluster.put(stored | {"status": status})
        self.put(
            *(revisions or (stable_revision(), stepping_revision())), a_fleet("v1"), a_fleet("v2", wanted=1, ready=1)
        )

    def answered_by(self, outcome: str, message: str = "done") -> None:
        """Let the operator answer every command so."""
        self.on_command(lambda text: {"command": text, "outcome": outcome, "message": message})

    def on_command(self, answer: Callable[[str], Object | None]) -> None:
        """Let the operator answer commands by a function."""

        def see(change: str, obj: Object) -> None:
            text = (obj["metadata"].get("annotations") or {}).get("slipway.dev/command")
            last = (obj.get("status") or {}).get("lastCommand") or {}
            if change != "MODIFIED" or text is None or last.get("command") == text:
                return
            said = answer(text)
            if said is not None:
                time = {"time": "2026-05-04T12:00:00.000000Z"}
                self.cluster.put(obj | {"status": (obj.get("status") or {}) | {"lastCommand": said | time}})

        self.cluster.subscribe(see)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """See the module."""
    made = Terminal(MemoryCluster())

    async def connect(**how: Any) -> MemoryCluster:
        made.connections.append(how)
        return made.cluster

    async def connection_info(**_: Any) -> ConnectionInfo:
        return ConnectionInfo("http://127.0.0.1", default_namespace=made.namespace)

    monkeypatch.setattr("slipway.cluster.connect", connect)
    monkeypatch.setattr("slipway.cluster.connection_info", connection_info)
    for name in ("SLIPWAY_NAMESPACE", "SLIPWAY_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    return made
