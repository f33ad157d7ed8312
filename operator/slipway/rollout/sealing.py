"""Sealing what was decided: the last thing that happens to a record before it is written. Pure."""

from __future__ import annotations

from slipway.api import MAX_TIMELINE, ModelRevisionStatus, TimelineEntry
from slipway.release import seal


def sealed(
    before: ModelRevisionStatus, record: ModelRevisionStatus, *, hash_: str, by: str | None = None
) -> ModelRevisionStatus:
    """The record with the entries that it gained sealed, and the older ones dropped beyond the length of a timeline.

    The first entry and the latest ones are kept: how it began, and how it ended. `by` is who gave the command that the
    new entries come from: the first of them says it. Entries of an operator that did not seal yet are sealed as they
    are found, together with the next one.
    """
    entries = record.timeline
    known = len(before.timeline or ())
    if not entries or len(entries) == known:
        return record
    chain: list[TimelineEntry] = []
    previous, sequence = hash_, 0
    for index, entry in enumerate(entries):
        if entry.digest is None and entry.sequence is None:  # one that was counted lost its digest: that shall show
            said = {"sequence": sequence + 1, "by": by if index == known else entry.by}
            open_entry = entry.model_copy(update=said)
            written = open_entry.model_dump(mode="json", by_alias=True, exclude_none=True)
            chain.append(open_entry.model_copy(update={"digest": seal(written, previous)}))
        else:
            chain.append(entry)
        previous, sequence = chain[-1].digest or previous, chain[-1].sequence or sequence + 1
    beyond = len(chain) - MAX_TIMELINE
    if beyond <= 0:
        return record.model_copy(update={"timeline": chain})
    dropped = chain[beyond].digest
    return record.model_copy(update={"timeline": [chain[0], *chain[beyond + 1 :]], "dropped": dropped})
