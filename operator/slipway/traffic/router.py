"""What Slipway asks of whatever splits the traffic, and nothing of how it is done.

A router turns a `RoutePlan` into changes of API objects, and reads from the live objects what the data plane has taken
up. It does no I/O. What a router cannot do is said in its capabilities, so that a strategy that needs it is refused
before anything is written instead of being silently ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from slipway.api import Preview, RequestMatch, Sticky

Object = dict[str, Any]
"""A raw API object, exactly as its JSON."""

WHOLE: Final = 10_000
"""All of the traffic, in basis points: percent times 100."""


REVISION_HEADER: Final = "x-slipway-revision"
"""Of an answer: the revision that gave it, by the name of its Service and ModelRevision. Whoever reports on the answer
afterwards names it."""


class PlanError(ValueError):
    """A plan that a router cannot carry out. The message says why, and what to change; it is the same for ever."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service and its share of the traffic. Raises ValueError for a share outside of 0 to 10 000."""

    service: str
    basis_points: int
    target_port: str = "http"
    """Name of the container port that takes inference requests: for a router that addresses pods by itself."""

    def __post_init__(self) -> None:
        """Refuse what is not a share."""
        if not 0 <= self.basis_points <= WHOLE:
            raise ValueError(f"the share of Service {self.service} is {self.basis_points}: it has to be 0 to {WHOLE}")


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """How requests shall be led: the shares, and what a strategy needs beside them."""

    backends: Sequence[Backend]
    """Shares of all requests that nothing below takes; 10 000 in total, or empty when nothing may serve."""
    mirror: Backend | None = None
    """The Service that gets copies, and of which share of the requests. Its answers are thrown away."""
    matches: Sequence[RequestMatch] = ()
    matched: str | None = None
    """The Service that takes every request with one of the matches."""
    preview: Preview | None = None
    previewed: str | None = None
    """The Service that is reached under the preview's host or header, whatever the shares are."""
    sticky: Sticky | None = None
    """The cookie that keeps a client with the release that it met first."""
    named: bool = False
    """Whether answers say which revision gave them."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a router can do."""

    resolution: int
    """The smallest difference of shares that it keeps, in basis points."""
    observable: bool
    """Whether it tells when the data plane has taken a change up. Without it, what was written a moment ago counts."""
    mirror: bool = False
    mirror_percent: bool = False
    """Whether it can copy a part of the requests."""
    mirror_resolution: int = 1
    """The smallest difference of such parts that it keeps, in basis points."""
    match: bool = False
    cookies: bool = False
    """Whether it can match the value of a cookie."""
    preview: bool = False
    sticky: bool = False
    counters: bool = False
    """Whether the gateway counts requests and failures for each release (metrics of the kind gateway)."""
    named: bool = False
    """Whether it can write into an answer which release gave it."""
    by_replicas: bool = False
    """Whether a release's share is its share of the ready pods."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that a router reads or writes, by its type and name, in the ModelDeployment's namespace."""

    api_version: str
    kind: str
    name: str


Live = Mapping[Reference, Mapping[str, Any] | None]
"""Live objects by reference; None for one that does not exist."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object as it shall be: a whole manifest to apply, or a merge patch of an object that somebody else owns.

    ``delete`` takes an object of ours away that the plan no longer needs.
    """

    reference: Reference
    body: Object = field(default_factory=dict)
    patch: bool = False
    delete: bool = False


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """What the live route says, and whether it is in force."""

    exists: bool
    owned: bool
    """Ours to change. A route that is somebody else's is refused, never taken over."""
    written: Mapping[str, int]
    """Service to basis points as the route now says, 10 000 in total. A Service that the route refers to without giving
    it a share is here with 0: clients with a session, copies or matched requests may still reach it."""
    accepted: bool
    """Whether the data plane has taken up the route as it is now, as far as the router can tell."""
    problem: str | None
    """Why the route is not in force, in the words of the first parent that refuses; None when there is no route yet."""
    mirrored: Backend | None = None
    matched: str | None = None
    previewed: str | None = None
    """What the route now says beside the shares."""
    settles_in: float | None = None
    """Seconds after which a route that nobody answers for counts as taken up; None when nothing is waited for."""

    @property
    def observed(self) -> Mapping[str, int] | None:
        """The shares that are in force; None when that is not known."""
        return self.written if self.accepted else None


T_contra = TypeVar("T_contra", contravariant=True)
"""The settings of a router, as in ``spec.traffic``."""


class Router(Protocol[T_contra]):
    """A module, or an object, that leads traffic in one way."""

    def references(self, *, model_deployment: str, traffic: T_contra) -> tuple[Reference, ...]:
        """The objects that have to be read before the other functions are called."""

    def capabilities(self, *, traffic: T_contra, features: frozenset[str] | None) -> Capabilities:
        """What it can do. `features` are the names that the GatewayClass says it supports, None where not known."""

    def changes(
        self,
        *,
        model_deployment: str,
        namespace: str,
        traffic: T_contra,
        plan: RoutePlan,
        owner: Mapping[str, Any],
        live: Live,
    ) -> Sequence[Change]:
        """The objects that carry the plan, in an order that is safe to stop anywhere. `owner` is an owner reference.

        An object that needs nothing done is among them too: whether to write is for who compares it with the live one.
        Raises PlanError for shares that are not 10 000 in total, for what the capabilities rule out, and where an
        object that it takes belongs to somebody else.
        """

    def status(
        self,
        *,
        model_deployment: str,
        namespace: str,
        traffic: T_contra,
        owner_uid: str,
        live: Live,
        ready: Mapping[str, int],
        now: datetime,
        takes: float | None = None,
    ) -> RouteStatus:
        """Read the objects back as the cluster has them. `ready` counts the ready pods of each Service.

        `takes` are the seconds that a data plane which does not report back needs to follow a change; None stands for
        what its kind was seen to need.
        """

    def restored(self, *, traffic: T_contra, owner_uid: str, live: Live) -> Sequence[Change]:
        """What gives an object of the user back as it was, when the ModelDeployment is deleted; usually nothing.

        What another ModelDeployment holds is left alone.
        """
