"""What a person says about one rollout, as the annotation that the operator reads. Pure.

``<verb>@<hash>[/<step>]#<nonce>``: it is bound to the revision, and where a step is meant to the step, that the person
was shown. What has moved on meanwhile is refused by the operator and not passed by accident.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from slipway.api import ANNOTATION_COMMAND, ANNOTATION_COMMAND_BY, Phase
from slipway.cli.exits import Exit, Stop
from slipway.cli.picture import Picture, Tried
from slipway.cluster import Object


class Verb(StrEnum):
    """What can be said."""

    PROMOTE = "promote"
    PROMOTE_FULL = "promote-full"
    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    RETRY = "retry"


OF_A_STEP: Final = frozenset({Verb.PROMOTE, Verb.APPROVE})
"""Verbs that are about the step that a rollout is at."""

ACCEPTED: Final = "Accepted"
"""The outcome of a command that was carried out; every other one was not."""


def subject(picture: Picture) -> Tried | None:
    """The revision that a command is about: the candidate, or a release that was promoted and is still watched."""
    candidate = picture.of(picture.status.candidate)
    if candidate is not None:
        return candidate
    stable = picture.of(picture.status.stable)
    return stable if stable is not None and stable.record.phase == Phase.WATCHING else None


def command(verb: Verb, picture: Picture, nonce: str) -> str:
    """The annotation's text. Raises Stop when there is no rollout that it could be about."""
    about = subject(picture)
    if about is None:
        raise Stop(_nothing(verb, picture), Exit.REFUSED)
    step = _step(about) if verb in OF_A_STEP else None
    return f"{verb}@{about.hash}{f'/{step}' if step else ''}#{nonce}"


def _step(about: Tried) -> str | None:
    match about.record.phase:
        case Phase.EVALUATING:
            return "golden"
        case Phase.SHADOWING:
            return "shadow"
        case Phase.STEPPING:
            return str((about.record.step or 0) + 1)
    return None


def _nothing(verb: Verb, picture: Picture) -> str:
    stable = picture.status.stable
    serves = f"release {stable.version} serves" if stable is not None else "no release serves yet"
    if not picture.observed:
        return f"there is nothing to {verb} yet: the operator has not looked at the latest change of {picture.name}"
    more = {
        Verb.PAUSE: "; to hold every rollout to come, set spec.paused",
        Verb.RESUME: "; spec.paused is what holds rollouts to come",
        Verb.ABORT: f"; to go back to an earlier release, see slipway undo {picture.name}",
    }.get(verb, "")
    return f"there is nothing to {verb}: {serves}, and no rollout of {picture.name} is on{more}"


def patch(picture: Picture, text: str, person: str | None) -> Object:
    """The merge patch that gives the command, on exactly the version that was looked at.

    The person's name goes with the command, so that the record can say whose it was; without one nothing is said.
    """
    by = f"{text} {person}" if person else None
    return {
        "metadata": {
            "resourceVersion": picture.resource_version,
            "annotations": {ANNOTATION_COMMAND: text, ANNOTATION_COMMAND_BY: by},
        },
    }
