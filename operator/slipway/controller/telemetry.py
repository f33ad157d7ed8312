"""What the operator tells Prometheus of itself.

The names of controller-runtime, its workqueue and its election are used where they say the same thing, so that
dashboards for other operators show this one too. What is told of a ModelDeployment is what was last decided about it,
in series whose number is bounded by the specification: no label holds a hash, a message or a version.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from slipway.api import MetricStatus, ModelRevisionStatus, Phase
from slipway.controller.queue import QueueStatistics
from slipway.rollout import AVAILABLE, DRIFTED, Decision, Observation, roles

CONTROLLER: Final = "modeldeployment"
FULL: Final = 10_000
"""Basis points of all traffic."""

_LOOK_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_QUEUE_SECONDS: Final = (0.001, 0.01, 0.1, 1, 10, 100)
_ROLLOUT_SECONDS: Final = (10, 30, 60, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)

_OUTCOMES: Final = {
    Phase.STABLE: "Promoted",
    Phase.WATCHING: "Promoted",
    Phase.ROLLED_BACK: "RolledBack",
    Phase.SUPERSEDED: "Superseded",
}
_ON_TRIAL: Final = frozenset(
    {
        Phase.PENDING,
        Phase.VERIFYING,
        Phase.STARTING,
        Phase.EVALUATING,
        Phase.SHADOWING,
        Phase.STEPPING,
        Phase.PROMOTING,
        Phase.ROLLING_BACK,
    }
)

_BY: Final = ("controller",)

Key = tuple[str, str]


class Telemetry:
    """One registry for one operator. Nothing is registered with the client's global one: tests run several."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._pictures: dict[Key, _Picture] = {}
        count, time = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        self._looks = count(
            "controller_runtime_reconcile_total", "Looks at a ModelDeployment.", ["controller", "result"]
        )
        self._errors = count("controller_runtime_reconcile_errors_total", "Looks that failed, and are repeated.", _BY)
        self._panics = count(
            "controller_runtime_reconcile_panics_total", "Defects of the operator that a look met.", _BY
        )
        self._look_seconds = time(
            "controller_runtime_reconcile_time_seconds", "How long looks took.", _BY, buckets=_LOOK_SECONDS
        )
        self._waited = time(
            "workqueue_queue_duration_seconds", "How long keys waited for a worker.", ["name"], buckets=_QUEUE_SECONDS
        )
        self._worked = time(
            "workqueue_work_duration_seconds", "How long workers had keys.", ["name"], buckets=_QUEUE_SECONDS
        )
        self._leads = Gauge(
            "leader_election_master_status",
            "1 on the replica that leads, 0 on those that stand by.",
            ["name"],
            registry=registry,
        )
        self._entered = count(
            "slipway_phases_entered_total",
            "Phases that revisions entered, and why: rollbacks by reason are those of RollingBack.",
            ["phase", "reason"],
        )
        self._lasted = time(
            "slipway_rollout_duration_seconds",
            "From the creation, or the retry, of a revision to its outcome.",
            ["outcome"],
            buckets=_ROLLOUT_SECONDS,
        )
        self._verdicts = count("slipway_verdicts_total", "Verdicts that a metric changed to.", ["verdict"])
        registry.register(_Pictures(self._pictures))

    def waited(self, seconds: float) -> None:
        """A key was handed to a worker."""
        self._waited.labels(CONTROLLER).observe(seconds)

    def worked(self, seconds: float) -> None:
        """A worker gave a key back."""
        self._worked.labels(CONTROLLER).observe(seconds)

    def leads(self, lease: str, *, leading: bool) -> None:
        """Whether this replica leads the group of this lease."""
        self._leads.labels(lease).set(float(leading))

    def watch_queue(self, statistics: Callable[[], QueueStatistics], workers: int) -> None:
        """Tell of a work queue from now on."""
        self._registry.register(_Queue(statistics, workers))

    def looked(self, result: str, seconds: float) -> None:
        """A look ended: success, error, requeue or requeue_after as controller-runtime calls it, or a panic."""
        failed = result in {"error", "panic"}
        self._looks.labels(CONTROLLER, "error" if failed else result).inc()
        self._look_seconds.labels(CONTROLLER).observe(seconds)
        if failed:
            self._errors.labels(CONTROLLER).inc()
        if result == "panic":
            self._panics.labels(CONTROLLER).inc()

    def decided(self, key: Key, seen: Observation, decision: Decision) -> None:
        """A decision is on record."""
        for hash_, record in decision.records.items():
            before = seen.revisions[hash_].record if hash_ in seen.revisions else None
            if record.phase and (before is None or before.phase != record.phase):
                self._entered.labels(record.phase, record.reason or "").inc()
                outcome = _OUTCOMES.get(Phase(record.phase))
                if outcome is not None and before is not None and before.phase in _ON_TRIAL:
                    self._lasted.labels(outcome).observe((seen.now - _began(before, seen.now)).total_seconds())
            known = {metric.name: metric.verdict for metric in (before.metrics if before else None) or ()}
            for metric in record.metrics or ():
                if known.get(metric.name) != metric.verdict:
                    self._verdicts.labels(metric.verdict).inc()
        self._pictures[key] = _Picture.of(seen, decision)

    def keys(self) -> set[Key]:
        """The ModelDeployments that have series."""
        return set(self._pictures)

    def forget(self, key: Key) -> None:
        """A ModelDeployment is gone, or another group's: its series end."""
        self._pictures.pop(key, None)

    def page(self) -> bytes:
        """All of it, in the Prometheus text format."""
        return generate_latest(self._registry)


