"""Volumes that come from this machine, and several sources in one volume."""

from pathlib import Path

import pytest
from sandbox.runtime.kit import Space, a_pod, eventually

from slipway_sandbox.client import EVENTS, PODS, Manifest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def a_script(script: str, volume: Manifest) -> Manifest:
    return a_pod(
        "p",
        command=["sh", "-c", script],
        args=[],
        readinessProbe=None,
        restartPolicy="Never",
        volumeMounts=[{"name": "v", "mountPath": "/mnt/v"}],
        volumes=[{"name": "v", **volume}],
    )


async def ended(space: Space) -> str:
    async def phase() -> str:
        found = str((await space.get(PODS, "p")).get("status", {}).get("phase"))
        return found if found in {"Succeeded", "Failed"} else ""

    return str(await eventually(phase))


async def test_a_projected_volume_holds_all_of_its_sources(space: Space) -> None:
    token = {"serviceAccountToken": {"path": "token", "audience": "somebody", "expirationSeconds": 3600}}
    sources = [
        {"configMap": {"name": "c", "items": [{"key": "k", "path": "deep/k"}]}},
        {"secret": {"name": "s"}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        token,
    ]
    check = "cd /mnt/v && grep map deep/k && grep hush password && grep p name && test -s token"
    await space.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "from map"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hush"}},
        a_script(check, {"projected": {"sources": sources}}),
    )
    assert await ended(space) == "Succeeded"


async def test_a_folder_of_this_machine_is_written_to_in_place(space: Space, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    await space.apply(
        a_script("echo here > /mnt/v/f", {"hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}})
    )
    assert await ended(space) == "Succeeded"
    assert (folder / "f").read_text() == "here\n"


@pytest.mark.parametrize("kind", ["File", "Directory"])
async def test_a_path_of_another_kind_is_not_mounted_and_an_event_says_so(
    space: Space, tmp_path: Path, kind: str
) -> None:
    path = tmp_path if kind == "File" else tmp_path / "absent"
    await space.apply(a_script("true", {"hostPath": {"path": str(path), "type": kind}}))

    async def told() -> bool:
        events, _ = await space.client.list_all(EVENTS, space.name)
        return any(f"{path} is not a {kind.lower()}" in event["message"] for event in events)

    await eventually(told)
