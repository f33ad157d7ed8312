"""Asking registries: beside the looks, which neither wait for an answer nor depend on one.

Each ModelDeployment whose release comes from a registry has one task, which asks once an interval and wakes a look when
the answer is another one. The look writes the answer into the status before anything follows from it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from slipway.api import SERVER_URI, ModelDeploymentStatus, RegistrySpec, ReleaseSpec
from slipway.cluster import SECRET, Cluster, ClusterError, EventRecorder, Forbidden, Object
from slipway.controller.declared import registry_of, written_release
from slipway.controller.observe import read_status
from slipway.controller.statuses import StatusWriter
from slipway.outside import Egress, Outside
from slipway.registries import TRACKING_SERVER, Asker, Memory, Registry, RegistryError, find
from slipway.release import source_of
from slipway.rollout import RegistryAnswer, noted, reasons

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment."""

HOOK_SECRET: Final = "MLFLOW_WEBHOOK_SECRET"  # noqa: S105 - the key of a Secret, not a secret

AT_ONCE: Final = 8
"""Registries that are asked at a time."""

FIRST_WITHIN: Final = 30.0
"""Seconds in which all are asked after a start, where an answer is on record already."""

SOONEST_AGAIN: Final = 15.0
"""Seconds after a first failure."""

LONGEST_PAUSE: Final = 600.0
"""Seconds between two attempts while a registry fails, where the interval is not longer."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Followed:
    """One registry that is asked for one ModelDeployment."""

    spec: RegistrySpec
    source: str
    memory: Memory
    answer: RegistryAnswer | None = None
    hook: str = ""
    """The secret of the registry's webhooks, as it was read last; empty where there is none."""
    kick: asyncio.Event = field(default_factory=asyncio.Event)
    asking: bool = True
    """A request is under way, or about to be."""
    task: asyncio.Task[None] | None = None


