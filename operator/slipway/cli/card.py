"""A model card in Markdown, of one revision: what it is, on what evidence it serves, its limits, who approved. Pure.

After Mitchell et al., "Model Cards for Model Reporting" (2019). It says what is recorded, and says so where nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from slipway import __version__
from slipway.api import MetricStatus, Phase
from slipway.cli.origins import at, made_from
from slipway.cli.picture import Tried

_SERVING: Final = (Phase.STABLE, Phase.WATCHING)
_NOTHING: Final = "Nothing was declared."


def card(model_deployment: str, tried: Tried, now: datetime) -> str:
    """The card of a revision as it stands at this moment."""
    return "\n".join(
        [
            f"# Model card: {_plain(model_deployment)}, release {_plain(tried.version)}",
            "",
            _standing(tried),
            "",
            *_section("What it is", _table(("What", "Value"), made_from(tried))),
            *_section("Evaluations before the release", _evaluations(tried)),
            *_section("Evidence in its rollout", _evidence(tried)),
            *_section("By group", _groups(tried)),
            *_section("Fairness", _fairness(tried)),
            *_section("Limits", _limits(tried)),
            *_section("Who approved", _approvals(tried)),
            _source(tried, now),
            "",
        ]
    )


def _source(tried: Tried, now: datetime) -> str:
    record = f"ModelRevision {tried.namespace}/{tried.name}, hash {tried.hash}"
    return f"Written by slipway {__version__} at {now:%Y-%m-%d %H:%M:%S} UTC from {record}."


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [f"## {title}", "", *(list(lines) or [_NOTHING]), ""]


def _plain(text: object) -> str:
    """Text of others, which makes no markup of its own."""
    said = " ".join(str(text).split())
    for sign in "\\`*_[]<>|#":
        said = said.replace(sign, f"\\{sign}")
    return said


def _standing(tried: Tried) -> str:
    record = tried.record
    if record.phase in _SERVING:
        return f"It serves{f' since {record.phase_since:%Y-%m-%d %H:%M:%S} UTC' if record.phase_since else ''}."
    said = f": {_plain(record.message)}" if record.message else ""
    return f"It does not serve all traffic. Phase {record.phase or 'unknown'}{said}."


def _table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> list[str]:
    written = ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in rows]
    if not written:
        return []
    return ["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *written]


def _evaluations(tried: Tried) -> list[str]:
    found = at(tried.release, ("lineage", "evaluations")) or []
    return _table(
        ("Measure", "Result", "On", "Where"),
        ((one.get("name"), one.get("value"), one.get("dataset", ""), one.get("uri", "")) for one in found),
    )


def _evidence(tried: Tried) -> list[str]:
    metrics = tried.record.metrics or ()
    if not metrics:
        return ["No metric was looked at."]
    return _table(("Metric", "Verdict", "What was found"), ((one.name, one.verdict, one.message) for one in metrics))


def _groups(tried: Tried) -> list[str]:
    rows = [
        (
            metric.name,
            f"{one.slice} = {one.group}",
            f"{one.items} of {one.size}",
            _share(one.candidate),
            _share(one.stable),
            one.verdict,
        )
        for metric in tried.record.metrics or ()
        for one in metric.slices or ()
    ]
    lines = _table(("Metric", "Group", "Items", "Accuracy", "Stable's", "Verdict"), rows)
    return lines or ["No group of items was judged by itself."]


def _share(value: float | None) -> str:
    return f"{value:.2%}" if value is not None else ""


def _fairness(tried: Tried) -> list[str]:
    rows = [row for metric in tried.record.metrics or () for row in _gaps(metric)]
    lines = _table(("Metric", "Measure", "Largest gap", "Between 0.0 % and", "Allowed", "Verdict"), rows)
    return lines or ["No gap between groups was judged."]


def _gaps(metric: MetricStatus) -> Iterator[tuple[object, ...]]:
    for gap in metric.fairness.gaps if metric.fairness is not None else ():
        named = f"{gap.measure} of {metric.fairness.slice}" if metric.fairness is not None else gap.measure
        yield metric.name, named, _share(gap.gap), _share(gap.high), _share(gap.max), gap.verdict


def _limits(tried: Tried) -> list[str]:
    undecided = [one.name for one in tried.record.metrics or () if one.verdict not in ("Pass", "Fail")]
    lines = [f"- Nothing was decided on {_plain(name)}." for name in undecided]
    if tried.record.drift is not None:
        lines.append(f"- Drift since its promotion: {_plain(tried.record.drift.message)}")
    if tried.record.skipped is not None or tried.record.fast:
        lines.append("- A person, or its own past as stable release, stood in for evidence.")
    return lines or ["None is recorded beside the evidence above."]


def _approvals(tried: Tried) -> list[str]:
    declared = at(tried.release, ("lineage", "approvals")) or []
    lines = [
        "- " + ", ".join(_plain(one[key]) for key in ("by", "time", "uri") if one.get(key)) + " (declared)"
        for one in declared
    ]
    lines += [
        f"- {entry.time:%Y-%m-%d %H:%M:%S} UTC, {_plain(entry.by)}: {_plain(entry.message)}"
        for entry in tried.record.timeline or ()
        if entry.by
    ]
    return lines or ["No approval is recorded."]