@dataclass(frozen=True, slots=True)
class _Judged:
    verdict: str
    harm: float | None
    """Evidence of harm, as a power of ten."""
    needed: float | None
    """Evidence of harm that a Fail needs, as a power of ten."""


def _judged(metric: MetricStatus) -> _Judged:
    latest = metric.history[-1] if metric.history else None
    needed = math.log10(metric.needed.harm) if metric.needed is not None and metric.needed.harm > 0 else None
    return _Judged(metric.verdict, latest.harm if latest is not None else None, needed)


@dataclass(frozen=True, slots=True)
class _Picture:
    """What is told of one ModelDeployment."""

    phase: str
    available: bool | None
    """Whether a release that is known to be good serves; None while none is."""
    drifted: bool | None
    """Whether the world has moved away from the stable release; None while that is not known, or not asked."""
    weights: dict[str, tuple[float | None, float | None]]
    """Desired and observed share of the traffic by role; observed is None where it is not known."""
    judged: dict[str, _Judged]
    """How the candidate's metrics stand."""

    @classmethod
    def of(cls, seen: Observation, decision: Decision) -> _Picture:
        """What a decision says."""
        status = decision.status or seen.status
        who = roles(seen)
        asked = decision.weights if decision.weights is not None else seen.route.written
        observed = seen.route.observed
        weights: dict[str, tuple[float | None, float | None]] = {}
        for role, hash_ in (("stable", who.stable), ("candidate", who.candidate)):
            if hash_ is not None:
                led = observed.get(hash_, 0) / FULL if observed is not None else None
                weights[role] = (asked.get(hash_, 0) / FULL, led)
        trial = who.candidate or ""
        record = decision.records.get(trial) or (seen.revisions[trial].record if trial in seen.revisions else None)
        judged = {metric.name: _judged(metric) for metric in (record.metrics if record else None) or ()}
        said = {condition.type: condition.status for condition in status.conditions or ()}
        serves = said.get(AVAILABLE) == "True" if who.stable is not None else None
        drifted = {"True": True, "False": False}.get(said.get(DRIFTED, ""))
        return cls(status.phase or "", serves, drifted, weights, judged)


