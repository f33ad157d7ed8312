"""What a registry is told of verdicts: each once, whatever happens to the operator. Pure.

What is to be written follows from the roles and from records, so a verdict of just before a restart is found again by
the next operator. It is written into the status first, and then into the registry; a verdict that the status calls
written is never written again, because somebody may have moved the alias since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from slipway.api import MAX_WRITE_BACKS, ModelRevisionStatus, Phase, RegistryStatus, WrittenBack
from slipway.rollout import reasons
from slipway.rollout.decision import Announcement
from slipway.rollout.observation import Observation
from slipway.rollout.record import phase_of, shorten
from slipway.rollout.table import PROMOTED
from slipway.rollout.targets import Roles

WRITING: Final = "Writing"
WRITTEN: Final = "Written"
FAILED: Final = "Failed"

What = Literal["Alias", "Tag"]


@dataclass(frozen=True, slots=True)
class WriteBacks:
    """The registry's status after this look, and what is to be written once that is stored. Whoever writes it wakes a
    look when it is done."""

    status: RegistryStatus | None
    orders: tuple[WrittenBack, ...] = ()
    announcements: tuple[Announcement, ...] = ()


def write_back(seen: Observation, who: Roles, records: Mapping[str, ModelRevisionStatus]) -> WriteBacks:
    """What is due of what ``spec.release.from.writeBack`` asks for."""
    before = seen.status.registry
    if seen.write_back is None:
        return WriteBacks(before)
    heard, told = _heard(seen, (before.written_back if before is not None else None) or ())
    known = {one.id for one in heard}
    fresh = [one for one in _due(seen, who, records, heard) if one.id not in known]
    kept = _kept([*heard, *fresh], {hash_ for hash_ in (who.stable, who.candidate) if hash_ is not None})
    status = (before or RegistryStatus()).model_copy(update={"written_back": kept or None})
    orders = tuple(one for one in kept if one.state == WRITING)
    return WriteBacks(None if status == RegistryStatus() else status, orders, told)


def _due(
    seen: Observation, who: Roles, records: Mapping[str, ModelRevisionStatus], heard: list[WrittenBack]
) -> Iterator[WrittenBack]:
    asked = seen.write_back
    if asked is None:
        return
    if asked.alias is not None and who.stable is not None:
        last = next((one for one in reversed(heard) if (one.what, one.value) == ("Alias", asked.alias)), None)
        if last is None or _hash_in(last) != who.stable:
            yield _entry(seen, "Alias", who.stable, f"{asked.alias}/{seen.now.timestamp():.3f}", asked.alias)
    if asked.tag is not None:
        for hash_ in (who.stable, who.candidate):
            if hash_ is not None and (verdict := _verdict(records[hash_])) is not None:
                attempt = records[hash_].attempt or 1
                yield _entry(seen, "Tag", hash_, f"{verdict.partition(':')[0]}/{attempt}", verdict)


def _verdict(record: ModelRevisionStatus) -> str | None:
    """How a rollout ended; None while it has not."""
    phase = phase_of(record)
    if phase in PROMOTED:
        return "Promoted"
    if phase != Phase.ROLLED_BACK:
        return None
    why = next((one.reason for one in reversed(record.timeline or ()) if one.phase == Phase.ROLLING_BACK), None)
    return f"RolledBack: {why or record.reason or reasons.ROLLED_BACK}"


def _entry(seen: Observation, what: What, hash_: str, decision: str, value: str) -> WrittenBack:
    return WrittenBack(
        id=f"{what}/{hash_}/{decision}"[:256],
        what=what,
        version=seen.revisions[hash_].version,
        value=value,
        state=WRITING,
        time=seen.now,
    )


def _hash_in(one: WrittenBack) -> str:
    return one.id.split("/")[1]


def _kept(entries: list[WrittenBack], present: set[str]) -> list[WrittenBack]:
    """As many as are remembered: those about what serves and what is on trial go last, as they would be due anew."""
    spare = max(0, len(entries) - MAX_WRITE_BACKS)
    by_age = sorted(entries, key=lambda one: (_hash_in(one) in present, one.state == WRITING, one.time))
    gone = {one.id for one in by_age[:spare]}
    return [one for one in entries if one.id not in gone]


def _heard(
    seen: Observation, entries: list[WrittenBack] | tuple[WrittenBack, ...]
) -> tuple[list[WrittenBack], tuple[Announcement, ...]]:
    """The entries with what came of them, and the Events that tell of those that have just ended."""
    outcomes = {one.id: one for one in seen.written_back}
    after, told = [], []
    for one in entries:
        outcome = outcomes.get(one.id)
        if one.state != WRITING or outcome is None or outcome.state == WRITING:
            after.append(one)
            continue
        message = shorten(outcome.message) or None
        after.append(one.model_copy(update={"state": outcome.state, "message": message}))
        about = f"{one.what.lower()} {one.value!r} of version {one.version}"
        if outcome.state == WRITTEN:
            told.append(Announcement("Normal", reasons.REGISTRY_WRITTEN, f"{about} was written"))
        else:
            told.append(Announcement("Warning", reasons.REGISTRY_NOT_WRITTEN, f"{about}: {outcome.message}"))
    return after, tuple(told)
