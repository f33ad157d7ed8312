"""The strategies that worlds and statements try, by a name each, as a specification declares them."""

from __future__ import annotations

from typing import Any

from slipway.api import Strategy

_HEADER = {"header": {"name": "x-preview", "value": "yes"}}


def _steps(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"steps": list(steps)}


STRATEGIES = {
    name: Strategy.model_validate(strategy)
    for name, strategy in {
        "canary": {
            "canary": _steps(
                {"weight": 10, "minDuration": "10s"},
                {"weight": 50, "minDuration": "10s"},
                {"weight": 100, "minDuration": "5s"},
            )
        },
        "canary with an approval": {
            "canary": _steps(
                {"weight": 25, "minDuration": "5s", "approval": "Required"}, {"weight": 50, "approval": "Required"}
            )
        },
        "linear": {"canary": {"linear": {"from": 20, "to": 60, "by": 20, "every": "5s"}}},
        "full canary": {"canary": _steps({"weight": 5}, {"weight": 40, "minDuration": "5s"}) | {"capacity": "Full"}},
        "large steps": {"canary": _steps({"weight": 1, "replicas": 2}, {"weight": 50, "replicas": 3})},
        "observed canary": {
            "canary": _steps({"weight": 20, "analysis": "observe", "minDuration": "5s"}, {"weight": 60})
        },
        "shadowed canary": {
            "canary": _steps({"weight": 25}, {"weight": 75}) | {"shadow": {"percent": 50, "minDuration": "10s"}}
        },
        "approved shadow": {"canary": _steps({"weight": 50}) | {"shadow": {"approval": "Required"}}},
        "shifted canary": {
            "canary": _steps({"weight": 25}, {"weight": 50, "minDuration": "5s"}) | {"maxSurge": 0, "maxUnavailable": 1}
        },
        "blue-green": {"blueGreen": {"minDuration": "10s", "bakeTime": "10s"}},
        "approved blue-green": {"blueGreen": {"preview": _HEADER, "approval": "Required", "bakeTime": "5s"}},
        "shadow": {"shadow": {"minDuration": "10s"}},
        "A-B test": {"abTest": {"matches": [_HEADER], "weight": 20, "minDuration": "10s"}},
        "weighted A-B test": {"abTest": {"weight": 50, "minDuration": "10s"}},
        "rolling update": {"rollingUpdate": {}},
        "shifted rolling update": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2}},
        "quarters": {"canary": _steps({"weight": 25, "minDuration": "5s"}, {"weight": 50}, {"weight": 100})},
        "approved half": {"canary": _steps({"weight": 50, "approval": "Required"})},
    }.items()
}

SHIFTING = ("shifted canary", "shifted rolling update")
"""No pods beyond the full size."""

OF_PODS = ("quarters", "approved half", "rolling update", "weighted A-B test", "blue-green")
"""What the router service can do with four pods."""

SHADOWED = ("shadowed canary", "approved shadow", "shadow")
