"""The model's files in a pod: what fetches them, where the container finds them, and who sees the credentials."""

from __future__ import annotations

from typing import Any

import pytest
from unit.workload.builders import a_deployment, a_raw_release

from slipway.api import ReleaseSpec
from slipway.workload import Fetch, fetches_with, refused_bytes
from slipway.workload.fleet import pod_problem

DIGEST = f"sha256:{'ab' * 32}"
FETCH = Fetch("slipway.example/slipway:1", DIGEST)


def a_delivered(uri: str = "s3://models/fraud", **delivery: Any) -> ReleaseSpec:
    raw = a_raw_release()
    return ReleaseSpec.model_validate(raw | {"model": raw["model"] | {"uri": uri}, "delivery": delivery})


def pod(release: ReleaseSpec) -> dict[str, Any]:
    found: dict[str, Any] = a_deployment(release, fetch=FETCH)["spec"]["template"]["spec"]
    return found


def mounts(container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["mountPath"]: mount for mount in container.get("volumeMounts", [])}


def test_the_container_reads_the_folder_that_the_init_container_fetched_into() -> None:
    spec = pod(a_delivered())
    (fetch,), (model, *_) = spec["initContainers"], spec["containers"]
    assert fetch["args"][:4] == ["fetch", "s3://models/fraud", "/slipway/volume/model", f"--digest={DIGEST}"]
    mount = mounts(model)["/mnt/models"]
    assert (mount["subPath"], mount["readOnly"]) == ("model", True)
    assert mount["name"] == mounts(fetch)["/slipway/volume"]["name"]
    assert {"name": mount["name"], "emptyDir": {}} in spec["volumes"]
    assert model["env"][0] == {"name": "SLIPWAY_MODEL_PATH", "value": "/mnt/models"}


def test_the_container_is_told_of_another_path() -> None:
    (model, *_) = pod(a_delivered(path="/opt/model"))["containers"]
    assert "/opt/model" in mounts(model)
    assert model["env"][0]["value"] == "/opt/model"


def test_a_variable_of_the_user_stays() -> None:
    raw = a_raw_release()
    env = [{"name": "SLIPWAY_MODEL_PATH", "value": "/elsewhere"}]
    raw |= {"delivery": {}, "container": raw["container"] | {"env": env}}
    (model, *_) = pod(ReleaseSpec.model_validate(raw))["containers"]
    assert [one["value"] for one in model["env"] if one["name"] == "SLIPWAY_MODEL_PATH"] == ["/elsewhere"]


