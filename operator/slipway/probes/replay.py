"""The replay of a golden set against one arm or two, item by item, so that the arms are compared on the same questions.

What becomes of an item, with stable and candidate each right, wrong or without a prediction:

====================  ===============  ===============  ==================
stable \\ candidate    right            wrong            no prediction
====================  ===============  ===============  ==================
right                 tie, right       loss             loss
wrong                 win              tie, wrong       tie, wrong
no prediction         win              tie, wrong       excluded
(no stable arm)       right            wrong            wrong
====================  ===============  ===============  ==================

No prediction is a timeout, a refused or broken connection, any status but 2xx, or a body without finite values. Where a
connection is refused or breaks, the item is asked once more, of the arm's next pod and within the same timeout: a pod
that is drained or replaced says nothing of a model, and a small set may not decide without that one item. The arms are
treated alike, as the test assumes that equal arms lose as often as they win. Without a stable arm nothing tells an item
that is at fault from a model that is, and the item counts against the release: leaving it out would raise the accuracy
of a model that refuses what it cannot do.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Final

import httpx

from slipway.cluster.endpoints import Endpoint, UnknownPortError
from slipway.probes.inference import Prediction, predict
from slipway.probes.matching import Match, exact
from slipway.probes.open_inference import OpenInferenceV2
from slipway.probes.pace import Pace
from slipway.probes.protocol import GoldenItem, InferenceProtocol, Scalar
from slipway.probes.schema import BodySchema

MAX_EXAMPLES: Final = 5
"""Most examples that a replay gives."""

_SHOWN_VALUES: Final = 6
_SHOWN_CHARACTERS: Final = 24


class ProbeError(Exception):
    """A replay gave no evidence about any release. The message says what to look at.

    ``unheard`` is what was asked in vain where time was over before all items were begun: four items of which nothing
    was heard say too little of an outage. Given as ``before``, the next replay of the same items goes on after it.
    """

    def __init__(self, message: str, unheard: Replay | None = None) -> None:
        super().__init__(message)
        self.unheard = unheard


class Outcome(StrEnum):
    """What became of an item."""

    LOSS = "loss"
    WIN = "win"
    TIE_RIGHT = "tie, right"
    TIE_WRONG = "tie, wrong"
    EXCLUDED = "excluded"
    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Asked:
    """One item of a replay."""

    item: GoldenItem
    outcome: Outcome
    candidate: Prediction
    stable: Prediction | None
    """None where there is no stable arm."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Counts of items. ``candidate_right + candidate_wrong + excluded`` is the number of items that were asked."""

    losses: int
    """Stable was right and the candidate was not."""
    wins: int
    """The candidate was right and stable was not."""
    ties_right: int
    ties_wrong: int
    excluded: int
    """Neither arm gave a prediction: nothing can be said of the item."""
    candidate_right: int
    candidate_wrong: int
    """Includes items that the candidate alone gave no prediction for."""
    candidate_unanswered: int
    """Those of `candidate_wrong` that the candidate gave no prediction for."""
    examples: tuple[str, ...]
    """A few items that the candidate lost or got wrong, in words, with shortened values."""
    items: tuple[Asked, ...] = ()
    """Every item that was asked, in the order in which the answers were complete: for scores, slices and latency."""
    seconds: float = 0.0
    """How long the replay took; the number of items over it is the throughput."""
    begun: int = 0
    """How many items were begun, from the first one on. More than were asked where the replay was broken off."""


