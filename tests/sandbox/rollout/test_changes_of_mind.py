"""What happens to a rollout when the user, or the pods, change their mind in the middle of it."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from sandbox.rollout.kit import NAME, RATE, Shop, a_release, accuracy

from demo.stage import Manifest, Stage
from slipway_sandbox.client import PODS

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

LONG = ((30, "1m"), (100, "0s"))
"""A rollout that stays at its first step for as long as a test takes."""


def a_retrained(version: str, **spec: Any) -> Manifest:
    """v2's weights, trained anew: another release under another version."""
    return a_release("v2", release={"model": {"version": version}}, **spec)


async def test_a_new_release_in_mid_rollout_is_verified_itself_before_it_gets_traffic(shop: Shop) -> None:
    await shop.apply(a_release("v2", steps=LONG))
    await shop.until_served_by("v2")
    await shop.apply(a_retrained("v3"))
    await shop.until_ready("v3")
    assert shop.phase("v2") == "Superseded"
    assert shop.weights("v2") == [0, 3000, 0]
    assert shop.weights("v3") == [0, 5000, 10_000]
    without = [weights for weights in shop.routed if shop.service("v2") not in weights]
    assert {shop.service("v1"): 10_000} in without[1:], "the old candidate's share goes back to what is proven"
    assert [phase for phase, _ in shop.told("v3")][:3] == ["Pending", "Starting", "Evaluating"]
    assert [phase for phase, _ in shop.told("v2")][-2:] == ["Stepping", "Superseded"]
    assert shop.failed == []


async def test_a_bad_release_that_replaces_a_good_candidate_gets_nothing_of_its_traffic(shop: Shop) -> None:
    """v3 fails on the golden set: it must not inherit what v2 had earned."""
    await shop.apply(a_release("v2", steps=LONG))
    await shop.until_served_by("v2")
    await shop.apply(a_release("v3", steps=LONG, analysis={"metrics": [strict_accuracy()]}))
    await shop.until_phase("v3", "RolledBack")
    assert shop.weights("v2") == [0, 3000, 0]
    assert shop.weights("v3") == [0]
    assert shop.answered_by("v3") == 0
    assert await shop.until_told("Available", "True", "StableServing")
    assert shop.failed == []

    # To declare again what is stable ends the matter, without another rollout.
    known = shop.told("v1")
    await shop.apply(a_release("v1", analysis={"metrics": [strict_accuracy()]}))
    await shop.until_told("Ready", "True", "ReleaseServing")
    assert shop.condition("Stalled") == {}
    assert shop.told("v1") == known
    assert shop.failed == []


def strict_accuracy() -> Manifest:
    """A gate that nothing but a perfect model passes."""
    return {
        "name": "accuracy",
        "goldenSet": {"configMap": {"name": "golden", "key": "golden.jsonl"}, "output": "label"},
        "threshold": {"min": 0.999},
    }


async def test_declaring_the_stable_release_again_in_mid_rollout_takes_the_candidate_back_at_once(shop: Shop) -> None:
    await shop.apply(a_release("v2", steps=LONG))
    await shop.until_served_by("v2")
    await shop.apply(a_release("v1"))
    await shop.until("the candidate getting nothing", lambda: shop.weight("v2") == 0, seconds=20)
    message = await shop.until_told("Ready", "True", "ReleaseServing")
    assert "release v1 serves all traffic" in message
    assert shop.phase("v2") == "Superseded"
    assert shop.weights("v2") == [0, 3000, 0]
    await shop.until("its pods ending", lambda: shop.record("v2").get("idleSince"))

    # Declared once more, it is tried from the beginning: nothing that it had earned is left.
    await shop.apply(a_release("v2"))
    await shop.until_ready("v2")
    assert shop.record("v2")["attempt"] == 2
    assert [phase for phase, _ in shop.told("v2")].count("Evaluating") == 2
    assert shop.failed == []


async def test_deleting_in_mid_rollout_removes_everything_and_nothing_hangs(shop: Shop) -> None:
    await shop.apply(a_release("v2", steps=LONG))
    await shop.until_served_by("v2")
    await shop.load.stop()
    await shop.kubectl("delete", "mdep", NAME, "--wait=true", "--timeout=120s")
    await shop.until_gone()
    assert shop.failed == []


async def test_deleting_while_the_operator_is_down_removes_everything_too(platform: Stage, shop: Shop) -> None:
    await shop.apply(a_release("v2", steps=LONG))
    await shop.until_served_by("v2")
    await shop.load.stop()
    await platform.operator.stop(kill=True)
    try:
        await shop.kubectl("delete", "mdep", NAME, "--wait=true", "--timeout=120s")
        await shop.until_gone()
    finally:
        await platform.operator.start()
    # Applied again under the same name, it is a new one: its first release has nothing to be compared with.
    await shop.apply(a_release("v2"))
    await shop.until_ready("v2")
    assert shop.record("v2").get("baseline") is None
    assert shop.failed == []


async def processes_of_pods(shop: Shop, version: str) -> list[int]:
    """The processes that stand for a release's containers. They know their pod's whole name, as in a container: no
    other sandbox on this machine has one of that name."""
    pods, _ = await shop.stage.sandbox.client.list_all(PODS, shop.namespace)
    names = [pod["metadata"]["name"] for pod in pods]
    return with_one_of({f"HOSTNAME={name}".encode() for name in names if name.startswith(f"{shop.service(version)}-")})


def with_one_of(marks: set[bytes]) -> list[int]:
    """The processes whose environment has one of the variables."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is somebody else's
        if marks.intersection(environment):
            found.append(int(process.name))
    return found


async def test_when_all_pods_of_the_candidate_crash_it_gets_nothing_soon_and_stable_serves(shop: Shop) -> None:
    await shop.apply(a_release("v2", steps=LONG))
    await shop.until_served_by("v2")
    processes = await processes_of_pods(shop, "v2")
    assert processes
    for process in processes:
        os.kill(process, signal.SIGKILL)
    await shop.until("the candidate getting nothing", lambda: shop.weight("v2") == 0, seconds=20)
    await shop.until_phase("v2", "RolledBack")
    assert shop.record("v2")["reason"] == "CapacityLost"
    assert re.search(
        r"it took 30% of the traffic and none of its pods is ready: pod \S+, container model: .*exit code 137",
        shop.record("v2")["message"],
    )
    await shop.until("every answer coming from v1", lambda: shop.last(20) == ["v1"] * 20)
    assert len(shop.failed) < 2 * RATE, "a few seconds of its share, also on a busy machine"
    assert await shop.until_told("Available", "True", "StableServing")
    assert await shop.until_told("Stalled", "True", "RolledBack")


async def test_a_crash_in_mid_rollout_that_leaves_other_pods_costs_no_rollback(shop: Shop) -> None:
    # What the crash costs is for the analysis to judge; here it is about pods, so nothing else is asked of them.
    judged = {"metrics": [accuracy()]}
    await shop.apply(a_release("v2", steps=((50, "1500ms"), (100, "0s")), replicas=4, analysis=judged))
    await shop.until_served_by("v2")
    os.kill((await processes_of_pods(shop, "v2"))[0], signal.SIGKILL)
    await shop.until_ready("v2")
    assert shop.weights("v2") == [0, 5000, 10_000]
