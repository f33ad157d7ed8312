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

No prediction is a timeout, a refused or broken connection, any status but 2xx, or a body without finite values. The
arms are treated alike, as the test assumes that equal arms lose as often as they win. Without a stable arm nothing
tells an item that is at fault from a model that is, and the item counts against the release: leaving it out would
raise the accuracy of a model that refuses what it cannot do.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Final

import httpx

from slipway.cluster.endpoints import Endpoint, UnknownPortError
from slipway.probes.golden import GoldenItem, Scalar
from slipway.probes.inference import Prediction, predict

MAX_EXAMPLES: Final = 5
"""Most examples that a replay gives."""

_SHOWN_VALUES: Final = 6
_SHOWN_CHARACTERS: Final = 24


class ProbeError(Exception):
    """A replay gave no evidence about any release. The message says what to look at."""


class _Outcome(StrEnum):
    LOSS = "loss"
    WIN = "win"
    TIE_RIGHT = "tie, right"
    TIE_WRONG = "tie, wrong"
    EXCLUDED = "excluded"
    RIGHT = "right"
    WRONG = "wrong"


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


@dataclass(frozen=True, slots=True)
class _Answered:
    item: GoldenItem
    candidate: Prediction
    stable: Prediction | None

    def outcome(self) -> _Outcome:
        right = self.candidate.values == self.item.expected
        if self.stable is None:
            return _Outcome.RIGHT if right else _Outcome.WRONG
        if self.stable.values is None and self.candidate.values is None:
            return _Outcome.EXCLUDED
        if self.stable.values == self.item.expected:
            return _Outcome.TIE_RIGHT if right else _Outcome.LOSS
        return _Outcome.WIN if right else _Outcome.TIE_WRONG

    def text(self) -> str:
        text = f"{self.item.id}: expected {_shown(self.item.expected)}, candidate {_told(self.candidate, 'answered ')}"
        if self.stable is None:
            return text
        verb = "answered " if self.candidate.values is None else ""
        return f"{text}, stable {_told(self.stable, verb)}"


async def replay(
    client: httpx.AsyncClient,
    items: Sequence[GoldenItem],
    *,
    candidate: Sequence[Endpoint],
    stable: Sequence[Endpoint] | None,
    port: str | None,
    candidate_model: str,
    stable_model: str | None,
    output: str | None,
    timeout: float,
    concurrency: int = 4,
) -> Replay:
    """Asks every item of the candidate and, where `stable` is not None, of stable, spread over each arm's ready pods.

    At most `concurrency` requests are in flight, over both arms. `timeout` is in seconds, for each whole answer. A
    prediction is right when all its values equal the expected ones: 1, 1.0 and true are one value, text equals only
    text, and shapes do not matter.

    Raises ProbeError when there is nothing to ask, no ready candidate pod, no server reached at all, or no item that
    either arm of two predicted.
    """
    arms = _Arms(client, _ready(candidate), None if stable is None else _ready(stable), port, output, timeout)
    if not items:
        raise ProbeError("the golden set has no items left to ask")
    if not arms.candidate:
        raise ProbeError("no pod of the candidate is ready to be asked")
    try:
        for pod in (*arms.candidate, *(arms.stable or ())):
            pod.url(port, "/")
    except UnknownPortError as error:
        raise ProbeError(str(error)) from None
    answers: list[_Answered] = []
    pending = iter(enumerate(items))

    async def work() -> None:
        for index, item in pending:
            answers.append(await arms.ask(index, item, candidate_model, stable_model or candidate_model))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(items))):
            group.create_task(work())
    _check_heard(answers)
    return _counted(answers)


@dataclass(frozen=True, slots=True)
class _Arms:
    client: httpx.AsyncClient
    candidate: tuple[Endpoint, ...]
    stable: tuple[Endpoint, ...] | None
    port: str | None
    output: str | None
    timeout: float

    async def ask(self, index: int, item: GoldenItem, candidate_model: str, stable_model: str) -> _Answered:
        """Both arms, one after the other, in turns first: neither has the advantage of the warmer client."""
        if self.stable is None:
            return _Answered(item, await self._one(self.candidate, index, item, candidate_model), None)
        if index % 2:
            candidate = await self._one(self.candidate, index, item, candidate_model)
            stable = await self._one(self.stable, index, item, stable_model)
        else:
            stable = await self._one(self.stable, index, item, stable_model)
            candidate = await self._one(self.candidate, index, item, candidate_model)
        return _Answered(item, candidate, stable)

    async def _one(self, pods: Sequence[Endpoint], index: int, item: GoldenItem, model: str) -> Prediction:
        if not pods:
            return Prediction(None, "has no ready pod", reached=False)
        return await predict(
            self.client,
            pods[index % len(pods)],
            item,
            port=self.port,
            model=model,
            output=self.output,
            timeout=self.timeout,
        )


def _ready(pods: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(pod for pod in pods if pod.ready and not pod.terminating)


def _check_heard(answers: Sequence[_Answered]) -> None:
    heard = list(chain.from_iterable(filter(None, (answer.candidate, answer.stable)) for answer in answers))
    if not heard:
        raise ProbeError("the replay was broken off before anything was asked")
    common = Counter(prediction.problem for prediction in heard).most_common(1)[0][0]
    if not any(prediction.reached for prediction in heard):
        raise ProbeError(
            f"not one of {len(answers)} golden items was answered (the pod {common}): "
            "check that the operator can reach the pods and that their first port serves inference"
        )
    if all(answer.outcome() is _Outcome.EXCLUDED for answer in answers):
        hint = "compare its inputs with what the model takes" if heard[0].refused else "look at the pods' logs"
        raise ProbeError(f"neither arm predicted any of {len(answers)} golden items (most {common}): {hint}")


def _counted(answers: Sequence[_Answered]) -> Replay:
    outcomes = Counter(answer.outcome() for answer in answers)
    right = outcomes[_Outcome.WIN] + outcomes[_Outcome.TIE_RIGHT] + outcomes[_Outcome.RIGHT]
    excluded = outcomes[_Outcome.EXCLUDED]
    return Replay(
        losses=outcomes[_Outcome.LOSS],
        wins=outcomes[_Outcome.WIN],
        ties_right=outcomes[_Outcome.TIE_RIGHT],
        ties_wrong=outcomes[_Outcome.TIE_WRONG],
        excluded=excluded,
        candidate_right=right,
        candidate_wrong=len(answers) - right - excluded,
        candidate_unanswered=sum(answer.candidate.values is None for answer in answers) - excluded,
        examples=tuple(_examples(answers))[:MAX_EXAMPLES],
    )


def _examples(answers: Sequence[_Answered]) -> Iterator[str]:
    """Losses first: they are what a verdict is about. Then what else went wrong, and what was left out."""
    for wanted in ((_Outcome.LOSS, _Outcome.WRONG), (_Outcome.TIE_WRONG, _Outcome.EXCLUDED)):
        chosen = [answer for answer in answers if answer.outcome() in wanted]
        yield from (answer.text() for answer in sorted(chosen, key=lambda answer: answer.item.id))


def _told(prediction: Prediction, verb: str) -> str:
    return prediction.problem if prediction.values is None else f"{verb}{_shown(prediction.values)}"


def _shown(values: tuple[Scalar, ...]) -> str:
    shown = [_cut(repr(value) if isinstance(value, str) else str(value)) for value in values[:_SHOWN_VALUES]]
    return f"[{', '.join(shown)}{', …' if len(values) > _SHOWN_VALUES else ''}]"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
