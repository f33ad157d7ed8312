"""``spec.autoscaling`` and ``spec.podDisruptionBudget``: how many pods a release has, and how many may be taken away."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from slipway.api.common import Duration, ObjectName, SpecModel, Text64, Text256, Text1024, validations


class AutoscalingMetric(SpecModel):
    """What the autoscaler keeps at a level: a resource of the pods, or a metric that the pods report."""

    model_config = validations(
        (
            "[has(self.averageUtilization), has(self.averageValue)].filter(x, x).size() == 1",
            "name exactly one of averageUtilization and averageValue",
        ),
        (
            "[has(self.resource), has(self.pods)].filter(x, x).size() == 1",
            "name exactly one of resource and pods",
        ),
        ("!has(self.pods) || has(self.averageValue)", "a metric of the pods takes averageValue"),
    )

    resource: Annotated[
        Literal["cpu", "memory"] | None, Field(description="A resource of the pods: cpu or memory.")
    ] = None
    pods: Annotated[Text256 | None, Field(description="Name of a metric of the custom metrics API.")] = None
    average_utilization: Annotated[
        int | None, Field(ge=1, le=1000, description="Percent of what the pods request.")
    ] = None
    average_value: Annotated[
        str | None,
        Field(
            description="The level that each pod is kept at on average, as a quantity such as 500m or 20.",
            min_length=1,
            max_length=32,
            pattern=r"^([+]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$",
        ),
    ] = None


class KedaTrigger(SpecModel):
    """A trigger of a KEDA ScaledObject, word for word."""

    type: Annotated[Text64, Field(description="Kind of the trigger, such as prometheus or kafka.")]
    metadata: Annotated[
        dict[Annotated[str, Field(max_length=128)], Text1024],
        Field(description="Settings of the trigger, as KEDA documents them for its type.", max_length=32),
    ]
    metric_type: Annotated[
        Literal["AverageValue", "Value", "Utilization"] | None,
        Field(description="How KEDA compares the trigger's number with its threshold. Default: KEDA's."),
    ] = None
    authentication_ref: Annotated[
        ObjectName | None, Field(description="Name of a TriggerAuthentication in the ModelDeployment's namespace.")
    ] = None


class KedaSpec(SpecModel):
    """A KEDA ScaledObject for each release instead of a HorizontalPodAutoscaler."""

    triggers: Annotated[
        list[KedaTrigger],
        Field(
            description="What the ScaledObject scales by: the trigger that asks for most pods decides.",
            min_length=1,
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ]
    polling_interval: Annotated[
        Duration | None, Field(description="How often KEDA asks for the triggers' numbers. Default: KEDA's.")
    ] = None
    cooldown_period: Annotated[
        Duration | None,
        Field(
            description="How long KEDA waits after the last active trigger before it scales to zero. Default: KEDA's."
        ),
    ] = None


class AutoscalingSpec(SpecModel):
    """An autoscaler for each release; ``minReplicas`` to ``maxReplicas`` are the pods of a release with all traffic."""

    model_config = validations(
        ("self.minReplicas <= self.maxReplicas", "minReplicas is at most maxReplicas"),
        ("[has(self.metrics), has(self.keda)].filter(x, x).size() == 1", "name exactly one of metrics and keda"),
    )

    min_replicas: Annotated[int, Field(description="Fewest pods of a release with all traffic.", ge=1, le=1000)]
    max_replicas: Annotated[int, Field(description="Most pods of a release with all traffic.", ge=1, le=1000)]
    metrics: Annotated[
        list[AutoscalingMetric] | None,
        Field(
            description="What a HorizontalPodAutoscaler scales by: the metric that asks for most pods decides.",
            min_length=1,
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = None
    keda: KedaSpec | None = None


IntOrPercent = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 4,
            "x-kubernetes-validations": [
                {
                    "rule": "type(self) == int ? self >= 0 : self.matches('^(100|[0-9]{1,2})%$')",
                    "message": "a number of pods, or a percentage such as 25%",
                }
            ],
        }
    ),
]
"""A number of pods, or a percentage of them."""


class DisruptionBudget(SpecModel):
    """A PodDisruptionBudget for each release that serves."""

    model_config = validations(
        (
            "[has(self.minAvailable), has(self.maxUnavailable)].filter(x, x).size() == 1",
            "name exactly one of minAvailable and maxUnavailable",
        )
    )

    min_available: Annotated[
        IntOrPercent | None,
        Field(description="Pods of a release that stay when nodes are drained: a number, or a percentage such as 50%."),
    ] = None
    max_unavailable: Annotated[
        IntOrPercent | None,
        Field(description="Pods of a release that may be taken away at a time: a number, or a percentage such as 25%."),
    ] = None
