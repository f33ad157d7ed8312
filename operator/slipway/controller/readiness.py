"""Whether a release is ready to be asked: every model of every ready pod says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import product
from typing import Final

import httpx

from slipway.controller.arm import Arm, ProtocolError, protocol_of
from slipway.probes import InferenceProtocol, model_ready
from slipway.rollout import Revision

READY_TIMEOUT: Final = 2.0
"""Seconds that a model may take to say that it is ready."""

READY_SECONDS: Final = 20.0
"""Seconds that all of them may take together: a release may have dozens of models on as many pods as it likes, and
nobody else's may wait for that."""

IN_FLIGHT: Final = 16
"""Questions at a time."""


async def whether_ready(client: httpx.AsyncClient, arm: Arm) -> Revision:
    """The arm's revision with whether it answers; the first model that does not speaks for all."""
    if not arm.ready:
        return replace(arm.revision, answers=False, answer="no pod's address is known yet")
    try:
        problem = await _problem(client, arm, protocol_of(arm.protocol))
    except ProtocolError as error:
        problem = str(error)
    return replace(arm.revision, answers=problem is None, answer=problem or arm.revision.answer)


async def _problem(client: httpx.AsyncClient, arm: Arm, protocol: InferenceProtocol) -> str | None:
    """What keeps the first model from being ready that is not; None where all are."""
    questions = list(product((arm.model, *arm.also), arm.ready))  # one after the other from different pods
    pending = iter(enumerate(questions))
    problems: dict[int, str] = {}
    answered = 0

    async def work() -> None:
        nonlocal answered
        for number, (model, pod) in pending:
            found = await model_ready(client, pod, port=arm.port, model=model, timeout=READY_TIMEOUT, protocol=protocol)
            answered += 1
            if not found.ready:
                problems[number] = found.message
            if problems:
                return

    try:
        async with asyncio.timeout(READY_SECONDS), asyncio.TaskGroup() as group:
            for _ in range(min(IN_FLIGHT, len(questions))):
                group.create_task(work())
    except TimeoutError:
        pass  # told below
    if problems:
        return problems[min(problems)]
    if answered < len(questions):
        return (
            f"only {answered} of {len(questions)} questions whether a model is ready were answered within "
            f"{READY_SECONDS:g}s, one for each model of each pod: have fewer of them, or a server that answers faster"
        )
    return None
