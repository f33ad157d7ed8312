"""Doing what follows from drift: beside the looks, so that no receiver holds a rollout up.

Nothing is remembered that matters. An attempt that is cut off, as the operator ends, is made again by the next one,
under the same id. What came of an attempt waits here for the next look, which writes it down.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Final

from slipway.cluster import Cluster, ClusterError
from slipway.controller.observe import Scene
from slipway.controller.secrets import credentials
from slipway.metrics import Credentials, SourceError
from slipway.outside import FetchError, Outside
from slipway.release import revision_name
from slipway.rollout import Reaction, ReactionOutcome, cloud_event

TIMEOUT: Final = 10.0
"""Seconds that a receiver has for its whole answer."""

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer; nobody reads it."""

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"

Place = tuple[str, str, str]
"""Namespace and name of a ModelDeployment, and what is done for it."""

_log = logging.getLogger(__name__)


class _NotDoneError(Exception):
    """An attempt failed. The message says why."""


class Reactions:
    """Carries attempts out, one at a time for each ModelDeployment and kind."""

    def __init__(self, cluster: Cluster, outside: Outside) -> None:
        self._cluster = cluster
        self._outside = outside
        self._on: dict[Place, asyncio.Task[None]] = {}
        self._ended: dict[Place, ReactionOutcome] = {}

    def outcomes(self, namespace: str, name: str) -> tuple[ReactionOutcome, ...]:
        """What came of the last attempts for a ModelDeployment."""
        return tuple(one for place, one in self._ended.items() if place[:2] == (namespace, name))

    def start(self, scene: Scene, reactions: Sequence[Reaction]) -> None:
        """Begin with the attempts that are not on, and have not ended, already."""
        for reaction in reactions:
            place = (scene.namespace, scene.name, reaction.kind)
            ended = self._ended.get(place)
            known = ended is not None and (ended.id, ended.attempt) == (reaction.firing.id, reaction.attempt)
            if place in self._on or known:
                continue
            self._on[place] = asyncio.create_task(self._carry_out(scene, reaction, place), name="/".join(place))

    async def idle(self) -> None:
        """Wait until no attempt is on."""
        await asyncio.gather(*self._on.values(), return_exceptions=True)

    async def close(self) -> None:
        """Break off what is on: the next operator begins with it anew."""
        for task in self._on.values():
            task.cancel()
        await self.idle()

    async def _carry_out(self, scene: Scene, reaction: Reaction, place: Place) -> None:
        try:
            message, done = await self._webhook(scene, reaction), True
        except (_NotDoneError, FetchError, SourceError, ClusterError) as error:
            message, done = str(error), False
        except Exception as error:  # noqa: BLE001 - an attempt that ended without an outcome would be waited for for ever
            _log.exception("%s: a defect of the operator", "/".join(place))
            message, done = f"a defect of the operator: {type(error).__name__}", False
        if not done:
            _log.warning("%s: attempt %d failed: %s", "/".join(place), reaction.attempt, message)
        self._ended[place] = ReactionOutcome(reaction.firing.id, reaction.kind, reaction.attempt, done, message)
        del self._on[place]

    async def _webhook(self, scene: Scene, reaction: Reaction) -> str:
        """Tell the receiver."""
        hook = scene.spec.drift.on_drift.webhook if scene.spec.drift and scene.spec.drift.on_drift else None
        if hook is None:
            raise _NotDoneError("spec.drift.onDrift.webhook is gone")
        field = "spec.drift.onDrift.webhook"
        proof = await credentials(self._cluster, scene.namespace, hook.auth, f"{field}.auth") or Credentials()
        event = cloud_event(
            reaction.firing,
            namespace=scene.namespace,
            deployment=scene.name,
            revision=revision_name(scene.name, reaction.revision),
            version=scene.releases[reaction.revision].spec.release.model.version,
            release=reaction.revision,
        )
        answer = await self._outside.request(
            hook.url,
            namespace=scene.namespace,
            timeout=TIMEOUT,
            limit=MAX_ANSWER,
            method="POST",
            content=json.dumps(event).encode(),
            headers={"content-type": CONTENT_TYPE, **proof.headers(f"{field}.auth")},
            redirects=0,
        )
        if not answer.ok:
            raise _NotDoneError(f"{field}.url: it answered HTTP {answer.status}: check what receives there")
        return f"delivered as {reaction.firing.id}"
