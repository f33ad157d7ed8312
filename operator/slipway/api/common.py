"""The building blocks of the custom resources: bounded strings, durations, quantities and the base models.

Every string carries a length or a pattern and every collection a size, because the operator parses them and because an
API server refuses CEL rules over values of unknown size. Schema defaults are not used in ``spec``: a default that the
API server writes into an object is a difference that GitOps tools report for ever, so defaults live in the models and
are told in the descriptions.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonValue

GROUP: Final = "slipway.dev"
"""API group of every Slipway resource, and the domain of its labels and annotations."""

VERSION: Final = "v1alpha1"
"""The served and stored version."""

API_VERSION: Final = f"{GROUP}/{VERSION}"

LABEL_MODEL_DEPLOYMENT: Final = f"{GROUP}/model-deployment"
"""On every child: the name of the ModelDeployment that it belongs to."""

LABEL_REVISION: Final = f"{GROUP}/revision"
"""On every child of a revision: the short hash of its release."""

LABEL_ROLE: Final = f"{GROUP}/role"
"""``stable`` or ``candidate`` on a revision's Deployment and Service, never in a pod template: a role change restarts nothing."""

ANNOTATION_COMMAND: Final = f"{GROUP}/command"
"""On a ModelDeployment: a person's verdict on one rollout, ``<verb>@<hash>[/<step>]#<nonce>``."""

ANNOTATION_COMMAND_BY: Final = f"{GROUP}/command-by"
"""Beside it: the command once more, a space, and the name of the person who gives it. The chart's admission policy takes
no other name than that of who writes it."""

MAX_NAME: Final = 54
"""Longest name of a ModelDeployment: ``<name>-<8 characters of hash>`` has to fit a DNS label of 63 characters."""

DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
"""The duration format of the Gateway API (GEP-2257): at most five digits a unit."""

_UNITS: Final = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def parse_duration(text: str) -> timedelta:
    """Read a duration such as ``90s``, ``10m`` or ``1h30m``.

    Raises ValueError when the text is not one.
    """
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration: write it like 90s, 10m or 1h30m")
    parts = re.findall(r"([0-9]+)(ms|h|m|s)", text)
    return timedelta(milliseconds=sum(int(number) * _UNITS[unit] for number, unit in parts))


def format_duration(duration: timedelta) -> str:
    """Write a duration the way `parse_duration` reads it, in its largest exact units."""
    rest = round(duration.total_seconds() * 1000)
    if rest == 0:
        return "0s"
    parts = []
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: what every persisted timer derives from."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _read_duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _read_weight(value: float) -> float:
    if abs(value * 100 - round(value * 100)) > 1e-6:
        raise ValueError(f"{value} has more than two decimals: weights are percent in steps of 0.01")
    return round(value, 2)


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32}),
]
"""A span of time, ``90s`` or ``1h30m`` on the wire."""

Timestamp = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 40}),
]
"""A moment in UTC with microseconds."""

ConditionTime = Annotated[
    datetime,
    PlainSerializer(lambda moment: moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 40}),
]
"""A moment in whole seconds, as every Kubernetes type writes the times of its conditions."""

TWO_DECIMALS_RULE: Final = {
    "rule": "double(int(self * 100.0 + 0.001)) - self * 100.0 < 0.001 && self * 100.0 - double(int(self * 100.0 + 0.001)) < 0.001",
    "message": "a weight is percent with at most two decimals, such as 10 or 0.25",
}


def _weight_schema(**bounds: float) -> WithJsonSchema:
    return WithJsonSchema({"type": "number", **bounds, "x-kubernetes-validations": [TWO_DECIMALS_RULE]})


Weight = Annotated[float, Field(ge=0, le=100), AfterValidator(_read_weight), _weight_schema(minimum=0, maximum=100)]
"""A share of traffic in percent, 0 to 100 with up to two decimals. 0 is a value, not "unset"."""

PositiveWeight = Annotated[
    float, Field(gt=0, le=100), AfterValidator(_read_weight), _weight_schema(exclusiveMinimum=0, maximum=100)
]
"""A share that is more than nothing."""

PartialWeight = Annotated[
    float, Field(ge=0, lt=100), AfterValidator(_read_weight), _weight_schema(minimum=0, exclusiveMaximum=100)
]
"""A share that leaves something for the other release."""

StepHeight = Annotated[float, Field(ge=1, le=100), AfterValidator(_read_weight), _weight_schema(minimum=1, maximum=100)]
"""What a step adds, in percent: at least 1, so that a ladder has an end."""


Share = Annotated[float, Field(ge=0, le=100)]
"""A share of traffic in percent as the operator reports it: without the rule that a user's weight is checked by."""


def _text(max_length: int, pattern: str | None = None, min_length: int = 1) -> Any:
    return Field(min_length=min_length, max_length=max_length, pattern=pattern)


DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

Label63 = Annotated[str, _text(63, DNS_LABEL)]
ObjectName = Annotated[str, _text(253, DNS_SUBDOMAIN)]
Text64 = Annotated[str, _text(64)]
Text256 = Annotated[str, _text(256)]
Text1024 = Annotated[str, _text(1024)]
Message = Annotated[str, _text(4096, min_length=0)]
Uri = Annotated[str, _text(2048, r"^[a-zA-Z][a-zA-Z0-9+.-]*:.+$")]
"""An absolute URI: a scheme, a colon and something behind it."""
Digest = Annotated[str, _text(160, r"^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$")]
Hash = Annotated[str, _text(64, r"^[a-f0-9]{64}$")]
"""SHA-256 in hexadecimal."""
Reason = Annotated[str, _text(64, r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
ConfigMapKey = Annotated[str, _text(253, r"^[-._a-zA-Z0-9]+$")]
PortName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=15,
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "self.matches('[a-z]')", "message": "a port's name holds at least one letter"}
            ]
        },
    ),
]
"""An IANA service name, as Kubernetes asks for."""


def validations(*rules: tuple[str, str]) -> ConfigDict:
    """CEL rules for a model's schema, as pairs of rule and message (see ``x-kubernetes-validations``)."""
    return ConfigDict(
        json_schema_extra={"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in rules]}
    )


def list_map(*keys: str) -> Any:
    """Mark a list as a map by the given keys: server-side apply merges its items, and duplicates are refused."""
    return Field(
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": cast("list[JsonValue]", list(keys)),
        }
    )


class SpecModel(BaseModel):
    """Base of everything that a user writes: unknown fields are errors, values do not change after reading."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class StatusModel(BaseModel):
    """Base of everything that the operator writes: fields of a newer operator are let pass, so that it can be rolled back."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class Condition(StatusModel):
    """A ``metav1.Condition``: what is true of the object as of a generation, and why."""

    type: Annotated[str, _text(316, r"^[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")]
    status: Annotated[str, WithJsonSchema({"type": "string", "enum": ["True", "False", "Unknown"]})]
    observed_generation: Annotated[int, Field(ge=0)]
    last_transition_time: ConditionTime
    reason: Reason
    message: Annotated[str, _text(32768, min_length=0)]
