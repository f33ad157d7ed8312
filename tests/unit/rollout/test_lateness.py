"""Gates on labels that could never speak are refused before anything happens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from unit.controller.builders import a_model_deployment

from slipway.api import ModelDeployment
from slipway.rollout import course_of, problems

STEPS = {"canary": {"steps": [{"weight": 50, "minDuration": "1h"}, {"weight": 100}]}}
BLUE_GREEN = {"blueGreen": {}}
MARGIN = {"margin": 0.02}


def said(maturity: str, *, watch: str = "0s", strategy: Any = STEPS, **gates: Any) -> list[str]:
    metric = {"name": "labels", "feedback": {"maturity": maturity}, **(gates or {"comparison": MARGIN})}
    written = a_model_deployment(
        strategy=strategy, analysis={"metrics": [metric], "maxDuration": "3h"}, rollback={"watch": watch}
    )
    spec = ModelDeployment.model_validate({"spec": written["spec"]}).spec
    return list(problems(spec, course_of(spec.strategy, replicas=2), replicas=2))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"maturity": "1h"}, "metrics[0].feedback.maturity: labels are complete after 1h"),
        ({"maturity": "24h", "watch": "23h"}, "raise spec.rollback.watch"),
        ({"maturity": "3h", "nonInferiority": MARGIN}, "metrics[0].nonInferiority: labels are complete after 3h"),
        ({"maturity": "1h", "watch": "2h", "strategy": BLUE_GREEN}, "metrics[0].comparison: labels are compared on"),
    ],
)
def test_labels_that_cannot_come_in_time_are_told_with_the_field(fields: dict[str, Any], words: str) -> None:
    (problem,) = said(**fields)
    assert words in problem


@pytest.mark.parametrize(
    "fields",
    [
        {"maturity": "59m"},
        {"maturity": "24h", "watch": "24h"},
        {"maturity": "2h", "nonInferiority": MARGIN},
        {"maturity": "1h", "watch": "2h", "strategy": BLUE_GREEN, "threshold": {"max": 0.1}},
    ],
)
def test_labels_that_can_come_in_time_are_fine(fields: dict[str, Any]) -> None:
    assert said(**fields) == []


def test_the_longest_maturity_keeps_its_windows_within_a_record() -> None:
    assert timedelta(hours=720).total_seconds() / 2**14 < 250
