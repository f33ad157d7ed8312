"""Who gave a command: what the ModelDeployment's metadata tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from slipway.api import ANNOTATION_COMMAND, ANNOTATION_COMMAND_BY

LONGEST: Final = 256
"""Characters of a name, as the CRDs limit it."""


def given_by(metadata: Mapping[str, Any]) -> str | None:
    """Name of the person who gave the command that the annotations hold; None where there is no command.

    The annotation beside the command names the command and the person, so that it cannot be taken for another
    command's; the chart's admission policy sees to it that the person is who writes it. Without it the field manager is
    what the API tells: a tool, no person.
    """
    annotations = metadata.get("annotations") or {}
    command = annotations.get(ANNOTATION_COMMAND)
    if not command:
        return None
    about, _, person = str(annotations.get(ANNOTATION_COMMAND_BY, "")).rpartition(" ")
    if person and about == command:
        return person[:LONGEST]
    manager = _manager(metadata)
    return f"unknown, with {manager}"[:LONGEST] if manager else None


def _manager(metadata: Mapping[str, Any]) -> str | None:
    """The field manager that wrote the command."""
    for entry in metadata.get("managedFields") or []:
        fields = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
        if f"f:{ANNOTATION_COMMAND}" in (fields.get("f:annotations") or {}):
            return str(entry.get("manager", "")) or None
    return None
