"""Which release is declared: what a person wrote, with what a registry named where the policy is Automatic. Pure.

``from`` says where a version comes from, and not which one: it is no part of the release, whatever the policy is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from slipway.api import Policy, RegistrySpec, ResolvedModel

FROM: Final = "from"


def declared_release(release: Mapping[str, Any], model: ResolvedModel | None = None) -> dict[str, Any]:
    """``spec.release`` without ``from``. `model` is what a registry named: its fields take the place of those of the
    model."""
    out = {name: value for name, value in release.items() if name != FROM}
    if model is not None:
        out["model"] = {**(out.get("model") or {}), **model.model_dump(by_alias=True, exclude_none=True)}
    return out


def is_automatic(release: Mapping[str, Any]) -> bool:
    """Whether the registry alone says which version is declared."""
    return (release.get(FROM) or {}).get("policy") == Policy.AUTOMATIC


def source_of(registry: RegistrySpec) -> str:
    """What is asked, in one line for people; two that differ in anything that is asked differ here.

    Raises ValueError where nothing, or more than one thing, is named.
    """
    named = []
    if registry.mlflow is not None:
        at = f" at {registry.mlflow.uri}" if registry.mlflow.uri else ""
        named.append(f"MLflow models:/{registry.mlflow.model}@{registry.mlflow.alias}{at}")
    if registry.hugging_face is not None:
        named.append(f"hf://{registry.hugging_face.repository}@{registry.hugging_face.revision}")
    if registry.oci is not None:
        named.append(f"oci://{registry.oci.repository}:{registry.oci.tag}")
    if registry.s3 is not None:
        named.append(f"the highest version below {registry.s3.prefix.rstrip('/')}/")
    if len(named) != 1:
        raise ValueError("name exactly one of mlflow, huggingFace, oci and s3")
    return named[0]


def is_declared(declared: Mapping[str, Any], found: ResolvedModel) -> bool:
    """Whether what a registry names is what a person has declared: by its address or its version, and not against the
    digest where both are known."""
    digest = declared.get("digest")
    if digest is not None and found.digest is not None:
        return bool(digest == found.digest)
    return bool(declared.get("version") == found.version or (found.uri and declared.get("uri") == found.uri))


def to_declare(declared: Mapping[str, Any], found: ResolvedModel) -> dict[str, Any]:
    """The merge patch of a ModelDeployment that declares what a registry names. What is known of the version that is
    declared now, and not of the other one, is taken away: it would be wrong."""
    model: dict[str, Any] = found.model_dump(by_alias=True, exclude_none=True)
    for name in ("uri", "digest"):
        if name in declared and name not in model:
            model[name] = None
    return {"spec": {"release": {"model": model}}}
