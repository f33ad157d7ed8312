"""Golden sets as evidence: where they are read, and the part of one that a look replays."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

import httpx

from slipway.analysis import ItemScores
from slipway.api import GoldenSetSource, MatchSpec
from slipway.cluster import Cluster, ClusterError
from slipway.controller.arm import Arm, ProtocolError, protocol_of
from slipway.controller.dataset import Datasets
from slipway.controller.grouping import (
    counted,
    group_counts,
    group_outcomes,
    group_sizes,
    label_named,
    positive_label,
    without_group,
)
from slipway.controller.observe import Scene
from slipway.outside import Outside
from slipway.probes import (
    Asked,
    GoldenItem,
    GoldenSet,
    GoldenSetError,
    InferenceProtocol,
    Match,
    Pace,
    ProbeError,
    Reason,
    Replay,
    Scalar,
    agreement,
    balanced,
    balanced_scores,
    embedding_within,
    exact,
    f1_cells,
    loss_scores,
    replay,
    same_text,
    shuffled,
    within,
)
from slipway.rollout import Durations, Evidence, GoldenBatch, GoldenRequest, SourceFailure

CONCURRENCY: Final = 4
"""Golden items in flight at a time, over all pods: probing must not starve live traffic."""

REPLAY_SECONDS: Final = 2.0
"""After this long into a look no further item is begun, of whichever golden set: a slow model must not keep an edit, or
a deadline, or the other ModelDeployments, waiting."""

REPLAY_PART: Final = 32
"""Golden items that an outage has to fill before the next ones are asked: fewer of them may be bad items."""

ANSWER_SECONDS: Final = 20.0
"""Longest wait for one answer, whatever timeout a metric has: the last item that a look begins waits for one of each
arm, so that a look ends within a minute. What takes longer is for a Job to ask."""

KEPT: Final = 256
"""Parts in which nothing was heard so far that are remembered; the ones that were asked longest ago are forgotten."""


def replay_ends() -> float:
    """The moment, of the event loop's clock, after which a look that starts its replays now begins no further item."""
    return asyncio.get_running_loop().time() + REPLAY_SECONDS


