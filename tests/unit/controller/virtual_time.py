"""An event loop whose time is not the machine's: it stands still while something is at work, and then jumps to the next
moment that somebody waits for. What waits for an hour takes no time, and how long it waited can be read off."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Waits for nothing but other threads; where all that is left is time, lets it pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or (self.threads and timeout > 0):
            return super().select(None)
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not found:
            self.now += max(timeout, 0.0)
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._waiter = _Selector()
        super().__init__(self._waiter)

    def time(self) -> float:
        return self._waiter.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self._waiter.threads += 1
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self._waiter.threads -= 1


def in_virtual_time(test: Coroutine[Any, Any, T]) -> T:
    """Run a test in a loop of its own. What it talks to has to be in this process: nobody waits for a network."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(test)
