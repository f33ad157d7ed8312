"""The evidence, metric by metric: the sentence, the charts, the groups of a golden set, and the numbers. Pure."""

from __future__ import annotations

from slipway.api import MetricPoint, MetricStatus, ModelRevisionStatus
from slipway.cli.report.charts import estimate_charts, evidence_chart, measure_of, tone
from slipway.cli.report.figures import moment, plain, size
from slipway.cli.report.markup import Content, Markup, element, joined
from slipway.cli.report.tables import badge, facts, figure, folded, table

_EVIDENCE = (
    "Evidence as odds, on a scale of powers of ten: a line that reaches its level is a verdict. It holds at every look."
)
_ESTIMATE = "The estimate with its interval, which holds at every look, and what it is held against."


def metrics(record: ModelRevisionStatus) -> Markup:
    """A card for each metric, and one for the shares that the gateway made."""
    cards = [_metric(metric) for metric in record.metrics or ()]
    if record.share is not None:
        heading = element("h3", "Shares of the traffic")
        cards.append(element("article", heading, element("p", record.share.message), class_="card"))
    if not cards:
        return element(
            "p", "No metric has been looked at: nothing was asked for, or it did not come to that.", class_="soft"
        )
    return joined(*cards)


def _metric(metric: MetricStatus) -> Markup:
    history = list(metric.history or ())
    charts: list[Content] = []
    if metric.needed is not None and history:
        drawn = evidence_chart(metric.name, history, metric.needed)
        charts.append(figure(drawn, _EVIDENCE) if drawn is not None else None)
    charts += [figure(drawn, _ESTIMATE) for drawn in estimate_charts(metric.name, history)]
    return element(
        "article",
        element("h3", metric.name, badge(metric.verdict, tone(metric.verdict))),
        element("p", metric.message),
        element("div", *charts, class_="pair") if any(charts) else None,
        facts(
            ("Data set", metric.dataset),
            ("Needed", _needed(metric)),
            ("Looked at", _looks(metric, history)),
            ("No answer since", moment(metric.error_since) if metric.error_since else None),
        ),
        folded(f"{len(history)} looks as numbers", _numbers(history)) if history else None,
        class_="card",
    )


def _needed(metric: MetricStatus) -> str | None:
    if metric.needed is None:
        return None
    text = f"evidence of harm {plain(metric.needed.harm)} for a Fail"
    safety = metric.needed.safety
    return f"{text}, evidence of safety {plain(safety)} for a Pass" if safety is not None else text


def _looks(metric: MetricStatus, history: list[MetricPoint]) -> str | None:
    if not history:
        return moment(metric.looked_at) if metric.looked_at else None
    return f"{moment(history[0].time)} to {moment(metric.looked_at or history[-1].time)}"


def _numbers(history: list[MetricPoint]) -> Markup:
    header = (
        ("When", "time"),
        ("Verdict", None),
        ("Samples", "number"),
        ("Harm", "number"),
        ("Safety", "number"),
        ("Estimate", "number"),
        ("At least", "number"),
        ("At most", "number"),
        ("Allowed", "number"),
    )
    return table(header, (_row(point) for point in history))


def _row(point: MetricPoint) -> tuple[Content, ...]:
    found = measure_of(point)
    sizes: tuple[str, ...] = ("", "", "", "")
    if found is not None:
        measure, value = found
        sizes = tuple(
            size(measure, number) if number is not None else ""
            for number in (value, point.low, point.high, point.allowed)
        )
    return (
        moment(point.time),
        element("span", point.verdict, class_=tone(point.verdict)),
        str(point.samples),
        plain(10**point.harm) if point.harm is not None else "",
        plain(10**point.safety) if point.safety is not None else "",
        *sizes,
    )
