"""The chain of a revision's decisions: each entry is sealed with a digest that follows from the one before. Pure.

    digest(n) = SHA-256("slipway.dev/audit/v1" LF digest(n-1) LF canonical form of entry n without its digest)

and the first one follows from the hash of the release. Whoever changes, removes or inserts an entry has to make every
later digest anew, and the last one, which was exported by then, is another. No secret is in it: it shows that something
was changed to who kept an earlier digest, and to nobody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway.release.canonical import canonical, release_hash

_PREFIX: Final = b"slipway.dev/audit/v1\n"


def seal(entry: Mapping[str, Any], previous: str) -> str:
    """The digest of a timeline's entry, in 64 hexadecimal digits, after the digest of the entry before it.

    The first entry follows the hash of its release. A digest that the entry has already is no part of it.
    """
    said = {name: value for name, value in entry.items() if name != "digest"}
    return hashlib.sha256(_PREFIX + previous.encode() + b"\n" + canonical(said)).hexdigest()


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a record that does not fit together. ``position`` counts the entries that are there from 1; 0 is
    the record itself."""

    position: int
    message: str


@dataclass(frozen=True, slots=True)
class Link:
    """An entry with the digest that it follows: what can be checked by itself."""

    position: int
    previous: str
    entry: Mapping[str, Any]


def links(revision: Mapping[str, Any]) -> Iterator[Link]:
    """The entries of a ModelRevision, given as its JSON, each with the digest of the one before."""
    status = revision.get("status") or {}
    previous = str(revision["spec"]["hash"])
    expected = 1
    for position, entry in enumerate(status.get("timeline") or [], start=1):
        sequence = entry.get("sequence")
        if position > 1 and sequence is not None and sequence > expected and status.get("dropped"):
            previous = str(status["dropped"])
        yield Link(position, previous, entry)
        previous = str(entry.get("digest", ""))
        expected = (sequence or expected) + 1


def flaws(revision: Mapping[str, Any]) -> list[Flaw]:
    """What does not fit together in a ModelRevision, given as its JSON; empty for one that is as it was written."""
    spec = revision["spec"]
    found = []
    if release_hash(spec["release"]) != spec["hash"]:
        found.append(Flaw(0, "spec.hash is not the hash of spec.release: the recorded release was changed"))
    chain = list(links(revision))
    found.extend(broken(chain))
    found.extend(_missing([link.entry for link in chain], dropped=bool((revision.get("status") or {}).get("dropped"))))
    return sorted(found, key=lambda flaw: flaw.position)


def broken(chain: Sequence[Link]) -> Iterator[Flaw]:
    """The entries whose digest does not follow from what they say and from the digest before them."""
    sealed = False
    for link in chain:
        digest = link.entry.get("digest")
        if digest is None:
            if sealed:
                yield Flaw(link.position, f"{_named(link)} has no digest, and entries before it have one")
            elif link.entry.get("sequence") is not None:  # both are written at once
                yield Flaw(link.position, f"{_named(link)} was counted and has no digest: it was removed")
            continue
        sealed = True
        if seal(link.entry, link.previous) != digest:
            yield Flaw(link.position, f"{_named(link)} was changed, or an entry before it was changed or removed")


def _missing(entries: Sequence[Mapping[str, Any]], *, dropped: bool) -> Iterator[Flaw]:
    """Gaps in the counting. One after the first entry is what the operator leaves where it drops entries."""
    expected = 1
    for position, entry in enumerate(entries, start=1):
        sequence = entry.get("sequence")
        if sequence is None:
            continue
        gap = sequence - expected
        if gap and not (position == 2 and gap > 0 and dropped):
            count = f"{gap} entries before it are missing" if gap > 0 else "it repeats an earlier entry's number"
            yield Flaw(position, f"entry {sequence} stands where entry {expected} was expected: {count}")
        expected = sequence + 1


def _named(link: Link) -> str:
    entry = link.entry
    number = entry.get("sequence", link.position)
    return f"entry {number} ({entry.get('time', 'no time')}, {entry.get('reason', 'no reason')})"
