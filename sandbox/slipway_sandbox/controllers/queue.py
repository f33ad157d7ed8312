"""A queue of keys: one worker a key at a time, dirty while busy is done again, failures wait longer each time."""

import asyncio
import heapq
from typing import Final

FIRST_BACKOFF_SECONDS: Final = 0.02
LONGEST_BACKOFF_SECONDS: Final = 30.0


class WorkQueue:
    """Keys that want a look.

    A key waits at most once; one that is added while it is being worked on comes back afterwards. An immediate add
    overtakes a delayed one, and the earliest of several delays counts.
    """

    def __init__(self) -> None:
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: str) -> None:
        """Look at this key as soon as a worker is free."""
        self._due.pop(key, None)
        if key in self._busy:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Look at this key in so many seconds, or earlier if something else asks for it."""
        due = asyncio.get_running_loop().time() + max(seconds, 0.0)
        if self._due.get(key, float("inf")) <= due or key in self._waiting:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        self._arm()

    def retry(self, key: str) -> float:
        """Look again after a failure; the pause doubles with each one in a row. Returns the pause in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        pause: float = min(FIRST_BACKOFF_SECONDS * 2.0**failures, LONGEST_BACKOFF_SECONDS)
        self.add_after(key, pause)
        return pause

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    async def take(self) -> str:
        """The next key; call `done` when it has been dealt with."""
        key = await self._ready.get()
        self._waiting.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: str) -> None:
        """The worker is finished with this key."""
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer = asyncio.get_running_loop().call_at(self._heap[0][0], self._fire)

    def _fire(self) -> None:
        now = asyncio.get_running_loop().time() + 0.001
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self.add(key)
        self._timer = None
        self._arm()