async def replay(
    client: httpx.AsyncClient,
    items: Sequence[GoldenItem],
    *,
    candidate: Sequence[Endpoint],
    stable: Sequence[Endpoint] | None,
    port: str | None,
    candidate_model: str,
    stable_model: str | None,
    output: str | None = None,
    timeout: float,
    concurrency: int = 4,
    protocol: InferenceProtocol | None = None,
    match: Match = exact,
    answers: BodySchema | None = None,
    stable_answers: BodySchema | None = None,
    pace: Pace | None = None,
    position: int = 0,
    until: float | None = None,
    before: Replay | None = None,
) -> Replay:
    """Asks every item of the candidate and, where `stable` is not None, of stable, spread over each arm's ready pods.

    `position` is that of the first item in its set: pods take turns over the whole set. After `until`, a moment of the
    event loop's clock, no further item is begun, but for the first ones that may be in flight. What has begun is asked
    to its end: how long its own answers take never decides whether an item counts. `before` is the part of these items
    that an earlier replay has asked in vain.

    At most `concurrency` requests are in flight, over both arms, and with a `pace` no more a second than that.
    `timeout` is in seconds, for the answer of an arm to an item. A prediction is right when `match` says so; by default
    when all its values equal the expected ones: 1, 1.0 and true are one value, text equals only text, and shapes do not
    matter. Without a `protocol` it is the Open Inference Protocol V2 with the named `output`. An answer of the
    candidate that does not match the schema `answers`, or one of stable that does not match `stable_answers`, is no
    prediction: each arm keeps to what it declares itself.

    Raises ProbeError when there is nothing to ask, no ready candidate pod, no server reached at all, or no item that
    either arm of two predicted.
    """
    used = protocol or OpenInferenceV2(output=output)
    arms = _Arms(
        client,
        _Arm(_ready(candidate), candidate_model, answers),
        None if stable is None else _Arm(_ready(stable), stable_model or candidate_model, stable_answers),
        port,
        used,
        timeout,
        match,
        pace,
    )
    _check_askable(items, arms)
    asked = list(before.items) if before is not None else []
    begin = time.perf_counter()
    begun = await _replay_items(arms, items, asked, position=position, concurrency=concurrency, until=until)
    seconds = time.perf_counter() - begin + (before.seconds if before is not None else 0.0)
    whole = _counted(asked, seconds, begun)
    if (problem := _nothing_heard(asked)) is not None:
        raise ProbeError(problem, whole if len(asked) == begun < len(items) else None)
    return whole


async def _replay_items(
    arms: _Arms,
    items: Sequence[GoldenItem],
    asked: list[Asked],
    *,
    position: int,
    concurrency: int,
    until: float | None,
) -> int:
    """Asks the items that come after those that were asked, and adds them; returns how many of all were begun."""
    loop = asyncio.get_running_loop()
    first = begun = len(asked)

    async def work() -> None:
        nonlocal begun
        while begun < len(items) and (begun - first < concurrency or until is None or loop.time() < until):
            index, begun = begun, begun + 1
            asked.append(await arms.ask(position + index, items[index]))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(items) - first)):
            group.create_task(work())
    return begun


def sliced(whole: Replay, slice_name: str) -> Mapping[str, Replay]:
    """The same counts for each group of one kind, such as for each country: a loss in one group alone is a loss there.

    Items of no group are left out. The groups are sorted by name.
    """
    groups: dict[str, list[Asked]] = {}
    for asked in whole.items:
        group = asked.item.slices.get(slice_name)
        if group is not None:
            groups.setdefault(group, []).append(asked)
    return {group: _counted(groups[group], whole.seconds) for group in sorted(groups)}


@dataclass(frozen=True, slots=True)
class _Arm:
    pods: tuple[Endpoint, ...]
    model: str
    answers: BodySchema | None


@dataclass(frozen=True, slots=True)
class _Arms:
    client: httpx.AsyncClient
    candidate: _Arm
    stable: _Arm | None
    port: str | None
    protocol: InferenceProtocol
    timeout: float
    match: Match
    pace: Pace | None

    async def ask(self, index: int, item: GoldenItem) -> Asked:
        """Both arms, one after the other, in turns first: neither has the advantage of the warmer client."""
        if self.stable is None:
            return self._judged(item, await self._one(self.candidate, index, item), None)
        if index % 2:
            candidate = await self._one(self.candidate, index, item)
            stable = await self._one(self.stable, index, item)
        else:
            stable = await self._one(self.stable, index, item)
            candidate = await self._one(self.candidate, index, item)
        return self._judged(item, candidate, stable)

    def _judged(self, item: GoldenItem, candidate: Prediction, stable: Prediction | None) -> Asked:
        return Asked(item, self._outcome(item, candidate, stable), candidate, stable)

    def _outcome(self, item: GoldenItem, candidate: Prediction, stable: Prediction | None) -> Outcome:
        right = self._right(item, candidate)
        if stable is None:
            return Outcome.RIGHT if right else Outcome.WRONG
        if stable.values is None and candidate.values is None:
            return Outcome.EXCLUDED
        if self._right(item, stable):
            return Outcome.TIE_RIGHT if right else Outcome.LOSS
        return Outcome.WIN if right else Outcome.TIE_WRONG

    def _right(self, item: GoldenItem, prediction: Prediction) -> bool:
        return prediction.values is not None and self.match(item.expected, prediction.values)

    async def _one(self, arm: _Arm, index: int, item: GoldenItem) -> Prediction:
        if not arm.pods:
            return Prediction(None, "has no ready pod", reached=False)
        clock = asyncio.get_running_loop()
        await self._turn()
        until = clock.time() + self.timeout
        first = await self._once(arm, index, item, self.timeout)
        if not first.severed:
            return first
        await self._turn()
        again = await self._once(arm, index + 1, item, max(until - clock.time(), 0.0))
        return first if again.status is None else again

    async def _turn(self) -> None:
        if self.pace is not None:
            await self.pace.turn()

    async def _once(self, arm: _Arm, turn: int, item: GoldenItem, timeout: float) -> Prediction:
        return await predict(
            self.client,
            arm.pods[turn % len(arm.pods)],
            item,
            port=self.port,
            model=arm.model,
            protocol=self.protocol,
            timeout=timeout,
            answers=arm.answers,
        )


