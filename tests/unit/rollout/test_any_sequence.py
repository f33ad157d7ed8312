"""Whatever happens, in whatever order: the invariants hold after every write, and calm ends well.

The rules below are what people, clusters and bad luck do to a rollout. `World` checks every decision and the state
after every single write; this module makes up the sequences, and asks at their end that a world left in peace comes to
the right end within a bounded time. SLIPWAY_SEQUENCES sets how many sequences are tried (default 40).
"""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from unit.rollout.world import ABSOLUTE, ANALYSIS, LADDER, ROLLBACK, TICK, Release, Stopped, World

from slipway.api import Phase, RollbackSpec
from slipway.rollout import FULL, Step

SEQUENCES = int(os.environ.get("SLIPWAY_SEQUENCES", "40"))
PEACE = 120
"""Ticks in which a world without disturbances has to come to its end."""

LADDERS = [
    LADDER,
    (Step(2_500, TICK), Step(5_000, TICK)),
    (Step(1_000), Step(2_000), Step(4_000), Step(8_000)),
    (Step(3_333, 3 * TICK),),
]
GATES = [ANALYSIS, ABSOLUTE, ANALYSIS.model_copy(update={"interval": timedelta(seconds=15)})]
ROLLBACKS = [ROLLBACK, RollbackSpec(**ROLLBACK.model_dump() | {"revision_history_limit": 0})]


