"""Looking again and again until a rollout has come to an end.

The cluster is read once a second, and not watched: three small requests a second for as long as a person or a pipeline
waits cost less than a second way to read would.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from slipway.api import format_duration
from slipway.cli.exits import Exit
from slipway.cli.outcome import ENDINGS, Outcome, outcome
from slipway.cli.picture import Picture, read
from slipway.cluster import Cluster, ClusterError, Throttled, Unavailable

PAUSE: Final = 1.0
"""Seconds between two looks."""

Tell = Callable[[Picture, Outcome], None]


async def watch(
    cluster: Cluster,
    namespace: str,
    name: str,
    *,
    generation: int | None,
    timeout: timedelta | None,
    tell: Tell,
    always: bool = False,
) -> Outcome:
    """Look until the outcome stays, and tell of each change; with `always` of each look, as for a clock that runs.

    A cluster that cannot be reached for a while is no end: it is looked at again. The time out is. Raises Stop when
    there is no such object, and ClusterError for what waiting does not heal.
    """
    deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
    told, last = None, Outcome(Exit.IN_PROGRESS, "nothing was seen yet")
    while True:
        try:
            picture = await read(cluster, namespace, name)
        except (Unavailable, Throttled) as error:
            last = Outcome(Exit.IN_PROGRESS, f"the cluster cannot be reached: {error}")
        else:
            last = outcome(picture, generation)
            news = (last, picture.status.phase, picture.status.progress)
            if always or news != told:
                tell(picture, last)
            told = news
            if last.code in ENDINGS:
                return last
        if deadline is not None and time.monotonic() >= deadline:
            waited = format_duration(timeout or timedelta(0))
            return Outcome(Exit.TIMED_OUT, f"{name} was not at its end within {waited}: {last.sentence}")
        await asyncio.sleep(PAUSE if deadline is None else max(0.0, min(PAUSE, deadline - time.monotonic())))


async def answer(cluster: Cluster, namespace: str, name: str, text: str, timeout: timedelta) -> Picture | None:
    """Wait until the operator has answered a command; None when it did not in time.

    Raises ClusterError, and Stop when the object is gone.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    while True:
        try:
            picture = await read(cluster, namespace, name)
        except (Unavailable, Throttled):
            if time.monotonic() >= deadline:
                raise
        else:
            last = picture.status.last_command
            if last is not None and last.command == text:
                return picture
            if picture.command != text:
                raise ClusterError("the command was replaced, or taken away, before the operator answered it")
            if time.monotonic() >= deadline:
                return None
        await asyncio.sleep(min(0.25, max(0.0, deadline - time.monotonic())))
