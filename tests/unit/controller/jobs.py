"""The Job controller and the kubelet of a world: what they do with a Job, the test says."""

from __future__ import annotations

import json
from typing import Any

from unit.controller.builders import NAMESPACE
from unit.controller.world import World

from slipway.cluster import JOB, POD, Object

IMAGE = "slipway.example/slipway:1"


def jobs(world: World) -> list[Object]:
    return world.mirror.objects(JOB)


def the_job(world: World) -> Object:
    (job,) = jobs(world)
    return job


def arguments(job: Object) -> list[str]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    found: list[str] = container["args"]
    return found


def condition(kind: str, reason: str) -> Object:
    return {"type": kind, "status": "True", "reason": reason, "message": ""}


def put_pod(world: World, job: Object, phase: str, **terminated: Any) -> None:
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    world.cluster.put(
        {
            "apiVersion": POD.api_version,
            "kind": POD.kind,
            "metadata": {
                "name": f"{job['metadata']['name']}-x",
                "namespace": NAMESPACE,
                "labels": {"job-name": job["metadata"]["name"]},
                "ownerReferences": [owner],
            },
            "status": {
                "phase": phase,
                "containerStatuses": [{"name": "job", "state": {"terminated": terminated}}],
            },
        }
    )


def finish(world: World, result: object) -> None:
    """The Job's pod succeeds with this result: text, or a value that becomes JSON."""
    job = the_job(world)
    text = result if isinstance(result, str) else json.dumps(result)
    put_pod(world, job, "Succeeded", exitCode=0, message=text)
    world.cluster.put(job | {"status": {"conditions": [condition("Complete", "CompletionsReached")]}})


def fail(world: World, reason: str, message: str) -> None:
    """The Job fails, and its last pod has said why."""
    job = the_job(world)
    put_pod(world, job, "Failed", exitCode=1, reason="Error", message=message)
    world.cluster.put(job | {"status": {"conditions": [condition("Failed", reason)]}})
