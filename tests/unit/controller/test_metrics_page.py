"""`docs/metrics.md` names every metric that the operator tells of itself, with its type, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from slipway.controller.queue import QueueStatistics
from slipway.controller.telemetry import Telemetry

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def told() -> dict[str, str]:
    """The families of the page of metrics, by the names of their series, with their types."""
    telemetry = Telemetry()
    telemetry.watch_queue(lambda: QueueStatistics(**{field.name: 0 for field in fields(QueueStatistics)}), 1)
    families = text_string_to_metric_families(telemetry.page().decode())
    return {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in families
        if not family.name.endswith("_created")
    }


def documented() -> dict[str, str]:
    """The rows of the table. Several metrics may share one; the later ones may leave out the beginning."""
    rows = re.findall(r"^\| (`.+?) \| (counter|gauge|histogram) \|", PAGE.read_text(), re.MULTILINE)
    out = {}
    for names, kind in rows:
        first, *others = re.findall(r"`([^`]+)`", names)
        out[first] = kind
        out |= {name.replace("…", "controller_runtime"): kind for name in others}
    return out


def test_the_page_names_every_metric_with_its_type() -> None:
    assert documented() == told()
