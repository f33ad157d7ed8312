"""One distribution of the stable release against its reference: recorded first, then decided again and again. Pure.

The reference is what the release answered first as the stable one. At the promotion itself little is known that would
serve: what the candidate's pods had counted until then is a chosen part of the traffic, with copies of requests and
replays of golden sets among them.

Evidence is gathered in turns. A turn ends when it decides, and the next one knows nothing of it: evidence that went on
for ever would need as many requests to see a change as there were before the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from slipway.analysis import DriftEvidence, EvidenceError, Verdict, grouped
from slipway.api import (
    BEYOND_EDGES,
    OTHER_CLASSES,
    BinCounts,
    DriftReference,
    DriftSignalStatus,
    DriftSpec,
    format_time,
)
from slipway.rollout.measured import state_of
from slipway.rollout.record import shorten
from slipway.rollout.signals import COLLECTING, DRIFTED, ERROR, FALSE_ALARM, RECORDING, STEADY, DistributionWindow
from slipway.rollout.signals import number_of as signals_in


def fold_distribution(
    spec: DriftSpec, status: DriftSignalStatus, window: DistributionWindow, now: datetime
) -> DriftSignalStatus:
    """The status with one more window."""
    looked = status.model_copy(
        update={
            "looked_at": now,
            "error_since": None,
            "since": status.since or now,
            "bins": list(window.bins) or None,
            "counters": list(window.counters),
        }
    )
    if status.recorded is None:
        return _recorded(spec.reference, looked, window.counts or (), now)
    return _judged(spec, looked, window.counts, now)


def _recorded(
    wanted: DriftReference, status: DriftSignalStatus, counts: Sequence[int], now: datetime
) -> DriftSignalStatus:
    """The reference with one more window, complete or not."""
    bins = status.bins or []
    before = [*(status.reference or ()), *([0.0] * len(bins))][: len(bins)]
    reference = [old + new for old, new in zip(before, [*counts, *([0] * len(bins))][: len(bins)], strict=True)]
    total, since = int(sum(reference)), status.since or now
    ready_at = since + wanted.min_duration
    if total < wanted.min_samples or now < ready_at:
        words = f"the reference is being recorded: {total} of {wanted.min_samples} requests"
        if not bins:
            words += ", and no pod shows a series of it yet: is it named as the pods name it?"
        if now < ready_at:
            words += f", not before {format_time(ready_at.replace(microsecond=0))[:16]}Z"
        return status.model_copy(
            update={"verdict": RECORDING, "message": words, "reference": reference if bins else None}
        )
    return _closed(status, bins, [int(count) for count in reference], now)


def _closed(
    status: DriftSignalStatus, bins: Sequence[str], reference: Sequence[int], now: datetime
) -> DriftSignalStatus:
    """The reference as it stays: neighbouring buckets are put together until each bin has its share."""
    ends = grouped(reference) if _edged(bins) else tuple(range(len(bins)))
    merged = [float(sum(reference[begin:end])) for begin, end in _parts(ends)]
    counters = [
        BinCounts(source=one.source, values=[sum(one.values[begin:end]) for begin, end in _parts(ends)])
        for one in status.counters or ()
    ]
    return status.model_copy(
        update={
            "verdict": COLLECTING,
            "message": f"the reference is complete: {sum(reference)} requests in {len(ends)} bins",
            "recorded": now,
            "bins": [bins[end] for end in ends],
            "reference": merged,
            "counters": counters,
            "state": None,
        }
    )


def _parts(ends: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip([0, *(end + 1 for end in ends)], [end + 1 for end in ends], strict=False))


def _edged(bins: Sequence[str]) -> bool:
    return bool(bins) and bins[0] != OTHER_CLASSES


def _judged(
    spec: DriftSpec, status: DriftSignalStatus, counts: Sequence[int] | None, now: datetime
) -> DriftSignalStatus:
    try:
        evidence = _evidence(spec, status)
        evidence = evidence.fold(counts) if counts is not None else evidence
    except ValueError as problem:
        message = f"its reference cannot be compared with: {problem}; change spec.drift.reference to record it anew"
        return status.model_copy(update={"verdict": ERROR, "message": shorten(message), "error_since": now})
    judgement = evidence.judge()
    if judgement.verdict in (Verdict.PASS, Verdict.FAIL):
        drifted = judgement.verdict == Verdict.FAIL
        return status.model_copy(
            update={
                "verdict": DRIFTED if drifted else STEADY,
                "message": shorten(judgement.message + (_where(evidence, status.bins or ()) if drifted else "")),
                "decided_at": now,
                "state": None,
            }
        )
    going = {"state": state_of(evidence.to_vectors())}
    if status.verdict not in (STEADY, DRIFTED):
        going |= {"verdict": COLLECTING, "message": shorten(judgement.message)}  # type: ignore[dict-item]
    return status.model_copy(update=going)


def _evidence(spec: DriftSpec, status: DriftSignalStatus) -> DriftEvidence:
    """The evidence of this turn; a new one where none is known, and where limits changed since. Raises ValueError."""
    fresh = DriftEvidence.begin(
        [int(count) for count in status.reference or ()],
        largest=spec.max_index,
        min_samples=spec.min_samples,
        alpha=FALSE_ALARM / max(1, signals_in(spec)),
    )
    if not status.state:
        return fresh
    try:
        known = DriftEvidence.from_vectors({vector.name: tuple(vector.values) for vector in status.state})
    except EvidenceError:
        return fresh
    same = (known.reference, known.largest, known.min_samples, known.alpha) == (
        fresh.reference,
        fresh.largest,
        fresh.min_samples,
        fresh.alpha,
    )
    return known if same else fresh


def _where(evidence: DriftEvidence, bins: Sequence[str]) -> str:
    """The bins that moved, for people."""
    moved = [f"{_named(bins, one.index)} from {one.before:.1%} to {one.now:.1%}" for one in evidence.moved()]
    return f"; {', '.join(moved)}" if moved else ""


def _named(bins: Sequence[str], index: int) -> str:
    name = bins[index] if index < len(bins) else "?"
    if not _edged(bins):
        return f"class {name}"
    if name == BEYOND_EDGES:
        return f"over {bins[index - 1]}"
    return f"{bins[index - 1]} to {name}" if index else f"up to {name}"
