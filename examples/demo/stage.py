"""The stage: a sandbox with Slipway in it, and the tools that a user has: kubectl and a watch."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from slipway_sandbox import ImageEntry, ImageTable, Sandbox
from slipway_sandbox.client import Informer, Resource

ROOT: Final = Path(__file__).resolve().parents[2]
FRAUD: Final = ROOT / "examples" / "fraud"
IMAGE: Final = "slipway.dev/examples/fraud:*"
OPERATOR_IMAGE: Final = "slipway.dev/operator:dev"
OWN_CODE: Final = {"PYTHONPATH": str(ROOT / "operator")}
SETTLE_SECONDS: Final = 0.5
"""The sandbox's gateway takes up a change within a tenth of a second, where others wait for more changes first."""

DEPLOYMENTS: Final = Resource("slipway.dev", "v1alpha1", "modeldeployments", "ModelDeployment")
REVISIONS: Final = Resource("slipway.dev", "v1alpha1", "modelrevisions", "ModelRevision")
ROUTES: Final = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")

Manifest = dict[str, Any]


class StageError(Exception):
    """Something that the story depends on did not happen; the message says what to look at."""


def images() -> ImageTable:
    """The example's image, which is the sandbox's model server with the example's models in it, and the operator's."""
    table = ImageTable.builtin()
    server = (sys.executable, "-m", "slipway_sandbox.modelserver")
    table.add(IMAGE, ImageEntry(command=server, env={"HOST": "$(POD_IP)", "MODEL_ROOT": str(FRAUD)}))
    table.add(OPERATOR_IMAGE, ImageEntry(command=(sys.executable, "-m", "slipway"), env=OWN_CODE))
    return table


@dataclass
class Operator:
    """The operator as a process of its own, as a cluster would run it."""

    kubeconfig: Path
    gateway_metrics: str
    log: Path
    options: tuple[str, ...] = ()
    """Further options of ``slipway run``."""
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "slipway",
                "run",
                f"--kubeconfig={self.kubeconfig}",
                f"--gateway-metrics={self.gateway_metrics}",
                f"--settle-seconds={SETTLE_SECONDS}",
                f"--image={OPERATOR_IMAGE}",
                *self.options,
                stdout=log,
                stderr=log,
            )

    async def stop(self, *, kill: bool = False) -> None:
        """End it, cleanly or with ``kill -9``."""
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        process.kill() if kill else process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


@dataclass
class Stage:
    """A running sandbox with the CRDs, the operator and live copies of what the story is about."""

    sandbox: Sandbox
    operator: Operator
    deployments: Informer
    revisions: Informer
    routes: Informer
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def kubectl(self, *arguments: str, check: bool = True) -> str:
        """Run the real kubectl; what it printed. Raises StageError with its error when it fails."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("kubectl")),
            f"--kubeconfig={self.sandbox.kubeconfig_path}",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "KUBECACHEDIR": str(self.sandbox.state_dir / "kubectl")},
        )
        out, err = await process.communicate()
        if check and process.returncode:
            raise StageError(f"kubectl {' '.join(arguments)}: {err.decode().strip()}")
        return out.decode() + ("" if check else err.decode())

    async def until(self, what: str, condition: Callable[[], bool], *, seconds: float) -> float:
        """Wait until something is so, as the watches tell it; how long that took. Raises StageError at the deadline."""
        started = time.monotonic()
        while not condition():
            left = started + seconds - time.monotonic()
            if left <= 0:
                raise StageError(f"{what} did not happen within {seconds:g} s; the operator's log: {self.operator.log}")
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), min(left, 1.0))
        return time.monotonic() - started

    def revision(self, version: str) -> Manifest | None:
        """The revision of a version of the model."""
        for obj in self.revisions.all():
            if obj["spec"]["release"]["model"]["version"] == version:
                return obj
        return None

    def phase(self, version: str) -> str | None:
        """The phase of a version's revision."""
        revision = self.revision(version)
        return (revision or {}).get("status", {}).get("phase")

    def condition(self, name: str, kind: str) -> str | None:
        """The status of a ModelDeployment's condition as of its present generation."""
        obj = self.deployments.get("default", name)
        if obj is None or obj.get("status", {}).get("observedGeneration") != obj["metadata"]["generation"]:
            return None
        conditions = obj["status"].get("conditions") or []
        return next((c["status"] for c in conditions if c["type"] == kind), None)


@contextlib.asynccontextmanager
async def stage(
    *,
    state_dir: Path | None = None,
    options: tuple[str, ...] = (),
    crds: Path | Sequence[Manifest] = ROOT / "crds",
    table: ImageTable | None = None,
    operated: bool = True,
) -> AsyncIterator[Stage]:
    """Set the stage, and clear it whatever happens.

    The operator takes further options. CRDs and images may be others than this checkout's; unless it is `operated`, no
    operator is started.
    """
    async with contextlib.AsyncExitStack() as stack:
        if state_dir is None:
            state_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-")))
        sandbox = await stack.enter_async_context(Sandbox(state_dir=state_dir, images=table or images()))
        await sandbox.apply(crds)
        log = sandbox.logs_dir / "operator.log"
        operator = Operator(sandbox.kubeconfig_path, sandbox.gateway_metrics_url, log, options)
        if operated:
            await operator.start()
        stack.push_async_callback(operator.stop)
        client = sandbox.client
        set_ = Stage(sandbox, operator, *(Informer(client, kind) for kind in (DEPLOYMENTS, REVISIONS, ROUTES)))
        watches = []
        for informer in (set_.deployments, set_.revisions, set_.routes):
            informer.add_handler(lambda *_: set_.changed.set())
            watches.append(asyncio.create_task(informer.run()))
        try:
            for informer in (set_.deployments, set_.revisions, set_.routes):
                await asyncio.wait_for(informer.synced(), 60)
            yield set_
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
