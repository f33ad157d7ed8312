"""Collecting: the evidence that a look needs, asked of models, pods and gateways.

A source that fails is a `SourceFailure`, never an exception: one metric's outage must not keep the others, or the
deadlines, from being looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Final

import httpx

from slipway.api import SERVICE_PORT, GoldenSetSource, MetricSpec, ReleaseSpec
from slipway.cluster import ENDPOINT_SLICE, Cluster, ClusterError
from slipway.cluster.endpoints import endpoints
from slipway.controller.arm import Arm
from slipway.controller.drift import DriftSources, unread
from slipway.controller.golden import GoldenSets, replay_ends
from slipway.controller.job_sources import JobSources
from slipway.controller.jobs import Jobs
from slipway.controller.labels import Labels
from slipway.controller.live import LiveSources
from slipway.controller.observe import Scene
from slipway.controller.readiness import whether_ready
from slipway.controller.tracing import span
from slipway.controller.warming import WarmUps
from slipway.feedback import Ledger
from slipway.metrics import SelectorError, SourceError
from slipway.outside import Egress, Outside
from slipway.release import asked_protocol, revision_name
from slipway.rollout import Evidence, EvidencePlan, Observation, Revision, SourceFailure, drift_plan, roles, trial
from slipway.workload import model_ports

SERVICE_NAME: Final = "kubernetes.io/service-name"
"""The label by which the EndpointSlices of a Service are found."""


class Collector:
    """Asks for evidence. Holds no state that matters."""

    def __init__(
        self,
        cluster: Cluster,
        client: httpx.AsyncClient,
        *,
        gateway_metrics: Sequence[str] = (),
        egress: Egress | None = None,
        ledger: Ledger | None = None,
        image: str | None = None,
    ) -> None:
        """`gateway_metrics` are the addresses of the metrics pages of the gateway's replicas, `egress` says what users
        may have the operator reach, `ledger` holds the reports where feedback is taken, and `image` is the operator's
        own, for Jobs."""
        outside = Outside(egress or Egress())
        self._cluster = cluster
        self._client = client
        self._golden = GoldenSets(cluster, client, outside)
        self._warm_ups = WarmUps(client, self._golden)
        self._jobs = JobSources(Jobs(cluster), image, outside.egress)
        self._live = LiveSources(cluster, client, outside, gateway_metrics, Labels(ledger))
        self._drift = DriftSources(cluster, client, outside, self._golden)

    async def collect(self, scene: Scene, seen: Observation, plan: EvidencePlan) -> Observation:
        """The observation with the evidence that the plan asks for."""
        await self._jobs.tidy(scene, seen)
        if not (plan.ask_model or plan.golden or plan.counters or plan.jobs):
            return seen
        judged, compared = trial(seen)
        if judged is None:
            return seen
        try:
            candidate = await self._arm(scene, seen.revisions[judged])
            stable = await self._arm(scene, seen.revisions[compared]) if compared else None
        except ClusterError as error:
            message = f"the addresses of pods are not known: {error}"
            unasked = replace(seen.revisions[judged], answers=False if plan.ask_model else None, answer=message)
            silent = [request.metric for request in plan.golden]
            silent += [metric.name for metric in (*plan.counters, *plan.jobs)]
            return replace(
                seen,
                revisions={**seen.revisions, judged: unasked},
                evidence=tuple(SourceFailure(metric, message) for metric in silent),
            )
        if plan.ask_model:
            with span("ask the model"):
                answered = await whether_ready(self._client, candidate)
            if answered.answers:
                with span("warm up"):
                    answered = replace(answered, cold=await self._warm_ups.look(scene, seen, candidate))
            return replace(seen, revisions={**seen.revisions, judged: answered})
        # All at once: however many servers are slow, a deadline waits for the slowest alone.
        async with asyncio.TaskGroup() as group:
            windows = [
                group.create_task(self._window(scene, metric, candidate, stable, seen.now))
                for metric in plan.counters
                if stable is not None
            ]
            found = await self._replayed(scene, plan, candidate, stable)
            for metric in plan.jobs:
                with _measuring(metric.name, "job"):
                    found.append(await self._jobs.measure(scene, metric, candidate, stable))
        return replace(seen, evidence=(*found, *(window.result() for window in windows)))

    async def _replayed(self, scene: Scene, plan: EvidencePlan, candidate: Arm, stable: Arm | None) -> list[Evidence]:
        """Answers to golden sets: of those that the operator replays itself as many as there is time for, and the next
        look begins with the others."""
        found: list[Evidence] = []
        until, begun = replay_ends(), False
        for request in plan.golden:
            source = request.source
            if isinstance(source, GoldenSetSource) and source.in_job:
                with _measuring(request.metric, "goldenSet"):
                    found.append(await self._jobs.batch(scene, request, source, candidate, stable))
                continue
            if begun and asyncio.get_running_loop().time() >= until:
                continue
            begun = True
            with _measuring(request.metric, "goldenSet" if request.labelled else "agreement"):
                batch = await self._golden.batch(scene, request, candidate, stable, until=until)
            if batch is not None:
                found.append(batch)
        return found

    async def watch(self, scene: Scene, seen: Observation) -> Observation:
        """The observation with what is due of the watch over the stable release."""
        plan = drift_plan(seen, roles(seen))
        if plan is None:
            return seen
        try:
            with span("look for drift"):
                look = await self._drift.look(scene, plan, await self._arm(scene, seen.revisions[plan.revision]))
        except ClusterError as error:
            look = unread(plan, f"the addresses of pods are not known: {error}")
        return replace(seen, drift_look=look)

    async def _arm(self, scene: Scene, revision: Revision) -> Arm:
        name = revision_name(scene.name, revision.hash)
        release, runtime = scene.release(revision.hash), scene.releases[revision.hash].spec.runtime
        slices = await self._cluster.list(ENDPOINT_SLICE, scene.namespace, labels={SERVICE_NAME: name})
        ports = ((scene.services.get(name) or {}).get("spec") or {}).get("ports") or []
        names = {str(port.get("targetPort")): str(port.get("name")) for port in ports}
        return Arm(
            revision,
            endpoints(slices),
            release.model.name,
            asked_protocol(release),
            names,
            next((str(port.get("name")) for port in ports if port.get("port") == SERVICE_PORT), None),
            release.schemas,
            names.get(model_ports(release)[0].name) if release.transformer is not None else None,
            _also(release),
            runtime.metrics.preset if runtime is not None and runtime.metrics is not None else None,
        )

    async def _window(self, scene: Scene, metric: MetricSpec, candidate: Arm, stable: Arm, now: datetime) -> Evidence:
        try:
            with _measuring(metric.name, _source(metric)):
                return await self._live.window(scene, metric, candidate, stable, now)
        except (SourceError, ClusterError) as error:
            return SourceFailure(metric.name, _told(metric, error))


def _also(release: ReleaseSpec) -> tuple[str, ...]:
    """The models that the server of a release offers beside the main one: what it says, and its adapters."""
    adapters = (adapter.name for adapter in release.adapters or ())
    return tuple(name for name in (*(release.model.also_serves or ()), *adapters) if name != release.model.name)


def _measuring(metric: str, source: str) -> AbstractContextManager[None]:
    return span("measure", metric=metric, source=source)


def _source(metric: MetricSpec) -> str:
    """Which of the live sources a metric has."""
    return next((name for name in ("pods", "prometheus", "web", "feedback") if getattr(metric, name)), "gateway")


def _told(metric: MetricSpec, error: Exception) -> str:
    """What is wrong, and in which field where it is one of the user's."""
    text, place = str(error), f"spec.analysis.metrics[{metric.name}]"
    if text.startswith("spec."):
        return text
    if isinstance(error, SelectorError) or metric.prometheus is not None:
        return f"{place}.{text}"
    return f"{place}.web: {text}" if metric.web is not None else text
