"""Pods whose images run in environments: pulled when they are used first, by packages that are made on the spot.

Cases: pulling and what is told of it, variables and addresses of the image, a pull that fails and is put right, a pod
that may not pull, a pod that is deleted while its image is pulled.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sandbox.runtime.kit import BACKOFF_SECONDS, Space, eventually, get
from sandbox.runtime.wheels import Index, a_wheel

from slipway_sandbox import Sandbox
from slipway_sandbox.client import EVENTS, PODS, Manifest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    folder = tmp_path_factory.mktemp("images")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_CACHE_DIR", str(folder / "pip"))
        patch.setenv("SLIPWAY_SANDBOX_CACHE", str(folder / "cache"))
        state = folder / "state"
        async with Sandbox(state_dir=state, gateway=False, backoff_seconds=BACKOFF_SECONDS) as sandbox:
            yield Space(sandbox, "default")


def a_pod(name: str, image: str, **container: object) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "model", "emptyDir": {}}],
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "ports": [{"containerPort": 8080}],
                    "volumeMounts": [{"name": "model", "mountPath": "/mnt/models"}],
                    "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
                    **container,
                }
            ],
        },
    }


async def told_of(space: Space, pod: str) -> list[tuple[str, str]]:
    items, _ = await space.client.list_all(EVENTS, space.name, fieldSelector=f"involvedObject.name={pod}")
    ordered = sorted(items, key=lambda event: int(event["metadata"]["resourceVersion"]))
    return [(event["reason"], event["message"]) for event in ordered]


async def waiting(space: Space, pod: str) -> Manifest:
    statuses = (await space.get(PODS, pod)).get("status", {}).get("containerStatuses") or [{}]
    return statuses[0].get("state", {}).get("waiting") or {}


async def ready(space: Space, pod: str, seconds: float = 60) -> Manifest:
    async def look() -> Manifest | None:
        found = await space.get(PODS, pod)
        conditions = {entry["type"]: entry["status"] for entry in found.get("status", {}).get("conditions") or ()}
        return found if conditions.get("Ready") == "True" else None

    return await eventually(look, seconds)


def mapped(space: Space, *entries: str) -> None:
    (space.sandbox.state_dir / "images.new").write_text("images:\n" + "".join(f"- {entry}\n" for entry in entries))
    (space.sandbox.state_dir / "images.new").replace(space.sandbox.state_dir / "images.yaml")


async def test_an_image_is_pulled_when_it_is_used_first(space: Space, tmp_path: Path) -> None:
    async with Index(a_wheel(tmp_path)).serve() as index:
        mapped(
            space,
            f"{{image: 'greeter:*', requirements: ['--index-url={index.url}', 'greeter==1.0'], version: '1.0', "
            "command: [greeter], args: ['8080'], env: {HOST: 0.0.0.0, GREETINGS: /mnt/models}}",
        )
        await space.apply(a_pod("one", "greeter:1.0"), a_pod("two", "greeter:2.3@sha256:00"))
        await asyncio.wait_for(index.visited.wait(), 60)
        assert (await waiting(space, "one")) == {"reason": "ContainerCreating"}
        assert ("Pulling", 'Pulling image "greeter:1.0"') in await told_of(space, "one")
        index.open.set()
        pods = [await ready(space, "one"), await ready(space, "two")]
    assert index.downloads == 1
    answers = []
    for pod in pods:
        address = pod["status"]["podIP"]
        answers.append((await get(f"http://{address}:8080"))[1])
        assert answers[-1]["address"] == address
        assert answers[-1]["folder"].endswith(f"{pod['metadata']['uid']}/volumes/model")
    assert answers[0]["prefix"] == answers[1]["prefix"]
    assert Path(answers[0]["prefix"]).parent.name == "environments"
    first, second = dict(await told_of(space, "one")), dict(await told_of(space, "two"))
    assert first["Pulled"].startswith('Successfully pulled image "greeter:1.0" in ')
    assert "Note" not in first["Pulled"]
    assert "it stands for version 1.0 here, not for the 2.3 of its tag; its digest is not checked" in second["Pulled"]
    assert list(first)[:5] == ["Scheduled", "Pulling", "Pulled", "Created", "Started"]

    await space.apply(a_pod("three", "greeter:1.0", imagePullPolicy="Never", args=["8080", "--bind=0.0.0.0:1"]))
    third = await ready(space, "three")
    assert dict(await told_of(space, "three"))["Pulled"] == 'Container image "greeter:1.0" already present on machine'
    answer = (await get(f"http://{third['status']['podIP']}:8080"))[1]
    assert answer["argv"] == ["8080", f"--bind={third['status']['podIP']}:1"]


async def test_a_pull_that_fails_says_why_and_is_put_right_by_a_new_mapping(space: Space, tmp_path: Path) -> None:
    mapped(space, "{image: 'broken:*', requirements: [--no-index, greeter==7], command: [greeter, '8080']}")
    await space.apply(a_pod("broken", "broken:1"))
    seen: dict[str, str] = {}

    async def both_reasons() -> bool:
        state = await waiting(space, "broken")
        seen[state.get("reason", "")] = state.get("message", "")
        return {"ErrImagePull", "ImagePullBackOff"} <= seen.keys()

    await eventually(both_reasons, 60)
    assert 'failed to pull image "broken:1": ' in seen["ErrImagePull"]
    assert "No matching distribution found for greeter==7: correct the requirements (log: " in seen["ErrImagePull"]
    assert seen["ImagePullBackOff"].startswith('Back-off pulling image "broken:1": ErrImagePull: failed to pull')
    assert ("Failed", "Error: ErrImagePull") in await told_of(space, "broken")

    a_wheel(tmp_path / "wheels")
    (tmp_path / "wanted.txt").write_text("# for the test\n--no-index --find-links=./wheels\ngreeter  # newest\n")
    load = [sys.executable, "-m", "slipway_sandbox", "load", f"--state={space.sandbox.state_dir}"]
    typed = [*load, "broken:*=env HOST=$(POD_IP) greeter 8080", "-r", str(tmp_path / "wanted.txt")]
    done = await asyncio.to_thread(subprocess.run, typed, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "mapped broken:*\n"), done.stderr
    pod = await ready(space, "broken")
    assert (await get(f"http://{pod['status']['podIP']}:8080"))[1]["version"] == "1.0"


async def test_a_pod_that_may_not_pull_waits_for_an_image_that_is_there(space: Space, tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path, "3.0")
    mapped(
        space,
        f"{{image: 'strict:*', requirements: [--no-index, '{wheel}'], command: [greeter, '8080'], "
        "env: {HOST: 0.0.0.0}}",
    )
    await space.apply(a_pod("strict", "strict:1", imagePullPolicy="Never"))
    await eventually(lambda: _is(space, "strict", "ErrImageNeverPull"), 20)
    pull = [sys.executable, "-m", "slipway_sandbox", "pull", "strict:1", f"--state={space.sandbox.state_dir}"]
    done = await asyncio.to_thread(subprocess.run, pull, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "strict:1: ready, " in done.stdout
    await ready(space, "strict")
    listed = await asyncio.to_thread(
        subprocess.run, [*pull[:3], "images", pull[-1]], capture_output=True, text=True, check=True
    )
    lines = {line.split()[0]: line for line in listed.stdout.splitlines() if line}
    assert "ready, " in lines["strict:*"]
    assert "made when it is used first" in lines["seldonio/mlserver:*-sklearn"]


async def _is(space: Space, pod: str, reason: str) -> bool:
    return (await waiting(space, pod)).get("reason") == reason


async def test_a_pod_can_be_deleted_while_its_image_is_pulled(space: Space, tmp_path: Path) -> None:
    async with Index(a_wheel(tmp_path)).serve() as index:
        mapped(space, f"{{image: 'slow:*', requirements: ['--index-url={index.url}', greeter], command: [greeter]}}")
        await space.apply(a_pod("slow", "slow:1"))
        await asyncio.wait_for(index.visited.wait(), 60)
        await space.client.delete(PODS, space.name, "slow")

        async def gone() -> bool:
            return await space.client.find(PODS, space.name, "slow") is None

        await eventually(gone, 10)
