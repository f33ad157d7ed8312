"""Which evidence a look needs, and how what comes back is folded into the candidate's record. Pure.

A golden set is replayed in batches, so that an edit never waits for a long replay to end. Counters are folded as
disjoint windows that begin where the last one ended: the cursor moves in the same status write as the state, so that
a window is counted once, whatever fails in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from slipway.analysis import Verdict
from slipway.api import AgreementSource, GoldenSetSource, MetricSpec, MetricStatus, ModelRevisionStatus, Phase
from slipway.rollout.golden import fold_golden, position, undecided
from slipway.rollout.jobs import concluded, fold_counts
from slipway.rollout.labels import fold_labels
from slipway.rollout.ladder import placed
from slipway.rollout.live import entered, fold_counters, fold_latencies
from slipway.rollout.measured import failed_to_look, metrics_of, record_of
from slipway.rollout.numbers import entered_number, fold_number
from slipway.rollout.observation import (
    CounterWindow,
    GoldenBatch,
    JobCounts,
    LabelWindow,
    LatencyWindow,
    NumberReading,
    Observation,
    SourceFailure,
    Waiting,
)
from slipway.rollout.record import asked_weight, shorten

GOLDEN_BATCH: Final = 128
"""Items a look: enough to keep a fast server busy, few enough that an edit is acted on within a second or two."""

RECHECK: Final = timedelta(seconds=30)
"""How often it is looked whether a golden set that decided nothing was replaced by another."""

RETRY: Final = timedelta(seconds=5)
"""Time before a source that gave no evidence is asked again, unless the interval is shorter."""

_JUDGED: Final = frozenset({Phase.EVALUATING, Phase.SHADOWING, Phase.STEPPING, Phase.PROMOTING, Phase.WATCHING})


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """Replay the items from ``start`` on of a metric's set; from 0 when it is not the data set named here."""

    metric: str
    source: GoldenSetSource | AgreementSource
    start: int
    limit: int
    dataset: str | None
    place: str = ""
    """The field of the specification that names the set; empty for that of the metric."""

    @property
    def labelled(self) -> bool:
        """Whether answers are held against labels, and not against each other."""
        return isinstance(self.source, GoldenSetSource)

    @property
    def field(self) -> str:
        """The same in full."""
        return self.place or f"spec.analysis.metrics[{self.metric}].{'goldenSet' if self.labelled else 'agreement'}"


@dataclass(frozen=True, slots=True)
class EvidencePlan:
    """What the shell has to ask of the outside world before the next decision."""

    ask_model: bool = False
    golden: tuple[GoldenRequest, ...] = ()
    counters: tuple[MetricSpec, ...] = ()
    jobs: tuple[MetricSpec, ...] = ()
    """Metrics of Jobs of the user."""


def _paired(record: ModelRevisionStatus) -> bool:
    return record.baseline is not None


def judgeable(metric: MetricSpec, record: ModelRevisionStatus) -> bool:
    """A first release has nothing to be compared with: only thresholds on its golden set say something of it."""
    alone = metric.before_traffic and metric.agreement is None
    return _paired(record) or (alone and metric.threshold is not None)


def failing(status: MetricStatus | None) -> bool:
    """The source did not answer last time: it is asked again wherever the weight is, because that holds the weight."""
    return status is not None and status.error_since is not None


def _due(seen: Observation, status: MetricStatus | None) -> bool:
    if status is None or (status.cursor is None and status.looked_at is None):
        return True
    pause = min(seen.analysis.interval, RETRY) if status.error_since is not None else seen.analysis.interval
    last = status.looked_at or status.cursor
    return last is None or not last <= seen.now < last + pause  # also where the clock was set back


def plan(seen: Observation, judged: str | None) -> EvidencePlan:
    """Which evidence is due for the revision that is judged, given its phase and the route as it was accepted."""
    if judged is None or judged not in seen.revisions:
        return EvidencePlan()
    revision = seen.revisions[judged]
    record = revision.record
    if record.phase == Phase.STARTING:
        return EvidencePlan(ask_model=revision.fleet.ready > 0)
    if record.phase not in _JUDGED:
        return EvidencePlan()
    known = record if record.gates == seen.gates else None
    golden = [
        request for metric in metrics_of(seen) if (request := _golden_request(seen, metric, record, known)) is not None
    ]
    golden.sort(key=lambda request: _turn(record, record_of(known, request.metric) if known is not None else None))
    live = record.weight_observed_at is not None or record.phase == Phase.WATCHING or _observed(seen, judged, record)
    counters = [
        metric
        for metric in metrics_of(seen)
        if judgeable(metric, record) and _counted(seen, metric, record, known, live=live)
    ]
    jobs = [
        metric
        for metric in metrics_of(seen)
        if metric.job is not None
        and _asked(seen, metric, record, record_of(known, metric.name) if known is not None else None)
    ]
    return EvidencePlan(golden=tuple(golden), counters=tuple(counters), jobs=tuple(jobs))


def _turn(record: ModelRevisionStatus, status: MetricStatus | None) -> tuple[bool, datetime]:
    """Whose turn it is: a look may have time for one golden set only, so the one that was asked longest ago comes
    first, and those that only another set can decide come last."""
    last = status.looked_at if status is not None else None
    return undecided(record, status), last or datetime.min.replace(tzinfo=UTC)


