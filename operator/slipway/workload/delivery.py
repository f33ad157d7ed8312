"""The model's files in a pod: what fetches them, and where the container that serves finds them.

An init container of the operator's image fetches into a folder of a volume, and the container mounts that folder alone
and cannot write to it. A claim, or an image that the kubelet mounts, is mounted itself, where the same init container
only looks whether its files are those that were verified. The image and the digest are those that the pods were born
with: an upgrade of the operator restarts nobody's models.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from slipway.api import DEFAULT_MODEL_PATH, DeliverySpec, ReleaseSpec
from slipway.workload.podspec import CONTAINER_NAME, amounts_of

FETCH_CONTAINER: Final = "fetch"
"""Name of the init container that fetches the model."""

ADAPTER_CONTAINER: Final = f"{FETCH_CONTAINER}-adapter-"
"""What the names of those begin with that fetch the release's adapters; then comes the place in the list."""

VOLUME: Final = "slipway-model"
PLACE: Final = "/slipway/volume"
FOLDER: Final = "model"
"""The folder of the volume that the files are in: a folder appears at once, and where a volume is mounted cannot."""

CREDENTIALS: Final = "/var/run/slipway/credentials"
CACHE: Final = "/slipway/cache"
CLAIM: Final = "/slipway/claim"
IMAGE: Final = "/slipway/image"

_PVC: Final = "pvc://"
_OCI: Final = "oci://"
_MLFLOW: Final = "mlflow:"
_MISMATCH: Final = "DigestMismatch"


@dataclass(frozen=True, slots=True)
class Fetch:
    """What a pod fetches with, and what it has to find."""

    image: str
    digest: str
    mlflow: str | None = None
    """The MLflow server of addresses ``mlflow:``, where the credentials name none."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a container of the operator's image needs to fetch a model."""

    arguments: tuple[str, ...]
    env: tuple[dict[str, Any], ...]
    env_from: tuple[dict[str, Any], ...]
    mounts: tuple[dict[str, Any], ...]
    volumes: tuple[dict[str, Any], ...]


def claim_of(uri: str | None) -> tuple[str, str] | None:
    """The claim of a ``pvc://`` URI, and the path in it without percent-encodings, as what verifies it reads it; None
    for any other URI."""
    if uri is None or not uri.startswith(_PVC):
        return None
    claim, _, path = uri.removeprefix(_PVC).partition("/")
    return claim, unquote(path).strip("/")


def found_at(uri: str, delivery: DeliverySpec) -> str:
    """The URI by which a container of the operator's image finds the model: an image volume is a folder for it."""
    return f"file://{IMAGE}" if delivery.image_volume else uri


def means_of(uri: str, delivery: DeliverySpec, mlflow: str | None = None) -> Means:
    """The options, variables and volumes with which a model is fetched, wherever that is done. `mlflow` is as in
    `Fetch`."""
    arguments: list[str] = []
    mounts: list[dict[str, Any]] = [{"name": VOLUME, "mountPath": PLACE}]
    volumes: list[dict[str, Any]] = [{"name": VOLUME, "emptyDir": {}}]
    if delivery.max_size is not None:
        arguments.append(f"--max-size={delivery.max_size}")
    if delivery.extract:
        arguments.append("--extract")
    if delivery.cache is not None:
        arguments.append(f"--cache={CACHE}")
        if delivery.cache.max_size is not None:
            arguments.append(f"--cache-size={delivery.cache.max_size}")
        mounts.append({"name": "slipway-cache", "mountPath": CACHE})
        volumes.append(_claimed("slipway-cache", delivery.cache.claim_name, read_only=False))
    if mlflow is not None and uri.startswith(_MLFLOW):
        # An option and no variable, so that a variable of the credentials goes before it.
        arguments.append(f"--mlflow-tracking-uri={mlflow}")
    claim = claim_of(uri)
    if claim is not None:
        arguments.append(f"--volume={claim[0]}={CLAIM}")
        mounts.append({"name": "slipway-claim", "mountPath": CLAIM, "readOnly": True})
        volumes.append(_claimed("slipway-claim", claim[0], read_only=True))
    if delivery.image_volume:
        # The reference has a digest, so what was pulled once is what it names.
        image = {"reference": uri.removeprefix(_OCI), "pullPolicy": "IfNotPresent"}
        mounts.append({"name": "slipway-image", "mountPath": IMAGE, "readOnly": True})
        volumes.append({"name": "slipway-image", "image": image})
    env_from = []
    if delivery.credentials is not None:
        secret = delivery.credentials.secret_name
        env_from.append({"secretRef": {"name": secret}})
        mounts.append({"name": "slipway-credentials", "mountPath": CREDENTIALS, "readOnly": True})
        volumes.append({"name": "slipway-credentials", "secret": {"secretName": secret}})
    # Clients keep what they know of a server in the home folder, and the image's may be another user's.
    env = ({"name": "HOME", "value": PLACE},)
    return Means(tuple(arguments), env, tuple(env_from), tuple(mounts), tuple(volumes))


