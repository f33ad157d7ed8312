"""A shop: a namespace with a ModelDeployment, small variants of the fraud example as its releases, and its clients."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from demo.load import Answer, Load
from demo.stage import FRAUD, REVISIONS, ROUTES, Manifest, Stage, StageError
from slipway_sandbox.client import DEPLOYMENTS, PODS, SERVICES

NAME = "fraud"
GOLDEN_ITEMS = 64
RATE = 40.0

PATIENCE: Final = 5
"""Deadlines are written for a machine that does nothing else. A busier one is as right, only later."""

CHILDREN = (REVISIONS, DEPLOYMENTS, SERVICES, PODS, ROUTES)
"""What goes with a ModelDeployment."""

Open = Callable[[], Awaitable["Shop"]]


LADDER = ((50, "500ms"), (100, "0s"))


def a_release(version: str = "v1", *, steps: Sequence[tuple[float, str]] = LADDER, **spec: Any) -> Manifest:
    """A release of the fraud example in a hurry: short steps, few samples, a small golden set, one replica.

    `spec` is merged into the specification; None takes a field away.
    """
    manifest: Manifest = yaml.safe_load((FRAUD / f"{version}.yaml").read_text())
    ready = {"httpGet": {"path": "/v2/health/ready", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 5}
    pod = {"terminationGracePeriodSeconds": 30}
    hurry = {
        "replicas": 1,
        "release": {"container": {"readinessProbe": ready}, "pod": pod},
        "strategy": {"canary": {"steps": [{"weight": weight, "minDuration": duration} for weight, duration in steps]}},
        "analysis": {"interval": "250ms", "metrics": [accuracy(), errors()]},
        "rollback": {"progressDeadline": "5m", "scaleDownDelay": "2s"},
    }
    merged: Manifest = merge(merge(manifest, {"spec": hurry}), {"spec": spec})
    return merged


def accuracy(**source: Any) -> Manifest:
    """The golden set as a metric that every good release passes; `source` changes its ConfigMap's reference."""
    keys = {"name": "golden", "key": "golden.jsonl", **source}
    golden = {"configMap": keys, "output": "label", "maxRequestsPerSecond": 1000}
    return {"name": "accuracy", "goldenSet": golden, "threshold": {"min": 0.6}}


def errors() -> Manifest:
    """Failures as the gateway counts them."""
    return {"name": "errors", "gateway": {}, "comparison": {"margin": 0.005}, "minSamples": 5}


def a_config_map(name: str, data: Mapping[str, str]) -> Manifest:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(data)}


def golden_text() -> str:
    """The first items of the example's golden set."""
    return "".join(f"{line}\n" for line in (FRAUD / "golden.jsonl").read_text().splitlines()[:GOLDEN_ITEMS])


def merge(onto: Any, changes: Any) -> Any:
    """A merge patch: mappings are merged, None takes a member away, all else replaces."""
    if not isinstance(changes, Mapping) or not isinstance(onto, Mapping):
        return copy.deepcopy(changes)
    out = {key: value for key, value in onto.items() if changes.get(key, value) is not None}
    return out | {key: merge(out.get(key, {}), value) for key, value in changes.items() if value is not None}


