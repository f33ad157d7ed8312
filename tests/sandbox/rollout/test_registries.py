"""A real MLflow registry over SQLite whose alias moves: it is suggested, rolled out, and told what became of it.

MLflow pins packages below what the operator needs, so its server runs in the environment of its image, as `slipway
sandbox pull` leaves it. Without one there is nothing to see here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sandbox.rollout.kit import NAME, Open, Shop, a_release, processes_of

from demo.stage import Stage, stage
from slipway_sandbox import ImageTable
from slipway_sandbox.images import Cache, Environment

IMAGE = "ghcr.io/mlflow/mlflow:v3.17.2"

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",  # this machine is no public address
}
SECRET = "told-by-mlflow"

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


def the_environment() -> Environment | None:
    entry = ImageTable.builtin().resolve(IMAGE)
    plan = entry.plan(IMAGE) if entry is not None else None
    return Cache().find(plan) if plan is not None else None


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class MLflow:
    """A running server."""

    url: str
    told_at: str
    """Where the operator takes webhooks."""

    async def ask(self, what: str, **document: Any) -> dict[str, Any]:
        """A call of its REST API."""
        return await asyncio.to_thread(self._ask, what, document)

    def _ask(self, what: str, document: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/api/2.0/mlflow/{what}"
        request = urllib.request.Request(url, headers={"content-type": "application/json"})
        if document:
            request.data = json.dumps(document).encode()
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    async def version(self, number: int) -> dict[str, Any]:
        """What the registry says of a version of fraud."""
        found = await self.ask(f"model-versions/get?name={NAME}&version={number}")
        about: dict[str, Any] = found["model_version"]
        return about

    async def move(self, alias: str, number: int) -> None:
        """What a data scientist does."""
        await self.ask("registered-models/alias", name=NAME, alias=alias, version=str(number))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mlflow(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MLflow]:
    """The registry, with two versions of fraud."""
    environment = the_environment()
    if environment is None:
        pytest.skip(f"the environment of MLflow is not in {Cache().folder}: `slipway sandbox pull {IMAGE}`")
    folder = tmp_path_factory.mktemp("mlflow")
    port = a_port()
    log = folder / "log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            environment.programs / "python",
            *("-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1"),
            *(f"--backend-store-uri=sqlite:///{folder}/registry.db", f"--artifacts-destination={folder}/artifacts"),
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **SETTINGS},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    server = MLflow(f"http://127.0.0.1:{port}", f"127.0.0.1:{a_port()}")
    try:
        await _answering(server, process, log)
        await server.ask("registered-models/create", name=NAME)
        for number in (1, 2):
            await server.ask("model-versions/create", name=NAME, source=f"s3://models/fraud/{number}")
        yield server
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 60)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _answering(server: MLflow, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + 120
    while True:
        assert process.returncode is None, f"it ended: see {log}"
        try:
            await server.ask("registered-models/search")
        except OSError:
            assert asyncio.get_running_loop().time() < deadline, f"it does not answer: see {log}"
            await asyncio.sleep(0.5)
        else:
            return


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(mlflow: MLflow, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The sandbox, and an operator that may reach the registry."""
    state = tmp_path_factory.mktemp("platform")
    options = ("--egress=127.0.0.0/8", f"--mlflow-tracking-uri={mlflow.url}", f"--feedback={mlflow.told_at}")
    async with stage(state_dir=state, options=options) as running:
        yield running
    assert processes_of(state) == []


def from_registry(version: str | None, **more: Any) -> dict[str, Any]:
    """A release of fraud whose version is the registry's. All serve the same file: the registry is what is shown."""
    model = {"version": version, "uri": None, "digest": None}
    followed = {
        "mlflow": {"model": NAME, "alias": "production"},
        "interval": "1h",
        "credentials": {"secretName": "mlflow"},
        **more,
    }
    release = {"model": model, "container": {"args": ["--model-uri=file:///models/v1.onnx"]}, "from": followed}
    return a_release("v1", release=release)


async def test_an_alias_that_moves_is_suggested_rolled_out_and_told_what_became_of_it(
    open_shops: Open, mlflow: MLflow
) -> None:
    shop = await open_shops()
    await shop.kubectl("create", "secret", "generic", "mlflow", f"--from-literal=MLFLOW_WEBHOOK_SECRET={SECRET}")
    path = f"/v1/namespaces/{shop.namespace}/modeldeployments/{NAME}/registry"
    event = {"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}
    await mlflow.ask("webhooks", name="slipway", url=f"http://{mlflow.told_at}{path}", events=[event], secret=SECRET)
    await mlflow.move("production", 1)
    await shop.apply(from_registry("1"))
    await shop.until_ready("1")
    await shop.load.first_answer(seconds=60)
    shop.load.start()

    await mlflow.move("production", 2)  # the next interval is an hour away: the webhook tells of it
    await shop.until("a suggestion", lambda: shop.status.get("suggestion"), seconds=20)
    suggestion = shop.status["suggestion"]
    assert suggestion["release"] == {"model": {"version": "2", "uri": "s3://models/fraud/2"}}
    assert shop.phase("2") is None

    back = {"alias": "champion", "tag": "slipway.dev/rollout"}
    await shop.apply(from_registry(None, policy="Automatic", writeBack=back))
    await shop.until_ready("2")
    spec = shop.revision("2")["spec"]
    assert spec["release"]["model"] == {"name": NAME, "version": "2", "uri": "s3://models/fraud/2", "format": "onnx"}
    assert spec["hash"] == shop.status["resolved"]["hash"]
    await shop.until("the verdicts being written", lambda: states(shop) == {"Written"})
    about = await mlflow.version(2)
    assert sorted(about["aliases"]) == ["champion", "production"]
    assert {"key": "slipway.dev/rollout", "value": "Promoted"} in about["tags"]
    assert shop.failed == []


def states(shop: Shop) -> set[str]:
    return {one["state"] for one in (shop.status.get("registry") or {}).get("writtenBack", [])}
