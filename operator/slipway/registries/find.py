"""Which registry is asked for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from slipway.api import RegistrySpec, ResolvedModel
from slipway.registries import mlflow
from slipway.registries.asking import REFUSED, Asker, RegistryError

HUB: Final = "https://huggingface.co"
"""The Hugging Face Hub."""


@dataclass(frozen=True, slots=True)
class Registry:
    """What an administrator says of registries."""

    tracking_uri: str | None = None
    """The MLflow server where neither a ModelDeployment nor its Secret names one."""
    hub: str = HUB


async def find(asker: Asker, spec: RegistrySpec, registry: Registry, known: ResolvedModel | None) -> ResolvedModel:
    """What a registry names now. `known` is what it named before, which spares requests. Raises RegistryError."""
    if spec.mlflow is not None:
        server = mlflow.tracking_server(spec.mlflow, asker, registry.tracking_uri)
        return await mlflow.version_of(asker, server, spec.mlflow, known)
    raise RegistryError(REFUSED, "spec.release.from: name exactly one of mlflow, huggingFace, oci and s3")
