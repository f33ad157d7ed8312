"""Live numbers of one metric: which source it names, what that has come to, and what is new since the last look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import httpx

from slipway.analysis import ArmCounts, Histogram, PodWindow
from slipway.api import (
    SECONDS_IN,
    SERVICE_PORT,
    Counter,
    FeedbackSource,
    MetricSpec,
    MetricStatus,
    PodsSource,
    PrometheusSource,
    SourceAuth,
    WebSource,
)
from slipway.cluster import Cluster
from slipway.controller.arm import Arm
from slipway.controller.labels import Labels
from slipway.controller.numbers import Number, reading_of
from slipway.controller.observe import Scene
from slipway.controller.secrets import credentials
from slipway.metrics import (
    PRESETS,
    Credentials,
    GatewayCounters,
    GatewayHistograms,
    HistogramReading,
    PodCounters,
    PodGauges,
    PodHistograms,
    PodPage,
    Prometheus,
    PrometheusCounters,
    PrometheusHistograms,
    PrometheusQuery,
    Reading,
    ServiceRef,
    Source,
    WebCounters,
    WebPage,
    WebValue,
    at_edges,
    bucketed,
    completed,
    delta,
    explicit,
    snapshot,
    total_of,
)
from slipway.outside import Outside
from slipway.release import revision_name
from slipway.rollout import (
    CounterWindow,
    LabelWindow,
    LatencyWindow,
    NumberReading,
    Role,
    edges_judged,
    edges_learned,
    record_of,
    tells_pods_apart,
)

ARMS: Final = (Role.CANDIDATE, Role.STABLE)

SHORTEST_WINDOW: Final = 60.0
"""Seconds."""


class LiveSources:
    """Reads counters and histograms. Holds nothing between looks: cursors are in the record of the candidate."""

    def __init__(
        self,
        cluster: Cluster,
        client: httpx.AsyncClient,
        outside: Outside,
        gateway_metrics: Sequence[str],
        labels: Labels,
    ) -> None:
        self._labels = labels
        self._cluster = cluster
        self._client = client
        self._outside = outside
        self._gateway_counters = GatewayCounters(client, gateway_metrics)
        self._gateway_histograms = GatewayHistograms(client, gateway_metrics)

    async def window(
        self, scene: Scene, metric: MetricSpec, candidate: Arm, stable: Arm, now: datetime
    ) -> CounterWindow | LatencyWindow | NumberReading | LabelWindow:
        """What was counted since the last look, or is read now. Raises SourceError and ClusterError."""
        metric = explicit(metric)
        arms = {str(Role.CANDIDATE): candidate, str(Role.STABLE): stable}
        if metric.threshold is not None and metric.reads_number:
            del arms[str(Role.STABLE)]
        services = {role: _service(scene, arm) for role, arm in arms.items()}
        status = record_of(candidate.revision.record, metric.name)
        if metric.reads_number:
            return reading_of(metric, await self._numbers(scene, metric, _since_last(status, now), arms, services))
        if metric.measures_latency:
            if metric.pods is None:
                histograms = await (await self._histograms(scene, metric)).read(services)
            else:
                histograms = {role: await self._durations(metric.pods, role, arms[role], services) for role in arms}
            return _latencies(metric, status, histograms)
        if metric.feedback is not None:
            requests = await self._requests(metric.feedback, arms, services)
            revisions = {role: arm.revision for role, arm in arms.items()}
            return await self._labels.window(scene, metric, status, revisions, requests, now=now)
        if metric.pods is None:
            readings = await (await self._counters(scene, metric)).read(services)
        else:
            readings = {role: await self._outcomes(metric.pods, role, arms[role], services) for role in arms}
        return _outcomes(metric, status, readings)

    async def _requests(
        self, feedback: FeedbackSource, arms: Mapping[str, Arm], services: Mapping[str, ServiceRef]
    ) -> Mapping[str, tuple[Reading, ...]]:
        """The requests of each arm, which labels are due for."""
        if feedback.pods is None:
            return await self._gateway_counters.read(services)
        counted = feedback.pods
        pods = PodsSource(port=counted.port, path=counted.path, bad=counted.total, total=counted.total)
        return {role: await self._outcomes(pods, role, arms[role], services) for role in arms}

    async def _counters(self, scene: Scene, metric: MetricSpec) -> Source[tuple[Reading, ...]]:
        """The source that counts for all arms at once."""
        if metric.prometheus is not None:
            prometheus = await self._prometheus(scene, metric, metric.prometheus)
            return PrometheusCounters(prometheus, metric.prometheus.bad or (), metric.prometheus.total or ())
        if metric.web is not None:
            page = await self._page(scene, metric, metric.web)
            return WebCounters(page, metric.web.bad or "", metric.web.total or "")
        return self._gateway_counters

    async def _numbers(
        self,
        scene: Scene,
        metric: MetricSpec,
        seconds: float,
        arms: Mapping[str, Arm],
        services: Mapping[str, ServiceRef],
    ) -> Mapping[str, Number]:
        if metric.prometheus is not None:
            prometheus = await self._prometheus(scene, metric, metric.prometheus)
            return await PrometheusQuery(prometheus, metric.prometheus.query or "", window=seconds).read(services)
        if metric.web is not None:
            return await WebValue(await self._page(scene, metric, metric.web), metric.web.value or "").read(services)
        pods, found = metric.pods or PodsSource(), dict[str, Number]()
        for role, arm in arms.items():
            page = PodPage(_port(arm, pods), pods.path)
            gauges = PodGauges(self._client, page, pods.gauge or "")
            found |= await gauges.read({role: services[role]}) if _has_pods(role, arm) else {role: {}}
        return found

    async def _page(self, scene: Scene, metric: MetricSpec, source: WebSource) -> WebPage:
        return WebPage(
            outside=self._outside,
            url=source.url,
            namespace=scene.namespace,
            credentials=await self._credentials(scene, metric, "web", source.auth),
        )

    async def _histograms(self, scene: Scene, metric: MetricSpec) -> Source[tuple[HistogramReading, ...]]:
        if metric.prometheus is not None:
            prometheus = await self._prometheus(scene, metric, metric.prometheus)
            unit = SECONDS_IN[metric.prometheus.unit or "Seconds"]
            return PrometheusHistograms(prometheus, metric.prometheus.histogram or "", unit=unit)
        return self._gateway_histograms

    async def _prometheus(self, scene: Scene, metric: MetricSpec, source: PrometheusSource) -> Prometheus:
        return Prometheus(
            outside=self._outside,
            url=source.url,
            namespace=scene.namespace,
            credentials=await self._credentials(scene, metric, "prometheus", source.auth),
            namespace_label=source.namespace_label,
            pod_label=source.pod_label,
        )

    async def _credentials(
        self, scene: Scene, metric: MetricSpec, source: str, auth: SourceAuth | None
    ) -> Credentials | None:
        field = f"spec.analysis.metrics[{metric.name}].{source}.auth"
        return await credentials(self._cluster, scene.namespace, auth, field)

    async def _outcomes(
        self, pods: PodsSource, role: str, arm: Arm, services: Mapping[str, ServiceRef]
    ) -> tuple[Reading, ...]:
        if not _has_pods(role, arm):
            return ()
        pods = completed(pods, arm.preset)
        counters = PodCounters(self._client, pods.model_copy(update={"port": _port(arm, pods)}))
        return (await counters.read({role: services[role]}))[role]

    async def _durations(
        self, pods: PodsSource, role: str, arm: Arm, services: Mapping[str, ServiceRef]
    ) -> tuple[HistogramReading, ...]:
        if not _has_pods(role, arm):
            return ()
        pods = completed(pods, arm.preset)
        page = PodPage(_port(arm, pods), pods.path)
        unit = SECONDS_IN[pods.unit or "Seconds"]
        histograms = PodHistograms(self._client, page, pods.histogram or "", unit=unit)
        return (await histograms.read({role: services[role]}))[role]


def _service(scene: Scene, arm: Arm) -> ServiceRef:
    return ServiceRef(
        namespace=scene.namespace,
        name=revision_name(scene.name, arm.revision.hash),
        port=SERVICE_PORT,
        route=scene.route_name,
        endpoints=arm.endpoints,
    )


def _port(arm: Arm, pods: PodsSource) -> str | None:
    """The Service's port by which the pods' page is reached: the one that is named, or else the preset's where the
    release has it. A preset is of the model's server, also where a transformer stands in front of it."""
    if pods.port is None and pods.preset is not None:
        return arm.server_port(PRESETS[pods.preset].port)
    return arm.service_port(pods.port)


