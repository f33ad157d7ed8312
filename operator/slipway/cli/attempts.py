"""The latest attempt of a release, in a timeline that may hold several. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from slipway.api import ModelRevisionStatus, Phase, TimelineEntry


def latest_attempt(record: ModelRevisionStatus) -> Sequence[TimelineEntry]:
    """The entries since the release was declared or tried again last.

    Of a long timeline the first entry and the latest ones are kept. Where the attempt's own beginning was dropped, the
    first entry is that of another attempt and is left out.
    """
    entries = record.timeline or []
    begins = [
        index
        for index in range(1, len(entries))
        if entries[index].phase == Phase.PENDING and entries[index - 1].phase != Phase.PENDING
    ]
    if begins:
        return entries[begins[-1] :]
    forgotten = record.dropped is not None and (record.attempt or 1) > 1
    return entries[1:] if forgotten else entries
