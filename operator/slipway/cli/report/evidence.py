"""The evidence, metric by metric: the sentence, the charts, the groups of a golden set, and the numbers. Pure."""

from __future__ import annotations

from typing import Final

from slipway.analysis import Measure
from slipway.api import DriftStatus, MetricPoint, MetricStatus, ModelRevisionStatus, SliceStatus
from slipway.cli.report.charts import estimate_charts, evidence_chart, measure_of, tone
from slipway.cli.report.figures import moment, plain, size
from slipway.cli.report.markup import Content, Markup, element, joined
from slipway.cli.report.tables import badge, facts, figure, folded, table

_EVIDENCE = (
    "Evidence as odds, on a scale of powers of ten: a line that reaches its level is a verdict. It holds at every look."
)
_ESTIMATE = "The estimate with its interval, which holds at every look, and what it is held against."


_DRIFT: Final = {"Steady": "good", "Drifted": "bad", "Error": "bad"}


def metrics(record: ModelRevisionStatus) -> Markup:
    """A card for each metric, one for the shares that the gateway made, and one for what was watched since."""
    cards = [_metric(metric) for metric in record.metrics or ()]
    if record.share is not None:
        heading = element("h3", "Shares of the traffic")
        cards.append(element("article", heading, element("p", record.share.message), class_="card"))
    if record.drift is not None:
        cards.append(_drift(record.drift))
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
        _groups(metric),
        facts(
            ("Data set", metric.dataset),
            ("Needed", _needed(metric)),
            ("Answers", _replay(metric)),
            ("Looked at", _looks(metric, history)),
            ("No answer since", moment(metric.error_since) if metric.error_since else None),
        ),
        folded(_count(history), _numbers(history)) if history else None,
        class_="card",
    )


def _drift(drift: DriftStatus) -> Markup:
    """What is asked of a release that serves, beside what was when it was promoted."""
    header = (("Kind", "time"), ("Of", "time"), ("Verdict", None), ("Decided", "time"), ("What", "long"))
    rows = [
        (
            signal.kind,
            signal.name,
            element("span", signal.verdict, class_=_DRIFT.get(signal.verdict, "quiet")),
            moment(signal.decided_at) if signal.decided_at else "",
            signal.message,
        )
        for signal in drift.signals or ()
    ]
    return element(
        "article",
        element("h3", "Drift since its promotion", badge(drift.verdict, _DRIFT.get(drift.verdict, "quiet"))),
        element("p", drift.message),
        table(header, rows, kind="stack") if rows else None,
        class_="card",
    )


def _groups(metric: MetricStatus) -> Markup | None:
    """The groups of a golden set, the worst for the candidate first."""
    if not metric.slices:
        return None
    header = (
        ("Slice", None),
        ("Group", None),
        ("Verdict", None),
        ("Items", "number"),
        ("Candidate", "number"),
        ("Stable", "number"),
        ("", "long"),
    )
    found = sorted(metric.slices, key=lambda one: (_behind(one), one.slice, one.group))
    return joined(element("h4", "By group"), table(header, (_group(one) for one in found)))


def _behind(one: SliceStatus) -> float:
    """How far the candidate is ahead of stable, or of nothing right; groups without an answer come last."""
    return one.candidate - (one.stable or 0.0) if one.candidate is not None else 2.0


def _group(one: SliceStatus) -> tuple[Content, ...]:
    return (
        one.slice,
        one.group,
        element("span", one.verdict, class_=tone(one.verdict)),
        f"{one.items} of {one.size}",
        _accuracy(one.candidate),
        _accuracy(one.stable),
        _bar(one),
    )


def _accuracy(share: float | None) -> str:
    return size(Measure.ACCURACY, share) if share is not None else ""


def _bar(one: SliceStatus) -> Markup | None:
    """The candidate's accuracy as a bar, with stable's as a mark."""
    if one.candidate is None:
        return None
    mark = element("b", style=f"left: {100 * one.stable:.1f}%") if one.stable is not None else None
    return element(
        "div", element("i", style=f"width: {100 * one.candidate:.1f}%"), mark, class_="bar", aria_hidden="true"
    )


def _replay(metric: MetricStatus) -> str | None:
    """How long the answers to a golden set took."""
    replay = metric.replay
    if replay is None:
        return None
    times = (
        ("candidate", replay.candidate_median_seconds, replay.candidate_p99_seconds),
        ("stable", replay.stable_median_seconds, replay.stable_p99_seconds),
    )
    arms = [
        f"{arm} within {median * 1000:.3g} ms half of the time and {slow * 1000:.3g} ms in 99 of 100"
        for arm, median, slow in times
        if median is not None and slow is not None
    ]
    return "; ".join([*arms, f"{replay.items_per_second:.3g} items a second"])


def _count(history: list[MetricPoint]) -> str:
    return "One look as numbers" if len(history) == 1 else f"{len(history)} looks as numbers"


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
