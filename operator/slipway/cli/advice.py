"""Why a rollout is where it is, and what a person can do about it: from status alone. Pure.

The operator says what is so; what can be done about each reason is said once, in `slipway.rollout`, for the terminal
and for the documentation. `{name}` is the ModelDeployment's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from slipway.analysis import Verdict
from slipway.api import MetricStatus, SliceStatus, TimelineEntry
from slipway.cli.commands import subject
from slipway.cli.exits import Exit
from slipway.cli.offer import suggested
from slipway.cli.outcome import Outcome
from slipway.cli.picture import Picture, Tried
from slipway.cli.timing import age, expected
from slipway.cli.view import ON_TRIAL, Branch, Tone, pending, tone_of
from slipway.rollout import ADVICE

LATELY: Final = 6
"""Entries of the timeline that are told."""

UNKNOWN: Final = "The message says more; slipway history {name} and kubectl describe mrev tell what was tried."
"""For a reason of a later operator than this command."""

UNSEEN: Final = "Is the operator running? kubectl get pods --all-namespaces -l app.kubernetes.io/part-of=slipway"
"""For a change or a command that nobody has looked at."""


def advice(reason: str | None, name: str) -> str:
    """What can be done, given a reason."""
    return ADVICE.get(reason or "", UNKNOWN).format(name=name)


def explain(picture: Picture, result: Outcome, now: datetime) -> Branch:
    """Where it is, why, on what evidence, what is to come and what came before, and what can be done."""
    about = subject(picture)
    children = [
        *_where(picture, about, now),
        *_why(picture, about, result),
        *_evidence(picture, about, now),
        *_offered(picture),
        *_coming(picture, about, now),
        *_lately(picture, about, now),
    ]
    todo = tuple(Branch(sentence) for sentence in _todo(picture, about, result))
    children.append(Branch("What you can do", Tone.TITLE, todo))
    return Branch(f"{picture.name} in namespace {picture.namespace}", Tone.TITLE, tuple(children))


def _where(picture: Picture, about: Tried | None, now: datetime) -> Iterator[Branch]:
    stable = picture.status.stable
    lines = []
    if stable is not None:
        lines.append(Branch(f"release {stable.version} is stable and takes {stable.weight:g}% of the traffic"))
    if about is not None:
        record = about.record
        is_ = f"release {about.version} has been {record.phase or 'new'} for {age(record.phase_since, now)}"
        asked = f", with {record.weight:g}% of the traffic asked for" if record.weight is not None else ""
        lines.append(Branch(is_ + _step(picture) + asked))
    if not lines:
        lines.append(Branch("no release has been looked at yet", Tone.DIM))
    yield Branch("Where it is", Tone.TITLE, tuple(lines))


def _step(picture: Picture) -> str:
    role = picture.status.candidate
    return f" at step {role.step} of {role.steps}" if role is not None and role.step and role.steps else ""


def _why(picture: Picture, about: Tried | None, result: Outcome) -> Iterator[Branch]:
    lines = [result.sentence]
    record = about.record if about is not None else None
    if record is not None and record.reason:
        message = record.message or ""
        lines = [line for line in lines if line not in message]
        lines.append(f"{record.reason}: {message}".rstrip(": "))
    said = [Branch(line) for line in dict.fromkeys(lines)]
    for condition in picture.status.conditions or ():
        if condition.observed_generation == picture.generation:
            heard = any(condition.message in line for line in lines)
            text = f"{condition.type}={condition.status} {condition.reason}"
            said.append(Branch(text if heard else f"{text}: {condition.message}", Tone.DIM))
    yield Branch("Why", Tone.TITLE, tuple(said))


def _evidence(picture: Picture, about: Tried | None, now: datetime) -> Iterator[Branch]:
    """What each metric says of the release in question, with the groups that stand out, and when it was looked at."""
    about = about or picture.of(picture.status.stable)
    if about is None:
        return
    lines = [line for metric in about.record.metrics or () for line in _metric(metric, now)]
    if about.record.share is not None:
        lines.append(Branch(f"shares: {about.record.share.message}"))
    if lines:
        yield Branch(f"What the evidence on release {about.version} says", Tone.TITLE, tuple(lines))


def _metric(metric: MetricStatus, now: datetime) -> Iterator[Branch]:
    looked = f"looked at {age(metric.looked_at, now)} ago" if metric.looked_at else "not looked at yet"
    if metric.error_since is not None:
        looked += f", no answer for {age(metric.error_since, now)}"
    groups = [
        Branch(f"{one.slice} {one.group}: {one.verdict}, {_beside(one)} on {one.items} items", tone_of(one.verdict))
        for one in metric.slices or ()
        if one.verdict == Verdict.FAIL
    ]
    told = (Branch(looked, Tone.DIM), *groups)
    yield Branch(f"{metric.name}: {metric.verdict} {metric.message}", tone_of(metric.verdict), told)


def _beside(one: SliceStatus) -> str:
    right = f"{100 * (one.candidate or 0.0):.2f}% right"
    return right if one.stable is None else f"{right} beside stable's {100 * one.stable:.2f}%"


def _offered(picture: Picture) -> Iterator[Branch]:
    """What the registry names, as it is put into the manifest."""
    lines = suggested(picture)
    if lines is not None:
        yield Branch("What the registry offers, for the manifest", Tone.TITLE, tuple(map(Branch, lines.splitlines())))


def _coming(picture: Picture, about: Tried | None, now: datetime) -> Iterator[Branch]:
    """What clocks will bring. When evidence is enough, each metric says itself, as far as that can be foreseen."""
    if about is None or about.record.phase not in ON_TRIAL:
        return
    lines = tuple(Branch(coming.sentence(now)) for coming in expected(picture.spec, about.record, now))
    if lines:
        yield Branch("What comes next", Tone.TITLE, lines)


def _lately(picture: Picture, about: Tried | None, now: datetime) -> Iterator[Branch]:
    about = about or picture.of(picture.status.stable)
    if about is None or not about.record.timeline:
        return
    entries = about.record.timeline[-LATELY:]
    lines = (
        Branch(f"{age(entry.time, now):>4} ago  {entry.phase}  {entry.reason}: {entry.message}{_by(entry)}")
        for entry in entries
    )
    yield Branch(f"What release {about.version} went through last", Tone.TITLE, tuple(lines))


def _by(entry: TimelineEntry) -> str:
    return f" ({entry.by})" if entry.by else ""


def _todo(picture: Picture, about: Tried | None, result: Outcome) -> Iterator[str]:
    name = picture.name
    if not picture.observed or pending(picture):
        yield UNSEEN
        if not picture.observed:
            return
    reasons = [picture.status.reason]
    if about is not None and result.code is not Exit.STALLED:
        reasons.insert(0, about.record.reason)
    yield from dict.fromkeys(advice(reason, name) for reason in reasons if reason)
    for kind in ("Drifted", "RuntimeChanged", "Suggested", "RegistryFailing"):
        beside = picture.condition(kind)
        if beside is not None and beside.status != "False":
            yield advice(beside.reason, name)
    if about is not None and about.record.paused and "Paused" not in reasons:
        yield advice("Paused", name)
    if result.code is Exit.IN_PROGRESS:
        yield f"Wait for it: slipway status {name} --watch"
    if picture.revisions:
        yield f"See all of it, with charts: slipway report {name} -o report.html"
