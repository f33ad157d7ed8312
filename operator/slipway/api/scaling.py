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

    resource: Literal["cpu", "memory"] | None = None
    pods: Annotated[Text256 | None, Field(description="Name of a metric of the custom metrics API.")] = None
    average_utilization: Annotated[
        int | None, Field(ge=1, le=1000, description="Percent of what the pods request.")
    ] = None
    average_value: Annotated[
        str | None, Field(min_length=1, max_length=32, pattern=r"^([+]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
    ] = None


class KedaTrigger(SpecModel):
    """A trigger of a KEDA ScaledObject, word for word."""

    type: Text64
    metadata: Annotated[dict[Annotated[str, Field(max_length=128)], Text1024], Field(max_length=32)]
    metric_type: Literal["AverageValue", "Value", "Utilization"] | None = None
    authentication_ref: Annotated[
        ObjectName | None, Field(description="Name of a TriggerAuthentication in the ModelDeployment's namespace.")
    ] = None


class KedaSpec(SpecModel):
    """A KEDA ScaledObject for each release instead of a HorizontalPodAutoscaler."""

    triggers: Annotated[
        list[KedaTrigger],
        Field(min_length=1, max_length=8, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ]
    polling_interval: Annotated[Duration | None, Field(description="Default: KEDA's.")] = None
    cooldown_period: Annotated[Duration | None, Field(description="Default: KEDA's.")] = None


class AutoscalingSpec(SpecModel):
    """An autoscaler for each release; ``minReplicas`` to ``maxReplicas`` are the pods of a release with all traffic."""

    model_config = validations(
        ("self.minReplicas <= self.maxReplicas", "minReplicas is at most maxReplicas"),
        ("[has(self.metrics), has(self.keda)].filter(x, x).size() == 1", "name exactly one of metrics and keda"),
    )

    min_replicas: Annotated[int, Field(ge=1, le=1000)]
    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    metrics: Annotated[
        list[AutoscalingMetric] | None,
        Field(min_length=1, max_length=8, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
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

    min_available: IntOrPercent | None = None
    max_unavailable: IntOrPercent | None = None
