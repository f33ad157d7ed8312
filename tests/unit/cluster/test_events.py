"""Events: counted when repeated, also by another process, cut to size, and never in the way."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from unit.cluster.builders import an_object

from slipway.cluster import (
    EVENT,
    GATEWAY_CLASS,
    MODEL_DEPLOYMENT,
    Conflict,
    EventRecorder,
    Forbidden,
    MemoryCluster,
    Object,
    Unavailable,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


@pytest.fixture
def fraud(cluster: MemoryCluster) -> Object:
    return cluster.put(an_object(MODEL_DEPLOYMENT, spec={}))


async def say(cluster: MemoryCluster, about: Object, message: str = "weight 10 → 0", minutes: int = 0) -> None:
    now = NOON + timedelta(minutes=minutes)
    await EventRecorder(cluster).record(about, type="Warning", reason="HauledBack", message=message, now=now)


async def test_an_event_says_who_what_and_when(cluster: MemoryCluster, fraud: Object) -> None:
    await say(cluster, fraud)
    (event,) = await cluster.list(EVENT, "shop")
    assert event["involvedObject"] == {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "name": "fraud",
        "namespace": "shop",
        "uid": fraud["metadata"]["uid"],
    }
    said = {key: event[key] for key in ("type", "reason", "message", "count", "firstTimestamp", "lastTimestamp")}
    assert said == {
        "type": "Warning",
        "reason": "HauledBack",
        "message": "weight 10 → 0",
        "count": 1,
        "firstTimestamp": "2026-03-01T12:00:00Z",
        "lastTimestamp": "2026-03-01T12:00:00Z",
    }
    assert event["source"] == {"component": "slipway"}


async def test_the_same_event_again_is_counted_also_by_another_recorder(cluster: MemoryCluster, fraud: Object) -> None:
    for minutes in range(3):
        await say(cluster, fraud, minutes=minutes)
    (event,) = await cluster.list(EVENT, "shop")
    assert event["count"] == 3
    assert event["firstTimestamp"] == "2026-03-01T12:00:00Z"
    assert event["lastTimestamp"] == "2026-03-01T12:02:00Z"


async def test_another_message_or_object_is_another_event(cluster: MemoryCluster, fraud: Object) -> None:
    await say(cluster, fraud)
    await say(cluster, fraud, "weight 50 → 0")
    await say(cluster, cluster.put(an_object(MODEL_DEPLOYMENT, "other", spec={})))
    again = fraud | {"metadata": fraud["metadata"] | {"uid": "of-its-successor"}}
    await say(cluster, again)
    assert [event["count"] for event in await cluster.list(EVENT, "shop")] == [1, 1, 1, 1]


async def test_a_long_message_is_cut_to_what_the_api_takes(cluster: MemoryCluster, fraud: Object) -> None:
    await say(cluster, fraud, "x" * 5000)
    (event,) = await cluster.list(EVENT, "shop")
    assert len(event["message"]) == 1024


async def test_an_object_without_a_namespace_is_spoken_of_in_default(cluster: MemoryCluster) -> None:
    await say(cluster, cluster.put(an_object(GATEWAY_CLASS, "traefik")))
    assert len(await cluster.list(EVENT, "default")) == 1


async def test_an_event_in_a_namespace_that_ends_is_no_warning(
    cluster: MemoryCluster, fraud: Object, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.fail_next("apply", EVENT, Conflict("the namespace is being terminated"))
    with caplog.at_level(logging.WARNING):
        await say(cluster, fraud)
    assert caplog.text == ""


@pytest.mark.parametrize("verb", ["get", "apply"])
@pytest.mark.parametrize("error", [Forbidden("no"), Unavailable("gone")])
async def test_an_event_that_cannot_be_recorded_is_logged_and_that_is_all(
    cluster: MemoryCluster, fraud: Object, caplog: pytest.LogCaptureFixture, verb: str, error: Exception
) -> None:
    cluster.fail_next(verb, EVENT, error)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        await say(cluster, fraud)
    assert "HauledBack" in caplog.text
    assert await cluster.list(EVENT) == []
