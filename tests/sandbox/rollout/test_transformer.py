"""A transformer in front of the model, end to end: no request meets the one of one release and the other of another.

Each answer tells the version of both, and under load they are compared: once with the sandbox's own model server, and
once with MLServer and a scikit-learn pipeline where its environment is cached, as for `test_images_servers.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from sandbox.rollout.kit import NAME, Open, Shop, accuracy, merge, processes_of
from sandbox.runtime.test_images_servers import environment_of

from demo.load import Answer, Load
from demo.stage import FRAUD, ROOT, Manifest, Stage, images, stage
from slipway_sandbox import ImageEntry
from slipway_sandbox.client import PODS
from transformer.features import COUNTRY, RAW

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

EXAMPLE = ROOT / "examples" / "transformer"
MLSERVER = "docker.io/seldonio/mlserver:1.7.1-sklearn"
BOTH = {("p1", "v1"), ("p2", "v2")}

TRAIN = """
import json, sys
import joblib, numpy
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

items = [json.loads(line) for line in open(sys.argv[2])]
rows = numpy.array([[*item["inputs"][0]["data"], *item["inputs"][1]["data"]] for item in items])
wanted = numpy.array([item["expected"][0] for item in items])
fitted = make_pipeline(FunctionTransformer(numpy.log1p), StandardScaler(), LogisticRegression()).fit(rows, wanted)
joblib.dump(fitted, sys.argv[1] + "/v1.joblib")
back = ColumnTransformer([("order", "passthrough", [5, 4, 3, 2, 1, 0])]).fit(rows)
joblib.dump(make_pipeline(back, *(step for _, step in fitted.steps)), sys.argv[1] + "/v2.joblib")
"""
"""Two pipelines that say the same of each payment, the second of columns from the last to the first."""


@dataclass(frozen=True, slots=True)
class Told(Answer):
    """An answer, with the versions that it tells and the label."""

    pair: tuple[str | None, str | None] = (None, None)
    label: Any = None
    item: int = 0


@dataclass
class Asking(Load):
    """Live requests of which each answer is looked into. Which item was asked goes round with the bodies."""

    told: list[Told] = field(default_factory=list)

    async def _send(self, session: aiohttp.ClientSession, body: bytes) -> None:
        at = time.monotonic()
        async with session.post(self.address(), data=body, headers={"host": self.host}) as response:
            text = await response.text()
        document = json.loads(text) if response.headers.get("content-type", "").startswith("application/json") else {}
        pair = (response.headers.get("pipeline-version"), document.get("model_version"))
        label = document["outputs"][0]["data"][0] if response.status == 200 else None
        problem = "" if response.status == 200 else f"{response.status} {text[:120]}"
        version = pair[1] or pair[0]
        took, item = time.monotonic() - at, self.bodies.index(body)
        answer = Told(at, took, response.status, version, problem, pair, label, item)
        self.told.append(answer)
        self.answers.append(answer)

    def pairs(self) -> Counter[tuple[str | None, str | None]]:
        """Good answers by the versions that they tell: transformer and model."""
        return Counter(one.pair for one in self.told if one.good)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The sandbox, with the example's images."""
    state, models = tmp_path_factory.mktemp("platform"), tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, EXAMPLE / "reorder.py", models], check=True)  # noqa: ASYNC221 - before all else
    table = images()
    server = (sys.executable, "-m", "slipway_sandbox.modelserver")
    table.add("slipway.dev/examples/fraud-columns:*", ImageEntry(server, env=_at_home(MODEL_ROOT=str(models))))
    features = (sys.executable, str(EXAMPLE / "features.py"))
    table.add("slipway.dev/examples/features:*", ImageEntry(features, env=_at_home()))
    async with stage(state_dir=state, table=table) as running:
        yield running
    assert processes_of(state) == []


def _at_home(**env: str) -> Mapping[str, str]:
    return {"HOST": "$(POD_IP)", **env}


