"""What lint can say of runtimes: of one by itself, and of releases beside the runtimes in the same files. Pure.

Other runtimes are in the cluster, which nobody asks here. So a runtime that is not among the files is no problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from slipway.api import CLUSTER_MODEL_RUNTIME_KIND, MODEL_RUNTIME_KIND, AnalysisSpec, ModelDeploymentSpec, ReleaseSpec
from slipway.cli.manifests import Manifest
from slipway.release import Runtime, Unresolved, UnresolvedError, read_runtime, resolve, settle, wants_runtime
from slipway.rollout import WarmUpError, item_of, warm_up_problem

KINDS: Final = (MODEL_RUNTIME_KIND, CLUSTER_MODEL_RUNTIME_KIND)

_ANY: Final = ReleaseSpec.model_validate(
    {
        "model": {"name": "any", "version": "1", "format": "any", "uri": "https://models.example/any"},
        "container": {"image": "models.example/any"},
    }
)
"""A release that says all that a runtime can ask for."""


def runtimes_among(manifests: Sequence[Manifest]) -> list[tuple[str | None, Runtime]]:
    """The runtimes of the files that can be read, with their namespaces; None for those of the cluster, and for those
    of whatever namespace is applied to."""
    out: list[tuple[str | None, Runtime]] = []
    for manifest in manifests:
        document = manifest.document
        kind, spec = document.get("kind"), document.get("spec")
        if kind not in KINDS or not isinstance(spec, Mapping):
            continue
        metadata = document.get("metadata") or {}
        try:
            runtime = read_runtime(kind, str(metadata.get("name")), spec)
        except UnresolvedError:  # what is wrong with it is said where its schema is looked at
            continue
        out.append((metadata.get("namespace") if kind == MODEL_RUNTIME_KIND else None, runtime))
    return out


def runtime_problem(document: Mapping[str, Any]) -> str | None:
    """What is wrong with a runtime that fits its schema, whatever release it serves; begins with the field."""
    runtime = read_runtime(document["kind"], str(document["metadata"].get("name")), document["spec"])
    try:
        settle(_ANY, runtime)
    except UnresolvedError as error:
        return str(error).removeprefix(f"{runtime.title}: ")
    try:
        if runtime.spec.warm_up is not None:
            item_of(runtime.spec.warm_up)
    except WarmUpError as error:
        return f"spec.warmUp.{error}"
    return None


def release_problem(
    release: ReleaseSpec, namespace: str | None, among: Sequence[tuple[str | None, Runtime]]
) -> str | None:
    """Why a release comes to nothing that could serve, as far as the files tell; begins with the field."""
    if not wants_runtime(release):
        return None
    near = [runtime for where, runtime in among if None in (where, namespace) or where == namespace]
    try:
        resolve(release, near)
    except UnresolvedError as error:
        # What is not here may be in the cluster; and what is wrong with a runtime is said of the runtime.
        if error.reason is not Unresolved.NOT_FOUND and str(error).startswith("spec."):
            return str(error)
    return None


def metrics_problem(
    spec: ModelDeploymentSpec, namespace: str | None, among: Sequence[tuple[str | None, Runtime]]
) -> str | None:
    """Which metric of the pods names nothing to read while its runtime is among the files and has no preset for it;
    begins with the field."""
    metrics = (spec.analysis or AnalysisSpec()).metrics or ()
    left = [(index, metric.pods) for index, metric in enumerate(metrics) if metric.pods and metric.pods.names_nothing]
    if not left or not wants_runtime(spec.release):
        return None
    from slipway.metrics import SelectorError, completed  # brings an HTTP client along, which few manifests are worth

    near = [runtime for where, runtime in among if None in (where, namespace) or where == namespace]
    try:
        frozen = resolve(spec.release, near)
    except UnresolvedError:  # it may be in the cluster, or is told of by itself
        return None
    for index, source in left:
        try:
            completed(source, frozen.metrics.preset if frozen.metrics is not None else None)
        except SelectorError as error:
            return f"spec.analysis.metrics[{index}].{error}"
    return None


def warming_problem(spec: ModelDeploymentSpec) -> str | None:
    """What is wrong with the warm-up of a release; begins with the field."""
    warm_up = spec.release.warm_up
    problem = warm_up_problem(warm_up, spec.analysis or AnalysisSpec()) if warm_up is not None else None
    return f"spec.release.warmUp.{problem}" if problem else None