class Registries:
    """Knows what each registry answered last."""

    def __init__(
        self,
        cluster: Cluster,
        outside: Outside | None = None,
        *,
        registry: Registry | None = None,
        wake: Callable[[Key], None] = lambda _: None,
        ours: Callable[[Key], bool] = lambda _: True,
    ) -> None:
        """`wake` asks for a look; `ours` says whether a ModelDeployment is this operator's still."""
        self._cluster = cluster
        self._outside = outside or Outside(Egress())
        self.registry = registry or Registry()
        self.wake = wake
        self._ours = ours
        self._room = asyncio.Semaphore(AT_ONCE)
        self._statuses = StatusWriter(cluster)
        self._recorder = EventRecorder(cluster)
        self._followed: dict[Key, _Followed] = {}

    async def look(self, deployment: Object, now: datetime) -> bool:
        """Follow what a ModelDeployment names, and write down what was answered; whether anything was written, so that
        the look has to begin anew. Raises ValueError, which names the field, and ClusterError."""
        metadata = deployment["metadata"]
        key = (metadata["namespace"], metadata["name"])
        spec = registry_of(deployment)
        before = read_status(deployment)
        if spec is None:
            self.forget(key)
        else:
            self._follow(key, spec, before)
        followed = self._followed.get(key)
        answer = followed.answer if followed is not None else None
        after, told = noted(before, written_release(deployment), spec, answer, now)
        if after == before:
            return False
        await self._statuses.deployment(deployment, after)
        for one in told:
            _log.info("%s/%s: %s: %s", *key, one.reason, one.message, extra={"reason": one.reason})
            await self._recorder.record(deployment, type=one.type, reason=one.reason, message=one.message, now=now)
        return True

    def keys(self) -> set[Key]:
        """The ModelDeployments whose registries are asked."""
        return set(self._followed)

    def forget(self, key: Key) -> None:
        """Ask no more for a ModelDeployment."""
        followed = self._followed.pop(key, None)
        if followed is not None and followed.task is not None:
            followed.task.cancel()

    def ask_now(self, key: Key) -> bool:
        """Ask at once instead of at the next interval; whether anything is asked for this ModelDeployment."""
        followed = self._followed.get(key)
        if followed is None:
            return False
        followed.asking = True
        followed.kick.set()
        return True

    def hook_of(self, key: Key) -> tuple[str, str, str] | None:
        """The secret of the webhooks that are taken for a ModelDeployment, and the model and alias that it follows."""
        followed = self._followed.get(key)
        if followed is None or not followed.hook or followed.spec.mlflow is None:
            return None
        return followed.hook, followed.spec.mlflow.model, followed.spec.mlflow.alias

    async def idle(self) -> None:
        """Wait until every registry has answered what it was asked."""
        while any(one.asking for one in self._followed.values()):  # noqa: ASYNC110 - many tasks, and no common event
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Ask no more."""
        tasks = [one.task for one in self._followed.values() if one.task is not None]
        for key in list(self._followed):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, key: Key, spec: RegistrySpec, status: ModelDeploymentStatus) -> None:
        known = self._followed.get(key)
        if known is not None and known.spec == spec:
            return
        self.forget(key)
        source = source_of(spec)
        on_record = status.resolved or status.suggestion
        first = known is None and on_record is not None and on_record.source == source
        pause = random.uniform(0.0, FIRST_WITHIN) if first else 0.0  # noqa: S311 - jitter, not a secret
        memory = Memory(on_record.release.model if on_record is not None and on_record.source == source else None)
        followed = _Followed(spec, source, memory, asking=not first)
        self._followed[key] = followed
        name = f"registry of {'/'.join(key)}"
        followed.task = asyncio.create_task(self._keep_asking(key, followed, pause), name=name)

    async def _keep_asking(self, key: Key, followed: _Followed, pause: float) -> None:
        failures = 0
        while True:
            await _wait(followed, pause)
            if not self._ours(key):
                self._followed.pop(key, None)
                return
            answer = await self._answer(key, followed) or followed.answer
            failures = failures + 1 if answer is not None and answer.reason == reasons.REGISTRY_UNREACHABLE else 0
            changed = answer != followed.answer
            followed.answer, followed.asking = answer, followed.kick.is_set()
            if changed:
                self.wake(key)
            pause = pause_after(failures, followed.spec.interval.total_seconds())

    async def _answer(self, key: Key, followed: _Followed) -> RegistryAnswer | None:
        """What came of asking; None while what is there is not whole yet."""
        try:
            async with self._room:
                asker = await self.asker(key[0], followed.spec)
                followed.hook = asker.secret.get(HOOK_SECRET, "").strip()
                found = await find(asker, followed.spec, self.registry, followed.memory)
            return RegistryAnswer(followed.source, found) if found is not None else None
        except RegistryError as error:
            reason, message = error.reason, str(error)
        except ClusterError as error:
            reason, message = reasons.REGISTRY_REFUSED, f"spec.release.from.credentials: it cannot be read: {error}"
        except Exception as error:  # noqa: BLE001 - the traceback could show credentials
            reason, message = reasons.REGISTRY_ANSWER, f"a defect of the operator: {type(error).__name__}"
            _log.error("%s: asking its registry: %s", "/".join(key), message)
        return RegistryAnswer(followed.source, reason=reason, message=message)

    async def mlflow_server(self, deployment: Object, release: ReleaseSpec) -> str | None:
        """The MLflow server of a release's addresses ``mlflow:``, for its revision; None where it has no such address,
        or nobody names a server.

        It is the one that the registry is asked at, but for one that the Secret of ``from.credentials`` names: what
        Secrets hold is not recorded. Raises ValueError, which names the field, and ClusterError.
        """
        uris = [release.model.uri, *(adapter.uri for adapter in release.adapters or ())]
        if not any(uri is not None and uri.startswith("mlflow:") for uri in uris):
            return None
        spec = registry_of(deployment)
        server = spec.mlflow.uri if spec is not None and spec.mlflow is not None else None
        if server is None and not await self._secret_names_server(deployment["metadata"]["namespace"], spec):
            server = self.registry.tracking_uri
        return server.rstrip("/") if server is not None and re.match(SERVER_URI, server) else None

    async def _secret_names_server(self, namespace: str, spec: RegistrySpec | None) -> bool:
        if spec is None or spec.mlflow is None:
            return False
        try:
            asker = await self.asker(namespace, spec)
        except (RegistryError, Forbidden) as error:  # which asking the registry tells of
            _log.debug("%s: whether the registry's Secret names a server is not known: %s", namespace, error)
            return False
        return bool(asker.secret.get(TRACKING_SERVER, "").strip())

    async def asker(self, namespace: str, spec: RegistrySpec) -> Asker:
        """Who asks for a ModelDeployment. The Secret is read by its name, and kept nowhere."""
        if spec.credentials is None:
            return Asker(self._outside, namespace)
        name = spec.credentials.secret_name
        secret = await self._cluster.get(SECRET, namespace, name)
        if secret is None:
            raise RegistryError(
                reasons.REGISTRY_REFUSED,
                f"spec.release.from.credentials.secretName: Secret {namespace}/{name} does not exist: create it",
            )
        return Asker(self._outside, namespace, _texts(secret, f"{namespace}/{name}"))


def _texts(secret: Object, name: str) -> Mapping[str, str]:
    out = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            out[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            raise RegistryError(
                reasons.REGISTRY_REFUSED,
                f"spec.release.from.credentials.secretName: Secret {name} holds no text under {key!r}: write the text "
                "itself there",
            ) from None
    return out


async def _wait(followed: _Followed, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await followed.kick.wait()
    except TimeoutError:
        pass
    followed.kick.clear()
    followed.asking = True


def pause_after(failures: int, interval: float, *, spread: Callable[[], float] = random.random) -> float:
    """Seconds until the next request: the interval and up to a tenth more or less, or after failures in a row, twice as
    long each time. `spread` gives numbers from 0 to 1."""
    pause = interval
    if failures:
        pause = min(SOONEST_AGAIN * 2 ** min(failures - 1, 16), max(interval, LONGEST_PAUSE))
    return pause * (0.9 + 0.2 * spread())
