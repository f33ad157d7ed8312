"""What a person says about one rollout: commands, as an annotation of the ModelDeployment. Pure.

``slipway.dev/command: <verb>@<hash>[/<step>]#<nonce>``. Intent that lives in git is spec; a command is a verdict on one
rollout. It names the revision, and may name the step, so that a late click cannot pass a newer model. The nonce makes
two commands of the same kind two texts: each is answered once, in ``status.lastCommand``, whatever becomes of it.

What a command changes is written into the revision's record together with the command, before anything else follows
from it; an operator that is killed in between finds it there and does not carry it out twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from slipway.api import ModelRevisionStatus, Phase
from slipway.rollout import reasons
from slipway.rollout.ladder import step_index
from slipway.rollout.observation import Observation, Revision
from slipway.rollout.record import phase_of
from slipway.rollout.table import ON_TRIAL, WITHOUT_PODS, Event

LONGEST: Final = 256
"""Characters of a command; a longer one is answered by its beginning."""

SHADOW_STAGE: Final = -1
GOLDEN_STAGE: Final = -2
"""Stages before the first step, in the place of a step's index."""

_FORM: Final = re.compile(
    r"(?P<verb>[a-z-]+)@(?P<hash>[0-9a-f]{8,64})(/(?P<step>[0-9]{1,3}|shadow|golden))?#(?P<nonce>[A-Za-z0-9._-]{1,64})"
)


class Verb(StrEnum):
    """What can be said."""

    PROMOTE = "promote"
    PROMOTE_FULL = "promote-full"
    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Command:
    """A command that can be read."""

    text: str
    verb: Verb
    hash: str
    step: int | None
    """Index of the step, or of a stage before the first; None where the command names none."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of a command: nothing, and why; or changes of the revision's record, and perhaps a transition."""

    text: str
    message: str
    hash: str | None = None
    """The revision that it is carried out on; None when it is refused."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    event: Event | None = None
    reason: str = reasons.COMMAND_ACCEPTED
    done: bool = False
    """It was carried out by an earlier look, which ended before it could say so."""

    @property
    def accepted(self) -> bool:
        """Whether it is carried out."""
        return self.hash is not None


def parse(text: str) -> Command:
    """Read a command. Raises ValueError, with what is wrong and how it is written."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("it is not of the form <verb>@<hash>[/<step>]#<nonce>, such as abort@1a2b3c4d#1")
    try:
        verb = Verb(match["verb"])
    except ValueError:
        raise ValueError(f"{match['verb']} is none of {', '.join(Verb)}") from None
    step = match["step"]
    index = {None: None, "shadow": SHADOW_STAGE, "golden": GOLDEN_STAGE}.get(step)
    if step is not None and index is None:
        index = int(step) - 1
        if index < 0:
            raise ValueError("steps are counted from 1")
    return Command(text, verb, match["hash"], index)


def rule(seen: Observation, *, stable: str | None, candidate: str | None) -> Ruling | None:
    """What becomes of the command that the ModelDeployment carries; None when there is none, or it was answered."""
    if not seen.command:
        return None
    text = seen.command[:LONGEST]
    if seen.status.last_command is not None and seen.status.last_command.command == text:
        return None
    try:
        command = parse(seen.command)
    except ValueError as error:
        return Ruling(text, f"the command cannot be read: {error}")
    found = [revision for hash_, revision in seen.revisions.items() if hash_.startswith(command.hash)]
    if len(found) != 1:
        return Ruling(text, f"no revision has the hash {command.hash}: it may have been deleted since")
    revision = found[0]
    if revision.record.command == text:
        return Ruling(text, "carried out", revision.hash, done=True)
    if revision.hash not in (stable, candidate):
        return Ruling(text, f"release {revision.version} is not on trial: the command is about a rollout that is over")
    return _on(seen, command, revision, revision.record)


def stage_of(seen: Observation, record: ModelRevisionStatus) -> int | None:
    """The step's index in the ladder as it is now, or the stage before the first; None in phases that have neither."""
    match phase_of(record):
        case Phase.EVALUATING:
            return GOLDEN_STAGE
        case Phase.SHADOWING:
            return SHADOW_STAGE
        case Phase.STEPPING:
            return step_index(seen, record)
    return None


