"""The work queue: which objects are to be looked at, when, and by one worker each.

Events, resyncs and timers only ever say "look at this key"; the queue turns that into passes. What may become of a key:

- ready: a pass is due now. Adding it again changes nothing.
- delayed: a pass is due later. Of two delays the earlier wins, and an immediate add overtakes both, so that an abort
  never waits out a pause.
- busy: a worker has it. Adding it marks it dirty, and it becomes ready again when the worker is done: what changed
  during the pass is looked at by another pass, never by a second worker.

Hence the two promises: a key that was added is handed out after that moment (or the queue is shut down), and no key is
with two workers. Everything runs on one event loop; no method but `get` and `drain` waits. A cancelled `get` takes
nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

BASE_DELAY = 0.2
"""Seconds before the first retry of a key that failed."""

MAX_DELAY = 120.0
"""Seconds between retries of a key that keeps failing, at most."""

RETRIES_PER_SECOND = 10.0
"""How many retries a second all keys together may make once the burst is used up."""

RETRY_BURST = 100
"""How many retries may come at once: a short outage of the API server is retried without queueing."""

K = TypeVar("K", bound=Hashable)


class QueueShutDown(Exception):
    """The queue hands out nothing any more."""


class TimerHandle(Protocol):
    """What `Clock.call_at` returns."""

    def cancel(self) -> None:
        """Makes sure that the call does not happen."""


class Clock(Protocol):
    """Time as the queue needs it; every asyncio event loop is one."""

    def time(self) -> float:
        """Monotonic seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> TimerHandle:
        """Calls back when `time()` has reached `when`."""


@dataclass(frozen=True, slots=True)
class QueueStatistics:
    """A snapshot; the fields feed the `workqueue_*` metrics of the same names. Durations are seconds."""

    depth: int
    """Keys that are ready."""
    delayed: int
    """Keys that become ready later."""
    busy: int
    """Keys that a worker has."""
    adds_total: int
    """How often a key became ready or dirty; adds that changed nothing are not counted."""
    retries_total: int
    """How often a key was added again because it failed."""
    queue_duration_seconds_sum: float
    """How long keys waited from becoming ready to being handed out, in all."""
    queue_duration_seconds_count: int
    work_duration_seconds_sum: float
    """How long workers had keys, in all passes that are done."""
    work_duration_seconds_count: int
    unfinished_work_seconds: float
    """How long workers have had the keys that they have now, in all: grows when workers are stuck."""
    longest_running_processor_seconds: float
    """How long the slowest worker has had its key."""


