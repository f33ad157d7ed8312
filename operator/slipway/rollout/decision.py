"""What follows from an observation: the targets to bring about, the records to keep and when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from slipway.api import ModelDeploymentStatus, ModelRevisionStatus, Notification, NotificationEvent, WrittenBack
from slipway.rollout.firing import Reaction
from slipway.rollout.observation import Beside, Role


@dataclass(frozen=True, slots=True)
class FleetTarget:
    """How many pods of a revision there shall be, and which role its objects are labelled with.

    ``floor`` and ``ceiling`` are the bounds of its autoscaler; None where it shall have none.
    """

    hash: str
    replicas: int
    role: Role
    floor: int | None = None
    ceiling: int | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """An Event to publish on the ModelDeployment."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to one receiver, which is sent once the status that names its id is written."""

    id: str
    receiver: Notification
    event: NotificationEvent
    revision: str
    """Name of the ModelRevision."""
    version: str
    reason: str
    message: str
    phase: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """The next move.

    Targets say how things shall be, not what to do: bringing them about twice is the same as once. The shell carries a
    decision out in an order that is safe to stop anywhere:

    1. ``create`` the revision that does not exist yet, and nothing else;
    2. write ``records`` in their order (a promoted revision before the one that it replaces, so that there is a stable
       one at any time): the intent, on the resourceVersion that it was decided on. A second operator, or a stale read,
       fails here before it has touched anything;
    3. fleets that grow, then the route's ``weights``, then fleets that shrink, then ``delete``;
    4. the ModelDeployment's ``status``, and the ``announcements``.
    """

    create: str | None = None
    records: Mapping[str, ModelRevisionStatus] = field(default_factory=dict)
    fleets: tuple[FleetTarget, ...] = ()
    weights: Mapping[str, int] | None = None
    """Basis points by hash; None where there shall be no route yet, or where it is someone else's."""
    beside: Beside = field(default_factory=Beside)
    """What the route shall say beside the shares."""
    abandon: str | None = None
    """A router that led the traffic before and does no more: what it left behind may go."""
    delete: tuple[str, ...] = ()
    status: ModelDeploymentStatus | None = None
    announcements: tuple[Announcement, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    """What is to be done about drift, beside the looks, once the records are written."""
    notices: tuple[Notice, ...] = ()
    """What receivers are to be told, beside the looks, once the status is written."""
    write_backs: tuple[WrittenBack, ...] = ()
    """What the registry is to be told, beside the looks, once the status is written."""
    wake_after: timedelta | None = None

    @property
    def status_so_far(self) -> ModelDeploymentStatus | None:
        """The status where not all was carried out: what is to be abandoned has not been yet."""
        if self.status is None or self.abandon is None:
            return self.status
        return self.status.model_copy(update={"router": self.abandon})