def test_credentials_are_of_the_init_container_alone() -> None:
    spec = pod(a_delivered(credentials={"secretName": "store"}))
    (fetch,) = spec["initContainers"]
    assert fetch["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert mounts(fetch)["/var/run/slipway/credentials"]["readOnly"]
    for serving in spec["containers"]:
        assert "store" not in str(serving)
        assert "credentials" not in str(serving)


def test_a_claim_is_mounted_itself_and_only_looked_at() -> None:
    spec = pod(a_delivered("pvc://models/fraud/v3"))
    (fetch,), (model, *_) = spec["initContainers"], spec["containers"]
    assert fetch["args"][:2] == ["verify", "pvc://models/fraud/v3"]
    assert "--volume=models=/slipway/claim" in fetch["args"]
    mount = mounts(model)["/mnt/models"]
    assert (mount["subPath"], mount["readOnly"]) == ("fraud/v3", True)
    claim = {"claimName": "models", "readOnly": True}
    assert {"name": mount["name"], "persistentVolumeClaim": claim} in spec["volumes"]


def test_the_folder_of_a_claim_that_is_mounted_is_the_one_that_is_verified() -> None:
    """A URI may be percent-encoded; kubelets know nothing of that, and a folder may be called by the encoded name."""
    (model, *_) = pod(a_delivered("pvc://models/fraud%20v3/int8%2Dawq"))["containers"]
    assert mounts(model)["/mnt/models"]["subPath"] == "fraud v3/int8-awq"


def test_an_image_is_mounted_by_the_kubelet_and_only_looked_at() -> None:
    spec = pod(a_delivered(f"oci://registry.example/fraud@{DIGEST}", imageVolume=True))
    (fetch,), (model, *_) = spec["initContainers"], spec["containers"]
    assert fetch["args"][:3] == ["verify", "file:///slipway/image", f"--digest={DIGEST}"]
    image = {"reference": f"registry.example/fraud@{DIGEST}", "pullPolicy": "IfNotPresent"}
    assert {"name": "slipway-image", "image": image} in spec["volumes"]
    assert mounts(model)["/mnt/models"] == {"name": "slipway-image", "mountPath": "/mnt/models", "readOnly": True}
    assert mounts(fetch)["/slipway/image"]["readOnly"] is True


def test_a_server_of_mlflow_is_told_to_what_fetches_from_it_alone() -> None:
    """And to nothing where the revision knows none: pods of revisions that were created before stay what they are."""
    known = Fetch(FETCH.image, DIGEST, "http://mlflow.shop.svc:5000")
    option = "--mlflow-tracking-uri=http://mlflow.shop.svc:5000"
    for uri, told in (("mlflow:models:/fraud/3", True), ("s3://models/fraud", False)):
        release = a_delivered(uri, credentials={"secretName": "store"})
        spec = a_deployment(release, fetch=known)["spec"]["template"]["spec"]
        assert (option in spec["initContainers"][0]["args"]) is told
        assert option not in str(pod(release))
        # Of one name the variable of a container goes before that of its Secret, and the Secret is to go before this.
        assert "MLFLOW" not in str(spec["initContainers"][0]["env"])


def test_an_archive_on_a_claim_is_unpacked_elsewhere() -> None:
    spec = pod(a_delivered("pvc://models/fraud.zip", extract=True))
    assert spec["initContainers"][0]["args"][0] == "fetch"
    assert "--extract" in spec["initContainers"][0]["args"]
    assert mounts(spec["containers"][0])["/mnt/models"]["subPath"] == "model"


def test_a_namespace_that_is_restricted_takes_the_init_container() -> None:
    (fetch,) = pod(a_delivered())["initContainers"]
    assert fetch["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
    }


def test_a_dollar_in_a_uri_stays_one() -> None:
    assert pod(a_delivered("s3://models/$(HOME)"))["initContainers"][0]["args"][1] == "s3://models/$$(HOME)"


def test_a_release_without_delivery_has_nothing_of_it() -> None:
    spec = a_deployment()["spec"]["template"]["spec"]
    assert not {"initContainers", "volumes"} & spec.keys()
    assert fetches_with(a_deployment()) is None


def test_the_image_of_live_pods_is_read_from_them() -> None:
    assert fetches_with(a_deployment(a_delivered(), fetch=FETCH)) == FETCH.image
    assert fetches_with(None) is None


def a_pod(error: str, *, name: str = "fetch", **state: Any) -> dict[str, Any]:
    said = '{"event": "error", "error": "' + error + '", "field": "digest", "message": "the URI holds another"}'
    ended = {"terminated": {"exitCode": 1, "message": f'{{"event": "progress"}}\n{said}\n'}}
    status = {"name": name, "ready": False, **(state or {"state": ended})}
    return {"metadata": {"name": "fraud-1"}, "status": {"phase": "Pending", "initContainerStatuses": [status]}}


def test_other_bytes_are_told_from_other_errors() -> None:
    assert (
        refused_bytes([a_pod("Unreachable"), a_pod("DigestMismatch")])
        == "spec.release.model.uri: the URI holds another"
    )
    assert refused_bytes([a_pod("Unreachable"), a_pod("DigestMismatch", name="other")]) is None


@pytest.mark.parametrize("message", ["", "not JSON", "[]", '{"event": "progress"}', "{"])
def test_last_words_that_are_no_error_are_let_pass(message: str) -> None:
    ended = {"terminated": {"exitCode": 1, "message": message}}
    assert refused_bytes([a_pod("", state=ended)]) is None


def test_a_pod_that_waits_to_try_again_still_says_why() -> None:
    last = a_pod("DigestMismatch")["status"]["initContainerStatuses"][0]["state"]
    waiting = a_pod("", state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=last)
    assert refused_bytes([waiting]) == "spec.release.model.uri: the URI holds another"
    assert "DigestMismatch: the URI holds another" in str(pod_problem([waiting]))


def test_a_pod_that_ends_says_nothing_any_more() -> None:
    going = a_pod("DigestMismatch")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert refused_bytes([going]) is None
