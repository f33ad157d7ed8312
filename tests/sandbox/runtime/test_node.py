"""Pods as processes: addresses, configuration, probes, restarts, images, ends, and what the status says of all that."""

import json
from typing import Any

import pytest
from sandbox.runtime.kit import BACKOFF_SECONDS, Space, a_pod, eventually, get

from slipway_sandbox.client import PODS, ApiError, Manifest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def condition(pod: Manifest, kind: str) -> tuple[str, str]:
    for entry in pod.get("status", {}).get("conditions") or ():
        if entry["type"] == kind:
            return entry["status"], entry.get("reason", "")
    return "", ""


async def pod_when(space: Space, name: str, holds: Any, seconds: float = 60) -> Manifest:
    async def look() -> Manifest | None:
        pod = await space.get(PODS, name)
        return pod if holds(pod) else None

    return await eventually(look, seconds)


def state_of(pod: Manifest) -> Manifest:
    statuses = pod.get("status", {}).get("containerStatuses") or [{"state": {}}]
    return statuses[0]["state"]


async def words_of(space: Space, name: str) -> str:
    [log] = sorted(space.sandbox.logs_dir.glob(f"pods/{space.name}_{name}_*/*/0.log"))
    return log.read_text()


async def test_a_pod_serves_on_an_address_of_its_own_and_its_status_is_a_kubelets(space: Space) -> None:
    await space.apply(a_pod("a"), a_pod("b"))
    pods = [await pod_when(space, name, lambda pod: condition(pod, "Ready")[0] == "True") for name in "ab"]
    addresses = [pod["status"]["podIP"] for pod in pods]
    assert len(set(addresses)) == 2
    for address in addresses:
        assert address.startswith("127.")
        assert not address.startswith("127.0.0.")
        assert (await get(f"http://{address}:8080/"))[1]["ip"] == address
    status = pods[0]["status"]
    assert status["phase"] == "Running"
    assert [entry["type"] for entry in status["conditions"]] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    [container] = status["containerStatuses"]
    assert container["ready"] is True
    assert container["started"] is True
    assert container["restartCount"] == 0
    assert container["state"].keys() == {"running"}
    assert status["podIPs"] == [{"ip": addresses[0]}]
    assert pods[0]["spec"]["nodeName"] == "sandbox"


async def test_configuration_reaches_the_process_as_in_a_cluster(space: Space) -> None:
    program = (
        "import json, os, sys, pathlib; print(json.dumps({'env': dict(os.environ), 'args': sys.argv[1:],"
        " 'files': {p: pathlib.Path(p).read_text() for p in sys.argv[3:]}}))"
    )
    await space.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c"},
            "data": {"COLOUR": "red", "k": "from map"},
        },
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hush"}},
    )
    container = {
        "name": "main",
        "image": "localhost/python:3",
        "args": [
            "-c",
            program,
            "$(GREETING)",
            "--dir=/etc/config",
            "/etc/config/k",
            "/etc/secret/password",
            "/etc/info/l",
        ],
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "MAP_"}],
        "env": [
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
            {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "no", "optional": True}}},
            {"name": "GREETING", "value": "hello $(NAME) $(UNKNOWN)"},
            {"name": "CONFIG", "value": "/etc/config/k"},
        ],
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/config"},
            {"name": "secret", "mountPath": "/etc/secret"},
            {"name": "info", "mountPath": "/etc/info"},
        ],
    }
    volumes = [
        {"name": "config", "configMap": {"name": "c"}},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "info", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    await space.apply(a_pod("p", restartPolicy="Never", containers=[container], volumes=volumes))
    pod = await pod_when(space, "p", lambda pod: pod["status"].get("phase") == "Succeeded")
    said = json.loads((await words_of(space, "p")).split(" stdout F ", 1)[1])
    env = said["env"]
    assert env["MAP_COLOUR"] == "red"
    assert (env["NAME"], env["LABEL"], env["IP"]) == ("p", "p", pod["status"]["podIP"])
    assert env["PASSWORD"] == "hush"
    assert "ABSENT" not in env
    assert said["args"][0] == env["GREETING"] == "hello p $(UNKNOWN)"
    assert env["CONFIG"].endswith("/volumes/config/k")
    assert list(said["files"].values()) == ["from map", "hush", 'app="p"']
    assert said["args"][1].startswith("--dir=/")
    assert condition(pod, "Ready") == ("False", "PodCompleted")


async def test_a_missing_configuration_is_named_and_picked_up_when_it_comes(space: Space) -> None:
    env = [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "VERSION", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "v"}}},
    ]
    await space.apply(a_pod("p", env=env))
    pod = await pod_when(
        space, "p", lambda p: state_of(p).get("waiting", {}).get("reason") == "CreateContainerConfigError"
    )
    assert state_of(pod)["waiting"]["message"] == 'configmap "late" not found'
    await space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}, "data": {"v": "7"}})
    pod = await pod_when(space, "p", lambda pod: condition(pod, "Ready")[0] == "True")
    assert (await get(f"http://{pod['status']['podIP']}:8080/"))[1]["version"] == "7"


