"""Collecting: the evidence that a look needs, asked of models, pods and gateways.

A source that fails is a `SourceFailure`, never an exception: one metric's outage must not keep the others, or the
deadlines, from being looked at.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import httpx

from slipway.analysis import ArmCounts
from slipway.api import SERVICE_PORT, MetricSpec, PodsSource
from slipway.cluster import CONFIG_MAP, ENDPOINT_SLICE, Cluster, ClusterError
from slipway.cluster.endpoints import Endpoint, endpoints
from slipway.controller.observe import Scene
from slipway.metrics import GatewayCounters, Reading, ServiceRef, SourceError, delta, read_pods, snapshot
from slipway.probes import (
    GoldenItem,
    GoldenSet,
    GoldenSetError,
    ProbeError,
    Replay,
    model_ready,
    read_golden_set,
    replay,
    shuffled,
)
from slipway.release import revision_name
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
    trial,
)

READY_TIMEOUT: Final = 2.0
"""Seconds that a model may take to say that it is ready."""

CONCURRENCY: Final = 4
"""Golden items in flight at a time: probing must not starve live traffic."""

REPLAY_SECONDS: Final = 2.0
"""After this long no further part of a batch is begun: a slow model must not keep an edit, or a deadline, waiting."""

REPLAY_PART: Final = 32
"""Golden items that are asked before the clock is looked at again."""

KEPT_CHARACTERS: Final = 4 * 1024 * 1024
"""Text of parsed golden sets that is kept between looks: four of the largest, or hundreds of usual ones."""

SERVICE_NAME: Final = "kubernetes.io/service-name"
"""The label by which the EndpointSlices of a Service are found."""


@dataclass(frozen=True, slots=True)
class _Arm:
    """A revision as evidence is collected from it."""

    revision: Revision
    endpoints: tuple[Endpoint, ...]
    model: str
    ports: Mapping[str, str]
    """Names of the Service's ports by those of the container's. EndpointSlices know only the Service's."""
    port: str | None
    """The Service's port that takes inference requests; the first one where that is not known."""

    @property
    def ready(self) -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint in self.endpoints if endpoint.ready and not endpoint.terminating)


_Version = tuple[str, str, str, str | None]
"""What identifies a golden set that was read: the ConfigMap's uid and version, and the keys of the items and the
schema."""


