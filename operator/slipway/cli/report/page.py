"""The page: its head, and its sections in the order in which a reader asks."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from slipway import __version__
from slipway.api import ModelRevisionStatus, Phase
from slipway.cli.picture import Picture, Tried
from slipway.cli.report.evidence import metrics
from slipway.cli.report.figures import moment, span
from slipway.cli.report.markup import Markup, element, joined, style
from slipway.cli.report.provenance import gates, provenance
from slipway.cli.report.story import attempt, decisions, timeline, why
from slipway.cli.report.style import CSS
from slipway.cli.report.tables import badge, facts, section

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may do for the page: apply its style. Should markup of others ever get in, it runs nothing."""

_OUTCOMES: Final = {
    Phase.STABLE: ("promoted", "good"),
    Phase.WATCHING: ("promoted, and watched", "good"),
    Phase.SUPERSEDED: ("replaced", "quiet"),
    Phase.ROLLED_BACK: ("rolled back", "bad"),
    Phase.ROLLING_BACK: ("being rolled back", "bad"),
}


def page(picture: Picture, tried: Tried, now: datetime) -> str:
    """The report on one revision as it stands at this moment."""
    record = tried.record
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),
        element("title", f"{picture.name} {tried.version}: {_outcome(record)[0]}"),
        style(CSS),
    )
    body = element(
        "body",
        _header(picture, tried),
        element(
            "main",
            section("Timeline", timeline(record, now)),
            section("Evidence", metrics(record)),
            section("Gates", gates(picture, tried)),
            section("What the release was made from", provenance(tried)),
        ),
        element(
            "footer",
            element(
                "p", f"Written by slipway {__version__} at {moment(now)} from the status of ModelRevision {tried.name}."
            ),
            element(
                "p",
                "A command is an annotation of the ModelDeployment: the API server's audit log has who wrote it.",
            ),
        ),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _outcome(record: ModelRevisionStatus) -> tuple[str, str]:
    """How it stands in a word or two, and its colour."""
    if record.phase is None:
        return "not looked at yet", "quiet"
    return next((said for phase, said in _OUTCOMES.items() if phase == record.phase), ("on trial", "wait"))


def _header(picture: Picture, tried: Tried) -> Markup:
    record = tried.record
    said, tone = _outcome(record)
    begin, end = attempt(record)
    baseline = picture.revisions.get(record.baseline) if record.baseline else None
    compared = f"{baseline.version} ({baseline.name})" if baseline is not None else record.baseline
    decided = joined(*(element("div", text) for text in decisions(record)))
    return element(
        "header",
        element("p", f"{picture.namespace} / {picture.name}", class_="soft"),
        element("h1", f"Release {tried.version} ", badge(said, tone)),
        element("p", why(record), class_="lead"),
        facts(
            ("Revision", tried.name),
            ("Release hash", tried.hash),
            ("Declared", moment(tried.created)),
            ("Attempt", _attempt(record, begin)),
            ("Ended", f"{moment(end)}, after {span(end - begin)}" if begin and end else None),
            ("Compared with", compared or "nothing: it was the first release"),
            ("Weight now", f"{record.weight:g} %" if record.weight is not None else None),
            ("Decided by people", decided),
            ("Last command", record.command),
            ("Judged under", f"gates {record.gates[:12]}" if record.gates else None),
        ),
    )


def _attempt(record: ModelRevisionStatus, begin: datetime | None) -> str | None:
    if begin is None:
        return None
    return f"{record.attempt or 1}, begun {moment(begin)}"
