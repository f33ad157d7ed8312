"""The verdicts on a candidate's metrics, in the form that `analysis.aggregate` takes. Pure.

What a verdict means depends on where the candidate is: before any traffic only golden sets speak, copies of requests
are counted by pods and by no gateway, and where one release takes all requests nobody waits for a comparison with the
other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from slipway import analysis
from slipway.analysis import (
    Action,
    EvidenceError,
    Judgement,
    LatencyEvidence,
    MetricResult,
    RatioEvidence,
    Vectors,
    Verdict,
)
from slipway.api import MetricSpec, MetricStatus, ModelRevisionStatus, Phase
from slipway.rollout.course import Judging
from slipway.rollout.evidence import RECHECK, RETRY, asks, failing, heard, judgeable
from slipway.rollout.golden import golden_judgement, undecided
from slipway.rollout.jobs import concluded, tells_items
from slipway.rollout.labels import FeedbackEvidence
from slipway.rollout.ladder import judging_of
from slipway.rollout.measured import metrics_of
from slipway.rollout.numbers import NumberEvidence, number_reader
from slipway.rollout.observation import Observation
from slipway.rollout.record import phase_of

_Reader = Callable[[Vectors], RatioEvidence | LatencyEvidence | NumberEvidence | FeedbackEvidence]


def results(seen: Observation, record: ModelRevisionStatus, statuses: Sequence[MetricStatus]) -> list[MetricResult]:
    """The verdicts that count in the record's phase, judged anew from the state."""
    found = {status.name: status for status in statuses}
    judging = judging_of(seen, record)
    out: list[MetricResult] = []
    for metric in metrics_of(seen):
        status = found.get(metric.name)
        if status is None or not _speaks(seen, metric, record):
            continue
        result = MetricResult(
            name=metric.name,
            action=Action.OBSERVE if judging is Judging.OBSERVE else Action(metric.action),
            must_pass=(
                metric.non_inferiority is not None
                or (metric.before_traffic and metric.threshold is not None)
                or (metric.golden_set is not None and metric.golden_set.fairness is not None)
            ),
            judgement=_judgement(record, metric, status),
            error_since_seconds=(
                (seen.now - status.error_since).total_seconds() if status.error_since is not None else None
            ),
        )
        if not metric.before_traffic and (judging is Judging.GUARD or _comes_late(metric)):
            if result.judgement.verdict is Verdict.NO_DATA:
                continue
            result = replace(result, must_pass=False, judgement=replace(result.judgement, samples_sufficient=True))
        out.append(result)
    return out


def _comes_late(metric: MetricSpec) -> bool:
    """Nobody waits for labels that arrive days later, unless a proof is asked for: they haul back, early or late."""
    return metric.feedback is not None and metric.non_inferiority is None


def _speaks(seen: Observation, metric: MetricSpec, record: ModelRevisionStatus) -> bool:
    """Whether a metric says anything in the record's phase."""
    phase = phase_of(record)
    if metric.agreement is not None:
        return asks(seen, metric, record)
    if not metric.before_traffic:
        return heard(metric, phase)
    return phase in (Phase.EVALUATING, Phase.SHADOWING) or (phase != Phase.WATCHING and not record.fast)


def _judgement(record: ModelRevisionStatus, metric: MetricSpec, status: MetricStatus) -> Judgement:
    if status.verdict == Verdict.ERROR:
        return analysis.error(status.message)
    if status.verdict == Verdict.NO_DATA:
        return analysis.no_data(status.message)
    if tells_items(metric):
        return golden_judgement(record, status) or analysis.no_data(status.message)
    read: _Reader = LatencyEvidence.from_vectors if metric.measures_latency else RatioEvidence.from_vectors
    if metric.reads_number:
        read = number_reader(metric)
    if metric.feedback is not None:
        read = FeedbackEvidence.from_vectors
    return _judged(
        read, tuple((vector.name, tuple(vector.values)) for vector in status.state or ())
    ) or analysis.no_data(status.message)


@lru_cache(maxsize=512)
def _judged(read: _Reader, state: tuple[tuple[str, tuple[float, ...]], ...]) -> Judgement | None:
    """The verdict on a state, which is the same whenever it is asked for; None for one that cannot be read.

    Most looks come between two windows: they would judge the same numbers again, which costs more than all the rest.
    """
    if not state:
        return None
    try:
        return read(dict(state)).judge()
    except EvidenceError:
        return None


def next_look(seen: Observation, record: ModelRevisionStatus, statuses: Sequence[MetricStatus]) -> datetime | None:
    """When evidence is due again; the present moment when the operator has items of a golden set left."""
    moments: list[datetime] = []
    found = {status.name: status for status in statuses}
    for metric in metrics_of(seen):
        if not judgeable(metric, record):
            continue
        status = found.get(metric.name)
        last = min(status.looked_at or seen.now, seen.now) if status is not None else seen.now
        asked = metric.before_traffic and asks(seen, metric, record)
        if failing(status) and (asked if metric.before_traffic else heard(metric, record.phase)):
            moments.append(last + min(seen.analysis.interval, RETRY))
        elif metric.before_traffic:
            if not asked:
                continue
            if not concluded(metric, record, status):
                moments.append(seen.now + (seen.analysis.interval if metric.in_job else timedelta(0)))
            elif undecided(record, status) and not metric.in_job:
                moments.append(seen.now + RECHECK)
        elif heard(metric, record.phase):
            moments.append(last + seen.analysis.interval)
    return min(moments, default=None)


def live(seen: Observation, record: ModelRevisionStatus, statuses: Sequence[MetricStatus]) -> list[MetricStatus]:
    """The metrics that are counted on live traffic in the record's phase and that something follows from."""
    names = {
        metric.name
        for metric in metrics_of(seen)
        if not metric.before_traffic and metric.action != "Observe" and _speaks(seen, metric, record)
    }
    return [status for status in statuses if status.name in names]


def live_sentence(seen: Observation, record: ModelRevisionStatus, statuses: Sequence[MetricStatus]) -> str:
    """What live traffic says so far; the golden sets were told of when they were passed."""
    counted = live(seen, record, statuses)
    compared = {
        metric.name for metric in metrics_of(seen) if metric.agreement is not None and asks(seen, metric, record)
    }
    told = [status for status in statuses if status in counted or status.name in compared]
    return " | ".join(f"{status.name}: {status.verdict} {status.message}" for status in told)


def replayed(seen: Observation, record: ModelRevisionStatus, statuses: Sequence[MetricStatus]) -> bool:
    """Whether every golden set was replayed to its end: traffic moves on the whole of the evidence, not on a part."""
    found = {status.name: status for status in statuses}
    return all(
        concluded(metric, record, found.get(metric.name))
        for metric in metrics_of(seen)
        if metric.before_traffic and judgeable(metric, record) and asks(seen, metric, record)
    )