class Collector:
    """Asks for evidence. Holds no state that matters: parsed golden sets are kept only to save work."""

    def __init__(self, cluster: Cluster, client: httpx.AsyncClient, gateway: GatewayCounters) -> None:
        self._cluster = cluster
        self._client = client
        self._gateway = gateway
        self._golden: OrderedDict[_Version, tuple[GoldenSet, int]] = OrderedDict()

    async def collect(self, scene: Scene, seen: Observation, plan: EvidencePlan) -> Observation:
        """The observation with the evidence that the plan asks for."""
        if not (plan.ask_model or plan.golden or plan.counters):
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
            silent = [request.metric for request in plan.golden] + [metric.name for metric in plan.counters]
            return replace(
                seen,
                revisions={**seen.revisions, judged: unasked},
                evidence=tuple(SourceFailure(metric, message) for metric in silent),
            )
        if plan.ask_model:
            answered = await self._ask(candidate)
            return replace(seen, revisions={**seen.revisions, judged: answered})
        found: list[Evidence] = []
        for request in plan.golden:
            batch = await self._golden_batch(scene, request, candidate, stable)
            if batch is not None:
                found.append(batch)
        if plan.counters and stable is not None:
            found += await self._counters(scene, plan.counters, candidate, stable)
        return replace(seen, evidence=tuple(found))

    async def _arm(self, scene: Scene, revision: Revision) -> _Arm:
        name = revision_name(scene.name, revision.hash)
        slices = await self._cluster.list(ENDPOINT_SLICE, scene.namespace, labels={SERVICE_NAME: name})
        ports = ((scene.services.get(name) or {}).get("spec") or {}).get("ports") or []
        return _Arm(
            revision,
            endpoints(slices),
            scene.releases[revision.hash].spec.release.model.name,
            {str(port.get("targetPort")): str(port.get("name")) for port in ports},
            next((str(port.get("name")) for port in ports if port.get("port") == SERVICE_PORT), None),
        )

    async def _ask(self, arm: _Arm) -> Revision:
        """Whether every ready pod's model answers; the first that does not speaks for all."""
        if not arm.ready:
            return replace(arm.revision, answers=False, answer="no pod's address is known yet")
        for endpoint in arm.ready:
            readiness = await model_ready(self._client, endpoint, port=arm.port, model=arm.model, timeout=READY_TIMEOUT)
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
            answers = await self._replay(batch, request, candidate, stable)
        except (GoldenSetError, ProbeError, ClusterError) as error:
            return SourceFailure(request.metric, str(error))
        if not answers:
            return None
        alone = stable is None
        return GoldenBatch(
            metric=request.metric,
            dataset=golden.digest,
            size=len(items),
            start=start,
            losses=sum(part.candidate_wrong if alone else part.losses for part in answers),
            wins=sum(part.candidate_right if alone else part.wins for part in answers),
            ties_right=0 if alone else sum(part.ties_right for part in answers),
            ties_wrong=0 if alone else sum(part.ties_wrong for part in answers),
            excluded=sum(part.excluded for part in answers),
            examples=tuple(example for part in answers for example in part.examples),
        )

    async def _replay(
        self, batch: Sequence[GoldenItem], request: GoldenRequest, candidate: _Arm, stable: _Arm | None
    ) -> list[Replay]:
        """Answers to the first items of the batch, as many as there is time for. Raises ProbeError when there are none.

        A part of which items are missing was broken off as the operator ends, and does not count: the next look begins
        where the last whole part ended.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + REPLAY_SECONDS
        answers: list[Replay] = []
        for begin in range(0, len(batch), REPLAY_PART):
            part = batch[begin : begin + REPLAY_PART]
            try:
                answer = await replay(
                    self._client,
                    part,
                    candidate=candidate.ready,
                    stable=stable.ready if stable else None,
                    port=candidate.port,
                    candidate_model=candidate.model,
                    stable_model=stable.model if stable else None,
                    output=request.source.output,
                    timeout=request.source.timeout.total_seconds(),
                    concurrency=CONCURRENCY,
                )
            except ProbeError:
                if not answers:
                    raise
                break  # the next look begins with this part, and has the failure to itself
            if answer.candidate_right + answer.candidate_wrong + answer.excluded < len(part):
                break
            answers.append(answer)
            if loop.time() >= ends:
                break
        return answers

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
        version = (found["metadata"]["uid"], found["metadata"]["resourceVersion"], keys.key, keys.schema_key)
        if version not in self._golden:
            # A large set takes a second to read, in which nothing else would be looked at.
            golden = await asyncio.to_thread(
                read_golden_set,
                data[keys.key],
                schema=data[keys.schema_key] if keys.schema_key else None,
                where=f"{field}: ConfigMap {scene.namespace}/{keys.name}, key {keys.key}",
            )
            self._keep(version, golden, len(data[keys.key]))
            return golden
        self._golden.move_to_end(version)
        return self._golden[version][0]

    def _keep(self, version: _Version, golden: GoldenSet, characters: int) -> None:
        """Remember a golden set, and forget those that have not been asked for longest."""
        self._golden[version] = (golden, characters)
        while sum(size for _, size in self._golden.values()) > KEPT_CHARACTERS:
            self._golden.popitem(last=False)

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
            return {
                role: await self._of_pods(role, arm, metric.pods) if _has_pods(role, arm) else ()
                for role, arm in arms.items()
            }
        services = {
            str(role): ServiceRef(
                namespace=scene.namespace,
                name=revision_name(scene.name, arm.revision.hash),
                port=SERVICE_PORT,
                route=scene.route_name,
            )
            for role, arm in arms.items()
        }
        return await self._gateway.read(services)

    async def _of_pods(self, role: Role, arm: _Arm, source: PodsSource) -> tuple[Reading, ...]:
        return await read_pods(self._client, role, arm.endpoints, _by_service_port(source, arm))


def _has_pods(role: Role, arm: _Arm) -> bool:
    """A stable release without ready pods counts nothing, and that is no outage of a source: its capacity was shifted
    to the candidate, or it is sick, and neither may keep a healthy candidate from being judged."""
    return role is not Role.STABLE or arm.revision.fleet.ready > 0


def _by_service_port(source: PodsSource, arm: _Arm) -> PodsSource:
    """The source with its port under the name that EndpointSlices know it by."""
    port = arm.port if source.port is None else arm.ports.get(source.port, source.port)
    return source.model_copy(update={"port": port})
