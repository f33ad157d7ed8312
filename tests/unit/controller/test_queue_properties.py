"""Whatever the order of adds, delays, failures, passes and passing time: no key is lost, and no key is with two
workers.
"""

from __future__ import annotations

import asyncio
import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from unit.controller.fake_clock import FakeClock

from slipway.controller.queue import WorkQueue

KEYS = st.sampled_from("abc")
DELAYS = st.sampled_from([0.0, 0.5, 1.0, 5.0, 60.0])
LATEST_RETRY = 20.0
"""Seconds within which a failed key is ready: the longest back-off, and the bucket's queue in the longest run."""


class QueueMachine(RuleBasedStateMachine):
    """Remembers for each key by when a pass must have been possible, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.queue: WorkQueue[str] = WorkQueue(
            clock=self.clock,
            rng=random.Random(0),
            base_delay=0.5,
            max_delay=4.0,
            retries_per_second=5.0,
            retry_burst=2,
        )
        self.owed: dict[str, float] = {}
        self.busy: set[str] = set()

    def owe(self, key: str, delay: float) -> None:
        due = self.clock.time() + delay
        self.owed[key] = min(due, self.owed.get(key, due))

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        self.owe(key, 0.0)

    @rule(key=KEYS, delay=DELAYS)
    def add_after(self, key: str, delay: float) -> None:
        self.queue.add_after(key, delay)
        self.owe(key, delay)

    @rule(key=KEYS)
    def add_rate_limited(self, key: str) -> None:
        self.queue.add_rate_limited(key)
        self.owe(key, LATEST_RETRY)

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.queue.forget(key)

    @precondition(lambda self: self.queue.statistics().depth)
    @rule()
    def get(self) -> None:
        key = self.loop.run_until_complete(self.queue.get())
        assert key not in self.busy, "two workers have it"
        assert key in self.owed, "nobody asked for it"
        self.busy.add(key)
        del self.owed[key]

    @rule()
    def a_worker_gives_up_waiting(self) -> None:
        async def give_up() -> None:
            task = asyncio.ensure_future(self.queue.get())
            await asyncio.sleep(0)
            if task.done():
                key = task.result()
                assert key not in self.busy
                self.busy.add(key)
                del self.owed[key]
                return
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.loop.run_until_complete(give_up())

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.busy)))
        self.busy.remove(key)
        self.queue.done(key)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 10.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def what_is_overdue_and_not_busy_is_ready(self) -> None:
        overdue = {key for key, due in self.owed.items() if due <= self.clock.time() and key not in self.busy}
        assert self.queue.statistics().depth >= len(overdue)

    @invariant()
    def what_is_owed_is_somewhere(self) -> None:
        seen = self.queue.statistics()
        idle = {key for key in self.owed if key not in self.busy}
        assert seen.depth + seen.delayed >= len(idle)
        assert seen.busy == len(self.busy)

    @invariant()
    def nothing_is_counted_that_nobody_asked_for(self) -> None:
        assert self.queue.statistics().depth <= len(self.owed)

    def teardown(self) -> None:
        """Lets everything come to rest: then every key that is still owed must have come."""
        for key in sorted(self.busy):
            self.queue.done(key)
        self.busy.clear()
        self.clock.advance(1000.0)
        while self.queue.statistics().depth:
            self.get()
            key = self.busy.pop()
            self.queue.done(key)
        assert not self.owed, "a key was lost"
        assert self.clock.pending == 0
        self.loop.close()


TestWorkQueue = QueueMachine.TestCase
TestWorkQueue.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
