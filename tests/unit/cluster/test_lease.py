"""Of several replicas one leads: whatever clocks, delays and failures do, there are never two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.cluster import (
    DEPLOYMENT,
    LEASE,
    Elector,
    FencedCluster,
    Forbidden,
    LeaseTimes,
    LostLeadError,
    MemoryCluster,
    NotLeading,
    Object,
    Unavailable,
)

NAMESPACE, NAME = "slipway-system", "slipway"
TIMES = LeaseTimes()


@dataclass
class World:
    """One true time, which each replica's clocks show in their own way."""

    now: float = 1000.0
    cluster: MemoryCluster = field(default_factory=MemoryCluster)

    def elector(self, identity: str, *, rate: float = 1.0, wall: timedelta = timedelta(0)) -> Elector:
        """A replica whose monotonic clock runs at this rate, and whose wall clock is off by this much."""

        def monotonic() -> float:
            return self.now * rate

        def people() -> datetime:
            return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now) + wall

        return Elector(self.cluster, NAMESPACE, NAME, identity, clock=monotonic, now=people)

    async def lease(self) -> Object:
        lease = await self.cluster.get(LEASE, NAMESPACE, NAME)
        assert lease is not None
        return dict(lease["spec"])


async def attempt(elector: Elector) -> bool:
    """One look, as `acquire` and `keep` take it."""
    return await elector._attempt()


async def test_the_first_replica_leads_and_the_second_waits() -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    assert one.leading
    assert not await attempt(two)
    assert not two.leading
    assert two.holder == "one"
    lease = await world.lease()
    assert lease["holderIdentity"] == "one"
    assert lease["leaseDurationSeconds"] == 15
    assert lease["renewTime"].endswith("Z")


async def test_a_leader_that_is_not_heard_of_any_more_is_replaced_after_the_lease_and_not_before() -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    await attempt(two)
    world.now += TIMES.duration - 0.1
    assert not await attempt(two)
    world.now += 0.2
    assert await attempt(two)
    assert (await world.lease())["leaseTransitions"] == 1


async def test_a_lease_that_was_deleted_is_not_taken_from_a_leader_that_was_seen_just_now() -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    await attempt(two)
    await world.cluster.delete(LEASE, NAMESPACE, NAME)
    world.now += TIMES.pace
    assert not await attempt(two)
    assert await attempt(one)
    assert (one.leading, two.leading) == (True, False)


async def test_a_lease_that_was_deleted_is_taken_once_it_has_been_away_for_its_duration() -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    await attempt(two)
    await world.cluster.delete(LEASE, NAMESPACE, NAME)
    assert not await attempt(two)
    world.now += TIMES.duration + 0.1
    assert await attempt(two)


async def test_who_led_once_does_not_lead_again_because_the_lease_of_another_was_deleted() -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    await attempt(two)
    world.now += TIMES.duration + 0.1  # the process was stopped for that long
    assert await attempt(two)
    await world.cluster.delete(LEASE, NAMESPACE, NAME)
    assert not await attempt(one)
    assert (one.leading, two.leading) == (False, True)


async def test_a_leader_that_renews_stays() -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    for _ in range(20):
        world.now += TIMES.pace
        assert await attempt(one)
        assert not await attempt(two)
    assert one.leading
    assert (await world.lease())["leaseTransitions"] == 0


async def test_a_lease_that_is_given_back_is_taken_at_the_next_look() -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    await attempt(two)
    await one.release()
    assert not one.leading
    assert await attempt(two)


async def test_who_lost_the_lease_does_not_give_away_that_of_another() -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    await attempt(two)
    world.now += TIMES.duration + 0.1
    assert await attempt(two)
    assert not await attempt(one)
    await one.release()
    assert (await world.lease())["holderIdentity"] == "two"


