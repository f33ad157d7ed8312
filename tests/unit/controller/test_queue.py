"""The work queue, by a clock that only the test moves.

Covered: every state of a key (ready, delayed, busy, dirty) × every way to add it; back-off, jitter and the token
bucket; waiting, cancelled and shut-down getters; the counters. Sequences nobody thought of are in
test_queue_properties.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from unit.controller.fake_clock import FakeClock

from slipway.controller.queue import QueueShutDown, WorkQueue


class NoJitter(random.Random):
    """Waits every back-off in full."""

    def random(self) -> float:
        return 1.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue[str]:
    return WorkQueue(clock=clock, rng=NoJitter(), base_delay=1.0, max_delay=8.0, retries_per_second=10.0, retry_burst=5)


def ready(queue: WorkQueue[str]) -> int:
    return queue.statistics().depth


async def take(queue: WorkQueue[str]) -> str:
    """The next key, which must be ready already."""
    async with asyncio.timeout(30):
        assert ready(queue), "nothing is ready"
        return await queue.get()


# --- adding


async def test_keys_come_in_the_order_they_were_added(queue: WorkQueue[str]) -> None:
    for key in "cab":
        queue.add(key)
    assert [await take(queue) for _ in range(3)] == ["c", "a", "b"]


async def test_a_key_that_is_ready_is_not_added_twice(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add("a")
    assert ready(queue) == 1


async def test_a_busy_key_is_not_handed_out_again_before_it_is_done(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await take(queue)
    queue.add("a")
    assert ready(queue) == 0
    queue.done("a")
    assert await take(queue) == "a"


async def test_a_key_that_was_added_many_times_while_busy_gets_one_more_pass(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await take(queue)
    for _ in range(3):
        queue.add("a")
    queue.done("a")
    await take(queue)
    queue.done("a")
    assert ready(queue) == 0


async def test_only_a_busy_key_can_be_done(queue: WorkQueue[str]) -> None:
    queue.add("a")
    with pytest.raises(ValueError, match="'a' is not being worked on"):
        queue.done("a")


# --- delays


async def test_a_delayed_key_is_ready_when_its_delay_ends_and_not_before(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add_after("a", 10)
    clock.advance(9.99)
    assert ready(queue) == 0
    clock.advance(0.01)
    assert await take(queue) == "a"


@pytest.mark.parametrize("delays", [(3, 10), (10, 3)])
async def test_of_two_delays_the_earlier_wins(queue: WorkQueue[str], clock: FakeClock, delays: tuple[int, int]) -> None:
    for delay in delays:
        queue.add_after("a", delay)
    clock.advance(3)
    queue.done(await take(queue))
    clock.advance(100)
    assert ready(queue) == 0


async def test_an_immediate_add_overtakes_a_delayed_one(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("a", 600)
    queue.add("a")
    queue.done(await take(queue))
    clock.advance(1000)
    assert ready(queue) == 0


async def test_a_delay_adds_nothing_to_a_key_that_is_ready(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("a")
    queue.add_after("a", 5)
    queue.done(await take(queue))
    clock.advance(10)
    assert ready(queue) == 0


async def test_the_delay_that_a_pass_asks_for_starts_with_the_asking(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("a")
    await take(queue)
    queue.add_after("a", 5)
    clock.advance(1)
    queue.done("a")
    clock.advance(4)
    assert ready(queue) == 1


async def test_a_delay_that_ends_while_its_key_is_busy_gets_another_pass(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add("a")
    await take(queue)
    queue.add_after("a", 5)
    clock.advance(6)
    assert ready(queue) == 0
    queue.done("a")
    assert ready(queue) == 1


@pytest.mark.parametrize("delay", [0.0, -1.0])
async def test_a_delay_that_is_over_is_none(queue: WorkQueue[str], delay: float) -> None:
    queue.add_after("a", delay)
    assert ready(queue) == 1


async def test_delays_of_many_keys_end_in_their_order(queue: WorkQueue[str], clock: FakeClock) -> None:
    for key, delay in (("c", 3), ("a", 1), ("b", 2)):
        queue.add_after(key, delay)
    clock.advance(3)
    assert [await take(queue) for _ in range(3)] == ["a", "b", "c"]


# --- failures


def retry(queue: WorkQueue[str], clock: FakeClock, key: str = "a") -> float:
    """Adds a key that failed; returns the seconds until it is ready, and takes it."""
    start = clock.time()
    queue.add_rate_limited(key)
    while not ready(queue):
        clock.advance_to_next()
    return clock.time() - start


async def test_a_key_that_keeps_failing_waits_twice_as_long_each_time_up_to_a_limit(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    waited = []
    for _ in range(6):
        waited.append(retry(queue, clock))
        queue.done(await take(queue))
    assert waited == [1, 2, 4, 8, 8, 8]


async def test_a_key_that_did_well_starts_over(queue: WorkQueue[str], clock: FakeClock) -> None:
    for _ in range(3):
        retry(queue, clock)
        queue.done(await take(queue))
    queue.forget("a")
    assert retry(queue, clock) == 1


async def test_an_event_does_not_wait_out_a_back_off(queue: WorkQueue[str]) -> None:
    queue.add_rate_limited("a")
    assert ready(queue) == 0
    queue.add("a")
    assert ready(queue) == 1


async def test_keys_that_fail_together_do_not_come_back_together(clock: FakeClock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock=clock, rng=random.Random(1), base_delay=10.0, retry_burst=1000)
    for n in range(100):
        queue.add_rate_limited(str(n))
    clock.advance(4.99)
    assert ready(queue) == 0
    clock.advance(2.5)
    assert 20 < ready(queue) < 80
    clock.advance(2.51)
    assert ready(queue) == 100


async def test_many_failures_at_once_are_spread_by_the_token_bucket(queue: WorkQueue[str], clock: FakeClock) -> None:
    for n in range(25):
        queue.add_rate_limited(str(n))
    clock.advance(1)
    assert ready(queue) == 15  # the burst of 5, and 10 a second
    clock.advance(1)
    assert ready(queue) == 25


async def test_the_bucket_fills_up_to_its_burst_and_no_further(queue: WorkQueue[str], clock: FakeClock) -> None:
    for n in range(25):
        queue.add_rate_limited(f"first-{n}")
    clock.advance(1000)
    for n in range(25):
        queue.add_rate_limited(f"second-{n}")
    clock.advance(1)
    assert ready(queue) == 25 + 15


async def test_a_thousandth_failure_is_not_too_much_for_arithmetic(queue: WorkQueue[str], clock: FakeClock) -> None:
    for _ in range(3000):
        queue.add_rate_limited("a")
    clock.advance(1)
    queue.done(await take(queue))
    queue.forget("a")
    clock.advance(1000)
    assert retry(queue, clock) == 1


# --- waiting


async def started(queue: WorkQueue[str]) -> asyncio.Task[str]:
    """A worker that waits for a key."""
    task = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_a_worker_waits_for_a_key(queue: WorkQueue[str], clock: FakeClock) -> None:
    worker = await started(queue)
    queue.add_after("a", 5)
    clock.advance(5)
    assert await worker == "a"


async def test_each_waiting_worker_gets_a_key_of_its_own(queue: WorkQueue[str]) -> None:
    workers = [await started(queue) for _ in range(3)]
    for key in "abc":
        queue.add(key)
    assert sorted(await asyncio.gather(*workers)) == ["a", "b", "c"]


@pytest.mark.parametrize("wait", [False, True], ids=["just-cancelled", "long-cancelled"])
async def test_a_cancelled_worker_takes_no_key_with_it(queue: WorkQueue[str], wait: bool) -> None:
    leaving, staying = await started(queue), await started(queue)
    leaving.cancel()
    if wait:
        await asyncio.sleep(0)
    queue.add("a")
    async with asyncio.timeout(30):
        assert await staying == "a"
    assert (await asyncio.gather(leaving, return_exceptions=True))[0].__class__ is asyncio.CancelledError


async def test_a_worker_that_is_cancelled_as_it_is_called_passes_the_call_on(queue: WorkQueue[str]) -> None:
    leaving, staying = await started(queue), await started(queue)
    queue.add("a")
    leaving.cancel()
    async with asyncio.timeout(30):
        assert await staying == "a"
    assert leaving.cancelled()


# --- shutting down


async def test_a_queue_that_is_shut_down_hands_out_nothing(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("ready")
    queue.add_after("delayed", 1)
    queue.shutdown()
    queue.add("late")
    queue.add_after("later", 1)
    queue.add_rate_limited("failed")
    clock.advance(100)
    with pytest.raises(QueueShutDown):
        await queue.get()
    assert clock.pending == 0


async def test_waiting_workers_are_told_of_a_shutdown(queue: WorkQueue[str]) -> None:
    workers = [await started(queue) for _ in range(3)]
    queue.shutdown()
    results = await asyncio.gather(*workers, return_exceptions=True)
    assert [type(result) for result in results] == [QueueShutDown] * 3


async def test_a_pass_that_has_begun_is_waited_for(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await take(queue)
    queue.add("a")
    queue.shutdown()
    draining = asyncio.create_task(queue.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    queue.done("a")
    async with asyncio.timeout(30):
        await draining
    assert ready(queue) == 0


async def test_draining_waits_for_what_is_ready_and_not_for_what_is_delayed(queue: WorkQueue[str]) -> None:
    await queue.drain()
    queue.add("a")
    queue.add_after("b", 5)
    draining = asyncio.create_task(queue.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    queue.done(await take(queue))
    async with asyncio.timeout(30):
        await draining


async def test_draining_waits_for_the_pass_that_a_dirty_key_still_gets(queue: WorkQueue[str]) -> None:
    queue.add("a")
    await take(queue)
    queue.add("a")
    queue.done("a")
    draining = asyncio.create_task(queue.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    queue.done(await take(queue))
    async with asyncio.timeout(30):
        await draining


# --- counters


async def test_the_counters_tell_what_happened(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("a")
    queue.add("a")
    queue.add("b")
    queue.add_after("c", 60)
    clock.advance(2)
    await take(queue)
    clock.advance(3)
    await take(queue)
    clock.advance(4)
    queue.add("a")
    seen = queue.statistics()
    assert (seen.depth, seen.delayed, seen.busy, seen.adds_total, seen.retries_total) == (0, 1, 2, 3, 0)
    assert (seen.queue_duration_seconds_sum, seen.queue_duration_seconds_count) == (2 + 5, 2)
    assert (seen.unfinished_work_seconds, seen.longest_running_processor_seconds) == (7 + 4, 7)
    queue.done("b")
    queue.add_rate_limited("b")
    seen = queue.statistics()
    assert (seen.work_duration_seconds_sum, seen.work_duration_seconds_count, seen.retries_total) == (4, 1, 1)


async def test_the_event_loop_is_the_clock_when_none_is_given() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.01)
    async with asyncio.timeout(30):
        assert await queue.get() == "a"


async def test_one_timer_serves_all_delays(queue: WorkQueue[str], clock: FakeClock) -> None:
    adds: list[Callable[[], None]] = [lambda n=n: queue.add_after(str(n), 100 - n % 50) for n in range(1000)]  # type: ignore[misc]
    for add in adds:
        add()
    assert clock.pending == 1