def a_pair(version: str, *, columns_of: str | None = None, **spec: Any) -> Manifest:
    """A release of the example in a hurry; its transformer may be made for the model of another version."""
    manifest = yaml.safe_load((EXAMPLE / f"{version}.yaml").read_text())
    other = yaml.safe_load((EXAMPLE / f"{columns_of or version}.yaml").read_text())
    [column] = other["spec"]["release"]["transformer"]["container"]["env"]
    hurry = {
        "replicas": 1,
        "release": {
            "pod": {"terminationGracePeriodSeconds": 30},
            "container": {"readinessProbe": _ready(8080)},
            "transformer": {"container": {"env": [column], "readinessProbe": _ready(9000)}},
        },
        "strategy": {"canary": {"steps": [{"weight": 50, "minDuration": "1s"}, {"weight": 100, "minDuration": "0s"}]}},
        "analysis": {"interval": "250ms", "metrics": [accuracy(), *_fast(manifest["spec"]["analysis"]["metrics"][1:])]},
        "rollback": {"progressDeadline": "5m", "scaleDownDelay": "2s"},
    }
    merged: Manifest = merge(merge(manifest, {"spec": hurry}), {"spec": spec})
    return merged


def _ready(port: int) -> Manifest:
    return {"httpGet": {"path": "/v2/health/ready", "port": port}, "periodSeconds": 1, "timeoutSeconds": 5}


def _fast(metrics: list[Manifest]) -> list[Manifest]:
    return [{**metric, "minSamples": 5} for metric in metrics]


def for_mlserver(version: str, folder: Path, **spec: Any) -> Manifest:
    """The same pair with a scikit-learn pipeline behind the transformer."""
    env = {
        "MLSERVER_MODEL_NAME": "$(SLIPWAY_MODEL_NAME)",
        "MLSERVER_MODEL_VERSION": "$(SLIPWAY_MODEL_VERSION)",
        "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_sklearn.SKLearnModel",
        "MLSERVER_MODEL_URI": str(folder / f"{version}.joblib"),
    }
    container = {
        "image": MLSERVER,
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "ports": [{"containerPort": number} for number in (8080, 8081, 8082)],
    }
    right = accuracy()
    right["goldenSet"]["output"] = "predict"
    metrics = [right, {"name": "errors", "gateway": {}, "comparison": {"margin": 0.005}, "minSamples": 5}]
    columns = [*RAW, COUNTRY] if version == "v1" else [COUNTRY, *reversed(RAW)]  # one tensor is all that it takes
    ahead = {"container": {"env": [{"name": "COLUMNS", "value": ",".join(columns)}]}}
    plain = {"container": container, "transformer": ahead, "model": {"uri": None, "format": "sklearn"}}
    return a_pair(version, release=merge(plain, spec.pop("release", {})), analysis={"metrics": metrics}, **spec)


async def serving(shop: Shop, first: Manifest, *, rate: float = 60.0, seconds: float = 40) -> Asking:
    """The first release is stable, and is asked for the rest of the test."""
    known = shop.load
    # Countries that no table knows are the last thing that is tried here.
    bodies = [line for line in known.bodies if json.loads(line)["inputs"][1]["data"][0] < 12][:50]
    load = Asking(known.url, known.host, bodies, rate)
    shop.load = load
    await shop.apply(first)
    await shop.until_ready("v1", seconds=seconds)
    await load.first_answer(seconds=60)
    load.told.clear()
    load.start()
    return load


async def until_only_stable_answers(shop: Shop, load: Asking) -> None:
    """Wait until nobody gets anything else any more. A gateway takes a moment to serve a route that was written."""
    known = len(load.told)

    def so() -> bool:
        return {one.pair for one in load.told[known:][-30:]} == {("p2", "v2")} and len(load.told) > known + 30

    await shop.until("only answers of the second pair", so)


def assert_no_request_crossed(load: Asking, *, more_than: int) -> None:
    """Each of many answers is of one release, and says of each payment the same."""
    assert set(load.pairs()) == BOTH
    assert min(load.pairs().values()) > more_than, load.pairs()
    labels: dict[int, set[Any]] = {}
    for one in load.told:
        labels.setdefault(one.item, set()).add(one.label)
    assert all(len(said) == 1 for said in labels.values())
    assert len({label for said in labels.values() for label in said}) == 2, "or the order would not matter"


