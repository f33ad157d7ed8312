"""Telling receivers of decisions: beside the looks, which neither wait for a receiver nor for what names it.

A message is begun with once the status that has it is written, and by this process only. It is tried again where it is
known not to have arrived, and given up otherwise: nobody is told twice. An address may be a secret, so no message and
no log line has more of it than its host.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from slipway.api import NAMESPACE_CONFIG_MAP, NAMESPACE_KEY, Notification, Notifications
from slipway.cluster import CONFIG_MAP, Cluster, ClusterError, Forbidden
from slipway.controller.observe import Scene
from slipway.controller.secrets import secret_text
from slipway.controller.sending import post
from slipway.controller.texts import read_yaml
from slipway.metrics import SourceError
from slipway.outside import EgressError, FetchError, Outside, UnreachedError
from slipway.rollout import CONTENT_TYPES, Notice, NoticeOutcome, Observation, payload

PAUSES: Final = (5.0, 30.0, 120.0)
"""Seconds between attempts at a message that is known not to have arrived."""

NOT_TAKEN: Final = frozenset({429, 503})
"""Answers by which a receiver says that it has not taken the message."""

MOST_WAITING: Final = 256
"""Messages under way at a time, of all ModelDeployments; what is beyond is given up."""

AT_ONCE: Final = 8
"""Requests at a time."""

REMEMBERED: Final = 1024
"""Messages whose outcome is kept for the next look."""

REFRESH: Final = timedelta(seconds=60)
"""How old the receivers of a namespace may be."""

UNASKED: Final = timedelta(hours=1)
"""How long the receivers of a namespace are remembered that nobody asks for."""

LONGEST_PROBLEM: Final = 1024
"""Characters of what is said of a ConfigMap."""

_log = logging.getLogger(__name__)


class _NotToldError(Exception):
    """An attempt failed. The message says why, without the address."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.again = again


@dataclass(frozen=True, slots=True)
class _Known:
    """The receivers of a namespace as they were read last; None before they were read."""

    asked: datetime
    receivers: tuple[Notification, ...] | None


