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


async def test_each_number_of_an_indexed_job_succeeds_once(space: Space) -> None:
    script = 'echo "$JOB_COMPLETION_INDEX of $HOSTNAME" > /dev/termination-log'
    await space.apply(a_job(script, completions=3, parallelism=2, completionMode="Indexed"))
    job = await concluded(space)
    assert (job["status"]["succeeded"], job["status"]["completedIndexes"]) == (3, "0-2")
    said = {pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] for pod in await space.pods()}
    assert said == {f"{index} of job-{index}\n" for index in range(3)}


async def test_an_indexed_job_that_fails_tells_which_numbers_are_done(space: Space) -> None:
    script = 'test "$JOB_COMPLETION_INDEX" = 0'
    # One at a time and in their order: side by side, number 1 may fail, and end the Job, before number 0 is done.
    await space.apply(a_job(script, completions=2, parallelism=1, completionMode="Indexed", backoffLimit=0))
    job = await concluded(space)
    assert job["status"]["completedIndexes"] == "0"
    assert job["status"]["failed"] == 1


async def test_a_suspended_job_has_no_pods_and_no_start_until_it_is_resumed(space: Space) -> None:
    await space.apply(a_job("exit 0", suspend=True, activeDeadlineSeconds=30))

    async def suspended() -> Manifest | None:
        job = await space.get(JOBS, "job")
        return job if job.get("status", {}).get("conditions") else None

    job = await eventually(suspended)
    assert [(entry["type"], entry["status"]) for entry in job["status"]["conditions"]] == [("Suspended", "True")]
    assert "startTime" not in job["status"]
    assert await space.pods() == []
    await space.apply(a_job("exit 0", suspend=False, activeDeadlineSeconds=30))
    told = {entry["type"]: entry for entry in (await concluded(space))["status"]["conditions"]}
    assert (told["Suspended"]["status"], told["Suspended"]["reason"]) == ("False", "JobResumed")
    assert told["Complete"]["status"] == "True"


async def test_a_job_that_is_too_late_fails_with_its_pods(space: Space) -> None:
    await space.apply(a_job("sleep 60", activeDeadlineSeconds=1))
    job = await concluded(space)
    assert {entry["reason"] for entry in job["status"]["conditions"]} == {"DeadlineExceeded"}
    assert job["status"]["failed"] == 1


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
