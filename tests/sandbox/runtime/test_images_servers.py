"""The presets, served for real: each model server in pods of the sandbox, with its own probes and a prediction.

An environment takes a minute and hundreds of megabytes of packages from an index, so it is not made for a test that
nobody asked for: a server is tested where its environment is cached already, as `slipway sandbox pull IMAGE` leaves it,
or everywhere with SLIPWAY_TEST_MODEL_SERVERS=1. What pulling does is tested without any of this, in
`test_images_pods.py`.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sandbox.runtime.kit import Space

from slipway_sandbox import ImageTable
from slipway_sandbox.client import Manifest
from slipway_sandbox.images import Cache, Environment, EnvironmentStore

ASKED_FOR = "SLIPWAY_TEST_MODEL_SERVERS"

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]

FLOWER = [5.1, 3.5, 1.4, 0.2]
V2_REQUEST = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": FLOWER}]}

IRIS = "from sklearn.datasets import load_iris; x, y = load_iris(return_X_y=True); "
SKLEARN = (
    IRIS + "from sklearn.linear_model import LogisticRegression; model = LogisticRegression(max_iter=500).fit(x, y)"
)
JOBLIB = SKLEARN + "; import joblib, sys; joblib.dump(model, sys.argv[1] + '/model.joblib')"
MLFLOW = SKLEARN + "; import mlflow.sklearn as m, sys; m.save_model(model, sys.argv[1] + '/model')"
BOOSTED = """
import numpy, sys
rows = numpy.random.default_rng(7).normal(size=(200, 4)); wanted = (rows[:, 0] > 0).astype(float)
"""
XGBOOST = BOOSTED + (
    "import xgboost; xgboost.train({'objective': 'binary:logistic'}, xgboost.DMatrix(rows, wanted), 5)"
    ".save_model(sys.argv[1] + '/model.json')"
)
LIGHTGBM = BOOSTED + (
    "import lightgbm; lightgbm.train({'objective': 'binary', 'verbose': -1}, lightgbm.Dataset(rows, wanted), 5)"
    ".save_model(sys.argv[1] + '/model.bst')"
)


@dataclass(frozen=True)
class Server:
    """How one server is declared in a cluster, what it is asked, and where its answer is."""

    image: str
    train: str
    ready: str
    ask: str
    request: Mapping[str, Any]
    container: Mapping[str, Any] = field(default_factory=dict)
    answer: tuple[float, float] = (0, 0)
    """The least and the most that it may answer: class 0, by default."""
    also: str = ""
    """The beginning of a metrics page on port 8082, for a server that has one."""


def mlserver(
    runtime: str, implementation: str, train: str, file: str, request: Mapping[str, Any] = V2_REQUEST, **more: Any
) -> Server:
    env = {"MLSERVER_MODEL_NAME": "iris", "MLSERVER_MODEL_IMPLEMENTATION": implementation}
    env["MLSERVER_MODEL_URI"] = f"/mnt/models/{file}"
    return Server(
        image=f"docker.io/seldonio/mlserver:1.7.1-{runtime}",
        train=train,
        ready="/v2/models/iris/ready",
        ask="/v2/models/iris/infer",
        request=request,
        container={"env": [{"name": name, "value": value} for name, value in env.items()]},
        also="/metrics",
        **more,
    )


SERVERS = {
    "mlserver-sklearn": mlserver("sklearn", "mlserver_sklearn.SKLearnModel", JOBLIB, "model.joblib"),
    "mlserver-xgboost": mlserver("xgboost", "mlserver_xgboost.XGBoostModel", XGBOOST, "model.json", answer=(0.5, 1)),
    "mlserver-lightgbm": mlserver(
        "lightgbm", "mlserver_lightgbm.LightGBMModel", LIGHTGBM, "model.bst", answer=(0.5, 1)
    ),
    "mlserver-mlflow": mlserver(
        "mlflow",
        "mlserver_mlflow.MLflowRuntime",
        MLFLOW,
        "model",
        request={"parameters": {"content_type": "np"}, **V2_REQUEST},
    ),
    "kserve-v1": Server(
        image="kserve/sklearnserver:v0.21.0",
        train=JOBLIB,
        ready="/v1/models/iris",
        ask="/v1/models/iris:predict",
        request={"instances": [FLOWER]},
        container={"args": ["--model_name=iris", "--model_dir=/mnt/models", "--http_port=8080"]},
    ),
    "kserve-v2": Server(
        image="kserve/sklearnserver:v0.21.0",
        train=JOBLIB,
        ready="/v2/models/iris/ready",
        ask="/v2/models/iris/infer",
        request=V2_REQUEST,
        container={"args": ["--model_name=iris", "--model_dir=/mnt/models", "--http_port=8080"]},
    ),
    "mlflow": Server(
        image="ghcr.io/mlflow/mlflow:v3.17.2",
        train=MLFLOW,
        ready="/ping",
        ask="/invocations",
        request={"inputs": [FLOWER]},
        container={
            "command": ["mlflow", "models", "serve"],
            "args": ["-m", "/mnt/models/model", "-h", "0.0.0.0", "-p", "8080", "--env-manager", "local"],
        },
    ),
}


async def environment_of(image: str) -> Environment:
    """Its environment, made if that is asked for; the test is skipped otherwise."""
    entry = ImageTable.builtin().resolve(image)
    plan = entry and entry.plan(image)
    assert plan is not None
    store = EnvironmentStore()
    found = store.cache.find(plan)
    if found is None and os.environ.get(ASKED_FOR) != "1":
        pytest.skip(f"its environment is not in {Cache().folder}: `slipway sandbox pull {image}`, or {ASKED_FOR}=1")
    return found or await store.get(plan)


def a_deployment(name: str, server: Server, models: Path) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 10,
                    "volumes": [{"name": "models", "hostPath": {"path": str(models), "type": "Directory"}}],
                    "containers": [
                        {
                            "name": "server",
                            "image": server.image,
                            "ports": [{"name": "http", "containerPort": 8080}],
                            "volumeMounts": [{"name": "models", "mountPath": "/mnt/models", "readOnly": True}],
                            "readinessProbe": {
                                "httpGet": {"path": server.ready, "port": "http"},
                                "periodSeconds": 1,
                                "timeoutSeconds": 5,
                            },
                            **server.container,
                        }
                    ],
                },
            },
        },
    }


def prediction(answer: Mapping[str, Any]) -> float:
    """The first value, in whichever protocol."""
    values = answer["predictions"] if "predictions" in answer else answer["outputs"][0]["data"]
    return float(values[0])


@pytest.mark.parametrize("name", SERVERS)
async def test_a_model_server_of_a_preset_serves_on_the_address_of_each_pod(
    space: Space, name: str, tmp_path: Path
) -> None:
    server = SERVERS[name]
    environment = await environment_of(server.image)
    train = [environment.programs / "python", "-W", "ignore", "-c", server.train, tmp_path]
    await asyncio.to_thread(subprocess.run, train, check=True, capture_output=True, cwd=tmp_path)

    await space.apply(a_deployment(name, server, tmp_path))
    await space.rolled_out(name, 120)
    pods = await space.pods(name)
    addresses = {pod["status"]["podIP"] for pod in pods}
    assert len(addresses) == 2
    async with aiohttp.ClientSession() as session:
        for address in addresses:
            url = f"http://{address}:8080{server.ask}"
            async with session.post(url, json=server.request) as response:
                text = await response.text()
                assert response.status == 200, text
            assert server.answer[0] <= prediction(json.loads(text)) <= server.answer[1]
            if server.also:
                async with session.get(f"http://{address}:8082{server.also}") as response:
                    assert response.status == 200
                    assert "model_infer_request_success_total" in await response.text()
