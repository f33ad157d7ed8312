"""The files of a release's adapters in a pod, beside those of the model.

Each has an init container of its own, with the digest that the release declares: other bytes keep the pod from
starting.
"""

from __future__ import annotations

from typing import Any, Final

from slipway.api import ADAPTERS_PATH, ReleaseSpec
from slipway.workload.delivery import ADAPTER_CONTAINER, PLACE, VOLUME, Fetch, fetching_container, means_of
from slipway.workload.podspec import CONTAINER_NAME

PATH_VARIABLE: Final = "SLIPWAY_ADAPTERS_PATH"
FOLDER: Final = "adapters"
"""The folder of the volume that they are in, each in one of its name."""


def with_adapters(pod: dict[str, Any], release: ReleaseSpec, fetch: Fetch) -> dict[str, Any]:
    """The spec of a pod that the model is delivered into, with the adapters; the same where there are none."""
    if not release.adapters or release.delivery is None:
        return pod
    delivery = release.delivery.model_copy(update={"extract": None})  # it is about the model's URI
    fetching = []
    for index, adapter in enumerate(release.adapters):
        means = means_of(adapter.uri, delivery, fetch.mlflow)
        where = f"{PLACE}/{FOLDER}/{adapter.name}"
        words = ["fetch", adapter.uri, where, f"--digest={adapter.digest}", *means.arguments]
        name = f"{ADAPTER_CONTAINER}{index}"
        fetching.append(fetching_container(name, fetch.image, words, means, delivery))
    containers = [_mounted(one) if one["name"] == CONTAINER_NAME else one for one in pod["containers"]]
    return {**pod, "containers": containers, "initContainers": [*pod["initContainers"], *fetching]}


def _mounted(container: dict[str, Any]) -> dict[str, Any]:
    mount = {"name": VOLUME, "mountPath": ADAPTERS_PATH, "subPath": FOLDER, "readOnly": True}
    env = container.get("env", [])
    if all(variable["name"] != PATH_VARIABLE for variable in env):
        env = [{"name": PATH_VARIABLE, "value": ADAPTERS_PATH}, *env]
    return {**container, "env": env, "volumeMounts": [*container.get("volumeMounts", []), mount]}