def name_of(stage: int) -> str:
    """A stage for people."""
    return {GOLDEN_STAGE: "the golden set", SHADOW_STAGE: "the shadow stage"}.get(stage, f"step {stage + 1}")


def _on(seen: Observation, command: Command, revision: Revision, record: ModelRevisionStatus) -> Ruling:
    refused = _refusal(seen, command, revision, record)
    if refused is not None:
        return Ruling(command.text, refused)
    phase, stage = phase_of(record), stage_of(seen, record)
    who = f"release {revision.version}"
    here = name_of(stage) if stage is not None else ""
    match command.verb:
        case Verb.PAUSE:
            message = f"a person paused {who}"
            return Ruling(command.text, message, revision.hash, {"paused": True}, reason=reasons.PAUSED)
        case Verb.RESUME:
            message = f"a person resumed {who}"
            return Ruling(command.text, message, revision.hash, {"paused": None}, reason=reasons.RESUMED)
        case Verb.APPROVE:
            message = f"a person approved what follows {here} of {who}"
            return Ruling(command.text, message, revision.hash, {"approved": stage}, reason=reasons.APPROVED)
        case Verb.PROMOTE:
            message = f"a person ended {here} of {who}: it goes on without further evidence there"
            return Ruling(command.text, message, revision.hash, {"skipped": stage}, reason=reasons.SKIPPED)
        case Verb.PROMOTE_FULL:
            message = f"a person promoted {who} past everything that was left: only capacity is waited for"
            event = Event.PROMOTED_FULLY if phase not in (*WITHOUT_PODS, Phase.STARTING) else None
            changes = {"fast": True, "paused": None, "weight_observed_at": None}
            return Ruling(command.text, message, revision.hash, changes, event, reasons.PROMOTING)
        case Verb.ABORT:
            message = f"a person aborted {who}"
            return Ruling(command.text, message, revision.hash, {"paused": None}, Event.ABORTED, reasons.ABORTED)
        case Verb.RETRY:
            message = f"a person has {who} tried again"
            return Ruling(command.text, message, revision.hash, {}, Event.DECLARED, reasons.RETRIED)


def _refusal(seen: Observation, command: Command, revision: Revision, record: ModelRevisionStatus) -> str | None:
    """Why the command does not fit what is going on; None when it does."""
    phase, stage, who = phase_of(record), stage_of(seen, record), f"release {revision.version}"
    on_trial = phase in ON_TRIAL
    if command.step is not None and command.step != stage:
        at = f"is at {name_of(stage)}" if stage is not None else f"is {phase}"
        return f"{who} {at}, not at {name_of(command.step)}"
    match command.verb:
        case Verb.RETRY:
            if phase != Phase.ROLLED_BACK:
                return f"{who} is {phase}: only a release that was rolled back is tried again"
            return None
        case Verb.ABORT:
            if not on_trial and phase != Phase.WATCHING:
                return f"{who} is {phase}: there is nothing to abort; to go back, declare the earlier release"
            return None
    if not on_trial:
        return f"{who} is {phase}: it is not on its way up"
    return _refusal_on_the_way(seen, command.verb, record, stage, who)


def _refusal_on_the_way(
    seen: Observation, verb: Verb, record: ModelRevisionStatus, stage: int | None, who: str
) -> str | None:
    phase = phase_of(record)
    match verb:
        case Verb.PAUSE if record.paused:
            return f"{who} is paused already"
        case Verb.RESUME if not record.paused:
            more = ": spec.paused holds it" if seen.paused else ""
            return f"{who} was not paused by a command{more}"
        case Verb.APPROVE if stage is None or not _asks_approval(seen, stage):
            at = name_of(stage) if stage is not None else f"phase {phase}"
            return f"{at} of {who} asks for no approval"
        case Verb.PROMOTE if stage is None:
            return f"{who} is {phase}: there is no step to end; promote-full passes all of them"
        case Verb.PROMOTE_FULL if phase == Phase.PROMOTING:
            return f"{who} has passed every step already"
    if verb in (Verb.PROMOTE, Verb.PROMOTE_FULL) and seen.paused:
        return "spec.paused holds every rollout: set it to false first"
    return None


def _asks_approval(seen: Observation, stage: int) -> bool:
    if stage == SHADOW_STAGE:
        return seen.course.shadow is not None and seen.course.shadow.approval
    return 0 <= stage < len(seen.steps) and seen.steps[stage].approval
