"""Autoscalers, and the number of pods that an autoscaler and the operator both write.

| live count        | asked for          |
|-------------------|--------------------|
| no Deployment     | the floor          |
| within the bounds | the live count     |
| below the floor   | the floor          |
| above the ceiling | the ceiling        |
| whatever, floor 0 | 0                  |
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from unit.workload.builders import (
    CPU,
    MEMORY,
    PROMETHEUS,
    REQUESTS,
    a_deployment,
    a_scaled_object,
    an_autoscaler,
    an_autoscaling,
)

from slipway.rollout.capacity import replicas_within

counts = st.integers(0, 1000)


@pytest.mark.parametrize(
    ("live", "floor", "ceiling", "asked"),
    [
        (None, 2, 10, 2),
        (5, 2, 10, 5),
        (2, 2, 10, 2),
        (10, 2, 10, 10),
        (1, 2, 10, 2),
        (12, 2, 10, 10),
        (0, 2, 10, 2),
        (5, 0, 10, 0),
        (None, 0, 10, 0),
        (5, 12, 10, 12),
    ],
)
def test_the_live_count_is_kept_within_the_bounds(live: int | None, floor: int, ceiling: int, asked: int) -> None:
    assert replicas_within(live, floor=floor, ceiling=ceiling) == asked


@given(live=st.none() | counts, floor=counts, ceiling=counts)
@example(live=7, floor=9, ceiling=3)
def test_what_is_asked_for_is_bounded_and_asking_again_changes_nothing(
    live: int | None, floor: int, ceiling: int
) -> None:
    asked = replicas_within(live, floor=floor, ceiling=ceiling)
    assert (asked == 0) == (floor == 0)
    assert asked == 0 or floor <= asked <= max(floor, ceiling)
    assert replicas_within(asked, floor=floor, ceiling=ceiling) == asked


def hpa_moves_to(live: int, bounds: dict[str, Any], wanted: int) -> int:
    """What a HorizontalPodAutoscaler makes of a count whose metrics want another."""
    if live == 0:
        return 0  # ScalingDisabled
    return max(bounds["minReplicas"], min(wanted, bounds["maxReplicas"]))


@given(
    live=counts,
    floor=counts,
    ceiling=st.integers(1, 1000),
    wishes=st.lists(counts, min_size=1, max_size=5),
)
def test_operator_and_autoscaler_never_undo_each_other(live: int, floor: int, ceiling: int, wishes: list[int]) -> None:
    spec = an_autoscaler(min_replicas=floor, max_replicas=ceiling)["spec"]
    live = replicas_within(live, floor=floor, ceiling=ceiling)
    for wanted in wishes:
        scaled = hpa_moves_to(live, spec, wanted)
        assert replicas_within(scaled, floor=floor, ceiling=ceiling) == scaled
        live = scaled


def test_an_autoscaler_scales_the_deployment_of_its_revision_within_its_own_bounds() -> None:
    deployment = a_deployment()
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"]}
    horizontal = an_autoscaler(min_replicas=1, max_replicas=7)
    assert (horizontal["apiVersion"], horizontal["kind"]) == ("autoscaling/v2", "HorizontalPodAutoscaler")
    assert horizontal["spec"]["scaleTargetRef"] == target
    assert (horizontal["spec"]["minReplicas"], horizontal["spec"]["maxReplicas"]) == (1, 7)
    keda = a_scaled_object(min_replicas=1, max_replicas=7)
    assert (keda["apiVersion"], keda["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert keda["spec"]["scaleTargetRef"] == target
    assert (keda["spec"]["minReplicaCount"], keda["spec"]["maxReplicaCount"]) == (1, 7)


@pytest.mark.parametrize(("low", "high", "floor", "ceiling"), [(0, 10, 1, 10), (0, 0, 1, 1), (12, 10, 12, 12)])
def test_no_bounds_are_such_that_an_api_server_refuses_them(low: int, high: int, floor: int, ceiling: int) -> None:
    horizontal = an_autoscaler(min_replicas=low, max_replicas=high)["spec"]
    assert (horizontal["minReplicas"], horizontal["maxReplicas"]) == (floor, ceiling)
    keda = a_scaled_object(min_replicas=low, max_replicas=high)["spec"]
    assert (keda["minReplicaCount"], keda["maxReplicaCount"]) == (floor, ceiling)


def test_every_metric_becomes_what_kubernetes_calls_it() -> None:
    metrics = an_autoscaler(an_autoscaling(metrics=[CPU, MEMORY, REQUESTS]))["spec"]["metrics"]
    assert metrics == [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
        {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
        {
            "type": "Pods",
            "pods": {
                "metric": {"name": "http_requests_per_second"},
                "target": {"type": "AverageValue", "averageValue": "12500m"},
            },
        },
    ]


def test_a_trigger_of_keda_is_passed_on_word_for_word() -> None:
    trigger = PROMETHEUS | {"metricType": "Value", "authenticationRef": "prometheus"}
    assert a_scaled_object({"triggers": [trigger, PROMETHEUS]})["spec"]["triggers"] == [
        trigger | {"authenticationRef": {"name": "prometheus"}},
        PROMETHEUS,
    ]


def test_keda_counts_in_whole_seconds_and_is_told_nothing_that_was_not_said() -> None:
    said = {"triggers": [PROMETHEUS], "pollingInterval": "1500ms", "cooldownPeriod": "2m"}
    spec = a_scaled_object(said)["spec"]
    assert (spec["pollingInterval"], spec["cooldownPeriod"]) == (2, 120)
    assert a_scaled_object(said | {"pollingInterval": "0s"})["spec"]["pollingInterval"] == 1
    assert a_scaled_object()["spec"].keys() == {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "triggers"}
