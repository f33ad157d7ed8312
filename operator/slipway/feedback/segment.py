"""How reports are kept: fifteen bytes each, in ConfigMaps of a bounded size. Pure.

A ModelRevision has a sequence of them, ``<revision>-feedback-<number>``. Each holds whole reports, the digest of the
request beside what was said of it: that a report counts and that its request is known are one fact, written at once, so
no crash can come between the two. Counts are always taken from the reports themselves.
"""

from __future__ import annotations

import base64
import binascii
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from slipway.api import API_VERSION, LABEL_MODEL_DEPLOYMENT, MODEL_REVISION_KIND, child_labels
from slipway.feedback.report import Kind, Report

COMPONENT: Final = "feedback"

LABEL_COMPONENT: Final = "app.kubernetes.io/component"

KEY: Final = "reports"
"""Under which of ``binaryData`` the reports are."""

SEGMENT_REPORTS: Final = 2048
"""Reports in one ConfigMap: 30 KiB, or 40 KiB as the API server keeps them. Each write sends the last one whole."""

MOST_SEGMENTS: Final = 32
"""ConfigMaps of one revision at a time."""

_ENTRY: Final = struct.Struct(">8sIHB")
_WRONG, _REWARD = 1, 2


class SegmentError(Exception):
    """A ConfigMap of ours that does not hold what was written. The message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A report as it is kept: the digest of its request, when that was made (milliseconds of Unix time), what it
    says."""

    digest: bytes
    moment: int
    kind: Kind
    wrong: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """One ConfigMap of a revision. `version` is the resourceVersion that it was read or written with, None before it
    was created."""

    revision: str
    number: int
    entries: tuple[Entry, ...] = ()
    version: str | None = None
    uid: str | None = None

    @property
    def name(self) -> str:
        """Name of the ConfigMap."""
        return f"{self.revision}-{COMPONENT}-{self.number}"

    @property
    def is_full(self) -> bool:
        """Whether no report fits any more."""
        return len(self.entries) >= SEGMENT_REPORTS

    def with_entries(self, entries: Iterable[Entry]) -> Segment:
        """With more reports."""
        return replace(self, entries=(*self.entries, *entries))

    def payload(self) -> str:
        """The reports as they are written under ``binaryData``."""
        return base64.b64encode(b"".join(map(_packed, self.entries))).decode()


def milliseconds(moment: datetime) -> int:
    """A moment as it is kept, without what is smaller."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def entry_of(report: Report, made: datetime) -> Entry:
    """A report as it is kept."""
    return Entry(report.digest(), milliseconds(made), report.kind, report.wrong)


def _packed(entry: Entry) -> bytes:
    flags = (_WRONG if entry.wrong else 0) | (_REWARD if entry.kind == "Reward" else 0)
    return _ENTRY.pack(entry.digest, *divmod(entry.moment, 1000), flags)


def _entries(data: bytes) -> Iterator[Entry]:
    for digest, second, rest, flags in _ENTRY.iter_unpack(data):
        yield Entry(digest, 1000 * second + rest, "Reward" if flags & _REWARD else "Label", bool(flags & _WRONG))


def manifest(segment: Segment, *, namespace: str, model_deployment: str, owner: Mapping[str, Any]) -> dict[str, Any]:
    """The ConfigMap of a new segment. `owner` is the ModelRevision, with which it goes."""
    reference = {
        "apiVersion": API_VERSION,
        "kind": MODEL_REVISION_KIND,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    short = segment.revision.rpartition("-")[2]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": segment.name,
            "namespace": namespace,
            "labels": child_labels(model_deployment=model_deployment, component=COMPONENT, revision=short),
            "ownerReferences": [reference],
        },
        "binaryData": {KEY: segment.payload()},
    }


def selector(model_deployment: str) -> dict[str, str]:
    """The labels by which the ConfigMaps of a ModelDeployment are found."""
    return {LABEL_MODEL_DEPLOYMENT: model_deployment, LABEL_COMPONENT: COMPONENT}


def read(config_map: Mapping[str, Any]) -> Segment:
    """The segment that a ConfigMap holds. Raises SegmentError."""
    metadata = config_map["metadata"]
    revision, _, number = str(metadata["name"]).rpartition(f"-{COMPONENT}-")
    where = f"ConfigMap {metadata.get('namespace')}/{metadata['name']}"
    try:
        data = base64.b64decode((config_map.get("binaryData") or {})[KEY], validate=True)
        entries = tuple(_entries(data))
        return Segment(revision, int(number), entries, metadata["resourceVersion"], metadata["uid"])
    except (KeyError, TypeError, ValueError, binascii.Error, struct.error) as error:
        raise SegmentError(
            f"{where} does not hold the reports that were written to it: restore it, or delete it and they are lost"
        ) from error


def counted(segments: Iterable[Segment], kind: Kind, windows: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """How many reports of a kind each window has, and how many of them speak against the revision. A window, in
    milliseconds of Unix time, begins with its first number and ends before its second one; they come in the order of
    time, and do not overlap."""
    totals = [[0, 0] for _ in windows]
    starts = [start for start, _ in windows]
    for segment in segments:
        for entry in segment.entries:
            index = bisect_right(starts, entry.moment) - 1
            if entry.kind == kind and index >= 0 and entry.moment < windows[index][1]:
                totals[index][0] += 1
                totals[index][1] += entry.wrong
    return [(labelled, wrong) for labelled, wrong in totals]
