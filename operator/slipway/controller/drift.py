"""Reading what is watched of the stable release between rollouts: distributions, and answers to a golden set."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import httpx

from slipway.api import SERVICE_PORT, PodsDistribution, PrometheusDistribution
from slipway.cluster import Cluster, ClusterError
from slipway.controller.arm import Arm
from slipway.controller.golden import GoldenSets, replay_ends
from slipway.controller.observe import Scene
from slipway.controller.secrets import credentials
from slipway.metrics import (
    BinReading,
    Distribution,
    PodPage,
    Prometheus,
    ServiceRef,
    SourceError,
    bins_of,
    grown,
    read_pod_distributions,
    read_prometheus_distribution,
    remembered,
)
from slipway.outside import Outside
from slipway.release import revision_name
from slipway.rollout import (
    GOLDEN_ID,
    DistributionRequest,
    DistributionWindow,
    DriftLook,
    DriftPlan,
    Evidence,
    GoldenBatch,
    SignalFailure,
    SignalId,
    SourceFailure,
)

ARM: Final = "stable"
"""What the pods' readings are named after."""

Read = Mapping[SignalId, tuple[BinReading, ...] | SignalFailure]


class DriftSources:
    """Asks the stable release's pods, and servers that have. Holds nothing between looks: cursors are in the record."""

    def __init__(self, cluster: Cluster, client: httpx.AsyncClient, outside: Outside, golden: GoldenSets) -> None:
        self._cluster = cluster
        self._client = client
        self._outside = outside
        self._golden = golden

    async def look(self, scene: Scene, plan: DriftPlan, stable: Arm) -> DriftLook:
        """What was counted since the last look, and answers to the next items of the golden set.

        The replayed items are requests to the model too. The pods are read before them and after: what they counted in
        between, some live requests with it, counts for nothing.
        """
        before = await self._read_all(scene, plan, stable)
        windows = [_window(one, before[one.id]) for one in plan.distributions]
        if plan.golden is None:
            return DriftLook(plan.revision, tuple(windows))
        batch = await self._golden.batch(scene, plan.golden, stable, None, until=replay_ends())
        after = await self._read_all(scene, plan, stable)
        return DriftLook(
            plan.revision,
            tuple(_skipped(window, after[window.id]) for window in windows),
            _answers(batch),
        )

    async def _read_all(self, scene: Scene, plan: DriftPlan, stable: Arm) -> Read:
        """All distributions at once: pages of pods one by one, each for all signals that it shows."""
        pages: dict[PodPage, list[DistributionRequest]] = {}
        asked = []
        for one in plan.distributions:
            pods = one.signal.pods
            if pods is not None:
                pages.setdefault(PodPage(stable.service_port(pods.port), pods.path), []).append(one)
            elif one.signal.prometheus is not None:
                asked.append(self._of_prometheus(scene, one, one.signal.prometheus, stable))
        asked += [self._of_pods(page, wanted, stable) for page, wanted in pages.items()]
        found: dict[SignalId, tuple[BinReading, ...] | SignalFailure] = {}
        for part in await asyncio.gather(*asked):
            found |= part
        return found

    async def _of_pods(self, page: PodPage, wanted: Sequence[DistributionRequest], stable: Arm) -> Read:
        named = {str(one.id): _distribution(one, one.signal.distribution, "pods") for one in wanted}
        try:
            found = await read_pod_distributions(self._client, ARM, stable.endpoints, page, named)
        except SourceError as error:
            return {one.id: SignalFailure(one.id, _told(one, error)) for one in wanted}
        return {one.id: found[str(one.id)] for one in wanted}

    async def _of_prometheus(
        self, scene: Scene, wanted: DistributionRequest, source: PrometheusDistribution, stable: Arm
    ) -> Read:
        service = ServiceRef(
            namespace=scene.namespace,
            name=revision_name(scene.name, stable.revision.hash),
            port=SERVICE_PORT,
            route=scene.route_name,
        )
        try:
            prometheus = Prometheus(
                outside=self._outside,
                url=source.url,
                namespace=scene.namespace,
                credentials=await credentials(
                    self._cluster, scene.namespace, source.auth, f"{wanted.field}.prometheus.auth"
                ),
                namespace_label=source.namespace_label,
                pod_label=source.pod_label,
            )
            asked = _distribution(wanted, source, "prometheus")
            return {wanted.id: await read_prometheus_distribution(prometheus, ARM, service, asked)}
        except (SourceError, ClusterError) as error:
            return {wanted.id: SignalFailure(wanted.id, _told(wanted, error))}


def unread(plan: DriftPlan, message: str) -> DriftLook:
    """A look at which nothing could be asked."""
    failures = tuple(SignalFailure(one.id, message) for one in plan.distributions)
    return DriftLook(plan.revision, failures, SignalFailure(GOLDEN_ID, message) if plan.golden is not None else None)


def _distribution(
    wanted: DistributionRequest, source: PodsDistribution | PrometheusDistribution, name: str
) -> Distribution:
    part = "histogram" if source.counter is None else "counter"
    return Distribution(source.counter or source.histogram or "", source.label, f"{wanted.field}.{name}.{part}")


def _window(
    wanted: DistributionRequest, found: tuple[BinReading, ...] | SignalFailure
) -> DistributionWindow | SignalFailure:
    """What is new since the cursor."""
    if isinstance(found, SignalFailure):
        return found
    status = wanted.status
    try:
        known = tuple(status.bins or ())
        bins = known if status.recorded is not None else bins_of(known, found)
        return DistributionWindow(
            wanted.id, bins, grown(status.counters, found, bins), remembered(status.counters, found, bins)
        )
    except SourceError as error:
        return SignalFailure(wanted.id, _told(wanted, error))


def _skipped(
    window: DistributionWindow | SignalFailure, after: tuple[BinReading, ...] | SignalFailure
) -> DistributionWindow | SignalFailure:
    """The window with a later cursor. Where that cannot be had, the next one counts a few replayed items: no matter."""
    if isinstance(window, SignalFailure) or isinstance(after, SignalFailure):
        return window
    try:
        return replace(window, counters=remembered(window.counters, after, window.bins))
    except SourceError:
        return window


def _answers(batch: Evidence | None) -> GoldenBatch | SignalFailure:
    if isinstance(batch, GoldenBatch):
        return batch
    told = batch.message if isinstance(batch, SourceFailure) else "no item was answered in time"
    return SignalFailure(GOLDEN_ID, told)


def _told(wanted: DistributionRequest, error: Exception) -> str:
    """What is wrong, and in which field where it is one of the user's."""
    text = str(error)
    return text if text.startswith("spec.") else f"{wanted.field}: {text}"
