"""PersistentVolumeClaims: folders that outlive pods, and not themselves."""

import pytest
from sandbox.runtime.kit import Space, a_pod, eventually

from slipway_sandbox.client import PERSISTENT_VOLUME_CLAIMS, PODS, Manifest

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def a_claim(name: str = "data") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def a_pod_with_claim(name: str, script: str) -> Manifest:
    return a_pod(
        name,
        command=["sh", "-c", script],
        args=[],
        readinessProbe=None,
        restartPolicy="Never",
        volumeMounts=[{"name": "v", "mountPath": "/data"}],
        volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
    )


async def ends_as(space: Space, name: str, phase: str) -> None:
    async def ended() -> bool:
        return (await space.get(PODS, name)).get("status", {}).get("phase") == phase

    await eventually(ended)


async def gone(space: Space) -> bool:
    return await space.client.find(PERSISTENT_VOLUME_CLAIMS, space.name, "data") is None


async def test_a_claim_is_bound_and_its_files_outlive_the_pod(space: Space) -> None:
    await space.apply(a_claim(), a_pod_with_claim("writer", "echo kept > /data/f"))
    await ends_as(space, "writer", "Succeeded")
    status = (await space.get(PERSISTENT_VOLUME_CLAIMS, "data"))["status"]
    assert status == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    await space.apply(a_pod_with_claim("reader", "grep kept /data/f"))
    await ends_as(space, "reader", "Succeeded")


async def test_a_pod_waits_for_its_claim(space: Space) -> None:
    await space.apply(a_pod_with_claim("p", "true"))
    await ends_as(space, "p", "Pending")
    await space.apply(a_claim())
    await ends_as(space, "p", "Succeeded")


async def test_a_claim_in_use_stays_and_one_of_the_same_name_begins_empty(space: Space) -> None:
    await space.apply(a_claim(), a_pod_with_claim("user", "touch /data/f; exec sleep 60"))
    await ends_as(space, "user", "Running")
    await space.client.delete(PERSISTENT_VOLUME_CLAIMS, space.name, "data")
    assert not await gone(space)
    await space.client.delete(PODS, space.name, "user", grace_seconds=0)
    await eventually(lambda: gone(space))
    await space.apply(a_claim(), a_pod_with_claim("p", "test ! -e /data/f"))
    await ends_as(space, "p", "Succeeded")