async def pods(shop: Shop, version: str) -> list[tuple[str, int]]:
    """Pods of a release, each with the restarts of its containers."""
    items, _ = await shop.stage.sandbox.client.list_all(PODS, shop.namespace)
    mine = [pod for pod in items if pod["metadata"]["name"].startswith(shop.service(version))]
    assert all({one["name"] for one in pod["spec"]["containers"]} == {"model", "transformer"} for pod in mine)
    restarts = {
        pod["metadata"]["name"]: sum(one["restartCount"] for one in pod["status"]["containerStatuses"]) for pod in mine
    }
    return sorted(restarts.items())


async def test_features_and_model_roll_out_and_roll_back_as_one(open_shops: Open) -> None:
    shop = await open_shops()
    load = await serving(shop, a_pair("v1"))
    await shop.apply(a_pair("v2"))
    await shop.until_ready("v2")
    await shop.until_served_by("v2")
    assert shop.lost == []
    assert_no_request_crossed(load, more_than=30)
    stable = await pods(shop, "v2")

    # v2's model, and still the columns of v1: the golden set is asked where clients ask, and finds it before they do.
    await shop.apply(a_pair("v2", columns_of="v1", release={"model": {"version": "v3"}}))
    await shop.until_phase("v3", "RolledBack")
    assert shop.weights("v3") == [0]
    assert "accuracy" in shop.record("v3")["message"]

    # A table that is too short: what no golden item shows fails in front of a model that has no failure itself.
    spec = a_pair("v2")["spec"]
    env = [*spec["release"]["transformer"]["container"]["env"], {"name": "COUNTRIES", "value": "6"}]
    ahead, pipeline = {"container": {"env": env}}, {"version": "p4"}
    release = {"model": {"version": "v4"}, "transformer": ahead, "featurePipeline": pipeline}
    await shop.apply(a_pair("v2", release=release, analysis={"metrics": spec["analysis"]["metrics"][1:]}))
    await shop.until_phase("v4", "RolledBack")
    assert shop.weights("v4")[:2] == [0, 5000]
    assert "errors" in shop.record("v4")["message"]
    assert {one.pair for one in load.told if not one.good} == {("p4", None)}
    assert {one.pair for one in load.told if "v4" in one.pair} == {("p4", "v4")}

    await until_only_stable_answers(shop, load)
    assert await pods(shop, "v2") == stable
    assert shop.lost == []
    assert shop.routed[-1] == {shop.service("v2"): 10000}


async def test_a_scikit_learn_pipeline_in_mlserver_is_never_asked_by_the_transformer_of_another_release(
    open_shops: Open, tmp_path: Path
) -> None:
    environment = await environment_of(MLSERVER)
    train = [environment.programs / "python", "-W", "ignore", "-c", TRAIN, tmp_path, FRAUD / "golden.jsonl"]
    await asyncio.to_thread(subprocess.run, train, check=True, capture_output=True, cwd=tmp_path)
    shop = await open_shops()
    load = await serving(shop, for_mlserver("v1", tmp_path), rate=30, seconds=120)
    await shop.apply(for_mlserver("v2", tmp_path))
    await shop.until_ready("v2", seconds=120)
    await shop.until_served_by("v2")
    assert_no_request_crossed(load, more_than=20)

    # Back to the first pair, by hand, in the middle of the canary of a third.
    third = for_mlserver("v2", tmp_path, release={"model": {"version": "v3"}, "featurePipeline": {"version": "p3"}})
    steps = {"strategy": {"canary": {"steps": [{"weight": 50, "minDuration": "60s"}, {"weight": 100}]}}}
    await shop.apply(merge(third, {"spec": steps}))
    await shop.until_served_by("v3", seconds=120)
    command = ("-m", "slipway", "abort", NAME, f"--namespace={shop.namespace}")
    kubeconfig = {"KUBECONFIG": str(shop.stage.sandbox.kubeconfig_path)}
    process = await asyncio.create_subprocess_exec(sys.executable, *command, env={**os.environ, **kubeconfig})
    assert await process.wait() == 0
    await shop.until_phase("v3", "RolledBack")
    await until_only_stable_answers(shop, load)
    assert set(load.pairs()) == BOTH | {("p3", "v3")}
    assert shop.failed == []
