"""``spec.notifications``: who is told of which decisions, and in which words."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from slipway.api.common import (
    ConfigMapKey,
    Label63,
    Message,
    ObjectName,
    SpecModel,
    StatusModel,
    Text64,
    Text256,
    Timestamp,
    list_map,
    validations,
)
from slipway.api.sources import HttpUrl, SourceAuth

MAX_NOTIFICATIONS: Final = 8
"""Receivers that a ModelDeployment, or a namespace, may name."""

MAX_DELIVERIES: Final = 48
"""Messages that are remembered; beyond it, the oldest ones are forgotten."""

MAX_HOLDS: Final = 16
"""Holds that are remembered, so that each is told of once."""

NAMESPACE_CONFIG_MAP: Final = "slipway-notifications"
"""Holds what is told of every ModelDeployment of its namespace."""

NAMESPACE_KEY: Final = "notifications.yaml"

PLACEHOLDERS: Final = ("name", "namespace", "event", "version", "reason", "message", "phase")
"""What a template may hold between double braces."""

TEMPLATE_PATTERN: Final = rf"^([^{{]|\{{[^{{]|\{{\{{({'|'.join(PLACEHOLDERS)})\}}\}})*$"
"""Text without double braces, and the placeholders."""


class NotificationEvent(StrEnum):
    """What somebody may want to be told of."""

    STARTED = "Started"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    AWAITING_APPROVAL = "AwaitingApproval"
    HOLDING = "Holding"
    DRIFT_FOUND = "DriftFound"


DEFAULT_EVENTS: Final = (
    NotificationEvent.PROMOTED,
    NotificationEvent.ROLLED_BACK,
    NotificationEvent.AWAITING_APPROVAL,
    NotificationEvent.HOLDING,
    NotificationEvent.DRIFT_FOUND,
)
"""How a rollout ended, and what needs a person."""

Format = Literal["JSON", "Slack", "Teams", "CloudEvents"]


def _read_template(text: str) -> str:
    unknown = [name for name in re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL) if name not in PLACEHOLDERS]
    known = ", ".join(f"{{{{{name}}}}}" for name in PLACEHOLDERS)
    if unknown:
        raise ValueError(f"{{{{{unknown[0][:64]}}}}} is no placeholder: write one of {known}, without spaces")
    if not re.fullmatch(TEMPLATE_PATTERN.strip("^$"), text):
        raise ValueError(f"a double brace begins a placeholder: write one of {known}")
    return text


Template = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    AfterValidator(_read_template),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1024, "pattern": TEMPLATE_PATTERN}),
]


class UrlFromSecret(SpecModel):
    """An address in a Secret in the ModelDeployment's namespace."""

    name: Annotated[ObjectName, Field(description="Name of the Secret.")]
    key: Annotated[ConfigMapKey, Field(description="Key of the address in the Secret.")]


class NotificationWebhook(SpecModel):
    """Where a message is sent to, by POST."""

    model_config = validations(
        ("[has(self.url), has(self.urlFrom)].filter(x, x).size() == 1", "name exactly one of url and urlFrom")
    )

    url: Annotated[
        HttpUrl | None, Field(description="What may be reached is the administrator's to say, as for metrics.")
    ] = None
    url_from: Annotated[
        UrlFromSecret | None, Field(description="Addresses of Slack and Teams are secrets: keep them in one.")
    ] = None
    auth: SourceAuth | None = None


class Notification(SpecModel):
    """One receiver, what it is told of, and in which form."""

    name: Annotated[Label63, Field(description="Name of the receiver. It takes the place of the namespace's.")]
    events: Annotated[
        list[NotificationEvent] | None,
        Field(
            min_length=1,
            max_length=len(NotificationEvent),
            description="Which decisions it is told of. Default: Promoted, RolledBack, AwaitingApproval, Holding and DriftFound.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = None
    webhook: NotificationWebhook
    format: Annotated[Format, Field(description="Form of the message. Default: JSON.")] = "JSON"
    template: Annotated[Template | None, Field(description="The text, in the place of the usual one.")] = None

    @property
    def wanted(self) -> tuple[NotificationEvent, ...]:
        """What the receiver is told of."""
        return tuple(self.events) if self.events is not None else DEFAULT_EVENTS


class Notifications(SpecModel):
    """What the ConfigMap of a namespace holds."""

    notifications: Annotated[list[Notification], Field(max_length=MAX_NOTIFICATIONS)]


class Delivery(StatusModel):
    """A message to one receiver. Written before it is sent, and sent by whoever wrote it only."""

    id: Annotated[Text64, Field(description="Id of the message, as the receiver sees it.")]
    receiver: Annotated[Label63, Field(description="Name of the receiver.")]
    event: Annotated[Text64, Field(description="What it tells of.")]
    state: Annotated[Text64, Field(description="Sending, Sent, Failed, or Unknown after a restart while it was sent.")]
    time: Annotated[Timestamp, Field(description="When it was written down.")]
    message: Annotated[Message, Field(description="What came of it, where it was not sent.")] = ""


class NotificationsStatus(StatusModel):
    """What was told to whom."""

    since: Annotated[Timestamp, Field(description="Decisions of timelines up to this moment have been told.")]
    holds: Annotated[
        list[Text256] | None,
        Field(
            max_length=MAX_HOLDS,
            description="Holds that were told of.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = None
    deliveries: Annotated[
        list[Delivery] | None, Field(description="The latest messages.", max_length=MAX_DELIVERIES), list_map("id")
    ] = None
