"""Which registry is asked for what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from slipway.api import RegistrySpec, ResolvedModel
from slipway.registries import hub, mlflow, objects, oci
from slipway.registries.asking import REFUSED, Asker, RegistryError

HUB: Final = "https://huggingface.co"
"""The Hugging Face Hub."""


@dataclass(frozen=True, slots=True)
class Registry:
    """What an administrator says of registries."""

    tracking_uri: str | None = None
    """The MLflow server where neither a ModelDeployment nor its Secret names one."""
    hub: str = HUB


@dataclass(slots=True)
class Memory:
    """What is known of one source from one request to the next."""

    known: ResolvedModel | None = None
    """What it named last."""
    unsettled: tuple[str, str] | None = None
    """A version below a prefix that was there at the last look, and a digest of what it held."""


async def find(asker: Asker, spec: RegistrySpec, registry: Registry, memory: Memory) -> ResolvedModel | None:
    """What a registry names now; None while it is not whole yet. `memory` is the source's own. Raises RegistryError."""
    if spec.mlflow is not None:
        server = mlflow.tracking_server(spec.mlflow, asker, registry.tracking_uri)
        memory.known = await mlflow.version_of(asker, server, spec.mlflow, memory.known)
    elif spec.hugging_face is not None:
        memory.known = await hub.commit_of(asker, registry.hub, spec.hugging_face)
    elif spec.oci is not None:
        memory.known = await oci.manifest_of(asker, spec.oci, memory.known)
    elif spec.s3 is not None:
        memory.known, memory.unsettled = await objects.highest(asker, spec.s3, memory.known, memory.unsettled)
    else:
        raise RegistryError(REFUSED, "spec.release.from: name exactly one of mlflow, huggingFace, oci and s3")
    return memory.known
