"""The work queue: one worker a key, nothing lost, delays that an immediate add overtakes."""

import asyncio

from slipway_sandbox.controllers.queue import WorkQueue


async def test_a_key_waits_at_most_once() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert [await queue.take(), await queue.take()] == ["a", "b"]


async def test_a_key_that_is_added_while_busy_comes_back_when_done() -> None:
    queue = WorkQueue()
    queue.add("a")
    key = await queue.take()
    queue.add("a")
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not taking.done()
    queue.done(key)
    assert await taking == "a"


async def test_an_immediate_add_overtakes_a_delayed_one() -> None:
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add("a")
    async with asyncio.timeout(30):
        assert await queue.take() == "a"


async def test_the_earlier_of_two_delays_counts() -> None:
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    async with asyncio.timeout(30):
        assert await queue.take() == "a"


async def test_failures_in_a_row_wait_twice_as_long_each_time_until_a_success() -> None:
    queue = WorkQueue()
    pauses = [queue.retry("a") for _ in range(3)]
    assert pauses == [0.02, 0.04, 0.08]
    queue.succeeded("a")
    assert queue.retry("a") == 0.02
