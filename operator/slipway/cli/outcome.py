"""How a rollout stands, in the terms of an exit code: what a pipeline has to know. Pure.

A pipeline asks about *its* change. With a generation, the answer is about that generation alone: a rollout that
somebody else began afterwards is neither its success nor its failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from slipway.cli.exits import Exit
from slipway.cli.picture import Picture
from slipway.rollout import reasons

READY: Final = "Ready"
STALLED: Final = "Stalled"
PAUSED: Final = "Paused"
"""Types of the conditions that the outcome is read off."""

ENDINGS: Final = frozenset(
    {Exit.DONE, Exit.ROLLED_BACK, Exit.WAITS, Exit.STALLED, Exit.REPLACED, Exit.NOT_FOUND, Exit.TIMED_OUT}
)
"""Outcomes that do not change by waiting: `status --watch` ends with them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The code, and a sentence that names the reason."""

    code: Exit
    sentence: str


def outcome(picture: Picture, generation: int | None = None) -> Outcome:
    """How the rollout of a generation stands; of the latest one where none is named."""
    name = picture.name
    if generation is not None and picture.generation != generation:
        if picture.generation > generation:
            message = f"generation {generation} of {name} was replaced by generation {picture.generation}"
            return Outcome(Exit.REPLACED, message)
        return Outcome(Exit.IN_PROGRESS, f"{name} is at generation {picture.generation}: {generation} is yet to come")
    if not picture.observed:
        message = f"the operator has not looked at generation {picture.generation} of {name} yet"
        return Outcome(Exit.IN_PROGRESS, message)
    said = picture.status.message or "the status says nothing yet"
    if picture.holds(READY):
        return Outcome(Exit.DONE, said)
    stalled = picture.condition(STALLED)
    if stalled is not None and stalled.status == "True":
        code = Exit.ROLLED_BACK if stalled.reason == reasons.ROLLED_BACK else Exit.STALLED
        return Outcome(code, stalled.message or said)
    paused = picture.condition(PAUSED)
    if paused is not None and paused.status == "True":
        return Outcome(Exit.WAITS, paused.message or said)
    if picture.status.reason == reasons.AWAITING_APPROVAL:
        return Outcome(Exit.WAITS, said)
    return Outcome(Exit.IN_PROGRESS, said)