class TokenBucket:
    """Spreads bursts: at most `burst` at once and `rate` a second after that."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at: float | None = None

    def reserve(self, now: float) -> float:
        """Takes a token, on credit when there is none; returns the seconds until it is there."""
        if self._filled_at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)


class WorkQueue(Generic[K]):
    """See the module. `clock` is the running event loop and `rng` the process's randomness unless a test brings its
    own.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        base_delay: float = BASE_DELAY,
        max_delay: float = MAX_DELAY,
        retries_per_second: float = RETRIES_PER_SECOND,
        retry_burst: int = RETRY_BURST,
        waited: Callable[[float], None] = lambda _: None,
        worked: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`waited` and `worked` are told the seconds of each wait for a worker and of each pass."""
        self._tell_waited, self._tell_worked = waited, worked
        self._clock: Clock = clock if clock is not None else asyncio.get_running_loop()
        self._rng = rng if rng is not None else random.Random()  # noqa: S311 - jitter, not a secret
        self._base_delay = base_delay
        self._max_delay = max_delay
        self._bucket = TokenBucket(retries_per_second, retry_burst)
        self._ready: OrderedDict[K, float] = OrderedDict()  # key → when it became ready
        self._busy: dict[K, float] = {}  # key → when it was handed out
        self._dirty: set[K] = set()
        self._due: dict[K, float] = {}  # the truth about delays; the heap may also hold what was overtaken
        self._heap: list[tuple[float, int, K]] = []
        self._pushed = 0
        self._timer: tuple[float, TimerHandle] | None = None
        self._failures: dict[K, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._shut_down = False
        self._adds = self._retries = self._waits = self._works = 0
        self._waited = self._worked = 0.0

    def add(self, key: K) -> None:
        """A pass over this key is due now."""
        if self._shut_down:
            return
        self._due.pop(key, None)
        if key in self._busy:
            if key not in self._dirty:
                self._dirty.add(key)
                self._adds += 1
        elif key not in self._ready:
            self._adds += 1
            self._make_ready(key)
        self._arm()

    def add_after(self, key: K, delay: float) -> None:
        """A pass over this key is due in `delay` seconds, unless one is due before."""
        if delay <= 0:
            self.add(key)
            return
        when = self._clock.time() + delay
        due_before = key in self._ready or key in self._dirty or self._due.get(key, when + 1) <= when
        if self._shut_down or due_before:
            return
        self._due[key] = when
        self._pushed += 1
        heapq.heappush(self._heap, (when, self._pushed, key))
        self._arm()

    def add_rate_limited(self, key: K) -> None:
        """A pass over this key failed: another is due after its back-off, or later when too many keys fail at once.

        The back-off doubles from `base_delay` to `max_delay`; of each, between a half and the whole is waited, by
        chance.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._retries += 1
        backoff = min(self._max_delay, self._base_delay * 2.0 ** min(failures, 60))
        jittered = backoff * (0.5 + 0.5 * self._rng.random())
        self.add_after(key, max(jittered, self._bucket.reserve(self._clock.time())))

    def forget(self, key: K) -> None:
        """The key did well, or is gone: its next failure is its first."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Waits for a key that is ready and hands it out; who has it must call `done`. In the order of becoming ready.

        Raises QueueShutDown once the queue is shut down, also to those who wait already.
        """
        while not self._shut_down:
            if self._ready:
                return self._hand_out()
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter.done() and not getter.cancelled():
                    self._wake_one()  # the call was meant for somebody who can take the key
                else:
                    with contextlib.suppress(ValueError):  # `_wake_one` may have met it and dropped it
                        self._getters.remove(getter)
                raise
        raise QueueShutDown

    def done(self, key: K) -> None:
        """The worker that got this key has finished its pass. Raises ValueError for a key that nobody has."""
        if key not in self._busy:
            raise ValueError(f"{key!r} is not being worked on")
        worked = self._clock.time() - self._busy.pop(key)
        self._works += 1
        self._worked += worked
        self._tell_worked(worked)
        if key in self._dirty:
            self._dirty.remove(key)
            self._make_ready(key)
        self._note_idle()

    def shutdown(self) -> None:
        """Hands out nothing any more and forgets what waits. Passes that have begun go on; `drain` waits for them."""
        self._shut_down = True
        self._ready.clear()
        self._dirty.clear()
        self._due.clear()
        self._heap.clear()
        self._arm()
        while self._getters:
            self._wake_one()
        self._note_idle()

    async def drain(self) -> None:
        """Waits until no key is busy and none is ready. Delayed keys are not waited for."""
        await self._idle.wait()

    def statistics(self) -> QueueStatistics:
        """What the queue is doing, and has done."""
        now = self._clock.time()
        running = [now - since for since in self._busy.values()]
        return QueueStatistics(
            depth=len(self._ready),
            delayed=len(self._due),
            busy=len(self._busy),
            adds_total=self._adds,
            retries_total=self._retries,
            queue_duration_seconds_sum=self._waited,
            queue_duration_seconds_count=self._waits,
            work_duration_seconds_sum=self._worked,
            work_duration_seconds_count=self._works,
            unfinished_work_seconds=sum(running),
            longest_running_processor_seconds=max(running, default=0.0),
        )

    def picture(self) -> dict[str, dict[str, float]]:
        """Every key and for how many seconds it is ready or busy, or until it is due; for people."""
        now = self._clock.time()
        return {
            "ready": {str(key): now - since for key, since in self._ready.items()},
            "busy": {str(key): now - since for key, since in self._busy.items()},
            "due": {str(key): when - now for key, when in sorted(self._due.items(), key=lambda item: item[1])},
            "failures": {str(key): float(count) for key, count in self._failures.items()},
        }

    def _hand_out(self) -> K:
        key, since = self._ready.popitem(last=False)
        now = self._clock.time()
        self._waits += 1
        self._waited += now - since
        self._tell_waited(now - since)
        self._busy[key] = now
        return key

    def _make_ready(self, key: K) -> None:
        if self._shut_down:
            return
        self._ready[key] = self._clock.time()
        self._idle.clear()
        self._wake_one()

    def _wake_one(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _note_idle(self) -> None:
        if not self._busy and not self._ready:
            self._idle.set()

    def _arm(self) -> None:
        """Sees to it that the timer goes off when the earliest delay ends, and not at all when there is none."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        earliest = self._heap[0][0] if self._heap else None
        if self._timer is not None and self._timer[0] != earliest:
            self._timer[1].cancel()
            self._timer = None
        if self._timer is None and earliest is not None:
            self._timer = (earliest, self._clock.call_at(earliest, self._release_due))

    def _release_due(self) -> None:
        self._timer = None
        now = self._clock.time()
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == when:
                self.add(key)
        self._arm()