def _ready(pods: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(pod for pod in pods if pod.ready and not pod.terminating)


def _check_askable(items: Sequence[GoldenItem], arms: _Arms) -> None:
    if not items:
        raise ProbeError("the golden set has no items left to ask")
    if not arms.candidate.pods:
        raise ProbeError("no pod of the candidate is ready to be asked")
    try:
        for pod in (*arms.candidate.pods, *(arms.stable.pods if arms.stable else ())):
            pod.url(arms.port, "/")
    except UnknownPortError as error:
        raise ProbeError(str(error)) from None


def _nothing_heard(answers: Sequence[Asked]) -> str | None:
    """Why the answers are no evidence, where they are none."""
    heard = list(chain.from_iterable(filter(None, (answer.candidate, answer.stable)) for answer in answers))
    if not heard:
        return "the replay was broken off before anything was asked"
    common = Counter(prediction.problem for prediction in heard).most_common(1)[0][0]
    if not any(prediction.reached for prediction in heard):
        return (
            f"not one of {len(answers)} golden items was answered (the pod {common}): "
            "check that the operator can reach the pods and that their first port serves inference"
        )
    if all(answer.outcome is Outcome.EXCLUDED for answer in answers):
        hint = "compare its inputs with what the model takes" if heard[0].refused else "look at the pods' logs"
        return f"neither arm predicted any of {len(answers)} golden items (most {common}): {hint}"
    return None


def _counted(answers: Sequence[Asked], seconds: float, begun: int | None = None) -> Replay:
    outcomes = Counter(answer.outcome for answer in answers)
    right = outcomes[Outcome.WIN] + outcomes[Outcome.TIE_RIGHT] + outcomes[Outcome.RIGHT]
    excluded = outcomes[Outcome.EXCLUDED]
    return Replay(
        losses=outcomes[Outcome.LOSS],
        wins=outcomes[Outcome.WIN],
        ties_right=outcomes[Outcome.TIE_RIGHT],
        ties_wrong=outcomes[Outcome.TIE_WRONG],
        excluded=excluded,
        candidate_right=right,
        candidate_wrong=len(answers) - right - excluded,
        candidate_unanswered=sum(answer.candidate.values is None for answer in answers) - excluded,
        examples=tuple(_examples(answers))[:MAX_EXAMPLES],
        items=tuple(answers),
        seconds=seconds,
        begun=len(answers) if begun is None else begun,
    )


def _examples(answers: Sequence[Asked]) -> Iterator[str]:
    """Losses first: they are what a verdict is about. Then what else went wrong, and what was left out."""
    for wanted in ((Outcome.LOSS, Outcome.WRONG), (Outcome.TIE_WRONG, Outcome.EXCLUDED)):
        chosen = [answer for answer in answers if answer.outcome in wanted]
        yield from (_text(answer) for answer in sorted(chosen, key=lambda answer: answer.item.id))


def _text(asked: Asked) -> str:
    text = f"{asked.item.id}: expected {_shown(asked.item.expected)}, candidate {told(asked.candidate, 'answered ')}"
    if asked.stable is None:
        return text
    verb = "answered " if asked.candidate.values is None else ""
    return f"{text}, stable {told(asked.stable, verb)}"


def told(prediction: Prediction, verb: str) -> str:
    """What an arm answered, or why there is no answer, in words with shortened values."""
    return prediction.problem if prediction.values is None else f"{verb}{_shown(prediction.values)}"


def _shown(values: tuple[Scalar, ...]) -> str:
    shown = [_cut(repr(value) if isinstance(value, str) else str(value)) for value in values[:_SHOWN_VALUES]]
    return f"[{', '.join(shown)}{', …' if len(values) > _SHOWN_VALUES else ''}]"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