def _claimed(name: str, claim: str, *, read_only: bool) -> dict[str, Any]:
    source: dict[str, Any] = {"claimName": claim}
    return {"name": name, "persistentVolumeClaim": {**source, "readOnly": True} if read_only else source}


def plain(words: Sequence[str]) -> list[str]:
    """Arguments as a container has them, so that a kubelet puts no variables into them."""
    return [word.replace("$", "$$") for word in words]


def delivered(pod: Mapping[str, Any], release: ReleaseSpec, fetch: Fetch) -> dict[str, Any]:
    """The spec of a pod with the model's files in it. The same for the same release, image and digest for ever."""
    delivery, uri = release.delivery, release.model.uri
    if delivery is None or uri is None:
        raise ValueError("spec.release.model.uri: there is nothing to deliver")
    path, claim = delivery.path or DEFAULT_MODEL_PATH, None if delivery.extract else claim_of(uri)
    means = means_of(uri, delivery, fetch.mlflow)
    looking = ["verify", found_at(uri, delivery), f"--digest={fetch.digest}", *means.arguments]
    if delivery.image_volume:
        words, mount = looking, {"name": "slipway-image", "mountPath": path, "readOnly": True}
    elif claim is None:
        words = ["fetch", uri, f"{PLACE}/{FOLDER}", f"--digest={fetch.digest}", *means.arguments]
        mount = {"name": VOLUME, "mountPath": path, "subPath": FOLDER, "readOnly": True}
    else:
        words, mount = looking, {"name": "slipway-claim", "mountPath": path, "readOnly": True}
        if claim[1]:
            mount["subPath"] = claim[1]
    spec = copy.deepcopy(dict(pod))
    for serving in spec["containers"]:
        if serving["name"] == CONTAINER_NAME:
            _mounted(serving, mount, path)
    fetching = fetching_container(FETCH_CONTAINER, fetch.image, words, means, delivery)
    spec["initContainers"] = [fetching, *spec.get("initContainers", [])]
    spec["volumes"] = [*spec.get("volumes", []), *means.volumes]
    return spec


def fetching_container(
    name: str, image: str, words: Sequence[str], means: Means, delivery: DeliverySpec
) -> dict[str, Any]:
    """An init container of the operator's image with these arguments."""
    container: dict[str, Any] = {
        "name": name,
        "image": image,
        "args": plain([*words, "--log-format=json"]),
        "env": list(means.env),
        "volumeMounts": list(means.mounts),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
        },
        # Its last line says why nothing was delivered.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if means.env_from:
        container["envFrom"] = list(means.env_from)
    if resources := amounts_of(delivery.resources):
        container["resources"] = resources
    return container


def _mounted(container: dict[str, Any], mount: Mapping[str, Any], path: str) -> None:
    """The container that serves, with the files and the variable that says where they are; one of the same name that
    the user declared stays."""
    env = container.get("env", [])
    if all(variable["name"] != "SLIPWAY_MODEL_PATH" for variable in env):
        container["env"] = [{"name": "SLIPWAY_MODEL_PATH", "value": path.replace("$", "$$")}, *env]
    container["volumeMounts"] = [*container.get("volumeMounts", []), dict(mount)]


def fetches_with(live: Mapping[str, Any] | None) -> str | None:
    """The image that the pods of a live Deployment fetch their model with."""
    template = ((live or {}).get("spec") or {}).get("template") or {}
    found = (template.get("spec") or {}).get("initContainers") or []
    return next((str(one.get("image")) for one in found if one.get("name") == FETCH_CONTAINER), None)


# --- what it said ---------------------------------------------------------------------------------------------------


def refused_bytes(pods: Sequence[Mapping[str, Any]]) -> str | None:
    """The field of which an init container found other bytes than are wanted, and what it said of them; None where none
    did."""
    said = [
        problem
        for pod in pods
        if not (pod.get("metadata") or {}).get("deletionTimestamp")
        for problem in _refusals(pod)
    ]
    return min(said, default=None)


def _refusals(pod: Mapping[str, Any]) -> Iterator[str]:
    for container in (pod.get("status") or {}).get("initContainerStatuses") or []:
        if fetches(container) and not container.get("ready"):
            told = fetch_error(container)
            if told is not None and told[0] == _MISMATCH:
                yield f"{_field(container)}: {told[1]}"


def _field(container: Mapping[str, Any]) -> str:
    """What an init container fetches."""
    index = str(container["name"]).removeprefix(ADAPTER_CONTAINER)
    return f"spec.release.adapters[{index}].uri" if index.isdigit() else "spec.release.model.uri"


def fetches(container: Mapping[str, Any]) -> bool:
    """Whether an init container, or its status, is one of those that fetch files of a release."""
    name = str(container.get("name", ""))
    return name == FETCH_CONTAINER or name.startswith(ADAPTER_CONTAINER)


def fetch_error(container: Mapping[str, Any]) -> tuple[str, str] | None:
    """The name of the error and the message that what fetches a model ended with last; None where it said nothing."""
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    lines = str(ended.get("message") or "").strip().splitlines()
    try:
        said = json.loads(lines[-1]) if lines and ended.get("exitCode") else None
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("event") != "error":
        return None
    return str(said.get("error")), str(said.get("message"))
