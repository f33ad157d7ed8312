"""Turns of rollouts, on the status that their ModelRevisions have in a cluster."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from slipway.api import format_time
from slipway.cluster import MODEL_REVISION, MemoryCluster, Unavailable
from slipway.controller.budget import FRESH, RESERVED, RolloutBudget
from slipway.rollout import reasons
from slipway.rollout.budget import Limits

NOW = datetime(2025, 3, 1, 10, tzinfo=UTC)
ONE = Limits(per_namespace=1)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_revision(name: str, phase: str, *, namespace: str = "shop", since: datetime = NOW, **changes: Any) -> Any:
    """A ModelRevision of the ModelDeployment `name`; one that is Pending waits for its turn."""
    reason = reasons.QUEUED if phase == "Pending" else "StepStarted"
    owner = {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelDeployment", "name": name, "uid": f"uid-of-{name}"}
    return {
        "apiVersion": MODEL_REVISION.api_version,
        "kind": MODEL_REVISION.kind,
        "metadata": {
            "name": f"{name}-{changes.pop('hash_', '1a2b3c4d')}",
            "namespace": namespace,
            "ownerReferences": changes.pop("owners", [owner]),
        },
        "spec": {"modelDeployment": name},
        "status": {"phase": phase, "reason": reason, "phaseSince": format_time(since)} | changes,
    }


def a_cluster(*revisions: Any) -> MemoryCluster:
    cluster = MemoryCluster()
    for revision in revisions:
        cluster.put(revision)
    return cluster


def lists(cluster: MemoryCluster) -> list[str | None]:
    return [request.namespace for request in cluster.requests if request.verb == "list"]


async def test_without_limits_nothing_is_asked_of_the_cluster() -> None:
    cluster = a_cluster(a_revision("a", "Stepping"))
    assert await RolloutBudget(cluster, Limits()).turn("shop", "b", NOW) is None
    assert cluster.requests == []


async def test_who_finds_no_place_is_told_who_has_it() -> None:
    budget = RolloutBudget(a_cluster(a_revision("a", "Stepping")), ONE)
    assert await budget.turn("shop", "b", NOW) == "1 of 1 rollouts of namespace shop is under way: a"


async def test_the_queue_is_the_one_that_is_on_record() -> None:
    cluster = a_cluster(a_revision("a", "Pending", since=after(-5)), a_revision("b", "Pending", since=after(-9)))
    budget = RolloutBudget(cluster, ONE)
    assert await budget.turn("shop", "a", NOW) == (
        "0 of 1 rollouts of namespace shop are under way; 1 is ahead in the queue"
    )
    assert await budget.turn("shop", "b", NOW) is None


@pytest.mark.parametrize(
    "other",
    [
        a_revision("a", "Pending", since=after(-9), reason=reasons.GATEWAY_NOT_READY),
        a_revision("a", "Stepping", owners=[]),
        a_revision("a", "Stable"),
        a_revision("a", "PhaseOfALaterVersion"),
        a_revision("a", "Pending", since=after(-9)) | {"status": {}},
    ],
    ids=["held by its gateway", "without an owner", "over", "of another version", "new"],
)
async def test_who_could_not_start_or_is_over_keeps_nobody_waiting(other: Any) -> None:
    assert await RolloutBudget(a_cluster(other), ONE).turn("shop", "b", NOW) is None


async def test_a_record_without_a_readable_time_waits_since_its_creation() -> None:
    cluster = MemoryCluster(clock=lambda: after(-60))
    cluster.put(a_revision("a", "Pending", phaseSince="yesterday"))
    assert await RolloutBudget(cluster, ONE).turn("shop", "b", NOW) is not None


async def test_two_workers_never_share_the_last_place() -> None:
    budget = RolloutBudget(a_cluster(), Limits(per_cluster=1))
    said = await asyncio.gather(*(budget.turn("shop", name, NOW) for name in ("a", "b", "c")))
    assert [sentence is None for sentence in said].count(True) == 1


async def test_who_has_been_given_a_place_still_has_it_at_the_next_look() -> None:
    budget = RolloutBudget(a_cluster(), ONE)
    assert await budget.turn("shop", "b", NOW) is None
    assert await budget.turn("shop", "a", after(5)) == "1 of 1 rollouts of namespace shop is under way: b"
    assert await budget.turn("shop", "b", after(5)) is None


async def test_who_was_told_to_wait_is_not_overtaken_on_the_same_list() -> None:
    cluster = a_cluster(a_revision("r", "Stepping"))
    budget = RolloutBudget(cluster, Limits(per_namespace=1, per_cluster=9))
    await budget.turn("shop", "a", NOW)
    said = await budget.turn("shop", "b", after(0.5))
    assert said is not None
    assert said.endswith("1 is ahead in the queue")
    assert len(lists(cluster)) == 1


async def test_a_place_is_free_again_when_its_rollout_has_been_seen_and_ended() -> None:
    cluster = a_cluster()
    budget = RolloutBudget(cluster, ONE)
    assert await budget.turn("shop", "a", NOW) is None
    cluster.put(a_revision("a", "Starting", since=NOW))
    assert await budget.turn("shop", "b", after(3)) is not None
    cluster.put(a_revision("a", "Stable", since=after(4)))
    assert await budget.turn("shop", "b", after(6)) is None


async def test_the_end_of_an_earlier_candidate_does_not_free_the_place_of_the_next() -> None:
    earlier = a_revision("a", "RollingBack", since=after(-30), hash_="00000000")
    cluster = a_cluster(earlier)
    budget = RolloutBudget(cluster, ONE)
    assert await budget.turn("shop", "a", NOW) is None
    assert await budget.turn("shop", "b", after(3)) is not None
    cluster.put(earlier | {"status": {"phase": "RolledBack", "phaseSince": format_time(after(4))}})
    assert await budget.turn("shop", "b", after(6)) is not None


async def test_a_place_that_is_never_taken_is_free_after_a_while() -> None:
    budget = RolloutBudget(a_cluster(), ONE)
    assert await budget.turn("shop", "a", NOW) is None
    assert await budget.turn("shop", "b", NOW + RESERVED - timedelta(seconds=3)) is not None
    assert await budget.turn("shop", "b", NOW + RESERVED) is None


async def test_asking_again_does_not_keep_a_place_for_ever() -> None:
    cluster = a_cluster(a_revision("b", "Pending", since=NOW))
    budget = RolloutBudget(cluster, ONE)
    cluster.put(a_revision("a", "Pending", since=after(-9)))
    assert await budget.turn("shop", "a", NOW) is None
    assert await budget.turn("shop", "a", NOW + RESERVED / 2) is None
    cluster.put(a_revision("a", "Pending", since=after(-9), reason=reasons.GATEWAY_NOT_READY))
    assert await budget.turn("shop", "b", NOW + RESERVED) is None


async def test_a_place_that_is_given_back_is_free_at_once() -> None:
    budget = RolloutBudget(a_cluster(), ONE)
    assert await budget.turn("shop", "a", NOW) is None
    budget.give_back("shop", "a")
    budget.give_back("shop", "never-asked")
    assert await budget.turn("shop", "b", NOW) is None


async def test_all_who_ask_within_a_moment_share_one_list() -> None:
    cluster = a_cluster(a_revision("r", "Stepping"))
    budget = RolloutBudget(cluster, ONE)
    for n in range(20):
        await budget.turn("shop", f"m{n}", NOW)
    assert len(lists(cluster)) == 1
    await budget.turn("shop", "m0", NOW + FRESH)
    assert len(lists(cluster)) == 2
    await budget.turn("shop", "m0", NOW - timedelta(hours=1))  # a clock that was set back
    assert len(lists(cluster)) == 3


@pytest.mark.parametrize(
    ("limits", "watched", "listed"),
    [
        (Limits(per_namespace=1), (), ["shop"]),
        (Limits(per_cluster=1), (), [None]),
        (Limits(per_namespace=1, per_cluster=1), (), [None]),
        (Limits(per_cluster=1), ("shop", "bank"), ["shop", "bank"]),
        (Limits(per_namespace=1), ("shop", "bank"), ["shop"]),
    ],
)
async def test_no_more_namespaces_are_listed_than_the_limits_need(limits: Limits, watched: Any, listed: Any) -> None:
    cluster = a_cluster()
    await RolloutBudget(cluster, limits, watched).turn("shop", "a", NOW)
    assert lists(cluster) == listed


async def test_rollouts_of_all_watched_namespaces_count_for_the_cluster() -> None:
    cluster = a_cluster(a_revision("secret", "Stepping", namespace="bank"))
    budget = RolloutBudget(cluster, Limits(per_cluster=1), ("shop", "bank"))
    assert await budget.turn("shop", "a", NOW) == "1 of 1 rollouts of the cluster is under way: 1 in other namespaces"


async def test_a_list_that_fails_gives_no_place_and_stops_nobody_after_it() -> None:
    cluster = a_cluster()
    budget = RolloutBudget(cluster, ONE)
    cluster.fail_next("list", MODEL_REVISION, Unavailable("no answer"))
    with pytest.raises(Unavailable):
        await budget.turn("shop", "a", NOW)
    assert await budget.turn("shop", "b", NOW) is None
