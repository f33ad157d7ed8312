"""Which release a ModelDeployment declares at this look: never one that only a registry's next answer could tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from slipway.api import ModelDeploymentStatus, RegistrySpec
from slipway.cluster import MODEL_REVISION, Cluster, Object
from slipway.release import declared_release, is_automatic, revision_name, source_of


class NothingDeclared(Exception):
    """No release is declared yet: the registry has named none."""


def registry_of(deployment: Object) -> RegistrySpec | None:
    """``spec.release.from``; None where there is none. Raises ValueError, which names the field."""
    written = written_release(deployment).get("from")
    if written is None:
        return None
    try:
        found = RegistrySpec.model_validate(written)
        source_of(found)
    except ValidationError as error:
        problems = [f"spec.release.from.{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ValueError("; ".join(problems)) from None
    except ValueError as error:
        raise ValueError(f"spec.release.from: {error}") from None
    return found


async def declared(cluster: Cluster, deployment: Object, status: ModelDeploymentStatus) -> Object:
    """The ModelDeployment with the release that it declares in the place of the one that is written.

    While the policy is Automatic and what is asked now has not answered yet, what was declared last stays declared.
    Raises ValueError, NothingDeclared and ClusterError.
    """
    release = written_release(deployment)
    registry = registry_of(deployment)
    model = release.get("model")
    if isinstance(model, Mapping) and not model.get("version") and not is_automatic(release):
        raise ValueError("spec.release.model.version: it is required, unless from.policy is Automatic")
    if registry is None:
        return deployment
    if not is_automatic(release):
        return _with(deployment, declared_release(release))
    resolved = status.resolved
    if resolved is not None and resolved.source == source_of(registry):
        return _with(deployment, declared_release(release, resolved.release.model))
    last = resolved.hash if resolved is not None else _last(status)
    metadata = deployment["metadata"]
    if last is not None:
        revision = await cluster.get(MODEL_REVISION, metadata["namespace"], revision_name(metadata["name"], last))
        if revision is not None and (revision.get("spec") or {}).get("hash") == last:
            return _with(deployment, revision["spec"]["release"])
    problem = status.registry.problem if status.registry is not None else None
    raise NothingDeclared(
        f"spec.release.from: {source_of(registry)} has named no version yet"
        + (f": {problem.message}" if problem is not None else "")
    )


def written_release(deployment: Object) -> Mapping[str, Any]:
    """``spec.release`` as it is written; empty where it is no object."""
    spec = deployment.get("spec")
    found = spec.get("release") if isinstance(spec, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _with(deployment: Object, release: Mapping[str, Any]) -> Object:
    return {**deployment, "spec": {**deployment["spec"], "release": dict(release)}}


def _last(status: ModelDeploymentStatus) -> str | None:
    role = status.candidate or status.stable
    return role.hash if role is not None else None
