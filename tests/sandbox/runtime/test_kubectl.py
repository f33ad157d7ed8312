"""kubectl, the real one, against a running sandbox."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from sandbox.runtime.kit import Space, a_deployment, a_pod, eventually

KUBECTL = Path(sys.executable).with_name("kubectl")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not KUBECTL.exists() and shutil.which("kubectl") is None, reason="there is no kubectl here"),
]


async def kubectl(space: Space, *words: str, stdin: str = "", code: int = 0) -> str:
    binary = str(KUBECTL) if KUBECTL.exists() else "kubectl"
    options = [f"--kubeconfig={space.sandbox.kubeconfig_path}", f"--namespace={space.name}"]
    process = await asyncio.create_subprocess_exec(
        binary,
        *options,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 180)
    assert process.returncode == code, f"kubectl {' '.join(words)}: {err.decode()}"
    return out.decode()


async def test_apply_wait_rollout_scale_and_undo(space: Space) -> None:
    await kubectl(space, "apply", "-f", "-", stdin=yaml.safe_dump(a_deployment(replicas=1)))
    await kubectl(space, "wait", "--for=condition=Available", "deployment/web", "--timeout=120s")
    assert "successfully rolled out" in await kubectl(space, "rollout", "status", "deployment/web", "--timeout=120s")
    await kubectl(space, "scale", "deployment/web", "--replicas=2")
    await kubectl(space, "wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment/web", "--timeout=120s")
    await kubectl(space, "set", "env", "deployment/web", "VERSION=2")
    await kubectl(space, "rollout", "status", "deployment/web", "--timeout=120s")
    history = await kubectl(space, "rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["1", "2"]
    await kubectl(space, "rollout", "undo", "deployment/web")
    await kubectl(space, "rollout", "status", "deployment/web", "--timeout=120s")
    deployment = json.loads(await kubectl(space, "get", "deployment/web", "-o", "json"))
    assert {"name": "VERSION", "value": "1"} in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


async def test_get_and_describe_show_what_a_cluster_shows(space: Space) -> None:
    await space.apply(a_deployment())
    await space.rolled_out("web")
    header, row = (await kubectl(space, "get", "deployments")).splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:4] == ["web", "1/1", "1", "1"]
    header, row = (await kubectl(space, "get", "pods")).splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[1:4] == ["1/1", "Running", "0"]
    header, row = (await kubectl(space, "get", "nodes")).splitlines()
    assert row.split()[:2] == ["sandbox", "Ready"]

    async def told() -> bool:
        described = await kubectl(space, "describe", "pods")
        return all(word in described for word in ("Scheduled", "Pulled", "Created", "Started"))

    await eventually(told)
    assert "Scaled up replica set" in await kubectl(space, "describe", "deployment", "web")


KEEPING = {"volumeMounts": [{"name": "keep", "mountPath": "/keep"}], "volumes": [{"name": "keep", "emptyDir": {}}]}


async def test_logs_of_this_run_and_the_one_before(space: Space) -> None:
    script = "echo . >>/keep/runs; n=$(grep -c . /keep/runs); echo run; echo $n; test $n = 2 && exec sleep 600; exit 1"
    await space.apply(a_pod("p", command=["sh", "-c", script], args=[], readinessProbe=None, **KEEPING))
    await kubectl(
        space, "wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/p", "--timeout=120s"
    )
    await kubectl(space, "wait", "--for=condition=Ready", "pod/p", "--timeout=120s")
    assert await kubectl(space, "logs", "p") == "run\n2\n"
    assert await kubectl(space, "logs", "p", "--previous") == "run\n1\n"
    assert await kubectl(space, "logs", "p", "--tail=1") == "2\n"
    stamped = await kubectl(space, "logs", "p", "--timestamps", "--tail=1")
    assert stamped.split()[0].endswith("Z")


async def test_a_container_that_waits_to_run_again_shows_the_log_of_the_run_that_ended(space: Space) -> None:
    await space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"w": "hello"}})
    env = [{"name": "WORD", "valueFrom": {"configMapKeyRef": {"name": "words", "key": "w"}}}]
    script = "echo $WORD; until test -e /keep/end; do sleep 0.1; done; exit 1"
    await space.apply(a_pod("p", command=["sh", "-c", script], args=[], env=env, readinessProbe=None, **KEEPING))
    await kubectl(space, "wait", "--for=condition=Ready", "pod/p", "--timeout=120s")
    await kubectl(space, "logs", "p", "--previous", code=1)
    await kubectl(space, "delete", "configmap", "words")
    await kubectl(space, "exec", "p", "--", "touch", "/keep/end")
    waits = "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError"
    await kubectl(space, "wait", waits, "pod/p", "--timeout=120s")
    [entry] = json.loads(await kubectl(space, "get", "pod/p", "-o", "json"))["status"]["containerStatuses"]
    assert (entry["restartCount"], entry["lastState"]["terminated"]["exitCode"]) == (0, 1)
    assert await kubectl(space, "logs", "p") == "hello\n"
    assert await kubectl(space, "logs", "p", "--previous") == "hello\n"


async def test_following_a_log_ends_with_the_container(space: Space) -> None:
    script = "for i in 1 2 3; do echo $i; sleep 0.2; done"
    await space.apply(a_pod("p", command=["sh", "-c", script], args=[], readinessProbe=None, restartPolicy="Never"))
    await kubectl(space, "wait", "--for=jsonpath={.status.phase}=Running", "pod/p", "--timeout=120s")
    assert await kubectl(space, "logs", "-f", "p") == "1\n2\n3\n"
