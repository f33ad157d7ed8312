"""Collecting: the evidence that a look needs, asked of models, pods and gateways.

A source that fails is a `SourceFailure`, never an exception: one metric's outage must not keep the others, or the
deadlines, from being looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import httpx

from slipway.analysis import ArmCounts
from slipway.api import LABEL_MODEL_DEPLOYMENT, LABEL_REVISION, MetricSpec
from slipway.cluster import CONFIG_MAP, ENDPOINT_SLICE, Cluster, ClusterError
from slipway.cluster.endpoints import Endpoint, endpoints
from slipway.controller.observe import Scene
from slipway.metrics import GatewayCounters, Reading, ServiceRef, SourceError, delta, read_pods, snapshot
from slipway.probes import GoldenSet, GoldenSetError, ProbeError, model_ready, read_golden_set, replay, shuffled
from slipway.release import revision_name, short_hash
from slipway.rollout import (
    CounterWindow,
    Evidence,
    EvidencePlan,
    GoldenBatch,
    GoldenRequest,
    Observation,
    Revision,
    Role,
    SourceFailure,
    record_of,
    roles,
)
from slipway.workload import named_ports

READY_TIMEOUT: Final = 2.0
"""Seconds that a model may take to say that it is ready."""

CONCURRENCY: Final = 4
"""Golden items in flight at a time: probing must not starve live traffic."""

SERVICE_PORT: Final = 80

_KEPT_GOLDEN_SETS: Final = 32


@dataclass(frozen=True, slots=True)
class _Arm:
    """A revision as evidence is collected from it."""

    revision: Revision
    endpoints: tuple[Endpoint, ...]
    model: str
    port: str

    @property
    def ready(self) -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint in self.endpoints if endpoint.ready and not endpoint.terminating)


class Collector:
    """Asks for evidence. Holds no state that matters: parsed golden sets are kept only to save work."""

    def __init__(self, cluster: Cluster, client: httpx.AsyncClient, gateway: GatewayCounters) -> None:
        self._cluster = cluster
        self._client = client
        self._gateway = gateway
        self._golden: dict[tuple[str, str, str], GoldenSet] = {}

    async def collect(self, scene: Scene, seen: Observation, plan: EvidencePlan) -> Observation:
        """The observation with the evidence that the plan asks for."""
        if not (plan.ask_model or plan.golden or plan.counters):
            return seen
        who = roles(seen)
        if who.candidate is None:
            return seen
        candidate = await self._arm(scene, seen.revisions[who.candidate])
        if plan.ask_model:
            answered = await self._ask(candidate)
            return replace(seen, revisions={**seen.revisions, who.candidate: answered})
        stable = await self._arm(scene, seen.revisions[who.stable]) if who.stable else None
        found: list[Evidence] = []
        for request in plan.golden:
            batch = await self._golden_batch(scene, request, candidate, stable)
            if batch is not None:
                found.append(batch)
        if plan.counters and stable is not None:
            found += await self._counters(scene, plan.counters, candidate, stable)
        return replace(seen, evidence=tuple(found))

    async def _arm(self, scene: Scene, revision: Revision) -> _Arm:
        labels = {LABEL_MODEL_DEPLOYMENT: scene.name, LABEL_REVISION: short_hash(revision.hash)}
        slices = await self._cluster.list(ENDPOINT_SLICE, scene.namespace, labels=labels)
        release = scene.releases[revision.hash].spec.release
        return _Arm(revision, endpoints(slices), release.model.name, named_ports(release)[0].name)

    async def _ask(self, arm: _Arm) -> Revision:
        """Whether every ready pod's model answers; the first that does not speaks for all."""
        if not arm.ready:
            return replace(arm.revision, answers=False, answer="no pod's address is known yet")
        for endpoint in arm.ready:
            readiness = await model_ready(self._client, endpoint, port=None, model=arm.model, timeout=READY_TIMEOUT)
            if not readiness.ready:
                return replace(arm.revision, answers=False, answer=readiness.message)
        return replace(arm.revision, answers=True)

    # --- golden sets ------------------------------------------------------------------------------------------------

    async def _golden_batch(
        self, scene: Scene, request: GoldenRequest, candidate: _Arm, stable: _Arm | None
    ) -> Evidence | None:
        try:
            golden = await self._golden_set(scene, request)
            start = request.start if request.dataset == golden.digest else 0
            items = shuffled(golden, str(scene.revisions[candidate.revision.hash]["metadata"]["uid"]))
            batch = items[start : start + request.limit]
            if not batch:
                return None
            answers = await replay(
                self._client,
                batch,
                candidate=candidate.ready,
                stable=stable.ready if stable else None,
                port=None,
                candidate_model=candidate.model,
                stable_model=stable.model if stable else None,
                output=request.source.output,
                timeout=request.source.timeout.total_seconds(),
                concurrency=CONCURRENCY,
            )
        except (GoldenSetError, ProbeError, ClusterError) as error:
            return SourceFailure(request.metric, str(error))
        if stable is None:
            wins, ties_right, losses, ties_wrong = answers.candidate_right, 0, answers.candidate_wrong, 0
        else:
            wins, ties_right, losses, ties_wrong = answers.wins, answers.ties_right, answers.losses, answers.ties_wrong
        return GoldenBatch(
            metric=request.metric,
            dataset=golden.digest,
            size=len(items),
            start=start,
            losses=losses,
            wins=wins,
            ties_right=ties_right,
            ties_wrong=ties_wrong,
            excluded=answers.excluded,
            examples=answers.examples,
        )

    async def _golden_set(self, scene: Scene, request: GoldenRequest) -> GoldenSet:
        keys = request.source.config_map
        field = f"spec.analysis.metrics[{request.metric}].goldenSet.configMap"
        found = await self._cluster.get(CONFIG_MAP, scene.namespace, keys.name)
        if found is None:
            raise GoldenSetError(f"{field}: ConfigMap {scene.namespace}/{keys.name} does not exist: create it")
        data: Mapping[str, str] = found.get("data") or {}
        for name, key in (("key", keys.key), ("schemaKey", keys.schema_key)):
            if key is not None and key not in data:
                known = ", ".join(sorted(data)) or "no key"
                raise GoldenSetError(
                    f"{field}.{name}: ConfigMap {scene.namespace}/{keys.name} has no key {key!r} (it has {known})"
                )
        cached = (str(found["metadata"]["uid"]), str(found["metadata"]["resourceVersion"]), keys.key)
        if cached not in self._golden:
            golden = read_golden_set(
                data[keys.key],
                schema=data[keys.schema_key] if keys.schema_key else None,
                where=f"ConfigMap {scene.namespace}/{keys.name}, key {keys.key}",
            )
            while len(self._golden) >= _KEPT_GOLDEN_SETS:
                self._golden.pop(next(iter(self._golden)))
            self._golden[cached] = golden
        return self._golden[cached]

    # --- counters ---------------------------------------------------------------------------------------------------

    async def _counters(
        self, scene: Scene, metrics: Sequence[MetricSpec], candidate: _Arm, stable: _Arm
    ) -> list[Evidence]:
        found: list[Evidence] = []
        for metric in metrics:
            try:
                readings = await self._read(scene, metric, candidate, stable)
            except (SourceError, ClusterError) as error:
                found.append(SourceFailure(metric.name, str(error)))
                continue
            status = record_of(candidate.revision.record, metric.name)
            before = tuple(status.counters or ()) if status is not None else ()
            arms = {arm: ArmCounts(*delta(before, counts)) if before else None for arm, counts in readings.items()}
            found.append(
                CounterWindow(
                    metric=metric.name,
                    candidate=arms[Role.CANDIDATE],
                    stable=arms[Role.STABLE],
                    counters=snapshot(before, [reading for arm in readings.values() for reading in arm]),
                )
            )
        return found

    async def _read(
        self, scene: Scene, metric: MetricSpec, candidate: _Arm, stable: _Arm
    ) -> Mapping[str, tuple[Reading, ...]]:
        arms = {Role.CANDIDATE: candidate, Role.STABLE: stable}
        if metric.pods is not None:
            return {role: await read_pods(self._client, role, arm.endpoints, metric.pods) for role, arm in arms.items()}
        services = {
            str(role): ServiceRef(
                namespace=scene.namespace,
                name=revision_name(scene.name, arm.revision.hash),
                port=SERVICE_PORT,
                route=scene.name,
            )
            for role, arm in arms.items()
        }
        return await self._gateway.read(services)
