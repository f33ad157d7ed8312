"""Writing verdicts into registries: beside the looks, so that no rollout waits for a registry.

What came of it wakes a look, which writes it down. What was cut off, as the operator ended, is looked up in the
registry by the next one, and written only where it is not there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from slipway.api import ModelDeploymentStatus, RegistrySpec, WrittenBack
from slipway.cluster import ClusterError
from slipway.controller.registries import Key, Registries
from slipway.registries import RegistryError, set_alias, set_tag, tracking_server
from slipway.rollout import NoticeOutcome, reasons

PAUSES: Final = (15.0, 60.0, 300.0, 900.0)
"""Seconds between attempts."""

FINAL: Final = frozenset({reasons.REGISTRY_NOT_FOUND, reasons.REGISTRY_ANSWER})
"""What another attempt would not change."""

REMEMBERED: Final = 1024
"""Verdicts whose outcome is kept for the next look."""

_log = logging.getLogger(__name__)


class WritingBack:
    """Carries verdicts to registries."""

    def __init__(self, registries: Registries, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._registries = registries
        self._pause = pause
        self._on: dict[tuple[Key, str], asyncio.Task[None]] = {}
        self._outcomes: dict[tuple[Key, str], NoticeOutcome] = {}

    def outcomes(self, key: Key, status: ModelDeploymentStatus) -> tuple[NoticeOutcome, ...]:
        """What this process knows of the verdicts that a status names."""
        known = (status.registry.written_back if status.registry is not None else None) or ()
        return tuple(self._outcomes[key, one.id] for one in known if (key, one.id) in self._outcomes)

    def start(self, key: Key, spec: RegistrySpec | None, orders: Sequence[WrittenBack]) -> None:
        """Begin with verdicts that are written down. Those of a ModelDeployment are written one after the other."""
        before = [task for (other, _), task in self._on.items() if other == key]
        for order in orders:
            place = (key, order.id)
            if spec is None or place in self._on or place in self._outcomes:
                continue
            task = asyncio.create_task(
                self._tell(place, spec, order, tuple(before)), name=f"{'/'.join(key)}: {order.id}"
            )
            self._on[place] = task
            task.add_done_callback(partial(self._over, place))
            before.append(task)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._on:
            await asyncio.wait(self._on.values())

    async def close(self) -> None:
        """Break off what is under way: the next operator goes on with it."""
        for task in self._on.values():
            task.cancel()
        await self.idle()

    def _over(self, place: tuple[Key, str], _: asyncio.Task[None]) -> None:
        del self._on[place]

    async def _tell(
        self, place: tuple[Key, str], spec: RegistrySpec, order: WrittenBack, before: Sequence[asyncio.Task[None]]
    ) -> None:
        await asyncio.gather(*before, return_exceptions=True)
        message = await self._attempts(place[0], spec, order)
        self._outcomes[place] = NoticeOutcome(order.id, "Failed" if message else "Written", message)
        if message:
            _log.warning("%s: %s was not written: %s", "/".join(place[0]), order.what, message)
        while len(self._outcomes) > REMEMBERED:
            del self._outcomes[next(iter(self._outcomes))]
        self._registries.wake(place[0])

    async def _attempts(self, key: Key, spec: RegistrySpec, order: WrittenBack) -> str:
        """Why it was given up; empty when it was written."""
        message = ""
        for pause in (*PAUSES, None):
            try:
                await self._attempt(key[0], spec, order)
            except RegistryError as error:
                message, again = str(error), error.reason not in FINAL
            except ClusterError as error:
                message, again = f"spec.release.from.credentials: it cannot be read: {error}", True
            except Exception as error:  # noqa: BLE001 - the traceback could show credentials
                _log.error("%s: writing back: a defect of the operator: %s", "/".join(key), type(error).__name__)
                return f"a defect of the operator: {type(error).__name__}"
            else:
                return ""
            if pause is None or not again:
                break
            await self._pause(pause)
        return message

    async def _attempt(self, namespace: str, spec: RegistrySpec, order: WrittenBack) -> None:
        if spec.mlflow is None:
            return
        asker = await self._registries.asker(namespace, spec)
        server = tracking_server(spec.mlflow, asker, self._registries.registry.tracking_uri)
        tag = spec.write_back.tag if spec.write_back is not None else None
        if order.what == "Alias":
            await set_alias(asker, server, spec.mlflow.model, order.value, order.version)
        elif tag is not None:
            await set_tag(asker, server, spec.mlflow.model, order.version, (tag, order.value))
