"""How it went: the attempt's beginning and end, why it ended, the weight over time and the timeline. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from slipway.api import ModelRevisionStatus, Phase
from slipway.cli.attempts import latest_attempt
from slipway.cli.report.charts import phase_tone, weight_chart
from slipway.cli.report.figures import after, moment
from slipway.cli.report.markup import Markup, element, joined
from slipway.cli.report.tables import figure, table
from slipway.rollout import reasons

ENDS: Final = frozenset({Phase.STABLE, Phase.WATCHING, Phase.ROLLED_BACK, Phase.SUPERSEDED})
"""Phases with which an attempt is over."""

PERSONS: Final = frozenset(
    {
        reasons.APPROVED,
        reasons.SKIPPED,
        reasons.PAUSED,
        reasons.RESUMED,
        reasons.ABORTED,
        reasons.RETRIED,
        reasons.COMMAND_ACCEPTED,
    }
)
"""Reasons that a person gave."""


def attempt(record: ModelRevisionStatus) -> tuple[datetime | None, datetime | None]:
    """When the last attempt began, and when it ended; None for what did not happen, or is not remembered."""
    entries = latest_attempt(record)
    if not entries:
        return None, None
    return entries[0].time, next((entry.time for entry in entries if entry.phase in ENDS), None)


def why(record: ModelRevisionStatus) -> str:
    """Why it is where it is: of a release that was given up the decision, and not that it was carried out."""
    given_up = next((entry for entry in reversed(record.timeline or ()) if entry.phase == Phase.ROLLING_BACK), None)
    if record.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK) and given_up is not None:
        return f"{given_up.reason}: {given_up.message}"
    return f"{record.reason or ''}: {record.message or ''}".strip(": ")


def decisions(record: ModelRevisionStatus) -> Iterator[str]:
    """What people decided, of what the timeline remembers."""
    for entry in record.timeline or ():
        if entry.reason in PERSONS:
            yield f"{moment(entry.time)}: {entry.message}" + (f" ({entry.by})" if entry.by else "")


def timeline(record: ModelRevisionStatus, now: datetime) -> Markup:
    """The weight over time, and every decision."""
    entries = list(record.timeline or ())
    begin, end = attempt(record)
    if not entries or begin is None:
        return element("p", "No decision was written down yet.", class_="soft")
    chart = weight_chart(record.weights or (), entries, begin, end or now)
    rows = [
        (
            moment(entry.time),
            after(entry.time, begin) if entry.time >= begin else "before",
            element("span", entry.phase, class_=phase_tone(entry.phase)),
            entry.reason,
            f"{entry.message} ({entry.by})" if entry.by else entry.message,
        )
        for entry in entries
    ]
    header = (("When", "time"), ("After", "time"), ("Phase", "time"), ("Reason", "time"), ("What", "long"))
    caption = "What was asked of the gateway, from the beginning of the attempt to its end, and the phases above it."
    return joined(figure(chart, caption, kind="wide"), table(header, rows, kind="stack"))
