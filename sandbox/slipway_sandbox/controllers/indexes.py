"""The pods of an Indexed Job: each has a number of its own, and the Job is done when each number has succeeded."""

from collections.abc import Iterable
from typing import Final

from slipway_sandbox.client import Manifest

INDEX: Final = "batch.kubernetes.io/job-completion-index"
VARIABLE: Final = "JOB_COMPLETION_INDEX"


def is_indexed(job: Manifest) -> bool:
    """Whether the Job's pods are numbered."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def indexes_of(pods: Iterable[Manifest]) -> set[int]:
    """The numbers of these pods."""
    found = (pod["metadata"].get("annotations", {}).get(INDEX) for pod in pods)
    return {int(index) for index in found if index is not None}


def free_indexes(job: Manifest, taken: set[int]) -> list[int]:
    """The numbers that no pod has, the lowest first."""
    return [index for index in range(int(job["spec"]["completions"])) if index not in taken]


def shown(indexes: set[int]) -> str:
    """Numbers as a Job's status writes them: `1,3-5,7`."""
    ranges: list[list[int]] = []
    for index in sorted(indexes):
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def numbered(pod: Manifest, job: str, index: int) -> Manifest:
    """The pod with its number: as annotation, label and host name, and as a variable of every container."""
    metadata, spec = pod["metadata"], pod["spec"]
    mark = {INDEX: str(index)}
    variable = {"name": VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}}
    told = {
        kind: [
            {**container, "env": [*(container.get("env") or ()), variable]}
            if all(entry["name"] != VARIABLE for entry in container.get("env") or ())
            else container
            for container in spec[kind]
        ]
        for kind in ("initContainers", "containers")
        if spec.get(kind)
    }
    return {
        **pod,
        "metadata": {
            **metadata,
            "labels": {**metadata["labels"], **mark},
            "annotations": {**metadata["annotations"], **mark},
        },
        "spec": {**spec, "hostname": f"{job}-{index}", **told},
    }
