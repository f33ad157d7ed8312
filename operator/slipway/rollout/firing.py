"""What follows when drift is found: once for each time that it is decided, and not again within the cooldown. Pure.

It is written into the record first, with an id that is made of what was decided, and only then done. So an operator
that is killed at any point does it again under the same id, or a Job of the same name, and never a second time under
another one. What came of an attempt is counted by its number: an outcome that is heard twice is counted once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from slipway.api import DriftAction, DriftFinding, DriftFiring, DriftSignalStatus, DriftSpec, format_time
from slipway.rollout.record import shorten
from slipway.rollout.signals import DRIFTED

ActionKind = Literal["Webhook", "Job"]

PENDING: Final = "Pending"
DONE: Final = "Done"
FAILED: Final = "Failed"

MOST_ATTEMPTS: Final = 12
"""Attempts before it is given up: over two hours and a half, with the pauses below."""

FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(hours=1)

LISTEN: Final = timedelta(seconds=1)
"""How soon it is looked what came of an attempt."""

EVENT_TYPE: Final = "dev.slipway.drift.found.v1"
"""Type of the CloudEvent."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """An attempt that is due; the shell carries it out beside the looks, and reports an outcome of the same number."""

    revision: str
    firing: DriftFiring
    kind: ActionKind
    attempt: int


@dataclass(frozen=True, slots=True)
class ReactionOutcome:
    """What came of an attempt."""

    id: str
    kind: ActionKind
    attempt: int
    done: bool
    message: str


@dataclass(frozen=True, slots=True)
class Fired:
    """The firing after this look, what of it is due, what has just ended, and when to look again."""

    firing: DriftFiring | None
    reactions: tuple[Reaction, ...] = ()
    ended: tuple[DriftAction, ...] = ()
    wake_at: datetime | None = None


def firing_after(
    spec: DriftSpec,
    before: DriftFiring | None,
    *,
    deployment: str,
    revision: str,
    signals: Sequence[DriftSignalStatus],
    now: datetime,
) -> DriftFiring | None:
    """A new firing where drift was decided at this look and the cooldown is over; else the one before."""
    kinds = _declared(spec)
    decided = any(signal.verdict == DRIFTED and signal.decided_at == now for signal in signals)
    if not kinds or not decided or (before is not None and before.time <= now < before.time + spec.cooldown):
        return before
    told = "/".join((deployment, revision, format_time(now)))
    return DriftFiring(
        id=hashlib.sha256(told.encode()).hexdigest()[:32],
        time=now,
        findings=[
            DriftFinding(kind=signal.kind, name=signal.name, message=signal.message)
            for signal in signals
            if signal.verdict == DRIFTED
        ],
        actions=[DriftAction(kind=kind, state=PENDING) for kind in kinds],
    )


def advanced(
    spec: DriftSpec, revision: str, firing: DriftFiring | None, outcomes: Sequence[ReactionOutcome], now: datetime
) -> Fired:
    """The firing with what came of attempts, and the attempts that are due."""
    if firing is None or all(action.state != PENDING for action in firing.actions or ()):
        return Fired(firing)
    heard = {(one.kind, one.attempt): one for one in outcomes if one.id == firing.id}
    actions = [
        _advanced(spec, action, heard.get((action.kind, action.attempts + 1)), now) for action in firing.actions or ()
    ]
    pending = [action for action in actions if action.state == PENDING]
    due = [action for action in pending if action.next_attempt is None or action.next_attempt <= now]
    after = firing if actions == firing.actions else firing.model_copy(update={"actions": actions})
    wakes = [now + LISTEN if action in due else action.next_attempt or now for action in pending]
    return Fired(
        after,
        tuple(Reaction(revision, after, action.kind, action.attempts + 1) for action in due),
        tuple(new for new, old in zip(actions, firing.actions or (), strict=True) if new.state != old.state),
        min(wakes, default=None),
    )


def _declared(spec: DriftSpec) -> tuple[ActionKind, ...]:
    """What the specification asks for."""
    asked = spec.on_drift
    if asked is None:
        return ()
    found: tuple[ActionKind, ...] = ("Webhook",) if asked.webhook is not None else ()
    return (*found, "Job") if asked.job is not None else found


def _advanced(spec: DriftSpec, action: DriftAction, outcome: ReactionOutcome | None, now: datetime) -> DriftAction:
    if action.state != PENDING:
        return action
    if action.kind not in _declared(spec):
        message = "spec.drift.onDrift asks for it no more"
        return action.model_copy(update={"state": FAILED, "message": message, "next_attempt": None})
    if outcome is None:
        return action
    told: dict[str, Any] = {"attempts": outcome.attempt, "message": shorten(outcome.message), "next_attempt": None}
    if outcome.done:
        return action.model_copy(update={**told, "state": DONE})
    if outcome.attempt >= MOST_ATTEMPTS:
        return action.model_copy(update={**told, "state": FAILED})
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (outcome.attempt - 1))
    return action.model_copy(update={**told, "next_attempt": now + pause})


def cloud_event(
    firing: DriftFiring, *, namespace: str, deployment: str, revision: str, version: str, release: str
) -> dict[str, Any]:
    """The CloudEvent 1.0 that tells of a firing, in the structured mode: the same at each attempt.

    `revision` is the name of the ModelRevision, `version` that of the model and `release` the hash.
    """
    return {
        "specversion": "1.0",
        "id": firing.id,
        "source": f"/apis/slipway.dev/v1alpha1/namespaces/{namespace}/modeldeployments/{deployment}",
        "type": EVENT_TYPE,
        "subject": revision,
        "time": format_time(firing.time),
        "datacontenttype": "application/json",
        "data": {
            "namespace": namespace,
            "modelDeployment": deployment,
            "modelRevision": revision,
            "version": version,
            "hash": release,
            "findings": [finding.model_dump(mode="json", by_alias=True) for finding in firing.findings or ()],
        },
    }