def _observed(seen: Observation, judged: str, record: ModelRevisionStatus) -> bool:
    """Whether the gateway was seen to do what the phase asks for, or what was last asked on the way there."""
    asked = asked_weight(record)
    at_last = asked > 0 and seen.route.observed is not None and seen.route.observed.get(judged, 0) == asked
    return at_last or placed(seen, judged, record)


def _golden_request(
    seen: Observation, metric: MetricSpec, record: ModelRevisionStatus, known: ModelRevisionStatus | None
) -> GoldenRequest | None:
    """The next part of a golden set, where one is due: a release that needs no further evidence is not asked again."""
    status = record_of(known, metric.name) if known is not None else None
    if metric.replayed is None or not _asked(seen, metric, record, status):
        return None
    dataset = status.dataset if status is not None else None
    return GoldenRequest(metric.name, metric.replayed, position(record, status), GOLDEN_BATCH, dataset)


def asks(seen: Observation, metric: MetricSpec, record: ModelRevisionStatus) -> bool:
    """Whether a metric on replayed items is asked for in the record's phase. Golden sets are in all of them, until the
    release is promoted or needs no further evidence. Agreement is looked at beside the copies of requests, or before
    any traffic where none are made: what a person let pass there is not held again."""
    if metric.agreement is not None:
        return record.phase == (Phase.SHADOWING if seen.course.shadow is not None else Phase.EVALUATING)
    return not record.fast and record.phase != Phase.WATCHING


def _asked(seen: Observation, metric: MetricSpec, record: ModelRevisionStatus, status: MetricStatus | None) -> bool:
    """Whether a metric that is judged before any traffic has more to find out."""
    if not judgeable(metric, record) or not asks(seen, metric, record):
        return False
    if failing(status) and not _due(seen, status):
        return False
    if not concluded(metric, record, status):
        return True
    return undecided(record, status) and not metric.in_job  # what a Job has found is all that it finds


def heard(metric: MetricSpec, phase: str | None) -> bool:
    """Whether a metric on live traffic says anything in a phase. Copies of requests are counted by the pods, and by no
    gateway, and nobody reports on them; while a release is watched no other takes requests at the same time, whose
    latency, or whose pods, could be compared."""
    if phase == Phase.SHADOWING:
        return metric.gateway is None and metric.feedback is None
    side_by_side = metric.measures_latency or (metric.reads_number and metric.threshold is None)
    return phase != Phase.EVALUATING and not (phase == Phase.WATCHING and side_by_side)


def _counted(
    seen: Observation,
    metric: MetricSpec,
    record: ModelRevisionStatus,
    known: ModelRevisionStatus | None,
    *,
    live: bool,
) -> bool:
    """Whether a metric on live traffic is due."""
    if metric.before_traffic or not heard(metric, record.phase):
        return False
    status = record_of(known, metric.name) if known is not None else None
    return (live or failing(status)) and _due(seen, status)


# --- folding --------------------------------------------------------------------------------------------------------


def fold(seen: Observation, record: ModelRevisionStatus, *, entered_step: bool) -> list[MetricStatus]:
    """Fold this look's evidence into the record's metrics, and judge each of them.

    ``entered_step`` says that the gateway was first seen at a new weight: live tests start once more there, to find
    late damage quickly.
    """
    return [
        _fold_metric(seen, record, metric, record_of(record, metric.name), entered_step=entered_step)
        for metric in metrics_of(seen)
        if judgeable(metric, record)
    ]


def _fold_metric(
    seen: Observation,
    record: ModelRevisionStatus,
    metric: MetricSpec,
    before: MetricStatus | None,
    *,
    entered_step: bool,
) -> MetricStatus:
    status = before or MetricStatus(name=metric.name, verdict=Verdict.NO_DATA, message="no evidence yet")
    for item in seen.evidence:
        if item.metric != metric.name:
            continue
        match item:
            case Waiting():
                return _still(status, item.message)
            case SourceFailure():
                return failed_to_look(seen, status, item.message)
            case GoldenBatch():
                return fold_golden(seen, record, metric, status, item)
            case JobCounts():
                return fold_counts(seen, record, metric, status, item)
            case CounterWindow():
                watched = record.phase == Phase.WATCHING
                return fold_counters(seen, record, metric, status, item, entered_step=entered_step, watched=watched)
            case LatencyWindow():
                return fold_latencies(seen, metric, status, item, entered_step=entered_step)
            case NumberReading():
                return fold_number(seen, record, metric, status, item, entered_step=entered_step)
            case LabelWindow():
                return fold_labels(seen, record, metric, status, item, cut=entered_step)
    if not entered_step or metric.before_traffic or metric.feedback is not None:
        return status
    return entered_number(metric, status) if metric.reads_number else entered(metric, status)


def _still(status: MetricStatus, message: str) -> MetricStatus:
    """The source is at work. Nothing of it is a reason to write the record again while the message is the same."""
    if status.verdict not in (Verdict.NO_DATA, Verdict.ERROR):
        return status
    update = {"verdict": Verdict.NO_DATA, "message": shorten(message), "error_since": None}
    return status.model_copy(update=update)
