"""The charts of a report: evidence against what it needs, an estimate with its interval, the weight over time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from slipway.analysis import Measure, Verdict
from slipway.api import EvidenceNeeded, MetricPoint, Phase, TimelineEntry, WeightPoint
from slipway.cli.report.chart import (
    TOP,
    Frame,
    Place,
    Tag,
    band,
    dots,
    drawn,
    level,
    line,
    stepped,
    upright,
    whisker,
)
from slipway.cli.report.figures import odds, plain, signed, size
from slipway.cli.report.markup import Markup, element
from slipway.cli.report.scale import ticks

LOWEST_POWER: Final = -2.0
"""Evidence of less than a hundredth is drawn at the bottom: that the opposite is likely has a line of its own."""

ABOVE: Final = 0.7
"""How far beyond the higher of the needs the axis goes, as a power of ten; what is beyond is drawn at the top."""

ROOM: Final = 2.6
"""How many times the largest estimate or margin the axis reaches: an interval is wide at first, and would hide both."""

SETTLED: Final = 4
"""The first quarter of the looks does not stretch the axis: few requests make large differences."""

APART: Final = 40
"""Names of verdicts that are closer together would be written over each other."""

WIDE: Final = 980
LOW: Final = 190
STRIP: Final = 18
"""Height of the strip of phases below the weight."""

TONES: Final[Mapping[str, str]] = {
    Verdict.PASS: "good",
    Verdict.FAIL: "bad",
    Verdict.ERROR: "bad",
    Verdict.CONTINUE: "wait",
    Verdict.NO_DATA: "quiet",
}
PHASE_TONES: Final[Mapping[str, str]] = {
    Phase.STABLE: "good",
    Phase.WATCHING: "good",
    Phase.PROMOTING: "good",
    Phase.ROLLING_BACK: "bad",
    Phase.ROLLED_BACK: "bad",
    Phase.STEPPING: "wait",
    Phase.SHADOWING: "wait",
}


def tone(verdict: str) -> str:
    """The class of a verdict's colour."""
    return TONES.get(verdict, "quiet")


def phase_tone(phase: str | None) -> str:
    """The class of a phase's colour."""
    return PHASE_TONES.get(phase or "", "quiet")


def measure_of(point: MetricPoint) -> tuple[Measure, float] | None:
    """What was estimated at a look, and the estimate; None where nothing was."""
    for measure in Measure:
        value = getattr(point, measure)
        if value is not None:
            return measure, value
    return None


# --- evidence ---------------------------------------------------------------------------------------------------------


def evidence_chart(name: str, history: Sequence[MetricPoint], needed: EvidenceNeeded) -> Markup | None:
    """The evidence of harm and of safety against what a Fail and a Pass need; None without any."""
    to_fail, to_pass = odds(needed.harm), odds(needed.safety) if needed.safety is not None else None
    lines: list[tuple[str, str, str, float | None]] = [
        ("harm", "bad", "Fail at", to_fail),
        ("safety", "good", "Pass at", to_pass),
    ]
    powers = [
        getattr(point, kind) for point in history for kind in ("harm", "safety") if getattr(point, kind) is not None
    ]
    if not powers:
        return None
    most = max(to_fail, to_pass or 0.0) + ABOVE
    lowest = max(min(*powers, 0.0), LOWEST_POWER)
    frame = _frame(history, lowest, most, [(float(n), plain(10.0**n)) for n in range(int(lowest), int(most) + 1)])
    content: list[Markup] = [level(frame, 0.0, "zero")]
    tags: list[Tag] = []
    for kind, shade, word, need in lines:
        if need is None:
            continue
        content.append(level(frame, need, shade))
        tags.append(Tag(f"{word} {plain(10**need)}", need, shade))
        last = None
        for places in _runs(history, kind):
            content.append(line(frame, places, shade))
            last = places[-1][1]
        told = [((p.time, getattr(p, kind)), _said(p, kind)) for p in history if getattr(p, kind) is not None]
        content.append(dots(frame, told, shade))
        if last is not None:
            tags.append(Tag(kind, min(max(last, frame.low), frame.high), shade))
    content += _verdicts(frame, history)
    title = f"Evidence on {name}"
    return drawn(frame, title, _told(history, needed), *content, tags=tags)


