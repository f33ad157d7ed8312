"""Adapters in a pod: each is fetched with the digest that the release declares, into a folder of its name."""

from __future__ import annotations

from typing import Any

from unit.workload.builders import a_deployment, a_raw_release
from unit.workload.test_delivery import FETCH, mounts, pod

from slipway.api import ReleaseSpec
from slipway.release import release_hash
from slipway.workload import Fetch, refused_bytes
from slipway.workload.fleet import pod_problem

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
ADAPTERS = [
    {"name": "support", "uri": "s3://adapters/support", "digest": ONE},
    {"name": "sales", "uri": "hf://shop/sales@main", "digest": TWO},
]


def a_raw(adapters: Any = ADAPTERS, **delivery: Any) -> dict[str, Any]:
    raw = a_raw_release()
    model = raw["model"] | {"uri": "s3://models/base"}
    return raw | {"model": model, "delivery": delivery, **({"adapters": adapters} if adapters else {})}


def a_release(adapters: Any = ADAPTERS, **delivery: Any) -> ReleaseSpec:
    return ReleaseSpec.model_validate(a_raw(adapters, **delivery))


def test_each_adapter_is_fetched_beside_the_base_with_its_own_digest() -> None:
    spec = pod(a_release())
    base, *adapters = spec["initContainers"]
    assert base["name"] == "fetch"
    assert [(one["name"], one["args"][:4]) for one in adapters] == [
        ("fetch-adapter-0", ["fetch", "s3://adapters/support", "/slipway/volume/adapters/support", f"--digest={ONE}"]),
        ("fetch-adapter-1", ["fetch", "hf://shop/sales@main", "/slipway/volume/adapters/sales", f"--digest={TWO}"]),
    ]
    assert {one["image"] for one in (base, *adapters)} == {FETCH.image}
    assert len({str(one["securityContext"]) for one in (base, *adapters)}) == 1


def test_the_server_reads_them_in_one_folder_and_cannot_write_there() -> None:
    (model,) = pod(a_release())["containers"]
    mount = mounts(model)["/mnt/adapters"]
    assert (mount["subPath"], mount["readOnly"]) == ("adapters", True)
    assert "/mnt/models" in mounts(model)
    assert {"name": "SLIPWAY_ADAPTERS_PATH", "value": "/mnt/adapters"} in model["env"]


def test_what_is_said_of_the_delivery_holds_for_adapters_but_for_the_archive() -> None:
    spec = pod(a_release(credentials={"secretName": "store"}, maxSize="1Gi", extract=True))
    base, *adapters = spec["initContainers"]
    assert "--extract" in base["args"]
    for one in adapters:
        assert one["envFrom"] == [{"secretRef": {"name": "store"}}]
        assert "--max-size=1Gi" in one["args"]
        assert "--extract" not in one["args"]
    assert len({volume["name"] for volume in spec["volumes"]}) == len(spec["volumes"])


def test_an_adapter_of_mlflow_is_fetched_from_the_server_of_the_revision() -> None:
    release = a_release([ADAPTERS[0] | {"uri": "mlflow:models:/support/2"}, ADAPTERS[1]])
    known = Fetch(FETCH.image, ONE, "http://mlflow.shop.svc:5000")
    spec = a_deployment(release, fetch=known)["spec"]["template"]["spec"]
    told = ["--mlflow-tracking-uri=http://mlflow.shop.svc:5000" in one["args"] for one in spec["initContainers"]]
    assert told == [False, True, False]


def test_a_base_on_a_claim_leaves_adapters_a_volume_of_their_own() -> None:
    raw = a_raw()
    release = ReleaseSpec.model_validate(raw | {"model": raw["model"] | {"uri": "pvc://weights/base"}})
    spec = pod(release)
    (model,) = spec["containers"]
    assert mounts(model)["/mnt/models"]["name"] != mounts(model)["/mnt/adapters"]["name"]
    assert mounts(model)["/mnt/adapters"]["name"] in {volume["name"] for volume in spec["volumes"]}


def test_another_adapter_or_other_bytes_are_another_release() -> None:
    other = [ADAPTERS[0] | {"digest": TWO}, ADAPTERS[1]]
    hashes = {release_hash(a_raw(adapters)) for adapters in (None, ADAPTERS, ADAPTERS[:1], other)}
    assert len(hashes) == 4


def test_other_bytes_of_an_adapter_are_told_as_those_of_a_model_are() -> None:
    said = '{"event": "error", "error": "DigestMismatch", "message": "s3://adapters/support: it has other bytes"}'
    ended = {"terminated": {"exitCode": 1, "message": said}}
    status = {"initContainerStatuses": [{"name": "fetch-adapter-0", "ready": False, "state": ended}]}
    broken = {"metadata": {"name": "p"}, "status": status}
    assert refused_bytes([broken]) == "spec.release.adapters[0].uri: s3://adapters/support: it has other bytes"
    assert "DigestMismatch: s3://adapters/support" in (pod_problem([broken]) or "")
