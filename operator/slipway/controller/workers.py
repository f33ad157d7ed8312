"""The workers: each takes what is due from the queue, looks at it, and says when to look again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, Literal

from slipway.cluster import ClusterError, Conflict, NotLeading, Throttled
from slipway.controller.logs import looking_at
from slipway.controller.queue import QueueShutDown, WorkQueue
from slipway.controller.reconciler import Key, Reconciler, RefusedError
from slipway.controller.shard import Shard
from slipway.controller.telemetry import Telemetry
from slipway.controller.tracing import note, span

WORKERS: Final = 8
"""ModelDeployments that are looked at side by side."""

LONGEST_PAUSE: Final = 30.0
"""Seconds after which a look that keeps failing is repeated, at the latest: when the API is back after an outage, no
candidate goes unjudged for longer."""

SHORTEST_PAUSE: Final = 1.0
"""Seconds that a server which asks for patience gets at the least, also when it asks for none."""

Result = Literal["success", "error", "panic", "requeue", "requeue_after"]
"""How a look ended, in controller-runtime's words; a panic is a defect of the operator."""

_log = logging.getLogger(__name__)


LAST: Final = 2.0
"""Seconds that passes which have begun get, when they are not waited for any more."""


@contextlib.asynccontextmanager
async def working(
    queue: WorkQueue[Key],
    reconciler: Reconciler,
    telemetry: Telemetry,
    rounds: Coroutine[Any, Any, None],
    *,
    shard: Shard | None = None,
    let_go: Callable[[Key], None] = lambda _: None,
) -> AsyncIterator[None]:
    """Work the queue in the background; on leaving, finish the passes that have begun, and break off what takes long.

    `let_go` is told of what is not ours any more.
    """
    work = (_work(queue, reconciler, telemetry, shard or Shard(), let_go) for _ in range(WORKERS))
    workers = [asyncio.create_task(one, name=f"worker-{number}") for number, one in enumerate(work)]
    going = asyncio.create_task(rounds, name="rounds")
    try:
        yield
    finally:
        going.cancel()
        queue.shutdown()
        await asyncio.wait(workers, timeout=LAST)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, going, return_exceptions=True)


async def _work(
    queue: WorkQueue[Key], reconciler: Reconciler, telemetry: Telemetry, shard: Shard, let_go: Callable[[Key], None]
) -> None:
    while True:
        try:
            key = await queue.get()
        except QueueShutDown:
            return
        began = time.monotonic()
        try:
            if not shard.admits(key):  # its namespace left
                queue.forget(key)
                let_go(key)
                continue
            result = await look(queue, reconciler, key)
            telemetry.looked(result, time.monotonic() - began)
        finally:
            queue.done(key)


async def look(queue: WorkQueue[Key], reconciler: Reconciler, key: Key) -> Result:
    """One pass. Whatever goes wrong with one object is tried again, and never stops the others."""
    namespace, name = key
    with looking_at(*key) as id_, span("reconcile", namespace=namespace, name=name, reconcile_id=id_):
        result = await _look(queue, reconciler, key)
        note(result=result)
    return result


async def _look(queue: WorkQueue[Key], reconciler: Reconciler, key: Key) -> Result:
    name = "/".join(key)
    try:
        wake_after = await reconciler.reconcile(key)
    except Conflict as error:
        _log.debug("%s: decided on an older version, looking again: %s", name, error)
        queue.add_rate_limited(key)
        return "requeue"
    except NotLeading as error:
        _log.info("%s: not decided here: %s", name, error)
        return "success"
    except Throttled as error:
        queue.add_after(key, max(error.retry_after, SHORTEST_PAUSE))
        return "requeue_after"
    except RefusedError as error:
        _log.warning("%s: the cluster refused: %s", name, error)
        queue.add_rate_limited(key)
        if error.wake_after is not None:
            queue.add_after(key, error.wake_after.total_seconds())
        return "error"
    except ClusterError as error:
        _log.warning("%s: will be looked at again: %s", name, error)
        queue.add_rate_limited(key)
        return "error"
    except Exception:  # noqa: BLE001 - a worker that died would leave its share of the objects unlooked at
        _log.exception("%s: a defect of the operator; will be looked at again", name)
        queue.add_rate_limited(key)
        return "panic"
    queue.forget(key)
    if wake_after is None:
        return "success"
    queue.add_after(key, wake_after.total_seconds())
    return "requeue_after"
