"""Real model servers, each in a virtual environment of its own: what their own code answers to our protocols.

They are too large to be dependencies: a server is tested where ``slipway sandbox pull IMAGE`` has made its environment,
and skipped elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from unit.probes.builders import an_endpoint

from slipway.api import SECONDS_IN, PodsSource
from slipway.cluster.endpoints import http_client
from slipway.metrics import PRESETS, PodCounters, PodHistograms, PodPage, ServiceRef
from slipway.probes import (
    Format,
    GoldenItem,
    InferenceProtocol,
    KServeV1,
    Metric,
    MLflow,
    OpenInferenceV2,
    Replay,
    model_ready,
    most_likely,
    read_golden_set,
    replay,
    score,
)
from slipway_sandbox import ImageTable
from slipway_sandbox.images import Cache

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

IMAGES = {
    "mlserver": "docker.io/seldonio/mlserver:1.7.1-sklearn",
    "kserve": "kserve/sklearnserver:v0.21.0",
    "mlflow": "ghcr.io/mlflow/mlflow:v3.17.2",
}

TABLE = "expected,a,b\n0,1.0,0.5\n1,5.0,1.5\n0,1.2,0.4\n1,5.5,1.4\n"
"""Two kinds of flowers that nobody takes for each other."""

TRAIN = """
import pandas
from sklearn.linear_model import LogisticRegression
data = pandas.DataFrame({"a": [1.0, 1.1, 0.9, 5.0, 5.2, 5.4], "b": [0.5, 0.4, 0.6, 1.5, 1.4, 1.6]})
model = LogisticRegression().fit(LEARNED, [0, 0, 0, 1, 1, 1])
"""

MLSERVER = (
    TRAIN.replace("LEARNED", "data.values")
    + """
import joblib, json, pathlib
joblib.dump(model, "model.joblib")
settings = {"name": "iris", "implementation": "mlserver_sklearn.SKLearnModel"}
settings["parameters"] = {"uri": "./model.joblib", "version": "v1"}
pathlib.Path("model-settings.json").write_text(json.dumps(settings))
server = {"host": "127.0.0.1", "http_port": PORT, "grpc_port": PORT + 1, "metrics_port": PORT + 2}
server |= {"parallel_workers": 0, "load_models_at_startup": True}
pathlib.Path("settings.json").write_text(json.dumps(server))
"""
)

MLFLOW = (
    TRAIN.replace("LEARNED", "data")
    + """
import mlflow
from mlflow.models import infer_signature
mlflow.sklearn.save_model(model, "model", signature=infer_signature(data, model.predict(data)))
"""
)

KSERVE = """
import kserve

class Iris(kserve.Model):
    def __init__(self):
        super().__init__("iris")
        self.ready = True

    def predict(self, payload, headers=None):
        return {"predictions": [int(row["a"] > 3) for row in payload["instances"]]}

if __name__ == "__main__":
    kserve.ModelServer(http_port=PORT, enable_grpc=False).start([Iris()])
"""


def a_python(name: str) -> Path:
    entry = ImageTable.builtin().resolve(IMAGES[name])
    plan = entry and entry.plan(IMAGES[name])
    assert plan is not None
    environment = Cache().find(plan)
    if environment is None:
        pytest.skip(f"its environment is not in {Cache().folder}: `slipway sandbox pull {IMAGES[name]}`")
    return environment.programs / "python"


def free_ports() -> int:
    """The first of three ports that nobody uses."""
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            first = int(one.getsockname()[1])
            try:
                for number in (first + 1, first + 2):
                    with socket.socket() as other:
                        other.bind(("127.0.0.1", number))
            except (OSError, OverflowError):
                continue
            return first


async def prepared(python: Path, folder: Path, script: str) -> None:
    process = await asyncio.create_subprocess_exec(
        python, "-c", script, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-2000:]


@asynccontextmanager
async def a_server(folder: Path, python: Path, *command: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs ``python`` with arguments, with its environment's commands on the path, as activating it would do."""
    path = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            python, *command, cwd=folder, stdout=log, stderr=log, start_new_session=True, env=os.environ | path
        )
        try:
            yield process
        except BaseException:
            print((folder / "log").read_text()[-3000:])
            raise
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()