class GoldenSets:
    """Replays golden sets. Holds no state that matters: what is forgotten is asked again."""

    def __init__(self, cluster: Cluster, client: httpx.AsyncClient, outside: Outside) -> None:
        self._client = client
        self._datasets = Datasets(cluster, outside)
        self._unheard: OrderedDict[Hashable, Replay] = OrderedDict()

    async def read(
        self, scene: Scene, request: GoldenRequest, protocol: InferenceProtocol, requests: str | None
    ) -> GoldenSet:
        """A whole golden set. Raises GoldenSetError and ClusterError."""
        return await self._datasets.read(scene.namespace, request, protocol, requests=requests)

    async def batch(
        self, scene: Scene, request: GoldenRequest, candidate: Arm, stable: Arm | None, *, until: float
    ) -> Evidence | None:
        """Answers to the next items, to a few at least, and otherwise to those that are begun `until` then, a moment of
        the event loop's clock; None when there are none left."""
        try:
            protocol = common_protocol(request, candidate, stable)
            candidate, stable = asked_for(request, candidate, stable)
            requests = candidate.schemas.input if candidate.schemas is not None else None
            golden = await self._datasets.read(scene.namespace, request, protocol, requests=requests)
            start = request.start if request.dataset == golden.digest else 0
            uid = str(scene.revisions[candidate.revision.hash]["metadata"]["uid"])
            items = shuffled(golden, uid)
            labelled = request.source if isinstance(request.source, GoldenSetSource) else None
            slices = labelled.slices or () if labelled is not None else ()
            sizes = group_sizes(items, slices, where=f"{request.field}.slices")
            fairness = labelled.fairness if labelled is not None else None
            positive = positive_label(items, fairness, where=f"{request.field}.fairness") if fairness else None
            label = _f1_label(labelled, items, where=f"{request.field}.positive")
            batch = items[start : start + request.limit]
            if not batch:
                return None
            of_it = _Batch(batch, start, (golden.digest, *_question(uid, request, candidate, stable)))
            answers = await self._replay(of_it, request, protocol, candidate, stable, until=until)
        except (GoldenSetError, ProbeError, ProtocolError, ClusterError) as error:
            return SourceFailure(request.metric, str(error))
        if not answers:
            return None
        asked = [one for part in answers for one in part.items]
        if not request.labelled:
            return _compared(request, golden, len(items), start, answers)
        counts = counted(Counter(one.outcome for one in asked))
        return GoldenBatch(
            metric=request.metric,
            dataset=golden.digest,
            size=len(items),
            start=start,
            losses=counts.losses,
            wins=counts.wins,
            ties_right=counts.ties_right,
            ties_wrong=counts.ties_wrong,
            excluded=counts.excluded,
            examples=tuple(example for part in answers for example in part.examples),
            left_out="; ".join(
                filter(None, (left_out(golden.rejected, len(items)), without_group(len(items), sizes, slices)))
            ),
            groups=group_counts(sizes, asked),
            outcomes=group_outcomes(items, asked, fairness, positive) if fairness and positive is not None else (),
            durations=_durations(answers),
            cells=f1_cells(asked, label) if label is not None else None,
            **_scores(labelled, items, asked),
        )

    async def _replay(
        self,
        batch: _Batch,
        request: GoldenRequest,
        protocol: InferenceProtocol,
        candidate: Arm,
        stable: Arm | None,
        *,
        until: float,
    ) -> list[Replay]:
        """Answers to the first items of the batch, as many as there is time for. Raises ProbeError when there are none.

        A part of which items that were begun are missing was broken off as the operator ends, and does not count: the
        next look begins where the last whole part ended. A part of which nothing was heard before time was over goes on
        in the next look: it is an outage only where all of it is silent.
        """
        pace = Pace(items_per_second(request, candidate, stable) * (1 if stable is None else 2))
        answers: list[Replay] = []
        for begin in range(0, len(batch.items), REPLAY_PART):
            part, key = batch.items[begin : begin + REPLAY_PART], (batch.series, batch.start + begin)
            try:
                answer = await replay(
                    self._client,
                    part,
                    candidate=candidate.ready,
                    stable=stable.ready if stable else None,
                    port=candidate.port,
                    candidate_model=candidate.model,
                    stable_model=stable.model if stable else None,
                    timeout=min(request.source.timeout.total_seconds(), ANSWER_SECONDS),
                    concurrency=CONCURRENCY,
                    protocol=protocol,
                    match=match_of(request.source.match),
                    answers=candidate.answers,
                    stable_answers=stable.answers if stable else None,
                    pace=pace,
                    position=batch.start + begin,
                    until=until,
                    before=self._unheard.pop(key, None),
                )
            except ProbeError as error:
                self._keep(key, error.unheard)
                if not answers:
                    raise
                break  # the next look begins with this part, and has the failure to itself
            if len(answer.items) < answer.begun:
                break
            answers.append(answer)
            if answer.begun < len(part) or asyncio.get_running_loop().time() >= until:
                break
        return answers

    def _keep(self, key: Hashable, unheard: Replay | None) -> None:
        if unheard is not None:
            self._unheard[key] = unheard
        while len(self._unheard) > KEPT:
            self._unheard.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Items of a golden set from ``start`` on."""

    items: Sequence[GoldenItem]
    start: int
    series: Hashable
    """The set and the question that it is asked for: only answers of one series count together."""


def _question(uid: str, request: GoldenRequest, candidate: Arm, stable: Arm | None) -> tuple[Hashable, ...]:
    """What answers belong together by: the attempt of a release that is asked, what it is compared with, and how."""
    against = stable.revision.hash if stable is not None else None
    return uid, candidate.revision.record.attempt, against, request.field, request.source.model_dump_json()


class _Scores(TypedDict, total=False):
    scores: tuple[ItemScores | None, ...]
    scale: float


def _scores(source: GoldenSetSource | None, items: Sequence[GoldenItem], asked: Sequence[Asked]) -> _Scores:
    """What the items score, where more than right and wrong is asked for."""
    if source is None or source.measure in {"Accuracy", "F1"}:
        return {}
    if source.measure == "BalancedAccuracy":
        weights, scale = balanced(items)
        return {"scores": balanced_scores(asked, weights), "scale": scale}
    return {"scores": loss_scores(asked, source.measure, source.scale)}


def _f1_label(source: GoldenSetSource | None, items: Sequence[GoldenItem], *, where: str) -> Scalar | None:
    """The label that F1 is of, where that is asked for. Raises GoldenSetError for one that no item has."""
    return label_named(items, source.positive, where=where) if source is not None and source.positive else None


def _compared(
    request: GoldenRequest, golden: GoldenSet, size: int, start: int, answers: Sequence[Replay]
) -> GoldenBatch:
    """How often the arms answered alike."""
    found = agreement((one for part in answers for one in part.items), match_of(request.source.match))
    return GoldenBatch(
        metric=request.metric,
        dataset=golden.digest,
        size=size,
        start=start,
        losses=found.otherwise,
        ties_right=found.alike,
        excluded=found.excluded,
        examples=found.examples,
        left_out=left_out(golden.rejected, size),
        durations=_durations(answers),
    )


def items_per_second(request: GoldenRequest, candidate: Arm, stable: Arm | None) -> int:
    """Items a second at the most. Each item is one request to each arm, which its pods take in turns, so the arm with
    fewer pods sets the pace."""
    arms = [arm for arm in (candidate, stable) if arm is not None]
    return request.source.max_requests_per_second * max(1, min(len(arm.ready) for arm in arms))


def _durations(answers: Sequence[Replay]) -> Durations:
    """How long the whole answers took, good or bad; what never came is no duration."""
    asked = [one for part in answers for one in part.items]
    return Durations(
        candidate=tuple(one.candidate.seconds for one in asked if one.candidate.seconds is not None),
        stable=tuple(one.stable.seconds for one in asked if one.stable is not None and one.stable.seconds is not None),
        replay=sum(part.seconds for part in answers),
    )


def common_protocol(request: GoldenRequest, candidate: Arm, stable: Arm | None) -> InferenceProtocol:
    """How both arms are asked: the inputs of a golden set are those of one protocol."""
    asked = protocol_of(candidate.protocol, output=request.source.output)
    if stable is not None and protocol_of(stable.protocol, output=request.source.output) != asked:
        raise ProbeError(
            "the candidate speaks another protocol than stable, and the inputs of a golden set are those of one: "
            "roll the change of spec.release.protocol out without this metric"
        )
    return asked


def asked_for(request: GoldenRequest, candidate: Arm, stable: Arm | None) -> tuple[Arm, Arm | None]:
    """Both arms, asked for the model that a golden set is of. Raises ProtocolError."""
    model = request.source.model if isinstance(request.source, GoldenSetSource) else None
    return candidate.asked_for(model), stable.asked_for(model) if stable is not None else None


def match_of(spec: MatchSpec | None) -> Match:
    """When a prediction is right."""
    if spec is None:
        return exact
    if spec.within is not None:
        return within(absolute=spec.within.absolute or 0.0, relative=spec.within.relative or 0.0)
    return embedding_within(spec.embedding.max_distance) if spec.embedding is not None else same_text


def left_out(rejected: Mapping[Reason, int], kept: int) -> str:
    """What was rejected when the set was read."""
    count = sum(rejected.values())
    if not count:
        return ""
    reasons = ", ".join(f"{number} {reason}" for reason, number in rejected.items())
    return f"{count} of {count + kept} items are bad and left out: {reasons}"