def _has_pods(role: str, arm: Arm) -> bool:
    """A stable release without ready pods counts nothing, and that is no outage of a source: its capacity was shifted
    to the candidate, or it is sick, and neither may keep a healthy candidate from being judged."""
    return role != Role.STABLE or arm.revision.fleet.ready > 0


def _since_last(status: MetricStatus | None, now: datetime) -> float:
    """Seconds of a query's window: none may be so short that no two scrapes are in it."""
    last = status.cursor if status is not None else None
    return max(SHORTEST_WINDOW, (now - last).total_seconds()) if last is not None else SHORTEST_WINDOW


def _before(status: MetricStatus | None) -> tuple[Counter, ...]:
    return tuple(status.counters or ()) if status is not None else ()


def _outcomes(
    metric: MetricSpec, status: MetricStatus | None, readings: Mapping[str, Sequence[Reading]]
) -> CounterWindow:
    before = _before(status)
    arms = {arm: ArmCounts(*delta(before, counts)) if before else None for arm, counts in readings.items()}
    pods = None
    if before and tells_pods_apart(metric):
        of_pods = [{one.source: ArmCounts(*delta(before, [one])) for one in readings[role]} for role in ARMS]
        pods = PodWindow(*of_pods)
    return CounterWindow(
        metric=metric.name,
        candidate=arms[Role.CANDIDATE],
        stable=arms[Role.STABLE],
        counters=snapshot(before, [reading for arm in readings.values() for reading in arm]),
        pods=pods,
    )


def _latencies(
    metric: MetricSpec, status: MetricStatus | None, readings: Mapping[str, Sequence[HistogramReading]]
) -> LatencyWindow:
    """Edges that are fixed have counters from the same look on; else stable's past fixes them now, if it is enough."""
    before = _before(status)
    edges = edges_judged(metric, status) if before else ()
    past = None if edges else _past(readings[Role.STABLE])
    if past is not None:
        edges = edges_learned(past)
    both = [reading for arm in readings.values() for reading in arm]
    known = before if past is None else ()
    windows = {
        arm: Histogram(edges, bucketed(known, found, edges)) if known and edges else None
        for arm, found in readings.items()
    }
    return LatencyWindow(
        metric=metric.name,
        candidate=windows[Role.CANDIDATE],
        stable=windows[Role.STABLE],
        counters=snapshot(known, at_edges(both, edges)) if edges else (),
        past=past,
    )


def _past(readings: Sequence[HistogramReading]) -> Histogram | None:
    """All that stable did since its sources began to count."""
    whole = total_of(readings)
    return Histogram(whole.edges, bucketed((), [whole], whole.edges)) if whole is not None and whole.edges else None
