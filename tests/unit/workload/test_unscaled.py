"""Why an autoscaler does not scale, from the conditions that Kubernetes and KEDA write."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.workload import autoscaler_problem

_UNABLE = "the HPA was unable to compute the replica count: failed to get cpu utilization: "
_NOT_SERVED = (
    f"{_UNABLE}unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: "
    "the server could not find the requested resource (get pods.metrics.k8s.io)"
)


def a_live_hpa(*conditions: tuple[str, str, str, str]) -> dict[str, Any]:
    return _live("HorizontalPodAutoscaler", conditions)


def a_live_scaled_object(*conditions: tuple[str, str, str, str], **annotations: str) -> dict[str, Any]:
    live = _live("ScaledObject", conditions)
    live["metadata"]["annotations"] = {f"autoscaling.keda.sh/{name}": value for name, value in annotations.items()}
    return live


def _live(kind: str, conditions: Any) -> dict[str, Any]:
    found = [{"type": t, "status": s, "reason": r, "message": m} for t, s, r, m in conditions]
    return {"kind": kind, "metadata": {"name": "fraud-1a2b3c4d"}, "status": {"conditions": found}}


ABLE = ("AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            ("ScalingActive", "False", "FailedGetResourceMetric", _NOT_SERVED),
            ["could not find the requested resource", "install metrics-server", "metrics.k8s.io"],
        ),
        (
            (
                "ScalingActive",
                "False",
                "FailedGetResourceMetric",
                f"{_UNABLE}missing request for cpu in container model of Pod fraud-1a2b3c4d-x",
            ),
            ["missing request for cpu", "spec.release.container.resources.requests"],
        ),
        (
            (
                "ScalingActive",
                "False",
                "FailedGetResourceMetric",
                f"{_UNABLE}missing request for cpu in container transformer of Pod fraud-1a2b3c4d-x",
            ),
            ["missing request for cpu", "spec.release.transformer.container.resources.requests"],
        ),
        (
            (
                "ScalingActive",
                "False",
                "FailedGetResourceMetric",
                f"{_UNABLE}did not receive metrics for targeted pods",
            ),
            ["did not receive metrics", "as soon as ready pods"],
        ),
        (
            (
                "ScalingActive",
                "False",
                "FailedGetPodsMetric",
                "no custom metrics API (custom.metrics.k8s.io) registered",
            ),
            ["no custom metrics API", "adapter", "spec.autoscaling.metrics"],
        ),
        (
            ("ScalingActive", "False", "AmbiguousSelector", "pods by selector x are controlled by multiple HPAs"),
            ["multiple HPAs", "delete the other HorizontalPodAutoscaler"],
        ),
        (
            ("AbleToScale", "False", "FailedGetScale", 'deployments.apps "fraud-1a2b3c4d" not found'),
            ["not found", "the Deployment of this name"],
        ),
        (
            ("AbleToScale", "False", "FailedUpdateScale", "admission webhook denied the request"),
            ["admission webhook denied", "an admission policy"],
        ),
        (("ScalingActive", "False", "SomethingNew", "of a later version"), ["SomethingNew: of a later version"]),
    ],
)
def test_a_problem_of_an_hpa_names_its_own_words_and_the_fix(condition: Any, words: list[str]) -> None:
    said = autoscaler_problem(a_live_hpa(condition))
    assert said is not None
    assert said.startswith("HorizontalPodAutoscaler fraud-1a2b3c4d does not scale: ")
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "conditions",
    [
        (),
        (ABLE,),
        (ABLE, ("ScalingActive", "True", "ValidMetricFound", "")),
        (ABLE, ("ScalingActive", "True", "ValidMetricFound", ""), ("ScalingLimited", "True", "TooFewReplicas", "")),
        (ABLE, ("ScalingActive", "Unknown", "", "")),
        (ABLE, ("ScalingActive", "False", "ScalingDisabled", "the replica count of the target is zero")),
        (("AbleToScale", "False", "FailedUpdateScale", "Operation cannot be fulfilled: the object has been modified"),),
    ],
)
def test_an_hpa_that_scales_rests_or_tries_again_has_no_problem(conditions: Any) -> None:
    assert autoscaler_problem(a_live_hpa(*conditions)) is None
    assert autoscaler_problem({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "new"}}) is None


def test_what_keeps_it_from_scaling_at_all_is_said_before_what_it_cannot_measure() -> None:
    said = autoscaler_problem(
        a_live_hpa(
            ("ScalingActive", "False", "FailedGetPodsMetric", ""), ("AbleToScale", "False", "FailedGetScale", "")
        )
    )
    assert said is not None
    assert "FailedGetScale" in said


@pytest.mark.parametrize(
    ("live", "words"),
    [
        (
            a_live_scaled_object(("Ready", "False", "ScaledObjectCheckFailed", "no scaler found for type: prometeus")),
            ["no scaler found for type: prometeus", "spec.autoscaling.keda.triggers"],
        ),
        (
            a_live_scaled_object(
                ("Ready", "False", "TriggerError", "Triggers defined in ScaledObject are not working correctly"),
                ("Active", "False", "ScalerNotActive", ""),
            ),
            ["TriggerError", "spec.autoscaling.keda.triggers"],
        ),
        (
            a_live_scaled_object(
                ("Ready", "True", "ScaledObjectReady", ""),
                ("HPAActive", "False", "FailedGetExternalMetric", "HPA is not actively scaling: x"),
            ),
            ["FailedGetExternalMetric: HPA is not actively scaling: x", "spec.autoscaling.keda.triggers"],
        ),
        (a_live_scaled_object(paused="true"), ["is paused", "remove its annotation autoscaling.keda.sh/paused"]),
        (
            a_live_scaled_object(**{"paused-replicas": "0"}),
            ["remove its annotation autoscaling.keda.sh/paused-replicas"],
        ),
    ],
)
def test_a_problem_of_a_scaled_object_names_its_own_words_and_the_fix(live: Any, words: list[str]) -> None:
    said = autoscaler_problem(live)
    assert said is not None
    assert said.startswith("ScaledObject fraud-1a2b3c4d does not scale: ")
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "live",
    [
        a_live_scaled_object(),
        a_live_scaled_object(("Ready", "Unknown", "PartialTriggerError", "Some triggers are not working")),
        a_live_scaled_object(("Ready", "True", "ScaledObjectReady", ""), ("Active", "False", "ScalerNotActive", "")),
        a_live_scaled_object(("Ready", "True", "ScaledObjectReady", ""), paused="false"),
    ],
)
def test_a_scaled_object_whose_triggers_rest_has_no_problem(live: Any) -> None:
    assert autoscaler_problem(live) is None


def test_a_long_message_is_cut_and_on_one_line() -> None:
    said = autoscaler_problem(a_live_hpa(("ScalingActive", "False", "FailedGetPodsMetric", "one\n two " + "x" * 5000)))
    assert said is not None
    assert "one two x" in said
    assert len(said) < 600
