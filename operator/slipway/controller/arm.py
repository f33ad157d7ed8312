"""A revision as evidence is collected from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from slipway.api import ProtocolSpec, SchemasSpec
from slipway.cluster.endpoints import Endpoint
from slipway.probes import PROTOCOLS, BodySchema, InferenceProtocol
from slipway.rollout import Revision

_WITH_OUTPUTS: Final = frozenset({"OpenInferenceV2", "KServeV1", "MLflow", "TorchServe"})
"""Protocols whose answers have named outputs, of which one is chosen."""


class ProtocolError(ValueError):
    """A release does not say in a usable way how its model is asked. The message names the field."""


def protocol_of(spec: ProtocolSpec | None, *, output: str | None = None) -> InferenceProtocol:
    """How a release's model is asked; `output` names the output that counts, where a protocol has names for them.

    Raises ProtocolError.
    """
    name = spec.name if spec is not None else "OpenInferenceV2"
    settings: dict[str, Any] = {"output": output} if name in _WITH_OUTPUTS else {}
    if output is not None and not settings:
        raise ProtocolError(f"goldenSet.output: {name} has no named outputs: leave it out")
    if spec is not None and spec.custom is not None:
        settings = spec.custom.model_dump(exclude_none=True)
    try:
        return PROTOCOLS[name](**settings)
    except ValueError as error:
        raise ProtocolError(f"spec.release.protocol.custom: {error}") from None


@dataclass(frozen=True, slots=True)
class Arm:
    """A revision, where its pods are and how they are asked."""

    revision: Revision
    endpoints: tuple[Endpoint, ...]
    model: str
    protocol: ProtocolSpec | None
    ports: Mapping[str, str]
    """Names of the Service's ports by those of the container's. EndpointSlices know only the Service's."""
    port: str | None
    """The Service's port that takes inference requests; the first one where that is not known."""
    schemas: SchemasSpec | None = None
    """What the release says of the bodies of requests and answers."""
    predictor: str | None = None
    """The Service's port that leads to the model behind a transformer; None where requests go to the model itself."""
    also: tuple[str, ...] = ()
    """Further models that its server offers."""
    preset: str | None = None
    """The preset of metrics that its runtime names."""

    def asked_for(self, model: str | None) -> Arm:
        """The arm, asked for one of its models; for the main one without a name.

        Raises ProtocolError for a model that it does not say that it serves: its server would answer each item with an
        error, which says nothing of the release.
        """
        if model is None or model == self.model:
            return self
        if model not in self.also:
            raise ProtocolError(
                f"release {self.revision.version} does not say that it serves {model}: name it in "
                "spec.release.model.alsoServes, or correct goldenSet.model"
            )
        return replace(self, model=model)

    @property
    def answers(self) -> BodySchema | None:
        """The schema of its answers."""
        text = self.schemas.output if self.schemas is not None else None
        return BodySchema(text) if text is not None else None

    @property
    def ready(self) -> tuple[Endpoint, ...]:
        """The pods that requests may be sent to."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.ready and not endpoint.terminating)

    def service_port(self, container_port: str | None) -> str | None:
        """The name that EndpointSlices know a container's port by; without a name the one that takes inference."""
        return self.port if container_port is None else self.ports.get(container_port, container_port)

    def server_port(self, number: int) -> str | None:
        """The name of the Service's port that leads to this number, where the model's server shows its metrics by
        default; where there is none, of the one that the model itself is asked on."""
        for endpoint in self.ready:
            known = next((name for name, its_number in endpoint.ports.items() if its_number == number), None)
            if known is not None:
                return known
        return self.predictor or self.port
