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

from slipway.api import API_VERSION, MODEL_DEPLOYMENT_KIND, format_time
from slipway.cluster import JOB, AlreadyExists, Cluster, ClusterError
from slipway.controller.observe import Scene, owned
from slipway.controller.sending import post
from slipway.metrics import SourceError
from slipway.outside import FetchError, Outside
from slipway.release import revision_name
from slipway.rollout import Reaction, ReactionOutcome, cloud_event
from slipway.workload import Owner, reaction_job

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

    def keys(self) -> set[tuple[str, str]]:
        """The ModelDeployments whose last attempts are remembered."""
        return {place[:2] for place in self._ended}

    def forget(self, key: tuple[str, str]) -> None:
        """A ModelDeployment is gone, or another group's: its last attempts are nobody's business any more."""
        for place in [place for place in self._ended if place[:2] == key]:
            del self._ended[place]

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
            carry_out = self._webhook if reaction.kind == "Webhook" else self._job
            message, done = await carry_out(scene, reaction), True
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
        event = cloud_event(
            reaction.firing,
            namespace=scene.namespace,
            deployment=scene.name,
            revision=revision_name(scene.name, reaction.revision),
            version=scene.releases[reaction.revision].spec.release.model.version,
            release=reaction.revision,
        )
        answer = await post(
            self._cluster,
            self._outside,
            hook.url,
            event,
            namespace=scene.namespace,
            content_type=CONTENT_TYPE,
            auth=hook.auth,
            field=field,
        )
        if not answer.ok:
            raise _NotDoneError(f"{field}.url: it answered HTTP {answer.status}: check what receives there")
        return f"delivered as {reaction.firing.id}"

    async def _job(self, scene: Scene, reaction: Reaction) -> str:
        """Create the Job. Its name says which firing it is of, so that it is created once."""
        job = scene.spec.drift.on_drift.job if scene.spec.drift and scene.spec.drift.on_drift else None
        if job is None:
            raise _NotDoneError("spec.drift.onDrift.job is gone")
        metadata, firing = scene.deployment["metadata"], reaction.firing
        manifest = reaction_job(
            job,
            model_deployment=scene.name,
            namespace=scene.namespace,
            full_hash=reaction.revision,
            owner=Owner(API_VERSION, MODEL_DEPLOYMENT_KIND, scene.name, metadata["uid"]),
            firing=firing.id,
            facts={
                "SLIPWAY_DRIFT_ID": firing.id,
                "SLIPWAY_DRIFT_TIME": format_time(firing.time),
                "SLIPWAY_DRIFT_FINDINGS": json.dumps(
                    [finding.model_dump(mode="json", by_alias=True) for finding in firing.findings or ()]
                ),
                "SLIPWAY_MODEL_DEPLOYMENT": scene.name,
                "SLIPWAY_MODEL_REVISION": revision_name(scene.name, reaction.revision),
                "SLIPWAY_MODEL_VERSION": scene.releases[reaction.revision].spec.release.model.version,
            },
        )
        name = manifest["metadata"]["name"]
        try:
            await self._cluster.create(manifest)
        except AlreadyExists:
            found = await self._cluster.get(JOB, scene.namespace, name)
            if found is not None and not owned(found, metadata["uid"]):
                raise _NotDoneError(f"Job {scene.namespace}/{name} exists and is not Slipway's: delete it") from None
        return f"Job {name} was created"