async def when_ready(port: int, protocol: InferenceProtocol, server: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(120), http_client() as client:
        while True:
            pod = an_endpoint(port=port)
            if (await model_ready(client, pod, port=None, model="iris", timeout=2, protocol=protocol)).ready:
                return
            assert server.returncode is None, "the server ended"
            await asyncio.sleep(0.2)


async def replayed(port: int, protocol: InferenceProtocol, *, model: str = "iris", argmax: bool = False) -> Replay:
    golden = read_golden_set(TABLE, schema=None, where="the table", form=Format.CSV, protocol=protocol)
    async with http_client() as client:
        return await replay(
            client, golden.items, candidate=[an_endpoint(port=port)], stable=None, port=None, candidate_model=model,
            stable_model=None, timeout=20, protocol=protocol, **({"match": most_likely} if argmax else {}),
        )  # fmt: skip


async def unknown(port: int, protocol: InferenceProtocol) -> str:
    async with http_client() as client:
        pod = an_endpoint(port=port)
        got = await model_ready(client, pod, port=None, model="nope", timeout=5, protocol=protocol)
    assert not got.ready
    return got.message


async def test_mlserver_is_ready_answers_gives_probabilities_and_counts(tmp_path: Path) -> None:
    python, port = a_python("mlserver"), free_ports()
    await prepared(python, tmp_path, MLSERVER.replace("PORT", str(port)))
    async with a_server(tmp_path, python, python.with_name("mlserver"), "start", ".") as server:
        labels = OpenInferenceV2(tensor="x")
        await when_ready(port, labels, server)
        await when_ready(port, OpenInferenceV2(version="v1"), server)
        assert "does not know model nope (HTTP 404)" in await unknown(port, labels)
        assert (await replayed(port, labels)).candidate_right == 4

        likely = OpenInferenceV2(tensor="x", output="predict_proba")
        got = await replayed(port, likely, argmax=True)
        assert got.candidate_right == 4
        brier = score(Metric.BRIER, [(one.item.expected, one.candidate.values) for one in got.items])
        assert brier.value is not None
        assert brier.value < 0.2

        wide = GoldenItem("g", [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}], (0,))
        async with http_client() as client:
            bad = await replay(
                client, [wide], candidate=[an_endpoint(port=port)], stable=None, port=None, candidate_model="iris",
                stable_model=None, timeout=20, protocol=labels,
            )  # fmt: skip
            assert bad.candidate_unanswered == 1

            preset, pods = PRESETS["MLServer"], (an_endpoint(port=port + 2),)
            services = {"stable": ServiceRef("ml", "iris", 80, "iris", pods)}
            source = PodsSource(path=preset.path, bad=list(preset.bad), total=list(preset.total))
            (counted,) = (await PodCounters(client, source).read(services))["stable"]
            assert (counted.bad, counted.total) == (1, 9)
            assert preset.histogram is not None
            where = PodPage(path=preset.path)
            (timed,) = (
                await PodHistograms(client, where, preset.histogram, unit=SECONDS_IN[preset.unit]).read(services)
            )["stable"]
            assert timed.total >= 8
            assert timed.edges


async def test_mlflow_is_ready_answers_by_signature_and_refuses_bare_arrays(tmp_path: Path) -> None:
    python, port = a_python("mlflow"), free_ports()
    await prepared(python, tmp_path, MLFLOW)
    serve = (
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        "model",
        "-p",
        str(port),
        "-h",
        "127.0.0.1",
        "--env-manager",
        "local",
    )
    async with a_server(tmp_path, python, *serve) as server:
        await when_ready(port, MLflow(), server)
        assert (await replayed(port, MLflow())).candidate_right == 4
        bare = GoldenItem("g", {"instances": [[1.0, 0.5]]}, (0,))
        async with http_client() as client:
            got = await replay(
                client, [bare], candidate=[an_endpoint(port=port)], stable=None, port=None, candidate_model="iris",
                stable_model=None, timeout=20, protocol=MLflow(),
            )  # fmt: skip
        assert "answered HTTP 400" in got.examples[0]
        assert "first port has to speak the Open Inference Protocol V2" in (
            await unknown(port, OpenInferenceV2())
        ) or "does not know" in (await unknown(port, OpenInferenceV2()))


async def test_kserve_is_ready_in_both_protocols_and_has_no_versions(tmp_path: Path) -> None:
    python, port = a_python("kserve"), free_ports()
    (tmp_path / "serve.py").write_text(KSERVE.replace("PORT", str(port)))
    async with a_server(tmp_path, python, "serve.py") as server:
        await when_ready(port, KServeV1(), server)
        await when_ready(port, OpenInferenceV2(), server)
        await when_ready(port, OpenInferenceV2(version="1"), server)
        assert "does not know model nope (HTTP 404)" in await unknown(port, KServeV1())
        assert "does not know model nope (HTTP 404)" in await unknown(port, OpenInferenceV2())
        assert (await replayed(port, KServeV1())).candidate_right == 4
        preset = PRESETS["KServe"]
        services = {"stable": ServiceRef("ml", "iris", 80, "iris", (an_endpoint(port=port),))}
        assert preset.histogram is not None
        async with http_client() as client:
            where = PodPage(path=preset.path)
            (timed,) = (await PodHistograms(client, where, preset.histogram).read(services))["stable"]
        assert timed.total == 4
