"""A sandbox that is stopped and resumed, as a machine that is switched off and on again.

Cases: objects, restarts and what they are told with, volumes, logs of this run and of the one before, what was over,
what may not run twice, and files of pods that are gone. After a crash as after `down`.
"""

import os
import signal
from typing import Any

import pytest
from sandbox.clients.kit import a_deployment, eventually, text
from sandbox.clients.terminal import Terminal

pytestmark = pytest.mark.e2e

PAUSE = "sleep 600"
NOTES = {"volumeMounts": [{"name": "notes", "mountPath": "/notes"}]}


def a_pod(name: str, script: str, *, policy: str = "Always", **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "localhost/python:3", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"restartPolicy": policy, "terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


def a_pod_with_notes() -> dict[str, Any]:
    """Its init container writes a line into a volume and says how many there are; its container says when it starts."""
    pod = a_pod("notes", f"echo begun; {PAUSE}", volumes=[{"name": "notes", "emptyDir": {}}])
    pod["spec"]["initContainers"] = [
        {
            "name": "writer",
            "image": "localhost/python:3",
            "command": ["sh", "-c", "echo line >> /notes/file; wc -l < /notes/file"],
            **NOTES,
        }
    ]
    return pod


def all_there() -> str:
    return text(
        a_deployment("web", replicas=2),
        a_pod_with_notes(),
        a_pod("finished", "echo worked", policy="Never"),
        a_pod("once", f"echo half way; {PAUSE}", policy="Never"),
    )


def stop(terminal: Terminal, *, crash: bool) -> None:
    if crash:
        os.kill(terminal.pid(), signal.SIGKILL)
        eventually(lambda: "did not end properly" in terminal("status", code=3))
    else:
        terminal("down")


@pytest.mark.parametrize("crash", [False, True], ids=["down", "crash"])
def test_pods_go_on_as_after_a_restart_of_their_machine(sandbox_at: Terminal, crash: bool) -> None:
    sandbox_at("up", "--no-gateway", "--persist")
    kubectl = sandbox_at.kubectl
    kubectl("apply", "-f", "-", stdin=all_there())
    kubectl("wait", "--for=condition=Ready", "pod/notes", "pod/once", "--timeout=120s")
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/finished", "--timeout=120s")
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    before = kubectl.field("pods", ".items[*].metadata.uid")

    stop(sandbox_at, crash=crash)
    sandbox_at("up", "--no-gateway", "--persist")
    kubectl("wait", "--for=condition=Ready", "pod/notes", "--timeout=120s")
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/once", "--timeout=120s")
    assert kubectl.field("pods", ".items[*].metadata.uid") == before

    # What ran has been restarted once, for a reason that nobody saw.
    assert kubectl.field("pods", ".items[*].status.containerStatuses[*].restartCount").split() == list("01011")
    assert kubectl.field("pod/notes", ".status.initContainerStatuses[*].restartCount") == "1"
    last = "lastState.terminated['reason','exitCode']"
    assert kubectl.field("pod/notes", f".status.containerStatuses[0].{last}") == "Unknown 255"
    assert "SandboxChanged" in kubectl("describe", "pod/notes")
    # The volume has kept what was written, and logs can be read of both runs.
    assert kubectl("logs", "notes", "--container=writer") == "2\n"
    assert kubectl("logs", "notes", "--previous") == "begun\n"
    # What was over is as it was; what may run only once has failed.
    assert kubectl.field("pod/finished", ".status.phase") == "Succeeded"
    assert kubectl("logs", "finished") == "worked\n"
    assert kubectl.field("pod/once", ".status.containerStatuses[0].state.terminated.exitCode") == "255"
    assert kubectl("logs", "once") == "half way\n"


def test_pods_that_are_deleted_take_their_files_along_also_those_that_were_over(sandbox_at: Terminal) -> None:
    sandbox_at("up", "--no-gateway", "--persist")
    kubectl = sandbox_at.kubectl
    kubectl("apply", "-f", "-", stdin=text(a_pod_with_notes(), a_pod("finished", "true", policy="Never")))
    kubectl("wait", "--for=condition=Ready", "pod/notes", "--timeout=120s")
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/finished", "--timeout=120s")
    sandbox_at("down")
    sandbox_at("up", "--no-gateway", "--persist")
    kubectl("delete", "pod", "notes", "finished", "--timeout=120s")
    eventually(lambda: not list((sandbox_at.folder / "pods").iterdir()))


def test_objects_that_are_kept_wait_while_a_sandbox_runs_without_them(sandbox_at: Terminal) -> None:
    sandbox_at("up", "--no-gateway", "--persist")
    sandbox_at.kubectl("create", "configmap", "kept", "--from-literal=a=1")
    sandbox_at("down")
    sandbox_at("up", "--no-gateway")
    assert "not found" in sandbox_at.kubectl("get", "configmap", "kept", code=1)
    sandbox_at("down")
    sandbox_at("up", "--no-gateway", "--persist")
    assert sandbox_at.kubectl.field("configmap/kept", ".data.a") == "1"
