"""Evidence that Jobs collect: a golden set on a volume, replayed by `slipway evaluate` in a pod of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox.rollout.kit import Open, Shop, a_release, errors

from demo.stage import FRAUD, Manifest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

CLAIM = "golden-sets"


def a_claim() -> Manifest:
    """A volume for golden sets."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM}, "spec": spec}


def a_writer() -> Manifest:
    """A pod that puts the example's golden set onto the volume."""
    container = {
        "name": "copy",
        "image": "localhost/python:3",
        "command": ["cp", str(FRAUD / "golden.jsonl"), "/data/v1.jsonl"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    spec = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer"}, "spec": spec}


def on_volume(**source: Any) -> Manifest:
    """The golden set there as a metric that the candidate may not be worse on than stable."""
    pvc = {"claimName": CLAIM, "path": "v1.jsonl"}
    return {
        "name": "accuracy",
        "goldenSet": {"pvc": pvc, "output": "label", "maxRequestsPerSecond": 1000, **source},
        "comparison": {"margin": 0.02},
    }


async def filled(shop: Shop) -> None:
    await shop.apply(a_claim(), a_writer())
    await shop.kubectl("wait", "pod/writer", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=120s")


async def jobs_of(shop: Shop) -> list[Manifest]:
    found: list[Manifest] = json.loads(await shop.kubectl("get", "jobs", "-o", "json"))["items"]
    return found


async def test_a_release_that_is_worse_on_a_volumes_golden_set_is_hauled_back_before_any_traffic(
    open_shops: Open,
) -> None:
    shop = await open_shops()
    await shop.serve_first_release()
    await filled(shop)
    await shop.apply(a_release("v3", analysis={"metrics": [on_volume(), errors()]}))
    await shop.until_phase("v3", "RolledBack")
    (judged,) = (metric for metric in shop.record("v3")["metrics"] if metric["name"] == "accuracy")
    assert (judged["verdict"], judged["message"].partition(";")[0]) == ("Fail", "n=600 of 600")
    assert judged["dataset"].startswith("sha256:")
    (job,) = await jobs_of(shop)
    assert job["status"]["succeeded"] == 1
    log = await shop.kubectl("logs", f"job/{job['metadata']['name']}")
    assert "600 of 600 items after" in log
    assert shop.weights("v3") == [0]
    assert shop.failed == []


PROGRAM = """
import json, os, sys, urllib.request
counts = {}
for arm in ("candidate", "stable"):
    url = os.environ[f"SLIPWAY_{arm.upper()}_PODS"].split(",")[0]
    with urllib.request.urlopen(f"{url}/v2/models/{os.environ[f'SLIPWAY_{arm.upper()}_MODEL']}") as answer:
        versions = json.load(answer)["versions"]
    counts[arm] = {"bad": 100 if os.environ["SLIPWAY_CANDIDATE_VERSION"] in versions else 1, "total": 1000}
with open(os.environ["SLIPWAY_RESULT"], "w") as file:
    json.dump(counts, file)
"""


async def test_a_users_job_asks_both_releases_and_its_counts_decide(open_shops: Open) -> None:
    shop = await open_shops()
    await shop.serve_first_release()
    job = {"image": "localhost/python:3", "command": ["python3", "-c", PROGRAM], "timeout": "1m"}
    metric = {"name": "checks", "job": job, "comparison": {"margin": 0.01}}
    await shop.apply(a_release("v2", analysis={"metrics": [metric, errors()]}))
    await shop.until_phase("v2", "RolledBack")
    (judged,) = (metric for metric in shop.record("v2")["metrics"] if metric["name"] == "checks")
    assert "n=1000/1000, bad=100/1" in judged["message"]
    assert shop.weights("v2") == [0]
    assert shop.failed == []
