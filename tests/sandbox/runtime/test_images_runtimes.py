"""The runtimes of the chart, served for real: pods as the operator makes them of a release that only names a format.

As with `test_images_servers.py`, a server is tested where its environment is cached already.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from sandbox.runtime.kit import Space
from sandbox.runtime.test_images_servers import (
    FLOWER,
    JOBLIB,
    LIGHTGBM,
    MLFLOW,
    V2_REQUEST,
    XGBOOST,
    environment_of,
    prediction,
)

from slipway.api import ModelRevisionSpec, ReleaseSpec
from slipway.release import read_runtime, resolve, served_release
from slipway.workload.podspec import pod_spec
from slipway_sandbox.client import Manifest

RUNTIMES = Path(__file__).resolve().parents[3] / "charts" / "slipway" / "files" / "runtimes"

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]

V2 = "/v2/models/iris/infer"
SERVED = {
    "mlserver-sklearn": ("sklearn", JOBLIB, V2, V2_REQUEST, 0.0),
    "mlserver-xgboost": ("xgboost", XGBOOST, V2, V2_REQUEST, 0.5),
    "mlserver-lightgbm": ("lightgbm", LIGHTGBM, V2, V2_REQUEST, 0.5),
    "mlserver-mlflow": ("mlflow", MLFLOW, V2, {"parameters": {"content_type": "np"}, **V2_REQUEST}, 0.0),
    "kserve-sklearn": ("sklearn", JOBLIB, V2, V2_REQUEST, 0.0),
    "mlflow": ("mlflow", MLFLOW, "/invocations", {"inputs": [FLOWER]}, 0.0),
}
"""Format, what trains a model, where it is asked, the request, and the least that it answers."""


def the_pod(name: str, format_: str, models: Path) -> tuple[str, Manifest]:
    """Image and pod specification of a release, with the model's files where they would be delivered to."""
    manifest = yaml.safe_load((RUNTIMES / f"{name}.yaml").read_text())
    runtime = read_runtime("ClusterModelRuntime", name, manifest["spec"])
    model = {"name": "iris", "version": "1", "format": format_, "uri": "https://models.example/iris"}
    release = ReleaseSpec.model_validate({"model": model, "runtime": {"name": name}})
    frozen = resolve(release, [runtime])
    served = served_release(ModelRevisionSpec(model_deployment="iris", hash="0" * 64, release=release, runtime=frozen))
    spec: dict[str, Any] = pod_spec(served)
    assert frozen.delivery is not None
    spec["volumes"] = [{"name": "files", "hostPath": {"path": str(models), "type": "Directory"}}]
    spec["containers"][0]["volumeMounts"] = [{"name": "files", "mountPath": frozen.delivery.path, "readOnly": True}]
    return frozen.container.image, spec


def a_deployment(name: str, spec: Manifest) -> Manifest:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {**spec, "terminationGracePeriodSeconds": 10}},
        },
    }


@pytest.mark.parametrize("name", SERVED)
async def test_a_release_that_names_a_format_is_served_by_the_runtime_for_it(
    space: Space, name: str, tmp_path: Path
) -> None:
    format_, training, path, request, least = SERVED[name]
    folder = tmp_path / "model" if training is MLFLOW else tmp_path  # an MLflow model is the folder that is delivered
    image, spec = the_pod(name, format_, folder)
    environment = await environment_of(image)
    train = [environment.programs / "python", "-W", "ignore", "-c", training, tmp_path]
    await asyncio.to_thread(subprocess.run, train, check=True, capture_output=True, cwd=tmp_path)
    await space.apply(a_deployment(name, spec))
    await space.rolled_out(name, 120)
    [pod] = await space.pods(name)
    url = f"http://{pod['status']['podIP']}:8080{path}"
    async with aiohttp.ClientSession() as session, session.post(url, json=request) as response:
        text = await response.text()
        assert response.status == 200, text
    assert least <= prediction(json.loads(text)) <= least + 0.5