class Rollouts(RuleBasedStateMachine):
    """Sequences of everything that may happen to one ModelDeployment."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.released = 0

    @initialize(gates=st.sampled_from(GATES), stable=st.booleans())
    def begin(self, gates, stable):
        self.world.analysis = gates
        self._release()
        if stable:
            self.world.tick(12)
            self._release()

    def _release(self, **flaws: bool) -> None:
        self.released += 1
        self.world.declare(Release(str(self.released), **flaws))

    # --- people -----------------------------------------------------------------------------------------------------

    @rule(flaw=st.sampled_from(["", "", "accurate", "healthy", "starts"]))
    def a_new_release(self, flaw):
        self._release(**({flaw: False} if flaw else {}))

    @rule(data=st.data())
    def an_earlier_release_is_declared_again(self, data):
        known = sorted(self.world.releases.values(), key=lambda release: release.version)
        self.world.declare(data.draw(st.sampled_from(known)))

    @rule(replicas=st.integers(0, 7))
    def the_replicas_are_edited(self, replicas):
        self.world.replicas = replicas
        self.world.generation += 1

    @rule(ladder=st.sampled_from(LADDERS))
    def the_ladder_is_edited(self, ladder):
        self.world.steps = ladder
        self.world.generation += 1

    @rule(gates=st.sampled_from(GATES), rollback=st.sampled_from(ROLLBACKS))
    def the_gates_are_edited(self, gates, rollback):
        self.world.analysis, self.world.rollback = gates, rollback
        self.world.generation += 1

    @precondition(lambda self: self.world.written)
    @rule(data=st.data())
    def someone_else_edits_the_route(self, data):
        known = sorted(self.world.written)
        share = data.draw(st.integers(0, FULL))
        weights = {known[0]: FULL - share, known[-1]: share} if len(known) > 1 else {}
        self.world.edit_route({hash_: weight for hash_, weight in weights.items() if weight})

    # --- the cluster ------------------------------------------------------------------------------------------------

    @rule(times=st.integers(1, 6))
    def time_passes(self, times):
        self.world.tick(times)

    @rule(minutes=st.sampled_from([1, 5, 60]))
    def nobody_looks_for_a_while(self, minutes):
        self.world.pass_time()
        self.world.skipped += timedelta(minutes=minutes)
        self.world.settle()

    @precondition(lambda self: self.world.fleets)
    @rule(data=st.data())
    def a_fleet_crashes(self, data):
        self.world.crashed.add(data.draw(st.sampled_from(sorted(self.world.fleets))))

    @rule()
    def all_fleets_crash(self):
        self.world.crashed |= set(self.world.fleets)

    @rule()
    def fleets_recover(self):
        self.world.crashed.clear()

    @precondition(lambda self: self.world.fleets)
    @rule(data=st.data(), ticks=st.integers(0, 3))
    def some_pods_are_not_ready_for_a_while(self, data, ticks):
        fleet = self.world.fleets[data.draw(st.sampled_from(sorted(self.world.fleets)))]
        half = len(fleet.ready_at) // 2 + 1
        fleet.ready_at = [self.world.clock + ticks] * half + fleet.ready_at[half:]

    @rule(source=st.sampled_from(["live", "golden"]))
    def a_source_goes_out(self, source):
        self.world.outages.add(source)

    @rule()
    def sources_answer(self):
        self.world.outages.clear()

    @rule(there=st.booleans())
    def the_gateway_goes_or_comes(self, there):
        self.world.gateway = there

    @rule(pods=st.integers(0, 4), gateway=st.integers(0, 3))
    def the_cluster_gets_slower_or_faster(self, pods, gateway):
        self.world.start_lag, self.world.gateway_lag = pods, gateway

    # --- the operator -----------------------------------------------------------------------------------------------

    @rule(writes=st.integers(0, 5))
    def the_operator_is_killed_between_two_writes(self, writes):
        self.world.pass_time()
        look = self.world.look()
        try:
            self.world.carry_out(self.world.judge(look), look, only=writes)
        except Stopped:
            return

    @rule(writes=st.integers(0, 12))
    def the_operator_will_be_killed_soon(self, writes):
        self.world.kill_at = self.world.writes + writes

    @precondition(lambda self: self.world.records)
    @rule(data=st.data())
    def someone_else_writes_first(self, data):
        self.world.pass_time()
        look = self.world.look()
        keys = ["status", "route", *(f"record {hash_}" for hash_ in sorted(self.world.records))]
        taken = data.draw(st.sampled_from(keys))
        self.world.versions[taken] = self.world.versions.get(taken, 0) + 1
        self._try(look)

    @precondition(lambda self: self.world.history)
    @rule(age=st.integers(1, 5))
    def the_operator_acts_on_a_stale_read(self, age):
        known = [look for look in self.world.history if set(look.seen.revisions) <= set(self.world.records)]
        if known:
            self._try(self.world.look_again(known[-min(age, len(known))]))

    def _try(self, look) -> None:
        try:
            self.world.carry_out(self.world.judge(look), look)
        except Stopped:
            return

    # --- the end ----------------------------------------------------------------------------------------------------

    def teardown(self):
        if not self.world.desired:
            return
        world = self.world
        world.crashed.clear()
        world.outages.clear()
        world.gateway, world.kill_at = True, None
        world.start_lag, world.gateway_lag = 2, 1
        world.replicas = world.replicas or 1
        if world.steps[0].weight == FULL:
            world.steps = LADDER
        world.tick(PEACE)
        self._comes_to_the_right_end()

    def _comes_to_the_right_end(self) -> None:
        world = self.world
        release = world.releases[world.desired]
        stable = [hash_ for hash_, record in world.records.items() if record.phase == Phase.STABLE]
        phase, reason = world.phase(release), world.records[release.hash].reason
        assert len(stable) <= 1
        if phase == Phase.ROLLED_BACK:
            legitimate = {"CapacityLost", "CapacityDeadlineExceeded", "StartDeadlineExceeded", "AnalysisFailed"}
            assert reason in legitimate
        else:
            assert phase == Phase.STABLE, f"after peace it is {phase}: {reason}: {world.records[release.hash].message}"
        serving = world.written or {}
        assert world.accepted == serving
        if stable:
            assert serving == {stable[0]: FULL}
        else:
            # A first release that was replaced before it was stable keeps what it serves, should its successor fail.
            assert [world.records[hash_].phase for hash_ in serving] in ([], [Phase.SUPERSEDED])
        conditions = {condition.type: condition.status for condition in world.status.conditions or ()}
        assert conditions["Ready"] == str(phase == Phase.STABLE)
        assert conditions["Available"] == str(bool(stable))
        assert conditions.get("Stalled") == ("True" if phase == Phase.ROLLED_BACK else None)
        assert "Reconciling" not in conditions
        idle = {hash_ for hash_, fleet in world.fleets.items() if fleet.ready_at} - set(serving)
        assert not idle, "pods of a release that does not serve are still there"
        over = [hash_ for hash_ in world.records if hash_ not in {*serving, world.desired}]
        assert len(over) <= world.rollback.revision_history_limit, "the history is longer than its limit"
        assert world.judge(world.look()).wake_after is None, "nothing is going on, and it looks again"


Rollouts.TestCase.settings = settings(
    max_examples=SEQUENCES,
    stateful_step_count=40,
    deadline=None,
    derandomize=SEQUENCES == 40,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    report_multiple_bugs=False,
)
TestAnySequence = pytest.mark.timeout(3600)(Rollouts.TestCase)