class Notifier:
    """Knows the receivers of each namespace, and sends."""

    def __init__(
        self, cluster: Cluster, outside: Outside, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._cluster = cluster
        self._outside = outside
        self._pause = pause
        self._room = asyncio.Semaphore(AT_ONCE)
        self._known: dict[str, _Known] = {}
        self._said: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._outcomes: dict[str, NoticeOutcome] = {}

    def receivers(
        self, namespace: str, own: Sequence[Notification] | None, now: datetime
    ) -> tuple[Notification, ...] | None:
        """Who is told of a ModelDeployment; None while the namespace's receivers are being read for the first time.
        Its own receivers take the place of the namespace's of the same name."""
        known = self._known.get(namespace)
        if known is None:
            self._forget(now)
        if known is None or not known.asked <= now < known.asked + REFRESH:
            known = _Known(now, known.receivers if known is not None else None)
            self._known[namespace] = known
            self._begin(self._read(namespace, now), f"receivers of {namespace}")
        if known.receivers is None:
            return None
        mine = {one.name: one for one in own or ()}
        return tuple(({one.name: one for one in known.receivers} | mine).values())

    def outcomes(self, seen: Observation) -> tuple[NoticeOutcome, ...]:
        """What this process knows of the messages that a status names."""
        status = seen.status.notifications
        written = status.deliveries if status is not None else None
        return tuple(self._outcomes[one.id] for one in written or () if one.id in self._outcomes)

    def start(self, scene: Scene, notices: Sequence[Notice]) -> None:
        """Begin with messages that are written down now."""
        for notice in notices:
            if notice.id in self._outcomes:
                continue
            if len(self._tasks) >= MOST_WAITING:
                self._note(NoticeOutcome(notice.id, "Failed", f"{MOST_WAITING} messages were under way already"))
                continue
            self._note(NoticeOutcome(notice.id, "Sending"))
            self._begin(self._tell(scene.namespace, scene.name, notice), f"{scene.namespace}/{scene.name}: {notice.id}")

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._tasks)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)  # gather gives no turn to what a task that is done has yet to call

    async def close(self) -> None:
        """Break off what is under way: it is not sent by anybody else."""
        for task in self._tasks:
            task.cancel()
        await self.idle()

    def _forget(self, now: datetime) -> None:
        """Let go of the namespaces that nobody has asked for lately."""
        for namespace in [name for name, known in self._known.items() if known.asked + UNASKED <= now]:
            del self._known[namespace]
            self._said.pop(namespace, None)

    def _begin(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note(self, outcome: NoticeOutcome) -> None:
        self._outcomes[outcome.id] = outcome
        while len(self._outcomes) > REMEMBERED:
            del self._outcomes[next(iter(self._outcomes))]

    async def _read(self, namespace: str, now: datetime) -> None:
        """Read the ConfigMap of a namespace. What cannot be read leaves those receivers that were known."""
        before = self._known[namespace].receivers
        try:
            found = await self._cluster.get(CONFIG_MAP, namespace, NAMESPACE_CONFIG_MAP)
            receivers = read_receivers((found or {}).get("data") or {}) if found is not None else ()
            problem = ""
        except (Forbidden, ValueError) as error:
            receivers, problem = before or (), str(error)[:LONGEST_PROBLEM]
        except ClusterError as error:  # who is told is not known: what is due waits
            _log.warning("ConfigMap %s/%s could not be read: %s", namespace, NAMESPACE_CONFIG_MAP, error)
            return
        if problem and problem != self._said.get(namespace):
            _log.warning("ConfigMap %s/%s is not followed: %s", namespace, NAMESPACE_CONFIG_MAP, problem)
        self._said[namespace] = problem
        self._known[namespace] = _Known(now, receivers)

    async def _tell(self, namespace: str, name: str, notice: Notice) -> None:
        about = f"{namespace}/{name}: notification {notice.receiver.name}"
        try:
            await self._attempts(namespace, name, notice)
            outcome = NoticeOutcome(notice.id, "Sent")
        except (_NotToldError, SourceError, ClusterError) as error:
            _log.warning("%s: not sent: %s", about, error)
            outcome = NoticeOutcome(notice.id, "Failed", str(error))
        except Exception as error:  # noqa: BLE001 - the traceback could show the address
            _log.error("%s: a defect of the operator: %s", about, type(error).__name__)
            outcome = NoticeOutcome(notice.id, "Failed", f"a defect of the operator: {type(error).__name__}")
        self._note(outcome)

    async def _attempts(self, namespace: str, name: str, notice: Notice) -> None:
        for pause in (*PAUSES, None):
            try:
                async with self._room:
                    await self._attempt(namespace, name, notice)
            except _NotToldError as error:
                if pause is None or not error.again:
                    raise
                await self._pause(pause)
            else:
                return

    async def _attempt(self, namespace: str, name: str, notice: Notice) -> None:
        hook, field = notice.receiver.webhook, f"notification {notice.receiver.name}: webhook"
        if hook.url_from is not None:
            source = hook.url_from
            url = (await secret_text(self._cluster, namespace, source.name, source.key, f"{field}.urlFrom")).strip()
        else:
            url = hook.url or ""
        shown = _host(url)
        try:
            answer = await post(
                self._cluster,
                self._outside,
                url,
                payload(notice, namespace=namespace, deployment=name),
                namespace=namespace,
                content_type=CONTENT_TYPES[notice.receiver.format],
                auth=hook.auth,
                field=field,
            )
        except UnreachedError:
            raise _NotToldError(f"{shown} cannot be resolved or connected to", again=True) from None
        except EgressError:
            raise _NotToldError(
                f"{shown} is no http address, or may not be reached: see slipway run --egress"
            ) from None
        except FetchError:
            raise _NotToldError(f"{shown} gave no whole answer: whether it took the message is not known") from None
        if not answer.ok:
            raise _NotToldError(f"{shown} answered HTTP {answer.status}", again=answer.status in NOT_TAKEN)


def read_receivers(data: dict[str, str]) -> tuple[Notification, ...]:
    """The receivers in the data of a ConfigMap. Raises ValueError, which names the field."""
    if NAMESPACE_KEY not in data:
        raise ValueError(f"it has no key {NAMESPACE_KEY}: write the list notifications there")
    try:
        found = Notifications.model_validate(read_yaml(data, NAMESPACE_KEY)).notifications
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ValueError(f"{NAMESPACE_KEY}: {'; '.join(problems)}") from None
    if len({one.name for one in found}) < len(found):
        raise ValueError(f"{NAMESPACE_KEY}: notifications: two of them have the same name")
    for one in found:
        hook = one.webhook
        if (hook.url is None) == (hook.url_from is None):
            raise ValueError(f"{NAMESPACE_KEY}: {one.name}: webhook: name exactly one of url and urlFrom")
    return tuple(found)


def _host(url: str) -> str:
    """An address as messages show it: nothing that could be a secret."""
    try:
        return urlsplit(url).hostname or "the address"
    except ValueError:
        return "the address"
