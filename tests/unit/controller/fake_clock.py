"""A clock that only the test moves."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True)
class Handle:
    when: float
    number: int
    callback: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Time stands still until it is advanced; what was to be called by then is called then, in order."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._calls: list[Handle] = []
        self._made = 0

    @property
    def pending(self) -> int:
        """How many calls are to come."""
        return sum(not call.cancelled for call in self._calls)

    def time(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None], /) -> Handle:
        self._made += 1
        handle = Handle(when, self._made, callback)
        heapq.heappush(self._calls, handle)
        return handle

    def advance(self, seconds: float) -> None:
        """Lets time pass. Rounded, so that a sum of decimals meets the moment that it means."""
        end = round(self._now + seconds, 9)
        while self._calls and self._calls[0].when <= end + 1e-9:
            call = heapq.heappop(self._calls)
            if not call.cancelled:
                self._now = max(self._now, call.when)
                call.callback()
        self._now = max(self._now, end)

    def advance_to_next(self) -> None:
        """Lets time pass until the next call has been made."""
        while self._calls and self._calls[0].cancelled:
            heapq.heappop(self._calls)
        assert self._calls, "nothing is to come"
        self.advance(self._calls[0].when - self._now)
