"""Whether two arms answered alike. Pure.

An answer that only stable gave is one that differs: a candidate that fails where stable does not is another candidate.
Where stable gave none, nothing can be said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from slipway.probes.matching import Match
from slipway.probes.replay import MAX_EXAMPLES, Asked, told


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of inputs, and a few of those that were answered otherwise, in words with shortened values."""

    alike: int
    otherwise: int
    excluded: int
    examples: tuple[str, ...]


def agreement(asked: Iterable[Asked], match: Match) -> Agreement:
    """How often the candidate's answer is the same as stable's, which `match` says."""
    answered = [one for one in asked if one.stable is not None]
    known = [one for one in answered if one.stable is not None and one.stable.values is not None]
    differing = [one for one in known if not _alike(one, match)]
    return Agreement(
        alike=len(known) - len(differing),
        otherwise=len(differing),
        excluded=len(answered) - len(known),
        examples=tuple(map(_text, sorted(differing, key=lambda one: one.item.id)[:MAX_EXAMPLES])),
    )


def _alike(one: Asked, match: Match) -> bool:
    stable = one.stable.values if one.stable is not None else None
    candidate = one.candidate.values
    return stable is not None and candidate is not None and match(stable, candidate)


def _text(one: Asked) -> str:
    stable = told(one.stable, "answered ") if one.stable is not None else ""
    return f"{one.item.id}: stable {stable}, candidate {told(one.candidate, 'answered ')}"