def _said(point: MetricPoint, kind: str) -> str:
    return f"{point.time:%H:%M:%S} evidence of {kind} {plain(10 ** getattr(point, kind))} at {point.samples} samples"


def _told(history: Sequence[MetricPoint], needed: EvidenceNeeded) -> str:
    last = next((point for point in reversed(history) if point.harm is not None), None)
    if last is None or last.harm is None:
        return "No evidence yet."
    text = f"Evidence of harm is {plain(10**last.harm)} of {plain(needed.harm)} that a Fail needs"
    if last.safety is not None and needed.safety is not None:
        text += f", evidence of safety {plain(10**last.safety)} of {plain(needed.safety)} that a Pass needs"
    return f"{text}, at {last.samples} samples."


# --- estimate ---------------------------------------------------------------------------------------------------------

_NAMES: Final = {
    Measure.DIFFERENCE: "Difference from stable",
    Measure.RATE: "Rate of bad outcomes",
    Measure.ACCURACY: "Accuracy",
    Measure.RELATIVE: "Worse than stable by",
    Measure.VALUE: "Reading",
}
_ALLOWED: Final = {
    Measure.DIFFERENCE: "margin",
    Measure.RATE: "max",
    Measure.ACCURACY: "min",
    Measure.RELATIVE: "margin",
    Measure.VALUE: "limit",
}


def estimate_charts(name: str, history: Sequence[MetricPoint]) -> list[Markup]:
    """A chart for each thing that was estimated: after a promotion a rate takes the place of a difference."""
    return [
        _estimate(name, measure, [point for point in history if _fits(point, measure)])
        for measure in Measure
        if any(getattr(point, measure) is not None for point in history)
    ]


def _fits(point: MetricPoint, measure: Measure) -> bool:
    """A look at which another thing was estimated has no place there; one at which nothing was breaks the line."""
    found = measure_of(point)
    return found is None or found[0] is measure


def _estimate(name: str, measure: Measure, history: Sequence[MetricPoint]) -> Markup:
    known = [point for point in history if getattr(point, measure) is not None]
    low, high = _reach(measure, known)
    frame = _frame(history, low, high, [(value, size(measure, value)) for value in ticks(low, high)])
    last = known[-1]
    content: list[Markup] = []
    for run in _looks(history, measure):
        edges = [(p.time, p.low if p.low is not None else low, p.high if p.high is not None else high) for p in run]
        if any(p.low is not None or p.high is not None for p in run):
            content.append(band(frame, edges, "estimate") if len(edges) > 1 else whisker(frame, *edges[0], "estimate"))
        content.append(line(frame, [(p.time, getattr(p, measure)) for p in run], "estimate"))
    if low < 0 < high:
        content.append(level(frame, 0.0, "zero"))
    told = [((p.time, getattr(p, measure)), _at_most(measure, p)) for p in known]
    content.append(dots(frame, told, "estimate"))
    tags = [Tag(size(measure, getattr(last, measure)), getattr(last, measure), "estimate")]
    if last.allowed is not None:
        shade = "good" if measure is Measure.ACCURACY else "bad"
        content.append(level(frame, last.allowed, shade))
        tags.append(Tag(f"{_ALLOWED[measure]} {signed(measure, last.allowed)}", last.allowed, shade))
    return drawn(frame, f"{_NAMES[measure]}: {name}", _at_most(measure, last), *content, tags=tags)


def _at_most(measure: Measure, point: MetricPoint) -> str:
    text = f"{point.time:%H:%M:%S} {size(measure, getattr(point, measure))} at {point.samples} samples"
    if point.low is not None:
        text += f", at least {size(measure, point.low)}"
    if point.high is not None:
        text += f", at most {size(measure, point.high)}"
    return text


