"""One look at one ModelDeployment: observe, decide, act."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from slipway.api import Phase
from slipway.cluster import MODEL_DEPLOYMENT, Cluster, EventRecorder, Object, Undeclared
from slipway.controller.act import FINALIZER, REFUSALS, Actor
from slipway.controller.budget import RolloutBudget
from slipway.controller.collect import Collector
from slipway.controller.declared import NothingDeclared, registry_of
from slipway.controller.logs import concerning
from slipway.controller.notifying import Notifier
from slipway.controller.observe import InvalidSpecError, Scene, observe, read_status
from slipway.controller.reacting import Reactions
from slipway.controller.registries import Registries
from slipway.controller.rights import with_remedy
from slipway.controller.routing import claimed
from slipway.controller.telemetry import Telemetry
from slipway.controller.tracing import Value, note, span
from slipway.controller.verifying import Verifier
from slipway.controller.writing_back import WritingBack
from slipway.outside import Egress, Outside
from slipway.rollout import Decision, Limits, Observation, decide, plan, reasons, refused, roles, trial

_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


LONGEST_MESSAGE: Final = 1024
"""Characters of a refusal in the status: what an API server complains of can be as long as the manifest."""

REFUSED_PAUSE: Final = timedelta(seconds=5)
"""Shortest time between two looks while something is refused."""


class RefusedError(Exception):
    """The cluster refused something, and the status says so. ``wake_after`` is when evidence is due all the same."""

    def __init__(self, message: str, *, wake_after: timedelta | None) -> None:
        super().__init__(message)
        self.wake_after = wake_after


def utc_now() -> datetime:
    """The wall clock, which only the shell reads."""
    return datetime.now(UTC)


class Reconciler:
    """Brings one ModelDeployment closer to what it declares, one decision at a time."""

    def __init__(
        self,
        cluster: Cluster,
        collector: Collector,
        *,
        budget: RolloutBudget | None = None,
        reactions: Reactions | None = None,
        notifier: Notifier | None = None,
        registries: Registries | None = None,
        writing_back: WritingBack | None = None,
        drain: bool = False,
        image: str | None = None,
        settles: float | None = None,
        clock: Callable[[], datetime] = utc_now,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._cluster = cluster
        self._collector = collector
        self._budget = budget or RolloutBudget(cluster, Limits())
        self._reactions = reactions or Reactions(cluster, Outside(Egress()))
        self._notifier = notifier or Notifier(cluster, Outside(Egress()))
        self._registries = registries or Registries(cluster)
        self._writing_back = writing_back or WritingBack(self._registries)
        self._settles = settles
        self._verifier = Verifier(cluster, image)
        self._actor = Actor(cluster, EventRecorder(cluster), drain=drain, image=image, written=self._notifier.start)
        self._clock = clock
        self._telemetry = telemetry or Telemetry()

    async def reconcile(self, key: Key) -> timedelta | None:
        """Look once; returns when to look again, or None when only an event can change anything.

        Raises RefusedError when the cluster refused something, after the status says so. Raises ClusterError when the
        cluster could not be read or written. Looking again is the remedy for both.
        """
        namespace, name = key
        deployment = await self._cluster.get(MODEL_DEPLOYMENT, namespace, name)
        if deployment is None:
            self._telemetry.forget(key)
            self._registries.forget(key)
            return None
        now = self._clock()
        decision: Decision | None = None
        recorded: tuple[Scene, Decision] | None = None
        try:
            if deployment["metadata"].get("deletionTimestamp"):
                await self._let_go(deployment)
                return None  # owner references take the children along; until then what serves goes on serving
            with span("registry"):
                if await self._registered(deployment, now):
                    return timedelta(0)
            with span("observe"):
                scene, seen = await observe(self._cluster, deployment, now, settles=self._settles)
                seen = await self._in_turn(namespace, seen)
                seen = await self._verifier.look(scene, seen)
            concerning(_revision(seen))
            with span("collect"):
                seen = await self._collector.collect(scene, seen, plan(seen, trial(seen)[0]))
                seen = await self._collector.watch(scene, seen)
            with span("decide"):
                seen = replace(
                    seen,
                    reactions=self._reactions.outcomes(namespace, name),
                    receivers=self._notifier.receivers(namespace, scene.spec.notifications, now),
                    notified=self._notifier.outcomes(seen),
                    written_back=self._writing_back.outcomes(key, seen.status),
                )
                decision = decide(seen)
            note(uid=scene.uid, **_described(seen, decision))
            with span("act"):
                await self._actor.record(scene, decision)
                recorded = scene, decision
                self._telemetry.decided(key, seen, decision)  # on record: no later look would count it
                self._reactions.start(scene, decision.reactions)
                scene = await self._with_server(deployment, scene, decision)
                await self._actor.act(scene, decision, now)
            self._writing_back.start(key, registry_of(deployment), decision.write_backs)
        except InvalidSpecError as error:
            await self._refuse(deployment, now, reasons.INVALID_SPEC, str(error))
            return None
        except NothingDeclared as error:
            await self._refuse(deployment, now, reasons.AWAITING_REGISTRY, str(error))
            return None  # the answer wakes a look
        except REFUSALS as error:
            message = with_remedy(error)
            # What a definition lacks a field for cannot be said either.
            told = recorded if not isinstance(error, Undeclared) else None
            await self._refuse(deployment, now, reasons.APPLY_REFUSED, message, told)
            if told is not None:
                self._writing_back.start(key, registry_of(deployment), told[1].write_backs)
            raise RefusedError(message, wake_after=_due(decision)) from error
        return decision.wake_after

    async def _registered(self, deployment: Object, now: datetime) -> bool:
        """Whether something that a registry names was written down, so that the look has to begin anew."""
        try:
            return await self._registries.look(deployment, now)
        except ValueError as error:
            raise InvalidSpecError(str(error)) from error

    async def _with_server(self, deployment: Object, scene: Scene, decision: Decision) -> Scene:
        """The scene with the MLflow server of the declared release, which its revision is created with."""
        if decision.create is None:
            return scene
        return replace(scene, mlflow=await self._registries.mlflow_server(deployment, scene.spec.release))

    async def _in_turn(self, namespace: str, seen: Observation) -> Observation:
        """The observation with what the rollout has to wait for, where nothing else keeps it from starting."""
        candidate = roles(seen).candidate
        revision = seen.revisions.get(candidate) if candidate is not None else None
        if revision is None or revision.record.phase != Phase.PENDING:
            return seen
        if revision.record.fast:
            return seen  # what is known to be good does not wait for what is on trial
        held = seen.paused or revision.record.paused or seen.unsupported or seen.gateway_problem or seen.route.foreign
        if held:
            self._budget.give_back(namespace, seen.name)
            return seen
        return replace(seen, queued=await self._budget.turn(namespace, seen.name, seen.now))

    async def _let_go(self, deployment: Object) -> None:
        """Give routes of the user back, before the ModelDeployment that set their weights goes."""
        metadata = deployment["metadata"]
        if FINALIZER not in (metadata.get("finalizers") or []):
            return
        namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
        for router in await claimed(self._cluster, namespace, uid):
            await self._actor.clean_up(router, name, namespace, uid, frozenset())
        await self._actor.let_go(deployment)

    async def _refuse(
        self,
        deployment: Object,
        now: datetime,
        reason: str,
        message: str,
        recorded: tuple[Scene, Decision] | None = None,
    ) -> None:
        """Say in the status why nothing goes on, beside what was recorded all the same."""
        before = read_status(deployment)
        generation = int(deployment["metadata"].get("generation", 0))
        said = message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"
        decided = recorded[1].status_so_far if recorded is not None else None
        status = refused(before, generation=generation, now=now, reason=reason, message=said, decided=decided)
        if status == before:
            return
        if (before.reason, before.message) != (reason, said):
            metadata = deployment["metadata"]
            _log.info("%s/%s: %s: %s", metadata["namespace"], metadata["name"], reason, said, extra={"reason": reason})
        if recorded is not None:
            await self._actor.publish(*recorded, status)
        else:
            await self._actor.write_status(deployment, status)


def _revision(seen: Observation) -> str:
    """The name of the revision that a look is about: the one on trial, or else the one that serves."""
    who = roles(seen)
    known = seen.revisions.get(who.candidate or who.stable or "")
    return known.name if known is not None else seen.desired_name


def _described(seen: Observation, decision: Decision) -> dict[str, Value]:
    """What a trace says of a decision: revisions by the hash of their release, where the one on trial is, and why."""
    who, (judged, _) = roles(seen), trial(seen)
    known = seen.revisions.get(judged or "")
    record = decision.records.get(judged or "") or (known.record if known is not None else None)
    return {
        "generation": seen.generation,
        "desired": seen.desired,
        "stable": who.stable,
        "candidate": who.candidate,
        "phase": record.phase if record is not None else None,
        "step": record.step if record is not None else None,
        "reason": record.reason if record is not None else None,
        "decisions": [announcement.reason for announcement in decision.announcements] or None,
    }


def _due(decision: Decision | None) -> timedelta | None:
    """When evidence is due although something was refused: while traffic is split, it does not wait for a back-off."""
    if decision is None or decision.wake_after is None or len(decision.weights or {}) < 2:
        return None
    return max(decision.wake_after, REFUSED_PAUSE)