async def test_init_containers_run_in_order_before_the_others(space: Space) -> None:
    def step(name: str, script: str) -> Manifest:
        return {
            "name": name,
            "image": "localhost/python:3",
            "command": ["sh", "-c", script],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }

    await space.apply(
        a_pod(
            "p",
            restartPolicy="Never",
            volumes=[{"name": "data", "emptyDir": {}}],
            initContainers=[step("one", "sleep 0.2; echo 1 >> /data/order"), step("two", "echo 2 >> /data/order")],
            containers=[step("main", "cat /data/order")],
        )
    )
    pod = await pod_when(space, "p", lambda pod: pod["status"].get("phase") == "Succeeded")
    log = next(space.sandbox.logs_dir.glob(f"pods/{space.name}_p_*/main/0.log")).read_text()
    assert [line.rsplit(" ", 1)[1] for line in log.splitlines()] == ["1", "2"]
    assert [entry["state"]["terminated"]["reason"] for entry in pod["status"]["initContainerStatuses"]] == [
        "Completed"
    ] * 2


async def test_an_unknown_image_says_how_to_map_it_and_heals_when_it_is(space: Space) -> None:
    await space.apply(a_pod("p", image="registry.example/mystery:1"))
    pod = await pod_when(space, "p", lambda p: state_of(p).get("waiting", {}).get("reason") == "ImagePullBackOff")
    message = state_of(pod)["waiting"]["message"]
    assert "ErrImagePull" in message
    assert str(space.sandbox.state_dir / "images.yaml") in message
    assert pod["status"]["phase"] == "Pending"
    table = {"images": [{"image": "registry.example/mystery:*", "command": ["python3"]}]}
    (space.sandbox.state_dir / "images.yaml").write_text(json.dumps(table))
    await pod_when(space, "p", lambda pod: condition(pod, "Ready")[0] == "True")


