"""From a declared release and the runtimes that there are to what will serve. Pure, and done once for each revision.

The choice is by name, or by the format of the model: the runtimes of the namespace first, of those with more priority.
Nothing is guessed: two that are as good as each other are a problem, and the message names both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from slipway.api import (
    CLUSTER_MODEL_RUNTIME_KIND,
    DEFAULT_PORT,
    MODEL_RUNTIME_KIND,
    ContainerPort,
    ContainerSpec,
    FrozenRuntime,
    ModelRuntimeSpec,
    ReleaseSpec,
    RuntimeKind,
    RuntimeReference,
    SupportedFormat,
)
from slipway.release.canonical import settings_hash
from slipway.release.variables import (
    DELIVERY_PATH,
    VariableError,
    adapter_arguments,
    base_name,
    expanded,
    expanded_path,
)

NEAREST_FIRST: Final[tuple[RuntimeKind, ...]] = (MODEL_RUNTIME_KIND, CLUSTER_MODEL_RUNTIME_KIND)
"""A runtime of the namespace is preferred to one of the cluster."""


class Unresolved(StrEnum):
    """Why a release comes to nothing that could serve."""

    NOT_FOUND = "RuntimeNotFound"
    AMBIGUOUS = "RuntimeAmbiguous"
    DIGEST_DIFFERS = "RuntimeDigestDiffers"
    INVALID = "RuntimeInvalid"


class UnresolvedError(Exception):
    """A release comes to nothing that could serve. The message names the field and what to write."""

    def __init__(self, reason: Unresolved, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime as it is now, with the digest of its specification."""

    kind: RuntimeKind
    name: str
    digest: str
    spec: ModelRuntimeSpec

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.kind} {self.name}"


def read_runtime(kind: RuntimeKind, name: str, spec: Mapping[str, Any]) -> Runtime:
    """A runtime from its specification as the API server stores it.

    Raises UnresolvedError for one of another version of the operator.
    """
    try:
        return Runtime(kind, name, f"sha256:{settings_hash(spec)}", ModelRuntimeSpec.model_validate(spec))
    except ValidationError as error:
        said = "; ".join(f"spec.{_place(item['loc'])}: {item['msg']}" for item in error.errors())
        raise UnresolvedError(Unresolved.INVALID, f"{kind} {name} cannot be read: correct it: {said}") from error


def resolve(release: ReleaseSpec, runtimes: Sequence[Runtime]) -> FrozenRuntime:
    """What serves a release that wants a runtime, out of the runtimes that may serve it.

    Raises UnresolvedError.
    """
    return settle(release, choose(release, runtimes))


def choose(release: ReleaseSpec, runtimes: Sequence[Runtime]) -> Runtime:
    """The runtime of a release. Raises UnresolvedError where there is none, or more than one, or an edited one."""
    if release.runtime is None:
        return _by_format(release, runtimes)
    chosen, wanted = _named(release.runtime, runtimes), release.runtime.digest
    if wanted is not None and wanted != chosen.digest:
        raise UnresolvedError(
            Unresolved.DIGEST_DIFFERS,
            f"spec.release.runtime.digest: it is {wanted}, and {chosen.title} has {chosen.digest}: bring the runtime "
            "back to what it was, or write its digest",
        )
    return chosen


def _named(reference: RuntimeReference, runtimes: Sequence[Runtime]) -> Runtime:
    kinds = (reference.kind,) if reference.kind is not None else NEAREST_FIRST
    for kind in kinds:
        for runtime in runtimes:
            if (runtime.kind, runtime.name) == (kind, reference.name):
                return runtime
    raise UnresolvedError(
        Unresolved.NOT_FOUND,
        f"spec.release.runtime.name: there is no {' and no '.join(kinds)} {reference.name}: create it, or name another",
    )


def _by_format(release: ReleaseSpec, runtimes: Sequence[Runtime]) -> Runtime:
    wanted = release.model.format
    if wanted is None:
        raise UnresolvedError(
            Unresolved.NOT_FOUND,
            "spec.release.model.format: nothing says what serves the model: name a format, runtime.name or "
            "container.image",
        )
    version = release.model.format_version
    for kind in NEAREST_FIRST:
        ranked = [
            (priority, runtime)
            for runtime in runtimes
            if runtime.kind == kind and (priority := _priority(runtime, wanted, version)) is not None
        ]
        if not ranked:
            continue
        most = max(priority for priority, _ in ranked)
        best = sorted((runtime for priority, runtime in ranked if priority == most), key=lambda found: found.name)
        if len(best) > 1:
            raise UnresolvedError(
                Unresolved.AMBIGUOUS,
                f"spec.release.model.format: {' and '.join(found.title for found in best)} serve {wanted} with the "
                f"same priority {most}: name one in spec.release.runtime.name, or give one more priority",
            )
        return best[0]
    field, said = ("formatVersion", f"{wanted} in version {version}") if version else ("format", wanted)
    known = sorted({one.name for runtime in runtimes for one in runtime.spec.supported_formats or () if _offered(one)})
    there = f" (there are runtimes for {', '.join(known)})" if known else ""
    raise UnresolvedError(
        Unresolved.NOT_FOUND,
        f"spec.release.model.{field}: no runtime serves {said}{there}: create one, or name container.image",
    )


def _offered(one: SupportedFormat) -> bool:
    return one.auto_select is not False