@dataclass
class Shop:
    """A namespace with one ModelDeployment and its clients. The watches of the stage keep it up to date."""

    stage: Stage
    namespace: str
    load: Load
    folder: Path
    routed: list[dict[str, int]] = field(default_factory=list)
    """Every set of weights that the route has had, in their order: basis points by the name of the Service."""

    # --- what a user does ------------------------------------------------------------------------------------------

    async def kubectl(self, *arguments: str, check: bool = True) -> str:
        """The real kubectl, in the shop's namespace."""
        return await self.stage.kubectl(f"--namespace={self.namespace}", *arguments, check=check)

    async def apply(self, *manifests: Manifest, check: bool = True) -> str:
        """kubectl apply of files, as a user would."""
        path = self.folder / f"{self.namespace}.yaml"
        path.write_text(yaml.safe_dump_all([self._at_home(manifest) for manifest in manifests]))
        return await self.kubectl("apply", "-f", str(path), check=check)

    def _at_home(self, manifest: Manifest) -> Manifest:
        """The manifest with the shop's own hostname, on the sandbox's Gateway unless it names another one."""
        if manifest["kind"] != "ModelDeployment" or "service" in manifest["spec"]["traffic"]:
            return manifest
        if "traefik" in manifest["spec"]["traffic"]:
            return dict(merge(manifest, {"spec": {"traffic": {"traefik": {"hostnames": [self.load.host]}}}}))
        if "route" in manifest["spec"]["traffic"]["gateway"]:
            return manifest
        gateway = {"parentRefs": [{"name": "sandbox", "namespace": "default"}], "hostnames": [self.load.host]}
        if manifest["spec"]["traffic"]["gateway"]["parentRefs"] != [{"name": "sandbox"}]:
            del gateway["parentRefs"]
        at_home: Manifest = merge(manifest, {"spec": {"traffic": {"gateway": gateway}}})
        return at_home

    async def serve_first_release(self) -> None:
        """v1 becomes stable, and live requests begin."""
        await self.apply(a_release("v1"))
        await self.until_ready("v1")
        await self.load.first_answer(seconds=60)
        self.load.start()

    async def close(self) -> None:
        """No more requests, and no more pods."""
        await self.load.stop()
        await self.stage.kubectl("delete", "namespace", self.namespace, "--wait=false")

    # --- what there is ---------------------------------------------------------------------------------------------

    @property
    def deployment(self) -> Manifest:
        """The ModelDeployment; empty when there is none."""
        return self.stage.deployments.get(self.namespace, NAME) or {}

    @property
    def status(self) -> Manifest:
        """The ModelDeployment's status as of its present generation; empty before the operator has seen it."""
        obj = self.deployment
        status: Manifest = obj.get("status", {})
        return status if status.get("observedGeneration") == obj.get("metadata", {}).get("generation") else {}

    def condition(self, kind: str) -> Manifest:
        """A condition of the present generation; empty when it is absent."""
        return next((found for found in self.status.get("conditions") or [] if found["type"] == kind), {})

    def revision(self, version: str) -> Manifest:
        """The revision of a version of the model; empty when there is none."""
        mine = self.stage.revisions.in_namespace(self.namespace)
        return next((obj for obj in mine if obj["spec"]["release"]["model"]["version"] == version), {})

    def record(self, version: str) -> Manifest:
        """Its status."""
        status: Manifest = self.revision(version).get("status", {})
        return status

    def phase(self, version: str) -> str | None:
        """Its phase."""
        return self.record(version).get("phase")

    def service(self, version: str) -> str:
        """The name of its Service, its Deployment and its ModelRevision."""
        return str(self.revision(version)["metadata"]["name"])

    def weight(self, version: str) -> int:
        """What the route says of it now, in basis points."""
        now = self.routed[-1] if self.routed else {}
        return now.get(self.service(version), 0) if self.revision(version) else 0

    def weights(self, version: str) -> list[int]:
        """Every weight that the route has had for it, in order and without repetitions."""
        name, out = self.service(version), [0]
        for weights in self.routed:
            if weights.get(name, 0) != out[-1]:
                out.append(weights.get(name, 0))
        return out

    def told(self, version: str) -> list[tuple[str, str]]:
        """The timeline of a revision: phases and reasons."""
        return [(entry["phase"], entry["reason"]) for entry in self.record(version).get("timeline") or []]

    def steps_told(self, version: str) -> list[str]:
        """The steps that its timeline tells of, such as ``step 1 of 3``."""
        entries = [entry for entry in self.record(version)["timeline"] if entry["reason"] == "StepStarted"]
        return [entry["message"].split(",")[0] for entry in entries]

    # --- what is waited for ----------------------------------------------------------------------------------------

    async def until(self, what: str, condition: Callable[[], Any], *, seconds: float = 30) -> None:
        """Wait until something is so; a deadline that passes says how things are instead."""
        try:
            await self.stage.until(what, lambda: bool(condition()), seconds=seconds * PATIENCE)
        except StageError as error:
            revisions = self.stage.revisions.in_namespace(self.namespace)
            picture = {
                "routed": self.routed,
                "status": self.deployment.get("status"),
                "revisions": {obj["metadata"]["name"]: obj.get("status") for obj in revisions},
            }
            logs = [self.stage.operator.log, *(self.stage.sandbox.logs_dir / "pods").glob("*slipway*/*/*.log")]
            log = "\n".join(path.read_text()[-3000:] for path in logs if path.exists())
            raise AssertionError(f"{error}\n{json.dumps(picture, indent=1)}\n{log}") from error

    async def until_ready(self, version: str, *, seconds: float = 40) -> None:
        """Wait until a release is rolled out."""
        await self.until(
            f"{version} becoming stable",
            lambda: self.phase(version) == "Stable" and self.condition("Ready").get("status") == "True",
            seconds=seconds,
        )

    async def until_gone(self, *, seconds: float = 30) -> None:
        """Wait until nothing of the ModelDeployment is left; a deadline that passes says what is."""
        deadline = asyncio.get_running_loop().time() + seconds * PATIENCE
        while left := await self._left():
            assert asyncio.get_running_loop().time() < deadline, (
                f"after {seconds * PATIENCE:g} s there are still {left}"
            )
            await asyncio.sleep(0.2)

    async def _left(self) -> list[str]:
        found: list[str] = []
        for kind in CHILDREN:
            items, _ = await self.stage.sandbox.client.list_all(kind, self.namespace)
            found += [f"{kind.kind} {item['metadata']['name']}" for item in items]
        return found

    async def until_phase(self, version: str, *phases: str, seconds: float = 30) -> None:
        """Wait until a revision is in one of the phases."""
        await self.until(f"{version} being {phases}", lambda: self.phase(version) in phases, seconds=seconds)

    async def until_served_by(self, version: str, *, seconds: float = 30) -> None:
        """Wait until a client has had an answer of a release after this moment."""
        known = len(self.load.answers)
        await self.until(
            f"clients being served by {version}",
            lambda: any(answer.version == version for answer in self.load.answers[known:]),
            seconds=seconds,
        )

    async def until_told(self, kind: str, status: str, reason: str, *, saying: str = "", seconds: float = 20) -> str:
        """Wait until a condition has a status, a reason and words that match a pattern; its message."""

        def so() -> bool:
            found = self.condition(kind)
            told = (found.get("status"), found.get("reason")) == (status, reason)
            return told and re.search(saying, str(found["message"])) is not None

        await self.until(f"{kind}={status} {reason}", so, seconds=seconds)
        return str(self.condition(kind)["message"])

    # --- what clients saw ------------------------------------------------------------------------------------------

    @property
    def lost(self) -> list[Answer]:
        """Requests that no model answered: the doing of whoever moves the traffic."""
        return [answer for answer in self.load.answers if not answer.good and not answer.of_the_model]

    @property
    def failed(self) -> list[Answer]:
        """Requests that went wrong for whatever reason."""
        return [answer for answer in self.load.answers if not answer.good]

    def last(self, count: int) -> list[str | None]:
        """Which releases gave the latest good answers; None for one that went wrong."""
        return [answer.version if answer.good else None for answer in self.load.answers[-count:]]

    def answered_by(self, version: str) -> int:
        """How many answers a release gave."""
        return sum(answer.version == version for answer in self.load.answers)


