"""Two replicas of the operator, of which one leads: whenever it ends, the other goes on where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
from sandbox.rollout.kit import Open, a_release, processes_of

from demo.stage import Operator, Stage, stage

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

ELECT = ("--leader-elect", "--lease-namespace=default", "--lease-duration=3")
LADDER = ((25, "500ms"), (50, "500ms"))
CLIMBED = [
    ("Pending", "RevisionCreated"),
    ("Starting", "CandidateStarting"),
    ("Evaluating", "CandidateEvaluating"),
    ("Stepping", "StepStarted"),
    ("Stepping", "StepStarted"),
    ("Promoting", "CandidatePromoting"),
    ("Stable", "CandidatePromoted"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The sandbox and the first replica."""
    state = tmp_path_factory.mktemp("replicas")
    async with stage(state_dir=state, options=ELECT) as running:
        yield running
    assert processes_of(state) == []


@dataclass
class Replicas:
    """The replicas that run. All write one log, as one that nobody complains of."""

    platform: Stage
    running: list[Operator]

    async def leader(self) -> Operator | None:
        """The one that holds the lease, and runs."""
        said = "jsonpath={.spec.holderIdentity}"
        holder = await self.platform.kubectl("get", "lease", "slipway", "--output", said, check=False)
        for one in self.running:
            if one.process is not None and f"_{one.process.pid}_" in holder:
                return one
        return None

    async def led(self) -> Operator:
        """Wait for a leader."""
        async with asyncio.timeout(60):
            while (found := await self.leader()) is None:  # noqa: ASYNC110 - kubectl is asked
                await asyncio.sleep(0.1)
        return found

    async def end_leader(self, *, kill: bool) -> None:
        """End the one that leads, and start another in its place."""
        await (await self.led()).stop(kill=kill)
        self.running = [one for one in self.running if one.process is not None]
        await self.add()

    async def add(self) -> None:
        """Start one more."""
        self.running.append(replace(self.platform.operator, process=None))
        await self.running[-1].start()


@pytest_asyncio.fixture(loop_scope="module")
async def replicas(platform: Stage) -> AsyncIterator[Replicas]:
    found = Replicas(platform, [platform.operator])
    await found.add()
    yield found
    for one in found.running:
        await one.stop()


async def test_a_leader_that_is_killed_or_told_to_end_in_any_phase_is_followed_by_the_other(
    replicas: Replicas, open_shops: Open
) -> None:
    shop = await open_shops()
    await shop.serve_first_release()
    await shop.apply(a_release("v2", steps=LADDER, replicas=2))
    for phase, kill in (("Starting", True), ("Evaluating", False), ("Stepping", True), ("Promoting", False)):
        await shop.until_phase("v2", phase)
        await replicas.end_leader(kill=kill)
    await shop.until_ready("v2")

    assert shop.told("v2") == CLIMBED
    assert shop.steps_told("v2") == ["step 1 of 2", "step 2 of 2"]
    assert shop.record("v2")["attempt"] == 1
    assert shop.weights("v2") == [0, 2500, 5000, 10_000]
    assert shop.failed == []
