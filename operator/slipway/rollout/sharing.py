"""Whether the gateway shares requests out as the weight says. Pure.

A candidate that gets another share than its weight is not judged on what it was given, so the weight is held and the
reason said. Only the gateway's own counts tell: pods also count the questions of probes and of golden sets. A window
counts when it began some time after the gateway was seen to apply the weight, as none may reach back to another one,
and a gateway goes on for a moment as it did.

A mismatch is taken back when as many requests as showed it have come since, and were shared out well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from slipway.analysis import EvidenceError, Judgement, ShareEvidence
from slipway.api import MetricSpec, ModelRevisionStatus, Phase, ShareStatus
from slipway.rollout.course import FULL, Judging
from slipway.rollout.ladder import judging_of, placed, step_of
from slipway.rollout.measured import metrics_of, record_of, state_of
from slipway.rollout.observation import CounterWindow, LatencyWindow, Observation
from slipway.rollout.record import phase_of, shorten, with_fields

SETTLING: Final = timedelta(seconds=10)
"""Time after a weight was observed in which requests do not count: gateways load a change some seconds after they
accept it, and requests that were routed before end after it."""

NEAR: Final = 0.1
"""How far from the weight, relative to it, the share of what came since a mismatch may be for it to be over."""

_SINCE: Final = "since."


@dataclass(frozen=True, slots=True)
class _Sharing:
    """The evidence at a weight; and once it showed a mismatch, what came since."""

    evidence: ShareEvidence
    since: ShareEvidence

    def fold(self, candidate: int, stable: int, weight: float) -> _Sharing:
        if not self.evidence.mismatch:
            return replace(self, evidence=self.evidence.fold(candidate, stable, weight=weight))
        since = self.since.fold(candidate, stable, weight=weight)
        if since.mismatch:
            return replace(self, since=ShareEvidence.begin())
        enough = since.counts.total >= self.evidence.counts.total
        if enough and abs(since.counts.rate - weight) <= NEAR * weight:
            return _Sharing(since, ShareEvidence.begin())
        return replace(self, since=since)


def folded(seen: Observation, record: ModelRevisionStatus, hash_: str) -> ModelRevisionStatus:
    """The record with what this look's window says. To be called before the cursors of the metrics move on."""
    metric = next((one for one in metrics_of(seen) if one.gateway is not None), None)
    weight = _weight(seen, record)
    if metric is None or weight is None or record.weight_observed_at is None:
        return record
    before = record.share or ShareStatus(message="no requests yet")
    if not placed(seen, hash_, record):  # somebody else's weights are on the route
        return _with(record, before.model_copy(update={"since": None})) if record.share else record
    begins = max(before.since or seen.now, record.weight_observed_at)
    share = before.model_copy(update={"since": begins})
    counts = _counts(seen, record, metric, begins + SETTLING)
    if counts is None:
        return _with(record, share)
    known = _read(record)
    if known is None or (known.evidence.mismatch and known.evidence.weight != weight):
        known = _Sharing(ShareEvidence.begin(), ShareEvidence.begin())
    sharing = known.fold(*counts, weight)
    vectors = dict(sharing.evidence.to_vectors())
    if sharing.evidence.mismatch:
        vectors |= {f"{_SINCE}{name}": values for name, values in sharing.since.to_vectors().items()}
    said = {"message": shorten(sharing.evidence.judge().message), "state": state_of(vectors)}
    return _with(record, share.model_copy(update=said))


def _with(record: ModelRevisionStatus, share: ShareStatus) -> ModelRevisionStatus:
    return with_fields(record, share=share)


def judged(seen: Observation, record: ModelRevisionStatus) -> Judgement | None:
    """The judgement on the present weight; None where shares cannot be told, or nothing was counted yet."""
    known, weight = _read(record), _weight(seen, record)
    if known is None or weight is None or known.evidence.weight != weight:
        return None
    return known.evidence.judge()


def _weight(seen: Observation, record: ModelRevisionStatus) -> float | None:
    """The weight at which shares can be told, as a fraction; None elsewhere. Copies, matched requests and clients that
    stay with a release come on top of it, and shares of pods are only as even as connections are."""
    step = step_of(seen, record)
    if phase_of(record) != Phase.STEPPING or step is None or not 0 < step.weight < FULL or step.matched:
        return None
    if seen.course.sticky is not None or seen.course.by_replicas or judging_of(seen, record) is Judging.OBSERVE:
        return None
    return step.weight / FULL


def _counts(
    seen: Observation, record: ModelRevisionStatus, metric: MetricSpec, begins: datetime
) -> tuple[int, int] | None:
    """Requests of candidate and stable in this look's window, where it began late enough."""
    status = record_of(record, metric.name)
    if status is None or status.cursor is None or status.cursor < begins:
        return None
    for item in seen.evidence:
        if item.metric == metric.name and isinstance(item, CounterWindow | LatencyWindow):
            if item.candidate is None or item.stable is None:
                return None
            return item.candidate.total, item.stable.total
    return None


def _read(record: ModelRevisionStatus) -> _Sharing | None:
    """None where there is nothing yet, and for what another version or a hand wrote."""
    if record.share is None:
        return None
    vectors = {vector.name: tuple(vector.values) for vector in record.share.state or ()}
    try:
        evidence = ShareEvidence.from_vectors(vectors)
        since = _since(vectors) if evidence.mismatch else ShareEvidence.begin()
    except EvidenceError:
        return None
    return _Sharing(evidence, since)


def _since(vectors: Mapping[str, Sequence[float]]) -> ShareEvidence:
    inner = {name.removeprefix(_SINCE): tuple(values) for name, values in vectors.items() if name.startswith(_SINCE)}
    return ShareEvidence.from_vectors(inner)