def _reach(measure: Measure, known: Sequence[MetricPoint]) -> tuple[float, float]:
    """The axis: the later estimates and what is allowed, and of the intervals what leaves these to be seen."""
    settled = known[len(known) // SETTLED :]
    middle = [
        *(getattr(point, measure) for point in settled),
        *(point.allowed for point in known if point.allowed is not None),
    ]
    edges = [edge for point in known for edge in (point.low, point.high) if edge is not None]
    if measure in (Measure.DIFFERENCE, Measure.RELATIVE):
        most = ROOM * max(1e-6, *(abs(value) for value in middle))
        low, high = max(min([*middle, *edges]), -most), min(max([*middle, *edges]), most)
    else:
        around = max(max(middle) - min(middle), 0.02 * max(abs(max(middle)), 1e-6))
        low = max(min([*middle, *edges]), min(middle) - around)
        high = min(max([*middle, *edges]), max(middle) + around)
    space = 0.08 * (high - low) or 1e-6
    return low - space, high + space


# --- weight -----------------------------------------------------------------------------------------------------------


def weight_chart(
    weights: Sequence[WeightPoint], timeline: Sequence[TimelineEntry], begin: datetime, end: datetime
) -> Markup:
    """What was asked of the gateway from the beginning of an attempt to its end, above the phases."""
    labels = tuple((float(value), f"{value} %") for value in (0, 25, 50, 75, 100))
    end = max(end, begin + timedelta(seconds=1))
    frame = Frame(begin, end, 0.0, 105.0, labels, height=LOW + STRIP, width=WIDE)
    before = next((known.weight for known in reversed(weights) if known.time <= begin), 0.0)
    places: list[Place] = [(begin, before)]
    places += [(known.time, known.weight) for known in weights if begin < known.time <= end]
    asked = [f"{known.weight:g} % at {known.time:%H:%M:%S}" for known in weights if begin < known.time <= end]
    told = [
        ((known.time, known.weight), f"{known.time:%H:%M:%S} {known.weight:g} %")
        for known in weights
        if begin < known.time <= end
    ]
    return drawn(
        frame,
        "Weight of the release over time",
        f"Percent of the traffic that was asked of the gateway: {', '.join(asked) or 'nothing'}.",
        stepped(frame, places, end, "estimate"),
        dots(frame, told, "estimate"),
        *_phases(frame, timeline, begin, end),
        tags=[Tag(f"{places[-1][1]:g} %", places[-1][1], "estimate")],
    )


def _phases(frame: Frame, timeline: Sequence[TimelineEntry], begin: datetime, end: datetime) -> Iterator[Markup]:
    """A strip at the top that says which phase it was in."""
    spans: list[tuple[str, datetime]] = []
    for entry in timeline:
        if begin <= entry.time <= end and (not spans or spans[-1][0] != entry.phase):
            spans.append((entry.phase, entry.time))
    for index, (phase, since) in enumerate(spans):
        until = spans[index + 1][1] if index + 1 < len(spans) else end
        left, right = frame.x(since), frame.x(until)
        said = f"{phase} from {since:%H:%M:%S} to {until:%H:%M:%S}"
        yield element(
            "rect",
            element("title", said),
            x=left,
            y=TOP - 11,
            width=max(right - left, 1.0),
            height=STRIP - 3,
            class_=f"phase {phase_tone(phase)}",
        )
        if right - left > 7.0 * len(phase):
            yield element("text", phase, x=(left + right) / 2, y=TOP, text_anchor="middle", class_="inside")


# --- what they share --------------------------------------------------------------------------------------------------


def _frame(history: Sequence[MetricPoint], low: float, high: float, labels: Sequence[tuple[float, str]]) -> Frame:
    begin, end = history[0].time, history[-1].time
    if begin == end:  # one look stands in the middle
        begin, end = begin - timedelta(seconds=1), end + timedelta(seconds=1)
    return Frame(begin, end, low, high, tuple(labels))


def _looks(history: Sequence[MetricPoint], field: str) -> Iterator[list[MetricPoint]]:
    """The stretches of looks at which there was a value."""
    run: list[MetricPoint] = []
    for point in history:
        if getattr(point, field) is not None:
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _runs(history: Sequence[MetricPoint], field: str) -> Iterator[list[Place]]:
    for run in _looks(history, field):
        yield [(point.time, getattr(point, field)) for point in run]


def _verdicts(frame: Frame, history: Sequence[MetricPoint]) -> Iterator[Markup]:
    """Where a verdict was reached, and where the source fell silent."""
    before, named = "", -float(frame.width)
    for point in history:
        if point.verdict != before and point.verdict in (Verdict.PASS, Verdict.FAIL, Verdict.ERROR):
            room = frame.x(point.time) - named >= APART
            yield upright(frame, point.time, point.verdict if room else "", tone(point.verdict))
            named = frame.x(point.time) if room else named
        before = point.verdict