async def test_a_crashing_container_is_restarted_at_once_and_then_with_growing_pauses(space: Space) -> None:
    await space.apply(a_pod("p", command=["sh", "-c", "echo about to fail; exit 3"], args=[], readinessProbe=None))

    def backing_off(pod: Manifest) -> bool:
        [entry] = pod["status"].get("containerStatuses") or [{"state": {}, "restartCount": 0}]
        return entry["restartCount"] >= 2 and entry["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"

    pod = await pod_when(space, "p", backing_off)
    [entry] = pod["status"]["containerStatuses"]
    assert entry["lastState"]["terminated"]["exitCode"] == 3
    assert entry["lastState"]["terminated"]["reason"] == "Error"
    assert f"back-off {BACKOFF_SECONDS * 2:g}s restarting failed container=main" in entry["state"]["waiting"]["message"]
    assert condition(pod, "Ready") == ("False", "ContainersNotReady")
    assert pod["status"]["phase"] == "Running"


async def test_a_command_that_is_not_there_is_a_start_error(space: Space) -> None:
    await space.apply(a_pod("p", command=["no-such-program"], restartPolicy="Never"))
    pod = await pod_when(space, "p", lambda pod: pod["status"].get("phase") == "Failed")
    ended = state_of(pod)["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert 'exec: "no-such-program": executable file not found in $PATH' in ended["message"]


async def test_a_failing_liveness_probe_restarts_the_container(space: Space) -> None:
    probe = {"exec": {"command": ["test", "!", "-e", "broken"]}, "periodSeconds": 1, "failureThreshold": 1}
    await space.apply(a_pod("p", livenessProbe=probe, readinessProbe=None))
    pod = await pod_when(space, "p", lambda pod: condition(pod, "Ready")[0] == "True")
    [folder] = space.sandbox.state_dir.glob(f"pods/{pod['metadata']['uid']}/containers/main")
    (folder / "broken").touch()
    pod = await pod_when(space, "p", lambda pod: pod["status"]["containerStatuses"][0]["restartCount"] == 1)
    # It finds nothing of what the one before had written, and so stays.
    await pod_when(space, "p", lambda pod: condition(pod, "Ready")[0] == "True")
    assert not (folder / "broken").exists()


async def test_a_startup_probe_holds_readiness_back_until_it_passes(space: Space) -> None:
    probe = {"exec": {"command": ["test", "-e", "warm"]}, "periodSeconds": 1, "failureThreshold": 30}
    await space.apply(a_pod("p", startupProbe=probe))
    pod = await pod_when(space, "p", lambda pod: "running" in state_of(pod))
    [entry] = pod["status"]["containerStatuses"]
    assert (entry["started"], entry["ready"]) == (False, False)
    [folder] = space.sandbox.state_dir.glob(f"pods/{pod['metadata']['uid']}/containers/main")
    (folder / "warm").touch()
    pod = await pod_when(space, "p", lambda pod: condition(pod, "Ready")[0] == "True")
    assert pod["status"]["containerStatuses"][0]["started"] is True


async def test_a_deleted_pod_is_asked_first_and_goes_when_its_process_has_gone(space: Space) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo stopping > $HOME/hook"]}}}
    await space.apply(a_pod("p", lifecycle=hook))
    pod = await pod_when(space, "p", lambda pod: condition(pod, "Ready")[0] == "True")
    await space.client.delete(PODS, space.name, "p")

    async def gone() -> bool:
        return await space.client.find(PODS, space.name, "p") is None

    await eventually(gone)
    assert "goodbye" in await words_of(space, "p")
    with pytest.raises(OSError, match="onnect"):
        await get(f"http://{pod['status']['podIP']}:8080/")


async def test_a_process_that_will_not_go_is_killed_after_the_grace_period(space: Space) -> None:
    script = "trap '' TERM; echo deaf; while true; do sleep 0.1; done"
    await space.apply(
        a_pod("p", command=["sh", "-c", script], args=[], readinessProbe=None, terminationGracePeriodSeconds=1)
    )

    async def deaf() -> bool:
        return "deaf" in "".join(
            log.read_text() for log in space.sandbox.logs_dir.glob(f"pods/{space.name}_p_*/*/0.log")
        )

    await eventually(deaf)
    await space.client.delete(PODS, space.name, "p")

    async def gone() -> bool:
        return await space.client.find(PODS, space.name, "p") is None

    await eventually(gone)


async def test_a_pod_that_fits_no_scheduler_of_ours_stays_unbound(space: Space) -> None:
    pod = a_pod("p")
    pod["spec"]["schedulerName"] = "somebody-else"
    await space.apply(pod, a_pod("other"))
    await pod_when(space, "other", lambda pod: condition(pod, "Ready")[0] == "True")
    assert "nodeName" not in (await space.get(PODS, "p"))["spec"]


async def test_a_pod_name_that_is_not_there_has_no_log(space: Space) -> None:
    with pytest.raises(ApiError) as refusal:
        await space.client.request("GET", PODS.path(space.name, "nobody", "log"))
    assert refusal.value.code == 404