async def open_shop(stage: Stage, namespace: str, folder: Path) -> Shop:
    """A namespace with the golden set, and nothing served yet."""
    bodies = [line.encode() for line in (FRAUD / "live.jsonl").read_text().splitlines()]
    url = f"{stage.sandbox.gateway_url}/v2/models/{NAME}/infer"
    shop = Shop(stage, namespace, Load(url=url, host=f"{namespace}.example", bodies=bodies, rate=RATE), folder)
    stage.routes.add_handler(lambda kind, obj, _: _note_weights(shop, kind, obj))
    await stage.kubectl("create", "namespace", namespace)
    await shop.apply(a_config_map("golden", {"golden.jsonl": golden_text()}))
    return shop


def weights_of(route: Manifest) -> dict[str, int]:
    """The weights of a route by the name of the Service."""
    return {ref["name"]: ref["weight"] for rule in route["spec"]["rules"] for ref in rule.get("backendRefs") or []}


def _note_weights(shop: Shop, kind: str, route: Manifest) -> None:
    if route["metadata"]["namespace"] == shop.namespace and route["metadata"]["name"] == NAME:
        weights = {} if kind == "DELETED" else weights_of(route)
        if not shop.routed or shop.routed[-1] != weights:
            shop.routed.append(weights)


def complaints(log: Path, *, since: int = 0, expected: Sequence[str] = ()) -> list[str]:
    """What the operator's log complains of from a position on, but for what is expected."""
    text = log.read_bytes()[since:].decode()
    found = [line for line in text.splitlines() if re.search(r" (WARNING|ERROR|CRITICAL) |Traceback|a defect of", line)]
    return [line for line in found if not any(part in line for part in expected)]


def processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that name a folder, or work in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if str(folder) in command or (process / "cwd").readlink().is_relative_to(folder):
                found.append(command)
        except OSError:
            continue  # it has ended meanwhile
    return found
