"""Golden sets as evidence: where they are read, and the part of one that a look replays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx

from slipway.api import MatchSpec
from slipway.cluster import Cluster, ClusterError
from slipway.controller.arm import Arm, ProtocolError, protocol_of
from slipway.controller.dataset import Datasets
from slipway.controller.observe import Scene
from slipway.outside import Outside
from slipway.probes import (
    GoldenItem,
    GoldenSet,
    GoldenSetError,
    InferenceProtocol,
    Match,
    ProbeError,
    Replay,
    embedding_within,
    exact,
    replay,
    same_text,
    shuffled,
    within,
)
from slipway.rollout import Evidence, GoldenBatch, GoldenRequest, SourceFailure

CONCURRENCY: Final = 4
"""Golden items in flight at a time: probing must not starve live traffic."""

REPLAY_SECONDS: Final = 2.0
"""After this long no further part of a batch is begun: a slow model must not keep an edit, or a deadline, waiting."""

REPLAY_PART: Final = 32
"""Golden items that are asked before the clock is looked at again."""


class GoldenSets:
    """Replays golden sets."""

    def __init__(self, cluster: Cluster, client: httpx.AsyncClient, outside: Outside) -> None:
        self._client = client
        self._datasets = Datasets(cluster, outside)

    async def batch(self, scene: Scene, request: GoldenRequest, candidate: Arm, stable: Arm | None) -> Evidence | None:
        """Answers to the next items, as many as there is time for; None when there are none left."""
        try:
            protocol = _protocol(request, candidate, stable)
            golden = await self._datasets.read(scene.namespace, request, protocol)
            start = request.start if request.dataset == golden.digest else 0
            items = shuffled(golden, str(scene.revisions[candidate.revision.hash]["metadata"]["uid"]))
            batch = items[start : start + request.limit]
            if not batch:
                return None
            answers = await self._replay(batch, request, protocol, candidate, stable)
        except (GoldenSetError, ProbeError, ProtocolError, ClusterError) as error:
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
            left_out=_left_out(golden),
        )

    async def _replay(
        self,
        batch: Sequence[GoldenItem],
        request: GoldenRequest,
        protocol: InferenceProtocol,
        candidate: Arm,
        stable: Arm | None,
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
                    timeout=request.source.timeout.total_seconds(),
                    concurrency=CONCURRENCY,
                    protocol=protocol,
                    match=_match(request.source.match),
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


def _protocol(request: GoldenRequest, candidate: Arm, stable: Arm | None) -> InferenceProtocol:
    """How both arms are asked: the inputs of a golden set are those of one protocol."""
    asked = protocol_of(candidate.protocol, output=request.source.output)
    if stable is not None and protocol_of(stable.protocol, output=request.source.output) != asked:
        raise ProbeError(
            "the candidate speaks another protocol than stable, and the inputs of a golden set are those of one: "
            "roll the change of spec.release.protocol out without this metric"
        )
    return asked


def _match(spec: MatchSpec | None) -> Match:
    if spec is None:
        return exact
    if spec.within is not None:
        return within(absolute=spec.within.absolute or 0.0, relative=spec.within.relative or 0.0)
    return embedding_within(spec.embedding.max_distance) if spec.embedding is not None else same_text


def _left_out(golden: GoldenSet) -> str:
    """What was rejected when the set was read."""
    count = sum(golden.rejected.values())
    if not count:
        return ""
    reasons = ", ".join(f"{number} {reason}" for reason, number in golden.rejected.items())
    return f"{count} of {count + len(golden.items)} items are bad and left out: {reasons}"
