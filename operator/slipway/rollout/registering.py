"""What a registry names, written down before anything follows from it. Pure.

Under Automatic the status says what is declared, so a registry that does not answer, or an operator that starts anew,
changes nothing. Under Suggest it says what could be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.api import (
    ModelDeploymentStatus,
    Policy,
    RegistryProblem,
    RegistrySpec,
    RegistryStatus,
    Resolved,
    ResolvedModel,
    ResolvedRelease,
    Suggestion,
)
from slipway.release import declared_release, is_declared, release_hash, source_of
from slipway.rollout import reasons
from slipway.rollout.decision import Announcement
from slipway.rollout.record import shorten


@dataclass(frozen=True, slots=True)
class RegistryAnswer:
    """What came of asking a registry: a model, or a reason with a message."""

    source: str
    model: ResolvedModel | None = None
    reason: str = ""
    message: str = ""


def noted(
    before: ModelDeploymentStatus,
    release: Mapping[str, Any],
    registry: RegistrySpec | None,
    answer: RegistryAnswer | None,
    now: datetime,
) -> tuple[ModelDeploymentStatus, tuple[Announcement, ...]]:
    """The status with an answer, and the Events that tell of it. `release` is ``spec.release`` as it is written; the
    answer is None while there is none."""
    if registry is None:
        return before.model_copy(update={"suggestion": None, "resolved": None, "registry": None}), ()
    source = source_of(registry)
    heard = answer if answer is not None and answer.source == source else None
    suggestion, resolved, told = None, None, []
    if registry.policy is Policy.AUTOMATIC:
        resolved = _resolved(before.resolved, release, source, heard, now)
        if resolved is not None and (before.resolved is None or resolved.release != before.resolved.release):
            message = f"{source} is version {resolved.release.model.version}, which is declared now"
            told.append(Announcement("Normal", reasons.RELEASE_RESOLVED, message))
    else:
        suggestion = _suggestion(before.suggestion, release, source, heard, now)
        if suggestion is not None and (before.suggestion is None or suggestion.release != before.suggestion.release):
            told.append(Announcement("Normal", reasons.RELEASE_SUGGESTED, suggestion.message))
    known = before.registry or RegistryStatus()
    problem = _problem(known.problem, heard, now)
    if problem is not None and (known.problem is None or problem.reason != known.problem.reason):
        told.append(Announcement("Warning", problem.reason, problem.message))
    status = known.model_copy(update={"problem": problem})
    changes = {
        "suggestion": suggestion,
        "resolved": resolved,
        "registry": None if status == RegistryStatus() else status,
    }
    return before.model_copy(update=changes), tuple(told)


def _problem(before: RegistryProblem | None, heard: RegistryAnswer | None, now: datetime) -> RegistryProblem | None:
    if heard is None:
        return before
    if heard.model is not None:
        return None
    since = before.since if before is not None else now
    return RegistryProblem(reason=heard.reason, message=shorten(heard.message), since=since)


def _resolved(
    before: Resolved | None, release: Mapping[str, Any], source: str, heard: RegistryAnswer | None, now: datetime
) -> Resolved | None:
    """What is declared. What another source named stays declared until this one has answered."""
    model = heard.model if heard is not None else None
    if model is None and (before is None or before.source != source):
        return before
    if before is not None and before.source == source and model in (None, before.release.model):
        model, seen = before.release.model, before.seen
    else:
        seen = now
    assert model is not None  # noqa: S101 - one of the two is there: see above
    whole = release_hash(declared_release(release, model))
    return Resolved(release=ResolvedRelease(model=model), hash=whole, seen=seen, source=source)


def _suggestion(
    before: Suggestion | None, release: Mapping[str, Any], source: str, heard: RegistryAnswer | None, now: datetime
) -> Suggestion | None:
    known = before if before is not None and before.source == source else None
    model = heard.model if heard is not None and heard.model is not None else known.release.model if known else None
    declared = release.get("model") or {}
    if model is None or is_declared(declared, model):
        return None
    same = known is not None and known.release.model == model
    message = (
        f"{source} is version {model.version}, and version {declared.get('version')} is declared: to roll it out, put "
        "what slipway suggest prints into the manifest"
    )
    return Suggestion(
        release=ResolvedRelease(model=model),
        seen=known.seen if known is not None and same else now,
        source=source,
        message=message,
    )
