"""The record of decisions as lines: exported, read again, and checked. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from typing import Any

from slipway.release import Link, broken, flaws, links


def findings(revision: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """What is wrong with a ModelRevision, or one sentence that nothing is; with each whether it is sound."""
    name = revision["metadata"]["name"]
    found = flaws(revision)
    for flaw in found:
        yield f"{name}: {flaw.message}", False
    if not found:
        chain = list(links(revision))
        yield f"{name}: {_sound(chain)}", True


def _sound(chain: list[Link]) -> str:
    sealed = [link for link in chain if link.entry.get("digest")]
    if not sealed:
        return "its entries are not sealed: an earlier operator wrote them" if chain else "nothing is recorded yet"
    last = sealed[-1].entry
    kept, count = len(chain), last.get("sequence", len(chain))
    dropped = f" ({count - kept} of them are not kept)" if count > kept else ""
    return f"{count} entries{dropped} are as they were written; the last digest is {last['digest']}"


def exported(revision: Mapping[str, Any]) -> Iterator[str]:
    """A line of JSON for each decision of a ModelRevision."""
    metadata, spec = revision["metadata"], revision["spec"]
    for link in links(revision):
        line = {
            "namespace": metadata["namespace"],
            "modelDeployment": spec["modelDeployment"],
            "revision": metadata["name"],
            "release": spec["hash"],
            "version": ((spec["release"].get("model")) or {}).get("version"),
            "previous": link.previous,
            "entry": link.entry,
        }
        yield json.dumps(line, ensure_ascii=False, sort_keys=True)


def of_export(text: str) -> list[tuple[str, bool]]:
    """The same findings of exported lines. Raises ValueError for a line that is none of ours."""
    lines = [_read(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    out: list[tuple[str, bool]] = []
    for name, group in groupby(lines, key=lambda line: str(line["revision"])):
        mine = list(group)
        chain = [Link(position, line["previous"], line["entry"]) for position, line in enumerate(mine, start=1)]
        found = [flaw.message for flaw in broken(chain)] + list(_unlinked(mine))
        out.extend((f"{name}: {message}", False) for message in found)
        if not found:
            out.append((f"{name}: {_sound(chain)}", True))
    return out


def _unlinked(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Lines that do not follow the one before; one gap after the first is what a long record has."""
    if lines and lines[0]["previous"] != lines[0]["release"]:
        yield "the first entry does not follow the release: entries before it are missing"
    for position, (before, after) in enumerate(pairwise(lines), start=2):
        entry = after["entry"]
        if position > 2 and after["previous"] != before["entry"].get("digest", after["previous"]):
            yield f"entry {entry.get('sequence', position)} does not follow the one before: entries are missing"


def _read(number: int, line: str) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number} is not JSON: {error}") from None
    if not isinstance(read, dict) or not {"revision", "release", "previous", "entry"} <= set(read):
        raise ValueError(f"line {number} is no decision: it has no revision, release, previous and entry")
    return read
