"""How many requests a second probing may take, however many replays share it."""

from __future__ import annotations

import asyncio
import math


class Pace:
    """Hands out turns at even distances. Turns that nobody took are not saved up: a burst is what is to be avoided."""

    def __init__(self, per_second: float) -> None:
        """Raises ValueError for anything but a number above 0."""
        if not 0 < per_second < math.inf:
            raise ValueError(f"{per_second} requests a second are no pace: give a number above 0")
        self._distance = 1.0 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Waits for the next turn. Who is cancelled while waiting has used it up."""
        now = asyncio.get_running_loop().time()
        mine = max(now, self._next)
        self._next = mine + self._distance
        if mine > now:
            await asyncio.sleep(mine - now)