class _Pictures(Collector):
    """One series or a few for each ModelDeployment."""

    def __init__(self, pictures: dict[Key, _Picture]) -> None:
        self._pictures = pictures

    def collect(self) -> Iterator[Metric]:
        """Called when the page is asked for."""
        of = ["namespace", "name"]
        phase = GaugeMetricFamily("slipway_modeldeployment_phase", "1 for the present phase.", labels=[*of, "phase"])
        available = GaugeMetricFamily(
            "slipway_modeldeployment_available", "Whether a release that is known to be good serves.", labels=of
        )
        drifted = GaugeMetricFamily(
            "slipway_modeldeployment_drifted", "Whether drift was found of the stable release.", labels=of
        )
        desired = GaugeMetricFamily(
            "slipway_weight_desired_ratio", "Share of the traffic that was asked for.", labels=[*of, "role"]
        )
        observed = GaugeMetricFamily(
            "slipway_weight_observed_ratio", "Share that the router was seen to lead.", labels=[*of, "role"]
        )
        verdict = GaugeMetricFamily(
            "slipway_metric_verdict", "1 for the present verdict on the candidate.", labels=[*of, "metric", "verdict"]
        )
        harm = GaugeMetricFamily(
            "slipway_evidence_of_harm_log10", "Evidence that the candidate is worse.", labels=[*of, "metric"]
        )
        needed = GaugeMetricFamily(
            "slipway_evidence_needed_log10", "Evidence at which the verdict is Fail.", labels=[*of, "metric"]
        )
        for key, picture in self._pictures.items():
            phase.add_metric([*key, picture.phase], 1)
            if picture.available is not None:
                available.add_metric(key, float(picture.available))
            if picture.drifted is not None:
                drifted.add_metric(key, float(picture.drifted))
            for role, (asked, led) in picture.weights.items():
                for family, value in ((desired, asked), (observed, led)):
                    if value is not None:
                        family.add_metric([*key, role], value)
            for metric, judged in picture.judged.items():
                verdict.add_metric([*key, metric, judged.verdict], 1)
                for family, value in ((harm, judged.harm), (needed, judged.needed)):
                    if value is not None:
                        family.add_metric([*key, metric], value)
        yield from (phase, available, drifted, desired, observed, verdict, harm, needed)


class _Queue(Collector):
    """The work queue, as client-go's tells of itself."""

    def __init__(self, statistics: Callable[[], QueueStatistics], workers: int) -> None:
        self._statistics = statistics
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        """Called when the page is asked for."""
        now = self._statistics()
        for name, help_, value in (
            ("workqueue_depth", "Keys that wait for a worker.", now.depth),
            (
                "workqueue_unfinished_work_seconds",
                "How long workers have had their keys, in all.",
                now.unfinished_work_seconds,
            ),
            (
                "workqueue_longest_running_processor_seconds",
                "How long the slowest worker has had its key.",
                now.longest_running_processor_seconds,
            ),
        ):
            yield _one(GaugeMetricFamily(name, help_, labels=["name"]), value)
        for name, help_, value in (
            ("workqueue_adds", "How often a key was added.", now.adds_total),
            ("workqueue_retries", "How often a key was added again because it failed.", now.retries_total),
        ):
            yield _one(CounterMetricFamily(name, help_, labels=["name"]), value)
        for name, help_, value in (
            ("controller_runtime_active_workers", "Workers that have a key.", now.busy),
            ("controller_runtime_max_concurrent_reconciles", "Workers.", self._workers),
        ):
            yield _one(GaugeMetricFamily(name, help_, labels=["controller"]), value)


def _one(family: GaugeMetricFamily | CounterMetricFamily, value: float) -> Metric:
    family.add_metric([CONTROLLER], value)
    return family


def _began(record: ModelRevisionStatus, now: datetime) -> datetime:
    """When the attempt began: the last time that the revision became Pending."""
    pending = [entry.time for entry in record.timeline or () if entry.phase == Phase.PENDING]
    return min(pending[-1] if pending else now, now)
