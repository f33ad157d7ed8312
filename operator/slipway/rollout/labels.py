"""Reports on requests that come late: windows that wait until their labels are complete, and are folded then. Pure.

A window is a stretch of time in which requests were made, not one in which reports came in: reports on it are counted
once it is older than the metric's maturity, whatever the rollout has come to by then. So windows of the time before a
promotion compare both releases also while the new one is watched; the requests of after the promotion are the new
release's alone, and are held against what stable's rate was at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, Self

from slipway.analysis import EvidenceError, Judgement, LabelCounts, LabelEvidence, RatioEvidence, Vectors
from slipway.api import FeedbackSource, MetricSpec, MetricStatus, ModelRevisionStatus, Phase
from slipway.rollout.measured import gates_of, state_of, vectors_of
from slipway.rollout.observation import LabelWindow, Matured, Observation, Reported
from slipway.rollout.record import shorten

WINDOWS: Final = 64
"""At least so many windows wait for their labels at a time, at most two times as many and a few for steps."""

MOST_WINDOWS: Final = 250
"""Windows that the record has room for. Beyond it the last one grows."""


def window_length(maturity: timedelta) -> int:
    """Seconds of a window: a power of two, small against the time that labels take."""
    length = 1
    while length * 2 * WINDOWS <= maturity.total_seconds():
        length *= 2
    return length


@dataclass(frozen=True, slots=True)
class Awaited:
    """Requests of both arms from ``start`` (milliseconds of Unix time) up to the next window's, or until now."""

    start: int
    candidate: int = 0
    stable: int = 0


