"""The tree that `status` shows: from a picture to lines. Pure; how lines are drawn is the console's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from slipway.analysis import Verdict
from slipway.api import (
    DriftSignalStatus,
    MetricStatus,
    ModelDeploymentStatus,
    ModelRevisionStatus,
    Phase,
    RoleStatus,
    format_time,
)
from slipway.cli.exits import Exit
from slipway.cli.outcome import Outcome
from slipway.cli.picture import Picture, Tried
from slipway.cli.timing import age, expected


class Tone(StrEnum):
    """What a line means, for those who see colours; the words say it too."""

    PLAIN = "plain"
    TITLE = "title"
    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"
    DIM = "dim"


@dataclass(frozen=True, slots=True)
class Branch:
    """A line, and the lines below it."""

    text: str
    tone: Tone = Tone.PLAIN
    children: tuple[Branch, ...] = ()


_OUTCOMES: Final = {
    Exit.DONE: ("promoted", Tone.GOOD),
    Exit.IN_PROGRESS: ("on its way", Tone.WAITING),
    Exit.WAITS: ("waits for a person", Tone.WAITING),
    Exit.ROLLED_BACK: ("rolled back", Tone.BAD),
    Exit.STALLED: ("stalled", Tone.BAD),
    Exit.REPLACED: ("replaced", Tone.WAITING),
}
_VERDICTS: Final = {
    Verdict.PASS: Tone.GOOD,
    Verdict.FAIL: Tone.BAD,
    Verdict.ERROR: Tone.BAD,
    Verdict.CONTINUE: Tone.WAITING,
    Verdict.NO_DATA: Tone.WAITING,
}
_DRIFT: Final = {"Steady": Tone.GOOD, "Drifted": Tone.BAD, "Error": Tone.BAD}
ON_TRIAL: Final = frozenset(
    {
        Phase.PENDING,
        Phase.VERIFYING,
        Phase.STARTING,
        Phase.EVALUATING,
        Phase.SHADOWING,
        Phase.STEPPING,
        Phase.PROMOTING,
        Phase.WATCHING,
    }
)


def word(code: Exit) -> str:
    """The outcome in a word or two, as the tree and `--output` say it."""
    return _OUTCOMES[code][0]


def tree(picture: Picture, result: Outcome, now: datetime) -> Branch:
    """The whole picture."""
    status = picture.status
    said, tone = _OUTCOMES[result.code]
    title = f"{picture.name}  {said}  (namespace {picture.namespace}, generation {picture.generation})"
    children = [Branch(result.sentence, tone)]
    for name, role in (("stable", status.stable), ("candidate", status.candidate), ("standby", status.standby)):
        if role is not None:
            children.append(_role(name, role, picture, now))
    if status.stable is None and status.candidate is None:
        children.append(Branch("no release yet", Tone.DIM))
    if status.last_command is not None:
        last = status.last_command
        text = f"last command  {last.command}  {last.outcome}, {age(last.time, now)} ago: {last.message}"
        children.append(Branch(text, Tone.DIM))
    children += _registry(status)
    if pending(picture):
        children.append(Branch(f"not answered yet  {picture.command}", Tone.WAITING))
    return Branch(title, Tone.TITLE, tuple(children))


def _registry(status: ModelDeploymentStatus) -> Iterator[Branch]:
    """What a registry offers, and why it does not."""
    if status.suggestion is not None:
        yield Branch(f"suggested  {status.suggestion.release.model.version}  {status.suggestion.message}", Tone.WAITING)
    problem = status.registry.problem if status.registry is not None else None
    if problem is not None:
        yield Branch(f"registry   {problem.reason}: {problem.message}", Tone.BAD)


def pending(picture: Picture) -> bool:
    """Whether a command was given that the operator has not answered."""
    last = picture.status.last_command
    return picture.command is not None and (last is None or last.command != picture.command[:256])


def _role(name: str, role: RoleStatus, picture: Picture, now: datetime) -> Branch:
    tried = picture.of(role)
    fleet = picture.fleets.get(role.revision)
    pods = f"{role.ready_replicas}/{fleet.wanted}" if fleet is not None else str(role.ready_replicas)
    weight = f"{role.weight:g}% of the traffic"
    asked = tried.record.weight if tried is not None else None
    if asked is not None and asked != role.weight:
        weight += f", {asked:g}% asked for"
    text = f"{name:<9}  {role.version}  {role.revision}  {pods} pods ready  {weight}"
    children = tuple(_trial(role, tried, picture, now)) if tried is not None else ()
    if tried is not None and role is picture.status.stable:
        children += tuple(_drift(signal, now) for signal in signals_of(tried.record))
    return Branch(text, Tone.PLAIN, children)


def _trial(role: RoleStatus, tried: Tried, picture: Picture, now: datetime) -> Iterator[Branch]:
    """What is said of a revision that is being judged, or was given up."""
    record = tried.record
    on_trial = record.phase in ON_TRIAL
    if not on_trial and role is not picture.status.candidate:
        return
    step = f", step {role.step} of {role.steps}" if role.step and role.steps else ""
    attempt = f", attempt {record.attempt}" if (record.attempt or 1) > 1 else ""
    tone = Tone.WAITING if on_trial else Tone.BAD
    yield Branch(f"{record.phase or 'new'} for {age(record.phase_since, now)}{step}{attempt}", tone)
    if record.paused:
        yield Branch("paused by a person", Tone.WAITING)
    if record.reason:
        yield Branch(f"{record.reason}: {record.message or ''}".rstrip(": "))
    for metric in record.metrics or ():
        yield _gate(metric)
    if on_trial:
        for coming in expected(picture.spec, record, now):
            yield Branch(coming.sentence(now), Tone.DIM)


def _gate(metric: MetricStatus) -> Branch:
    return Branch(f"gate {metric.name}  {metric.verdict}  {metric.message}", tone_of(metric.verdict))


def tone_of(verdict: str) -> Tone:
    """The tone of a verdict."""
    return next((tone for known, tone in _VERDICTS.items() if known == verdict), Tone.PLAIN)


def signals_of(record: ModelRevisionStatus) -> list[DriftSignalStatus]:
    """What is watched of a release between rollouts."""
    return list(record.drift.signals or ()) if record.drift is not None else []


def _drift(signal: DriftSignalStatus, now: datetime) -> Branch:
    decided = f", {age(signal.decided_at, now)} ago" if signal.decided_at is not None else ""
    failing = f"  not read for {age(signal.error_since, now)}" if signal.error_since is not None else ""
    name = "golden set" if signal.kind == "GoldenSet" else f"{signal.kind.lower()} {signal.name}"
    text = f"drift of {name}  {signal.verdict}{decided}{failing}  {signal.message}"
    return Branch(text, _DRIFT.get(signal.verdict, Tone.WAITING))


def plain(branch: Branch, depth: int = 0) -> Iterator[str]:
    """The tree as text: indented lines, nothing but what every terminal and log can show."""
    yield "  " * depth + branch.text
    for child in branch.children:
        yield from plain(child, depth + 1)


def document(picture: Picture, result: Outcome, now: datetime) -> dict[str, Any]:
    """The same facts as data, for `--output json` and `yaml`. What is not known is left out."""
    status = picture.status
    roles = {"stable": status.stable, "candidate": status.candidate, "standby": status.standby}
    told: dict[str, Any] = {
        "name": picture.name,
        "namespace": picture.namespace,
        "generation": picture.generation,
        "outcome": result.code.name,
        "phase": status.phase,
        "reason": status.reason,
        "message": result.sentence,
        **{name: _role_data(role, picture, now) for name, role in roles.items() if role is not None},
        "lastCommand": status.last_command.model_dump(mode="json", by_alias=True) if status.last_command else None,
    }
    return {key: value for key, value in told.items() if value is not None}


def _role_data(role: RoleStatus, picture: Picture, now: datetime) -> dict[str, Any]:
    tried, fleet = picture.of(role), picture.fleets.get(role.revision)
    record = tried.record if tried is not None else None
    told: dict[str, Any] = {
        "revision": role.revision,
        "hash": role.hash,
        "version": role.version,
        "weight": role.weight,
        "readyReplicas": role.ready_replicas,
        "replicas": fleet.wanted if fleet is not None else None,
        "step": role.step,
        "steps": role.steps,
    }
    if record is not None:
        told |= {
            "weightAskedFor": record.weight,
            "phase": record.phase,
            "phaseSince": format_time(record.phase_since) if record.phase_since else None,
            "reason": record.reason,
            "message": record.message,
            "paused": record.paused,
            "gates": [
                {"name": metric.name, "verdict": metric.verdict, "message": metric.message}
                for metric in record.metrics or ()
            ]
            or None,
            "drift": [
                {"kind": one.kind, "name": one.name, "verdict": one.verdict, "message": one.message}
                for one in signals_of(record)
            ]
            or None,
            "expected": [
                {"what": coming.what, "at": format_time(coming.at), "earliest": coming.earliest}
                for coming in expected(picture.spec, record, now)
            ]
            or None,
        }
    return {key: value for key, value in told.items() if value is not None}
