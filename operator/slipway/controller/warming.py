"""Warming pods up: each pod of a candidate answers the requests of its release's warm-up before the candidate starts.

What was answered is kept in memory alone: after a restart of the operator the pods are asked once more, which harms
nobody. Pods that a release gets later are not warmed up: they are routed to as soon as they are ready, and only a
readiness gate could hold that back.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

import httpx

from slipway.cluster import ClusterError
from slipway.cluster.endpoints import Endpoint, UnknownPortError
from slipway.controller.arm import Arm, ProtocolError, protocol_of
from slipway.controller.golden import CONCURRENCY, GoldenSets
from slipway.controller.observe import Scene
from slipway.probes import GoldenItem, GoldenSetError, InferenceProtocol, predict
from slipway.rollout import GoldenRequest, Observation, WarmUpError, golden_set_of, item_of

REQUEST_SECONDS: Final = 10.0
"""For one answer. The first ones of a model are slow: that is what a warm-up is for."""

LOOK_SECONDS: Final = 2.0
"""After this long nothing further is begun in one look: a slow model must not keep an edit, or a deadline, waiting."""

KEPT: Final = 256
"""Revisions whose pods are remembered; the ones that were looked at longest ago are forgotten."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What each pod is asked; `field` is the one that says so."""

    field: str
    requests: int
    items: Sequence[GoldenItem]
    protocol: InferenceProtocol


class WarmUps:
    """Asks pods until they are warm. Holds no state that matters: what is forgotten is asked again."""

    def __init__(self, client: httpx.AsyncClient, golden: GoldenSets) -> None:
        self._client = client
        self._golden = golden
        self._answered: OrderedDict[str, dict[tuple[str, str], int]] = OrderedDict()

    async def look(self, scene: Scene, seen: Observation, arm: Arm) -> str | None:
        """Go on with the warm-up of a candidate, one pod at a time: why it is not over, or None where it is, or none is
        asked for."""
        warm_up = scene.release(arm.revision.hash).warm_up
        if warm_up is None:
            return None
        frozen = scene.releases[arm.revision.hash].spec
        field = "spec.release.warmUp"
        if frozen.release.warm_up is None and frozen.runtime is not None:
            field = f"spec.warmUp of {frozen.runtime.kind} {frozen.runtime.name}"
        try:
            protocol = protocol_of(arm.protocol)
            inputs = item_of(warm_up, protocol.check)
            request = golden_set_of(warm_up, seen.analysis) if inputs is None else None
            items = await self._items(scene, arm, request, protocol) if request else [GoldenItem("warm-up", inputs, ())]
        except WarmUpError as error:
            return f"{field}.{error}"
        except (ProtocolError, GoldenSetError, ClusterError) as error:
            return str(error)
        return await self._ask_pods(self._of(scene, arm), arm, _Plan(field, warm_up.requests, items, protocol))

    async def _items(
        self, scene: Scene, arm: Arm, request: GoldenRequest, protocol: InferenceProtocol
    ) -> Sequence[GoldenItem]:
        """The items of a golden set. Raises GoldenSetError and ClusterError."""
        requests = arm.schemas.input if arm.schemas is not None else None
        golden = await self._golden.read(scene, request, protocol, requests)
        if not golden.items:
            raise GoldenSetError(f"{request.field}: the golden set has no items left to ask")
        return golden.items

    async def _ask_pods(self, answered: dict[tuple[str, str], int], arm: Arm, plan: _Plan) -> str | None:
        """Ask the pods in their order, until one fails, the time is over, or all are warm."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + LOOK_SECONDS
        for pod in arm.ready:
            key = (pod.pod, pod.address)
            while (done := answered.get(key, 0)) < plan.requests:
                if loop.time() >= ends:
                    return f"pod {pod.pod} is being warmed up: it has answered {done} of {plan.requests} requests"
                batch = [
                    plan.items[(done + n) % len(plan.items)] for n in range(min(CONCURRENCY, plan.requests - done))
                ]
                good, problem = await self._ask(arm, pod, batch, plan.protocol)
                answered[key] = done + good
                if problem is not None:
                    return (
                        f"{plan.field}: request {done + good + 1} of {plan.requests}: pod {pod.pod} {problem}: look at "
                        "the pod's log, and compare the request with what the model takes"
                    )
        return None

    async def _ask(
        self, arm: Arm, pod: Endpoint, batch: Sequence[GoldenItem], protocol: InferenceProtocol
    ) -> tuple[int, str | None]:
        """How many of the first requests were answered, and what came of the next one; None where all were."""
        try:
            answers = await asyncio.gather(
                *(
                    predict(
                        self._client,
                        pod,
                        item,
                        port=arm.port,
                        model=arm.model,
                        protocol=protocol,
                        timeout=REQUEST_SECONDS,
                    )
                    for item in batch
                )
            )
        except UnknownPortError as error:
            return 0, str(error)
        good = sum(1 for _ in takewhile(lambda answer: answer.values is not None, answers))
        return good, answers[good].problem if good < len(answers) else None

    def _of(self, scene: Scene, arm: Arm) -> dict[tuple[str, str], int]:
        """What the pods of a revision have answered so far; those that are gone are forgotten."""
        uid = str(scene.revisions[arm.revision.hash]["metadata"]["uid"])
        present = {(pod.pod, pod.address) for pod in arm.ready}
        known = self._answered.pop(uid, {})
        kept = {key: count for key, count in known.items() if key in present}
        self._answered[uid] = kept
        while len(self._answered) > KEPT:
            self._answered.popitem(last=False)
        return kept