@dataclass(frozen=True, slots=True)
class FeedbackEvidence:
    """The evidence of the labels that are there, and the windows that wait for theirs, in the order of time."""

    labels: LabelEvidence
    windows: tuple[Awaited, ...] = ()

    def counted(self, candidate: int, stable: int) -> Self:
        """More requests in the window that is open."""
        *rest, last = self.windows
        more = replace(last, candidate=last.candidate + candidate, stable=last.stable + stable)
        return replace(self, windows=(*rest, more))

    def opened(self, moment: int) -> Self:
        """A new window begins. Not twice at a moment, and not where there is no room for one."""
        late = self.windows and moment <= self.windows[-1].start
        if late or len(self.windows) >= MOST_WINDOWS:
            return self
        return replace(self, windows=(*self.windows, Awaited(moment)))

    def due(self, now: datetime) -> Iterator[tuple[int, int]]:
        """The windows whose labels are complete: from when, and up to when."""
        for window, after in pairwise(self.windows):
            if after.start + 1000 * self.labels.maturity > _moment(now):
                return
            yield window.start, after.start

    def folded(self, matured: Matured, now: datetime, *, watched_since: int | None) -> Self:
        """The evidence with the oldest window, which has to be this one. Requests since `watched_since` have none of
        stable to be compared with."""
        window, after, *_ = self.windows
        if (window.start, after.start) != (matured.start, matured.end):
            raise ValueError(f"the window that is due is {window.start} to {after.start}, not {matured}")
        labels = self.labels
        if watched_since is not None and window.start >= watched_since:
            labels = labels.watch()
        age = max((_moment(now) - matured.end) / 1000, labels.maturity)  # whatever is lost in rounding
        arms = _counts(window.candidate, matured.candidate), _counts(window.stable, matured.stable)
        folded = labels.fold(*arms, age=age, seconds=(matured.end - matured.start) / 1000)
        return replace(self, labels=folded, windows=self.windows[1:])

    def judge(self) -> Judgement:
        """The verdict on the labels that are there, and from when on they are awaited."""
        judgement = self.labels.judge()
        if not self.windows:
            return judgement
        since = datetime.fromtimestamp(self.windows[0].start // 1000, UTC)
        awaited = f"labels of requests since {since:%Y-%m-%d %H:%M:%S} UTC are awaited"
        return replace(judgement, message=f"{judgement.message}; {awaited}")

    def to_vectors(self) -> Vectors:
        """All of it as named vectors of finite numbers."""
        return {
            **self.labels.to_vectors(),
            "windows.start": tuple(float(window.start) for window in self.windows),
            "windows.candidate": tuple(float(window.candidate) for window in self.windows),
            "windows.stable": tuple(float(window.stable) for window in self.windows),
        }

    @classmethod
    def from_vectors(cls, vectors: Vectors) -> Self:
        """The inverse of `to_vectors`. Raises EvidenceError when the vectors are not such evidence."""
        return cls(LabelEvidence.from_vectors(vectors), _windows(vectors))


def _counts(due: int, reported: Reported) -> LabelCounts:
    """Clocks differ by a moment, so that a window may have a report more than it has requests."""
    return LabelCounts(max(due, reported.labelled), reported.labelled, reported.wrong)


def _windows(vectors: Mapping[str, tuple[float, ...]]) -> tuple[Awaited, ...]:
    columns = [vectors.get(f"windows.{name}", ()) for name in ("start", "candidate", "stable")]
    if len({len(column) for column in columns}) != 1 or len(columns[0]) > MOST_WINDOWS:
        raise EvidenceError("windows: start, candidate and stable have to be of one length")
    if not all(value >= 0 and float(value).is_integer() for column in columns for value in column):
        raise EvidenceError("windows: times and requests are whole numbers")
    windows = tuple(Awaited(*map(int, row)) for row in zip(*columns, strict=True))
    if any(after.start <= before.start for before, after in pairwise(windows)):
        raise EvidenceError("windows: each begins after the one before")
    return windows


def feedback_evidence(status: MetricStatus | None) -> FeedbackEvidence | None:
    """The evidence of a metric on feedback. None where there is none yet, and for what another version or a hand
    wrote: that is collected anew."""
    vectors = vectors_of(status)
    if vectors is None:
        return None
    try:
        return FeedbackEvidence.from_vectors(vectors)
    except EvidenceError:
        return None


def windows_due(status: MetricStatus | None, now: datetime) -> list[tuple[int, int]]:
    """The windows whose reports are to be counted at this look: from when up to when, in milliseconds of Unix
    time."""
    evidence = feedback_evidence(status)
    return list(evidence.due(now)) if evidence is not None else []


def fold_labels(
    seen: Observation,
    record: ModelRevisionStatus,
    metric: MetricSpec,
    status: MetricStatus,
    item: LabelWindow,
    *,
    cut: bool,
) -> MetricStatus:
    """The status with what was requested since the last look, and with the windows that have become mature.

    `cut` begins a new window although the last one is short: the weight changed.
    """
    source, now = metric.feedback, _moment(seen.now)
    if source is None:
        return status
    watched_since = _watched_since(record)
    evidence = feedback_evidence(status)
    if evidence is None or not evidence.windows:
        evidence = _begun(seen, metric, source).opened(now)
    elif item.candidate is not None and item.stable is not None:
        evidence = evidence.counted(item.candidate, item.stable)
        last = evidence.windows[-1].start
        mixed = watched_since is not None and last < watched_since
        if cut or mixed or now - last >= 1000 * window_length(source.maturity):
            evidence = evidence.opened(now)
    due = list(evidence.due(seen.now))
    for matured in item.matured:
        if due and (matured.start, matured.end) == due[0]:
            evidence = evidence.folded(matured, seen.now, watched_since=watched_since)
            due.pop(0)
    judgement = evidence.judge()
    return status.model_copy(
        update={
            "verdict": judgement.verdict,
            "message": shorten(judgement.message),
            "state": state_of(evidence.to_vectors()),
            "cursor": seen.now,
            "looked_at": seen.now,
            "error_since": None,
            "counters": list(item.counters),
        }
    )


def _watched_since(record: ModelRevisionStatus) -> int | None:
    """When the release was promoted, for one that is watched."""
    if record.phase != Phase.WATCHING or record.phase_since is None:
        return None
    return _moment(record.phase_since)


def _moment(time: datetime) -> int:
    """Milliseconds of Unix time, without what is smaller."""
    return int(time.timestamp()) * 1000 + time.microsecond // 1000


def _begun(seen: Observation, metric: MetricSpec, source: FeedbackSource) -> FeedbackEvidence:
    outcomes = RatioEvidence.begin(gates_of(metric, seen), steps=1)
    return FeedbackEvidence(LabelEvidence.begin(outcomes, maturity=source.maturity.total_seconds()))
