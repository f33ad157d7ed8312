"""The one shape of all sources: given the Services of the arms, what has each counted?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from slipway.cluster.endpoints import Endpoint

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """A revision's Service, as sources need to know it: a backend of an HTTPRoute in the same namespace."""

    namespace: str
    name: str
    """Also the name of the revision's Deployment, which its pods' names begin with."""
    port: int
    """The Service's port that the route names."""
    route: str
    """Name of the HTTPRoute."""
    endpoints: tuple[Endpoint, ...] = ()
    """The pods behind it, for sources that ask them."""

    @property
    def revision(self) -> str:
        """The revision's short hash, as it is in its pods' labels."""
        return self.name.rpartition("-")[2]

    def pod_pattern(self) -> str:
        """A regular expression (RE2) that matches the names of the revision's pods as a whole."""
        return rf"{re.escape(self.name)}-[0-9a-z]+-[0-9a-z]+".replace(r"\-", "-")


class Source(Protocol[T_co]):
    """Where one metric's numbers come from.

    ``Source[tuple[Reading, ...]]`` counts outcomes, ``Source[tuple[HistogramReading, ...]]`` durations, and
    ``Source[Mapping[str, float]]`` reads one number a pod, and ``Source[float | None]`` one for the whole release, or
    knows of none yet.
    """

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, T_co]:
        """What each arm has come to; the arms are named by the caller.

        Raises SourceError when any arm cannot be read well: half a comparison is none.
        """
        ...
