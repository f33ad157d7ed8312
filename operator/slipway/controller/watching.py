"""The watches of kopf: in a thread of their own, ended when what the cluster serves has changed, and begun anew then,
and when they fail.

kopf takes much of what a watch can meet as its end: an error in the stream, a definition that is deleted, a list that
expires between two pages. At its end it cancels every task of its event loop that is younger than it is, requests in
the middle of a look among them. Hence it has a loop to itself; what it hears is told to the operator's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

import kopf

from slipway.cluster import NAMESPACE, Cluster, ClusterError, ConnectionInfo, Forbidden, Kind, NotServed
from slipway.controller.handlers import RUNTIMES, WATCHED, WHERE_SERVED, registry, settings
from slipway.controller.listening import Listener
from slipway.controller.surroundings import LOOK_AROUND, Surroundings

CHECK: Final = 10.0
"""Seconds between two comparisons of what is watched with what the cluster is known to serve."""

RECOUNT: Final = 600.0
"""Seconds between two questions which kinds are served, where the groups and versions stay the same."""

STEADY: Final = 60.0
"""Seconds after which watches that last are well."""

SOONEST: Final = 1.0
LATEST: Final = 60.0
"""Seconds before watches that failed are begun anew: twice as long each time, between these. They list everything."""

PATIENCE: Final = 2.0
"""Seconds before a task of kopf's that was told to end is told so again. It may have connections to close."""

ENDING: Final = 6.0
"""Seconds in which that is done. What goes on then is left to itself."""

STOPPING: Final = 8.0
"""Seconds that watches get to end in, before nobody waits for them any more."""

LONGEST: Final = 500
"""Characters of what is said of an error."""

_PAUSE: Final = "pause-waiter for "
"""What kopf has the names of tasks begin with that wait for a pause."""

_log = logging.getLogger(__name__)


class Watches:
    """Keeps what is served watched."""

    def __init__(
        self,
        cluster: Cluster,
        around: Surroundings,
        listener: Listener,
        login: Callable[[], Awaitable[ConnectionInfo]],
        namespaces: Sequence[str] = (),
    ) -> None:
        """`namespaces` are those to watch; none of them means all."""
        self.problem: str | None = None
        """Why nothing is heard at this moment; None while all is well."""
        self._cluster = cluster
        self._around = around
        self._listener = listener
        self._login = login
        self._namespaces = tuple(namespaces)
        self._unread: frozenset[Kind] = frozenset()

    async def keep(self) -> None:
        """Watch until cancelled."""
        pause, kinds = SOONEST, await self._first()
        while True:
            began = time.monotonic()
            watch = asyncio.create_task(in_thread(partial(self._operate, kinds)), name="watches")
            try:
                changed = await self._changed(watch, kinds)
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
            if changed is not None:
                _log.info("the cluster serves other kinds than before: the watches begin anew")
                kinds = changed
                continue
            pause = SOONEST if time.monotonic() - began >= STEADY else pause
            self.problem = f"the watches ended: {_told(watch.result())}"
            _log.warning("%s: they begin anew in %.0f s", self.problem, pause)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
            pause, kinds = min(LATEST, pause * 2), await self._first()

    async def _changed(self, watch: asyncio.Task[BaseException | None], kinds: Sequence[Kind]) -> list[Kind] | None:
        """Which other kinds are served; None when the watches have ended."""
        counted_at = time.monotonic()
        apis = self._around.apis
        while True:
            await asyncio.wait({watch}, timeout=CHECK)
            if watch.done():
                return None
            now, self.problem = time.monotonic(), None
            if self._around.apis == apis and now - counted_at < RECOUNT:
                continue
            known = self._around.apis
            try:
                found = await self._served()
            except ClusterError as error:
                _log.debug("which kinds are served is not known at present: %s", error)
                continue
            if found != kinds and not self._lacking(found):
                return found
            apis, counted_at = known, now

    async def _first(self) -> list[Kind]:
        """The kinds to watch, as soon as that is known and nothing is missing."""
        while True:
            try:
                found = await self._served()
                if not (lacking := self._lacking(found)):
                    return found
                self.problem = f"nothing is watched: {lacking.plural} cannot be listed"
            except ClusterError as error:
                self.problem = f"nothing is watched: which kinds are served is not known: {error}"
                _log.warning("%s: asking again", self.problem)
            await asyncio.sleep(LOOK_AROUND)

    def _lacking(self, kinds: Sequence[Kind]) -> Kind | None:
        return next((kind for kind in self._around.needed if kind not in kinds), None)

    async def _served(self) -> list[Kind]:
        """The kinds that the cluster knows, and lets be read: a watch of any other would end all. Raises ClusterError
        where that cannot be said."""
        found, unread = [], set[Kind]()
        divided = [NAMESPACE] if self._listener.shard.selector is not None else []
        for kind in (*WATCHED, *divided, *WHERE_SERVED, *RUNTIMES):
            try:
                for namespace in (self._namespaces if kind.namespaced else ()) or (None,):
                    await self._cluster.list(kind, namespace, labels={"slipway.dev/none": "none"})
            except NotServed:
                _log.debug("%s is not watched: the cluster does not know it", kind.kind)
            except Forbidden as error:  # by an administrator's choice, or by mistake
                unread.add(kind)
                if kind not in self._unread:
                    _log.info("%s is not watched, and its changes are noticed later: %s", kind.kind, error)
            else:
                found.append(kind)
        self._unread = frozenset(unread)
        return found

    async def _operate(self, kinds: Sequence[Kind], here: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        roots = await kopf.spawn_tasks(
            registry=registry(self._listener, self._login, kinds, here.call_soon_threadsafe),
            settings=settings(self._listener.shard.selector),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
        )
        told = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({told, *roots}, return_when=asyncio.FIRST_COMPLETED)
        await _end_others()
        for task in done - {told}:
            task.result()


async def _end_others() -> None:
    """End all other tasks of this loop: kopf would let watches go on for seconds, with connections that it has closed.

    Those that wait for a pause are left to the watches that they belong to, which take being cancelled for a pause once
    such a task has ended, and go on. What goes on all the same is told again.
    """
    end = time.monotonic() + ENDING
    while time.monotonic() < end and (others := _others()):
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=PATIENCE)