def _priority(runtime: Runtime, wanted: str, version: str | None) -> int | None:
    """The priority of a runtime for a format; None where it does not serve it, or is not to be chosen for it."""
    found = [
        one.priority or 0
        for one in runtime.spec.supported_formats or ()
        if one.name == wanted and _offered(one) and (version is None or one.version in (None, version))
    ]
    return max(found, default=None)


def settle(release: ReleaseSpec, runtime: Runtime) -> FrozenRuntime:
    """What serves a release by a runtime: its variables are expanded, and what the release says itself goes before.

    Raises UnresolvedError where a variable cannot be expanded, or the outcome is not valid.
    """
    spec = runtime.spec
    try:
        path = None
        if spec.delivery is not None or release.delivery is not None:
            if release.model.uri is None:
                raise VariableError("model.uri", DELIVERY_PATH)
            path = release.delivery.path if release.delivery is not None else None
            path = path or expanded_path(spec.delivery.path if spec.delivery is not None else None, release)
        container = expanded(_written(spec.container), release, path)
        told = _told_of_adapters(release, runtime, path)
    except VariableError as error:
        raise UnresolvedError(Unresolved.INVALID, error.told(runtime.title)) from error
    outcome = merged(container, _written(release.container))
    if "image" not in outcome:
        message = f"spec.release.container.image: {runtime.title} has none, because each model has its own: name it"
        raise UnresolvedError(Unresolved.INVALID, message)
    if told:
        outcome["args"] = [*outcome.get("args", []), *told]
    settled = {
        "kind": runtime.kind,
        "name": runtime.name,
        "digest": runtime.digest,
        "container": outcome,
        "protocol": _written(release.protocol or spec.protocol) or None,
        "pod": {**_written(spec.pod), **_written(release.pod)} or None,
        "delivery": None if path is None else {"path": path},
        "metrics": _written(spec.metrics) or None,
        "warmUp": _written(release.warm_up or spec.warm_up) or None,
    }
    try:
        frozen = FrozenRuntime.model_validate(settled)
    except ValidationError as error:
        said = "; ".join(f"{_place(item['loc'])}: {item['msg']}" for item in error.errors())
        raise UnresolvedError(
            Unresolved.INVALID, f"spec.release.runtime: {runtime.title} and the release come to no container: {said}"
        ) from error
    if release.model.also_serves and frozen.protocol is not None and frozen.protocol.name == "MLflow":
        message = f"spec.release.model.alsoServes: {runtime.title} speaks MLflow's protocol, which does not name models"
        raise UnresolvedError(Unresolved.INVALID, f"{message}: leave it out, or name another runtime")
    if release.transformer is not None and (shared := shared_port(frozen.container, release.transformer.container)):
        raise UnresolvedError(
            Unresolved.INVALID,
            f"spec.release.transformer.container.ports: {runtime.title} has the model listen on {shared} too, and "
            "containers of one pod share no port: name another",
        )
    return frozen


def _told_of_adapters(release: ReleaseSpec, runtime: Runtime, path: str | None) -> list[str]:
    """The arguments about the release's adapters; none where it has none. Raises UnresolvedError and VariableError."""
    if not release.adapters:
        return []
    names = [adapter.name for adapter in release.adapters]
    if runtime.spec.adapters is None:
        problem = f"{runtime.title} does not say how its server takes them: add adapters to it, or name another runtime"
    elif path is None:
        problem = f"{runtime.title} delivers no files: add spec.release.delivery"
    elif base_name(release) in names:
        problem = f"{base_name(release)} is what the base itself is offered as: give the adapter another name"
    else:
        return adapter_arguments(runtime.spec.adapters, release, path)
    raise UnresolvedError(Unresolved.INVALID, f"spec.release.adapters: {problem}")


def shared_port(one: ContainerSpec, other: ContainerSpec) -> str | None:
    """A port that two containers of one pod would both have, by its number or its name; None where they have none."""
    ours, theirs = (_ports(container) for container in (one, other))
    return next((port for port in ours if port in theirs), None)


def _ports(container: ContainerSpec) -> list[str]:
    ports = container.ports or [ContainerPort(container_port=DEFAULT_PORT)]
    return [*(str(port.container_port) for port in ports), *(port.name for port in ports if port.name is not None)]


def merged(container: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """A runtime's container with what a release says of it, both as manifests say them.

    Variables replace those of the same name where they stand, requests and limits those of the same resource, and
    every other field the whole of the runtime's own.
    """
    out = {**container, **declared}
    if "env" in container and "env" in declared:
        ours = {variable["name"]: variable for variable in declared["env"]}
        kept = [ours.pop(variable["name"], variable) for variable in container["env"]]
        out["env"] = [*kept, *ours.values()]
    if "resources" in container and "resources" in declared:
        kinds = {**container["resources"], **declared["resources"]}
        out["resources"] = {
            kind: {**container["resources"].get(kind, {}), **declared["resources"].get(kind, {})} for kind in kinds
        }
    return out


def _written(model: BaseModel | None) -> dict[str, Any]:
    return {} if model is None else model.model_dump(mode="json", by_alias=True, exclude_none=True)


def _place(steps: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def edited(frozen: FrozenRuntime, now: Runtime, version: str) -> str | None:
    """What to say of a runtime that was edited after a release was settled with it; None where it was not."""
    if now.digest == frozen.digest:
        return None
    return (
        f"{now.title} was edited after release {version} was settled with it, and what serves stays as it is: to roll "
        f"the edit out, write spec.release.runtime with kind: {now.kind}, name: {now.name} and digest: {now.digest}"
    )