async def test_a_wall_clock_that_is_hours_off_changes_nothing_and_is_nothing_to_tell(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    one, two = world.elector("one", wall=timedelta(hours=-5)), world.elector("two", wall=timedelta(hours=9))
    await one.acquire()
    assert not await attempt(two)
    world.now += TIMES.duration + 0.1
    assert await attempt(two)
    world.now += TIMES.pace
    assert not await attempt(one)
    assert (one.problem, two.problem) == (None, None)
    assert caplog.records == []


async def test_a_leader_stops_acting_when_its_renewals_fail_before_another_may_begin() -> None:
    world = World()
    one = world.elector("one")
    await one.acquire()
    for _ in range(4):
        world.now += TIMES.pace
        world.cluster.fail_next("get", LEASE, Unavailable("away"))
        assert not await attempt(one)
        assert one.leading
    world.now += TIMES.renewal - 4 * TIMES.pace + 0.1
    assert not one.leading
    assert one.problem is not None
    assert "away" in one.problem


async def test_a_renewal_whose_answer_got_lost_is_no_loss() -> None:
    world = World()
    one = world.elector("one")
    await one.acquire()
    world.now += TIMES.pace
    world.cluster.fail_next("merge_patch", LEASE, Unavailable("cut off"), after_write=True)
    assert not await attempt(one)
    assert await attempt(one)
    assert one.leading


async def test_a_lease_whose_last_renewal_was_heard_of_by_nobody_is_given_back_all_the_same() -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    await attempt(two)
    world.now += TIMES.pace
    world.cluster.fail_next("merge_patch", LEASE, Unavailable("cut off"), after_write=True)
    assert not await attempt(one)
    await one.release()
    assert await attempt(two)


async def test_keeping_ends_when_somebody_else_took_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    one, two = world.elector("one"), world.elector("two")
    await one.acquire()
    await attempt(two)
    world.now += TIMES.duration + 1  # the process was stopped for that long
    await attempt(two)

    async def no_time(_: float) -> None:
        return None

    monkeypatch.setattr(asyncio, "sleep", no_time)
    with pytest.raises(LostLeadError, match="two holds it"):
        await one.keep()


async def test_a_lease_that_may_not_be_written_is_said_and_tried_again() -> None:
    world = World()
    one = world.elector("one")
    world.cluster.fail_next("get", LEASE, Forbidden("leases is forbidden"))
    assert not await attempt(one)
    assert one.problem == (
        "lease slipway-system/slipway: may not be held, grant get, create and patch: leases is forbidden"
    )
    assert await attempt(one)
    assert one.problem is None


async def test_a_lease_that_claims_to_last_for_ever_is_waited_for_no_longer_than_ours() -> None:
    world = World()
    spec = {"holderIdentity": "odd", "leaseDurationSeconds": 10**9}
    metadata = {"name": NAME, "namespace": NAMESPACE}
    world.cluster.put({"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec})
    one = world.elector("one")
    assert not await attempt(one)
    world.now += TIMES.duration + 0.1
    assert await attempt(one)


async def test_nothing_is_written_by_a_replica_that_does_not_lead() -> None:
    leading = [True]
    beneath = MemoryCluster()
    cluster = FencedCluster(beneath, lambda: leading[0])
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}, "spec": {}}
    await cluster.create(obj)
    leading[0] = False
    writes: list[Callable[[], object]] = [
        lambda: cluster.create(obj),
        lambda: cluster.apply(obj),
        lambda: cluster.apply_status(obj),
        lambda: cluster.merge_patch(DEPLOYMENT, "b", "a", {}),
        lambda: cluster.delete(DEPLOYMENT, "b", "a"),
    ]
    sent = len(beneath.requests)
    for write in writes:
        with pytest.raises(NotLeading):
            await write()  # type: ignore[misc]
    assert len(beneath.requests) == sent
    assert await cluster.get(DEPLOYMENT, "b", "a") is not None


@settings(max_examples=300, deadline=None)
@given(
    rates=st.lists(st.floats(0.9, 1.1), min_size=3, max_size=3),
    moves=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.floats(0, 8),
            st.sampled_from(
                ["look", "look", "look", "read fails", "write fails", "answer is lost", "release", "deletion"]
            ),
        ),
        max_size=60,
    ),
)
def test_there_are_never_two_leaders(rates: list[float], moves: list[tuple[int, float, str]]) -> None:
    """Clocks that run a tenth too fast or too slow, lost answers, failed reads and writes, silence of any length."""

    async def story() -> None:
        world = World()
        replicas = [world.elector(str(number), rate=rate) for number, rate in enumerate(rates)]
        for number, passed, what in moves:
            world.now += passed
            match what:
                case "read fails":
                    world.cluster.fail_next("get", LEASE, Unavailable("away"))
                case "write fails":
                    world.cluster.fail_next("merge_patch", LEASE, Unavailable("away"))
                case "answer is lost":
                    world.cluster.fail_next("merge_patch", LEASE, Unavailable("lost"), after_write=True)
                case "deletion":  # of a lease that all know, since they look at it every second
                    for replica in replicas * 2:
                        await attempt(replica)
                        while replica.problem is not None:
                            await attempt(replica)
                    await world.cluster.delete(LEASE, NAMESPACE, NAME)
            if what == "release":
                await replicas[number].release()
            else:
                await attempt(replicas[number])
            assert sum(replica.leading for replica in replicas) <= 1

    asyncio.run(story())
