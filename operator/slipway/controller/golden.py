"""Golden sets as evidence: where they are read, and the part of one that a look replays."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from slipway.cluster import CONFIG_MAP, Cluster, ClusterError
from slipway.controller.arm import Arm
from slipway.controller.observe import Scene
from slipway.probes import (
    GoldenItem,
    GoldenSet,
    GoldenSetError,
    ProbeError,
    Replay,
    read_golden_set,
    replay,
    shuffled,
)
from slipway.rollout import Evidence, GoldenBatch, GoldenRequest, SourceFailure

CONCURRENCY: Final = 4
"""Golden items in flight at a time: probing must not starve live traffic."""

REPLAY_SECONDS: Final = 2.0
"""After this long no further part of a batch is begun: a slow model must not keep an edit, or a deadline, waiting."""

REPLAY_PART: Final = 32
"""Golden items that are asked before the clock is looked at again."""

KEPT_CHARACTERS: Final = 4 * 1024 * 1024
"""Text of parsed golden sets that is kept between looks: four of the largest, or hundreds of usual ones."""

_Version = tuple[str, str, str, str | None]
"""What identifies a golden set that was read: the ConfigMap's uid and version, and the keys of the items and the
schema."""


class GoldenSets:
    """Replays golden sets. Holds no state that matters: parsed ones are kept only to save work."""

    def __init__(self, cluster: Cluster, client: httpx.AsyncClient) -> None:
        self._cluster = cluster
        self._client = client
        self._golden: OrderedDict[_Version, tuple[GoldenSet, int]] = OrderedDict()

    async def batch(self, scene: Scene, request: GoldenRequest, candidate: Arm, stable: Arm | None) -> Evidence | None:
        """Answers to the next items, as many as there is time for; None when there are none left."""
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
        self, batch: Sequence[GoldenItem], request: GoldenRequest, candidate: Arm, stable: Arm | None
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