def _others() -> set[asyncio.Task[Any]]:
    own = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not own and not task.get_name().startswith(_PAUSE)}


def _told(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST] if error is not None else "kopf says not why"


async def in_thread(
    work: Callable[[asyncio.AbstractEventLoop, asyncio.Event], Coroutine[Any, Any, None]],
) -> BaseException | None:
    """Work in a thread with an event loop of its own until that ends; returns the error by which it did.

    The work is given the caller's loop, and what to wait for: it has to end soon after that is set, which it is when
    the caller is cancelled. One that does not is left to itself, and does not keep the process from ending.
    """
    here, there, stop = asyncio.get_running_loop(), asyncio.new_event_loop(), asyncio.Event()
    ended: asyncio.Future[BaseException | None] = here.create_future()

    def run() -> None:
        error: BaseException | None = None
        runner = asyncio.Runner(loop_factory=lambda: there)
        try:
            runner.run(work(here, stop))
        except BaseException as caught:  # noqa: BLE001 - whatever it is, the caller has to hear of it
            error = caught

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the caller's loop is closed: nobody waits
                here.call_soon_threadsafe(_settle, ended, error)

        if asyncio.all_tasks(there):
            tell()  # to close the loop waits for them, and what did not end so far may never
        runner.close()
        tell()

    threading.Thread(target=run, name="watches", daemon=True).start()
    try:
        await asyncio.wait({ended})
    except asyncio.CancelledError:
        with contextlib.suppress(RuntimeError):  # it has ended in the meantime
            there.call_soon_threadsafe(stop.set)
        await asyncio.wait({ended}, timeout=STOPPING)
        if not ended.done():
            _log.warning("the watches have not ended in %.0f s, and are left to themselves", STOPPING)
        raise
    return ended.result()


def _settle(ended: asyncio.Future[BaseException | None], error: BaseException | None) -> None:
    if not ended.done():
        ended.set_result(error)
