"""``spec.strategy``: how traffic moves from the stable release to the candidate.

Each strategy is declared by its own block, and exactly one of them. All run through the same state machine: a strategy
says which stages and steps there are, and never how a step is judged.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from slipway.api.common import (
    Duration,
    PartialWeight,
    PositiveWeight,
    SpecModel,
    StepHeight,
    Weight,
    validations,
)

Analysis = Literal["required", "observe"]
Approval = Literal["Required"]

HeaderName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$")]
CookieName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
CookieValue = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9_.~-]+$")]
HeaderValue = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[ -~]+$")]
Hostname = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]

_SURGE_ALONE = ("!has(self.maxUnavailable) || has(self.maxSurge)", "maxUnavailable goes with maxSurge")
_SURGE = (
    "!has(self.maxSurge) || self.maxSurge > 0 || (has(self.maxUnavailable) && self.maxUnavailable > 0)",
    "maxSurge 0 shifts capacity from stable to the candidate: it needs maxUnavailable of at least 1",
)


class Surge(SpecModel):
    """How many pods there may be beside ``spec.replicas``, and how many may be missing, while capacity is shifted."""

    max_surge: Annotated[
        int | None,
        Field(
            ge=0,
            le=1000,
            description="Pods of both releases together beyond spec.replicas. 0 shifts capacity from stable to the candidate instead of adding it, for accelerators that are scarce.",
        ),
    ] = None
    max_unavailable: Annotated[
        int | None,
        Field(ge=0, le=1000, description="Pods that may be missing while capacity is shifted. Default: 0."),
    ] = None


class CanaryStep(SpecModel):
    """One rung of the ladder."""

    weight: Annotated[Weight, Field(description="Percent of the traffic that the candidate takes at this step.")]
    min_duration: Annotated[
        Duration,
        Field(
            description="Shortest time at this weight, counted from when the gateway was seen to apply it. Default: 0s."
        ),
    ] = timedelta(0)
    analysis: Annotated[
        Analysis,
        Field(
            description="Whether the gates on live traffic have to be passed at this step, or are only recorded. Default: required."
        ),
    ] = "required"
    approval: Annotated[
        Approval | None, Field(description="Required: the step is left only after a person approved it.")
    ] = None
    replicas: Annotated[
        int | None,
        Field(ge=1, le=1000, description="Pods of the candidate at this step. Default: what its weight needs."),
    ] = None


class LinearSteps(SpecModel):
    """Steps of the same height and length, written in short."""

    model_config = validations(("self.from <= self.to", "from is at most to"))

    from_: Annotated[PositiveWeight, Field(alias="from", description="Weight of the first step, in percent.")]
    to: Annotated[PositiveWeight, Field(description="Weight of the last step, in percent.")]
    by: Annotated[StepHeight, Field(description="What each step adds, in percent.")]
    every: Annotated[Duration, Field(description="Shortest time at each step.")]


class ShadowStage(SpecModel):
    """Live requests are copied to the candidate, and its answers are thrown away: users see only stable."""

    percent: Annotated[PositiveWeight, Field(description="Percent of the requests that are copied. Default: 100.")] = (
        100
    )
    min_duration: Annotated[
        Duration, Field(description="Shortest time, counted from when the gateway was seen to copy. Default: 0s.")
    ] = timedelta(0)
    approval: Annotated[Approval | None, Field(description="Required: a person has to approve what follows.")] = None


class CanaryStrategy(Surge):
    """Traffic moves to the candidate step by step; each step has to be passed."""

    model_config = validations(
        ("[has(self.steps), has(self.linear)].filter(x, x).size() == 1", "name exactly one of steps and linear"),
        _SURGE,
        _SURGE_ALONE,
        (
            "!(has(self.capacity) && self.capacity == 'Full' && has(self.maxSurge))",
            "capacity Full adds a whole fleet, which maxSurge forbids: name one of them",
        ),
    )

    steps: Annotated[
        list[CanaryStep] | None,
        Field(
            description="The steps, lowest weight first. All traffic follows the last one.",
            min_length=1,
            max_length=20,
            json_schema_extra={
                "x-kubernetes-list-type": "atomic",
                "x-kubernetes-validations": [
                    {
                        "rule": "self.map(s, s.weight).isSorted() && self.all(s, self.exists_one(t, t.weight == s.weight))",
                        "message": "the weights of the steps have to rise from one step to the next",
                    },
                    {
                        "rule": "self.all(s, s.weight > 0.0)",
                        "message": "the weight of a step is more than 0: evidence before any traffic comes from goldenSet metrics",
                    },
                ],
            },
        ),
    ] = None
    linear: LinearSteps | None = None
    capacity: Annotated[
        Literal["Weighted", "Full"],
        Field(
            description="Weighted: the candidate has the pods that its weight needs. Full: all of them from the first step on. Default: Weighted."
        ),
    ] = "Weighted"
    shadow: Annotated[ShadowStage | None, Field(description="A stage before the first step.")] = None


class HeaderMatch(SpecModel):
    """A request header with exactly this value."""

    name: Annotated[HeaderName, Field(description="Name of the header; upper and lower case are the same.")]
    value: Annotated[HeaderValue, Field(description="The whole value of the header.")]


class Preview(SpecModel):
    """How the candidate is reached before any user is: under a host of its own, or with a header."""

    model_config = validations(
        ("[has(self.hostname), has(self.header)].filter(x, x).size() == 1", "name exactly one of hostname and header")
    )

    hostname: Annotated[Hostname | None, Field(description="Host name under which the candidate alone answers.")] = None
    header: HeaderMatch | None = None


class CookieMatch(SpecModel):
    """A cookie with exactly this value."""

    name: Annotated[CookieName, Field(description="Name of the cookie.")]
    value: Annotated[CookieValue, Field(description="The whole value of the cookie.")]


class BlueGreenStrategy(SpecModel):
    """A whole second fleet, looked at under a preview address, takes all traffic at once."""

    preview: Annotated[Preview | None, Field(description="Where the candidate is reached before the switch.")] = None
    min_duration: Annotated[Duration, Field(description="Shortest time before the switch. Default: 0s.")] = timedelta(0)
    approval: Annotated[Approval | None, Field(description="Required: a person has to approve the switch.")] = None
    bake_time: Annotated[
        Duration,
        Field(description="Time that the candidate takes all traffic before it is the stable release. Default: 0s."),
    ] = timedelta(0)
    shadow: Annotated[ShadowStage | None, Field(description="A stage before the preview.")] = None


class ShadowStrategy(ShadowStage):
    """The candidate proves itself on copies of live requests alone, and then takes all traffic at once."""


class RequestMatch(SpecModel):
    """A request that goes to the candidate."""

    model_config = validations(
        ("[has(self.header), has(self.cookie)].filter(x, x).size() == 1", "name exactly one of header and cookie")
    )

    header: HeaderMatch | None = None
    cookie: CookieMatch | None = None


class Sticky(SpecModel):
    """A cookie that the router sets, so that a client stays with the release that it met first."""

    cookie: Annotated[CookieName, Field(description="Name of the cookie.")]


class AbTestStrategy(SpecModel):
    """Two releases side by side until the analysis decides between them."""

    model_config = validations(
        (
            "has(self.matches) || (has(self.weight) && self.weight > 0.0)",
            "name matches, a weight above 0, or both: no request would reach the candidate",
        )
    )

    matches: Annotated[
        list[RequestMatch] | None,
        Field(
            min_length=1,
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
            description="Requests that go to the candidate: those with any of these.",
        ),
    ] = None
    weight: Annotated[
        PartialWeight, Field(description="Percent of all other requests that the candidate takes. Default: 0.")
    ] = 0
    min_duration: Annotated[Duration, Field(description="Shortest time of the test. Default: 0s.")] = timedelta(0)
    max_duration: Annotated[
        Duration | None,
        Field(
            description="Longest time of the test; then analysis.onInconclusive. Default: the analysis's maxDuration."
        ),
    ] = None
    approval: Annotated[Approval | None, Field(description="Required: a person has to approve the promotion.")] = None
    sticky: Sticky | None = None


class RollingUpdateStrategy(Surge):
    """Pods are replaced a few at a time, and traffic follows them. Gated before, and watched after."""

    model_config = validations(_SURGE, _SURGE_ALONE)


class Strategy(SpecModel):
    """How traffic moves from the stable release to the candidate: exactly one strategy."""

    model_config = validations(
        (
            "[has(self.canary), has(self.blueGreen), has(self.shadow), has(self.abTest), has(self.rollingUpdate)].filter(x, x).size() == 1",
            "name exactly one strategy: canary, blueGreen, shadow, abTest or rollingUpdate",
        )
    )

    canary: CanaryStrategy | None = None
    blue_green: BlueGreenStrategy | None = None
    shadow: ShadowStrategy | None = None
    ab_test: AbTestStrategy | None = None
    rolling_update: RollingUpdateStrategy | None = None
