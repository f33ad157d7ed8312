"""How pods end, and what their status says of it.

Cases: beside a sidecar, by their deadline, with a message of their own or from their log, with limits in their words,
after their work as an init container.
"""

from typing import Any

import pytest
from sandbox.runtime.kit import Space, eventually

from slipway_sandbox.client import JOBS, PODS, Manifest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def a_container(script: str, name: str = "main", **fields: Any) -> Manifest:
    return {"name": name, "image": "localhost/python:3", "command": ["sh", "-c", script], **fields}


def a_pod(*containers: Manifest, **spec: Any) -> Manifest:
    whole = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": list(containers), **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": whole}


async def ended(space: Space, phase: str) -> Manifest:
    async def over() -> Manifest | None:
        pod = await space.get(PODS, "p")
        return pod if pod["status"].get("phase") in {"Succeeded", "Failed"} else None

    pod: Manifest = await eventually(over)
    assert pod["status"]["phase"] == phase
    return pod


def last_state(pod: Manifest, kind: str = "containerStatuses") -> Manifest:
    found: Manifest = pod["status"][kind][0]["state"]["terminated"]
    return found


A_SIDECAR = a_container(
    "trap 'sleep 0.3; exit 0' TERM; echo hello; while true; do sleep 0.05; done", "side", restartPolicy="Always"
)


async def test_a_job_with_a_sidecar_is_complete_when_its_work_is_done(space: Space) -> None:
    pod = a_pod(a_container("echo work"), initContainers=[A_SIDECAR])
    await space.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "j"},
            "spec": {"template": {"spec": pod["spec"]}},
        }
    )

    async def complete() -> bool:
        return (await space.get(JOBS, "j")).get("status", {}).get("succeeded") == 1

    await eventually(complete)
    [pod] = await space.pods()
    assert pod["status"]["phase"] == "Succeeded"
    conditions = {entry["type"]: entry["status"] for entry in pod["status"]["conditions"]}
    assert conditions["Initialized"] == "True"
    assert last_state(pod, "initContainerStatuses")["exitCode"] == 0


async def test_an_init_container_that_has_done_its_work_counts_as_ready(space: Space) -> None:
    await space.apply(a_pod(a_container("true"), initContainers=[a_container("true", "before")]))
    pod = await ended(space, "Succeeded")
    [before] = pod["status"]["initContainerStatuses"]
    assert (before["ready"], before["started"]) == (True, False)


async def test_a_deadline_asks_the_containers_to_go_and_tells_their_end(space: Space) -> None:
    polite = "trap 'echo goodbye; exit 4' TERM; while true; do sleep 0.05; done"
    await space.apply(a_pod(a_container(polite), activeDeadlineSeconds=15))
    pod = await ended(space, "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"
    [status] = pod["status"]["containerStatuses"]
    assert (status["state"]["terminated"]["exitCode"], status["ready"]) == (4, False)


@pytest.mark.parametrize(
    ("script", "fields", "message"),
    [
        ("echo words > /dev/termination-log; exit 1", {}, "words\n"),
        ("echo elsewhere > /tmp/why", {"terminationMessagePath": "/tmp/why"}, "elsewhere\n"),
        ("echo log; exit 1", {"terminationMessagePolicy": "FallbackToLogsOnError"}, "log"),
        ("echo log", {"terminationMessagePolicy": "FallbackToLogsOnError"}, None),
        ("head -c 9000 /dev/zero | tr '\\0' x > /dev/termination-log", {}, "x" * 4096),
    ],
    ids=["default path", "own path", "log of a failure", "no log of a success", "too long"],
)
async def test_a_container_may_leave_a_message(
    space: Space, script: str, fields: dict[str, str], message: str | None
) -> None:
    await space.apply(a_pod(a_container(script, **fields)))
    pod = await ended(space, "Failed" if "exit 1" in script else "Succeeded")
    assert last_state(pod).get("message") == message


async def test_resources_are_told_of_any_container_and_what_has_no_limit_has_the_nodes(space: Space) -> None:
    def told(resource: str, **reference: str) -> Manifest:
        return {"name": "IT", "valueFrom": {"resourceFieldRef": {"resource": resource, **reference}}}

    def says(name: str, env: Manifest, **resources: Manifest) -> Manifest:
        return a_container("echo $IT > /dev/termination-log", name, env=[env], resources=resources)

    limits = {"cpu": "250m", "memory": "64Mi"}
    await space.apply(
        a_pod(
            says("main", told("limits.memory")),
            initContainers=[
                says("one", told("limits.cpu", divisor="1m"), limits=limits),
                says("two", told("requests.cpu", containerName="main")),
            ],
        )
    )
    pod = await ended(space, "Succeeded")
    said = [entry["state"]["terminated"]["message"] for entry in pod["status"]["initContainerStatuses"]]
    assert said == ["250\n", "0\n"]
    assert int(last_state(pod)["message"]) > 64 * 2**20
