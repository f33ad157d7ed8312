"""A revision as evidence is collected from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slipway.cluster.endpoints import Endpoint
from slipway.rollout import Revision


@dataclass(frozen=True, slots=True)
class Arm:
    """A revision, where its pods are and how they are asked."""

    revision: Revision
    endpoints: tuple[Endpoint, ...]
    model: str
    ports: Mapping[str, str]
    """Names of the Service's ports by those of the container's. EndpointSlices know only the Service's."""
    port: str | None
    """The Service's port that takes inference requests; the first one where that is not known."""

    @property
    def ready(self) -> tuple[Endpoint, ...]:
        """The pods that requests may be sent to."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.ready and not endpoint.terminating)

    def service_port(self, container_port: str | None) -> str | None:
        """The name that EndpointSlices know a container's port by; without a name the one that takes inference."""
        return self.port if container_port is None else self.ports.get(container_port, container_port)
