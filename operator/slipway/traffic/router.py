"""What Slipway asks of whatever splits the traffic: three things, and nothing of how it is done.

A router turns shares into one manifest, which is applied like any other child, and reads from the live object which
shares the data plane has taken up. It does no I/O. What a router cannot do is said in its capabilities, so that a
strategy that needs it is refused before anything is written instead of being silently ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

Object = dict[str, Any]
"""A raw API object, exactly as its JSON."""

WHOLE: Final = 10_000
"""All of the traffic, in basis points: percent times 100."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service and its share of the traffic. Raises ValueError for a share outside of 0 to 10 000."""

    service: str
    basis_points: int

    def __post_init__(self) -> None:
        """Refuse what is not a share."""
        if not 0 <= self.basis_points <= WHOLE:
            raise ValueError(f"the share of Service {self.service} is {self.basis_points}: it has to be 0 to {WHOLE}")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a router can do."""

    resolution: int
    """The smallest difference of shares that it keeps, in basis points."""
    observable: bool
    """Whether it tells when the data plane has taken a change up. Without it no share is known to be applied."""


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """What the live route says, and whether it is in force."""

    exists: bool
    owned: bool
    """Owned by this ModelDeployment. A route that is somebody else's is refused, never taken over."""
    written: Mapping[str, int]
    """Service to basis points as the route now says, 10 000 in total. A Service that the route refers to without giving
    it a share is here with 0: clients with a session may still reach it."""
    accepted: bool
    """Whether every parent that the ModelDeployment names has taken up the route in its current generation."""
    problem: str | None
    """Why the route is not in force, in the words of the first parent that refuses; None when there is no route yet."""

    @property
    def observed(self) -> Mapping[str, int] | None:
        """The shares that are in force; None when that is not known."""
        return self.written if self.accepted else None


T = TypeVar("T")
"""The settings of a router, as in ``spec.traffic``."""


class Router(Protocol[T]):
    """A module, or an object, that leads traffic in one way."""

    @property
    def CAPABILITIES(self) -> Capabilities:  # noqa: N802 - a module's constant
        """What the router can do."""

    def route_manifest(
        self,
        *,
        model_deployment: str,
        namespace: str,
        traffic: T,
        backends: Sequence[Backend],
        owner: Mapping[str, Any],
    ) -> Object:
        """The one object that carries the shares. `owner` is an owner reference."""

    def route_status(
        self, route: Mapping[str, Any] | None, *, owner_uid: str, namespace: str, traffic: T
    ) -> RouteStatus:
        """Read the object back as the cluster has it."""

    def route_traffic(self, route: Mapping[str, Any]) -> T | None:
        """The settings that a live object of ours was made from; None where they cannot be read back."""
