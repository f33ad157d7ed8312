"""Jobs run to completion, budgets count."""

import pytest
from sandbox.runtime.kit import Space, a_deployment, eventually

from slipway_sandbox.client import JOBS, POD_DISRUPTION_BUDGETS, Manifest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def a_job(script: str, **spec: object) -> Manifest:
    container = {"name": "main", "image": "localhost/python:3", "command": ["sh", "-c", script]}
    pod = {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"template": {"spec": pod}, **spec},
    }


async def concluded(space: Space) -> Manifest:
    async def look() -> Manifest | None:
        job = await space.get(JOBS, "job")
        kinds = {entry["type"] for entry in job.get("status", {}).get("conditions") or ()}
        return job if kinds & {"Complete", "Failed"} else None

    return await eventually(look)


async def test_a_job_is_complete_when_as_many_pods_as_asked_for_have_succeeded(space: Space) -> None:
    await space.apply(a_job("exit 0", completions=2, parallelism=2))
    job = await concluded(space)
    assert job["status"]["succeeded"] == 2
    assert "completionTime" in job["status"]
    assert [entry["type"] for entry in job["status"]["conditions"]] == ["SuccessCriteriaMet", "Complete"]


async def test_a_job_that_fails_too_often_says_so(space: Space) -> None:
    await space.apply(a_job("exit 1", backoffLimit=0))
    job = await concluded(space)
    assert job["status"]["failed"] == 1
    assert {entry["reason"] for entry in job["status"]["conditions"]} == {"BackoffLimitExceeded"}


async def test_a_budget_says_how_many_pods_may_go(space: Space) -> None:
    await space.apply(
        a_deployment(replicas=2),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "budget"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        },
    )

    async def counted() -> bool:
        budget = await space.get(POD_DISRUPTION_BUDGETS, "budget")
        return budget.get("status", {}).get("disruptionsAllowed") == 1

    await eventually(counted)
    status = (await space.get(POD_DISRUPTION_BUDGETS, "budget"))["status"]
    assert (status["currentHealthy"], status["desiredHealthy"], status["expectedPods"]) == (2, 1, 2)
