"""A chart as inline SVG: a frame with axes, and lines, steps, bands and marks in it. Pure, without a script.

What a pointer on a mark tells is in its title; all numbers are in a table beside it, for those who do not see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway.cli.report.markup import Content, Markup, element, joined
from slipway.cli.report.scale import Scale, clock, spread

WIDTH: Final = 480
HEIGHT: Final = 230
LEFT: Final = 58
RIGHT: Final = 112
TOP: Final = 12
BOTTOM: Final = 28
LETTER: Final = 12
"""Height of a letter."""

Place = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class Tag:
    """A label on the right edge, at a value; ``tone`` is the class of its colour."""

    text: str
    value: float
    tone: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The place that a chart is drawn in: its moments and values, and how the values' axis is labelled."""

    begin: datetime
    end: datetime
    low: float
    high: float
    labels: tuple[tuple[float, str], ...]
    height: int = HEIGHT
    width: int = WIDTH

    @property
    def bottom(self) -> float:
        """The lower edge of the plot."""
        return self.height - BOTTOM

    def x(self, moment: datetime) -> float:
        """The place of a moment."""
        return Scale(self.begin.timestamp(), self.end.timestamp(), LEFT, self.width - RIGHT).at(moment.timestamp())

    def y(self, value: float) -> float:
        """The place of a value."""
        return Scale(self.low, self.high, self.bottom, TOP).at(value)


def drawn(frame: Frame, title: str, description: str, *content: Content, tags: Sequence[Tag] = ()) -> Markup:
    """The chart with its frame; title and description are what is read out."""
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        _axes(frame),
        *content,
        _tags(frame, tags),
        viewBox=f"0 0 {frame.width} {frame.height}",
        role="img",
        aria_label=f"{title}. {description}",
        class_="chart",
    )


def line(frame: Frame, places: Sequence[Place], tone: str) -> Markup:
    """A line through places."""
    points = " ".join(f"{frame.x(moment):.1f},{frame.y(value):.1f}" for moment, value in places)
    return element("polyline", points=points, class_=f"line {tone}")


def stepped(frame: Frame, places: Sequence[Place], until: datetime, tone: str) -> Markup:
    """A line that holds each value until the next, with the area below it."""
    if not places:
        return Markup()
    path = f"M{frame.x(places[0][0]):.1f},{frame.y(places[0][1]):.1f}"
    for moment, value in places[1:]:
        path += f"H{frame.x(moment):.1f}V{frame.y(value):.1f}"
    path += f"H{frame.x(until):.1f}"
    area = f"{path}V{frame.bottom:.1f}H{frame.x(places[0][0]):.1f}Z"
    return joined(
        element("path", d=area, class_=f"area {tone}"),
        element("path", d=path, class_=f"line {tone}"),
    )


def band(frame: Frame, edges: Sequence[tuple[datetime, float, float]], tone: str) -> Markup:
    """An area between two lines."""
    upper = [f"{frame.x(moment):.1f},{frame.y(high):.1f}" for moment, _, high in edges]
    lower = [f"{frame.x(moment):.1f},{frame.y(low):.1f}" for moment, low, _ in reversed(edges)]
    return element("polygon", points=" ".join(upper + lower), class_=f"area {tone}")


def whisker(frame: Frame, moment: datetime, low: float, high: float, tone: str) -> Markup:
    """The interval of a look that stands alone."""
    place = frame.x(moment)
    return element("line", x1=place, x2=place, y1=frame.y(low), y2=frame.y(high), class_=f"whisker {tone}")


def level(frame: Frame, value: float, tone: str) -> Markup:
    """A level across the plot."""
    place = frame.y(value)
    return element("line", x1=LEFT, x2=frame.width - RIGHT, y1=place, y2=place, class_=f"level {tone}")


def dots(frame: Frame, places: Iterable[tuple[Place, str]], tone: str) -> Markup:
    """Marks at places, each with what a pointer on it tells."""
    return joined(
        *(
            element(
                "circle", element("title", said), cx=frame.x(moment), cy=frame.y(value), r=2.6, class_=f"dot {tone}"
            )
            for (moment, value), said in places
        )
    )


def upright(frame: Frame, moment: datetime, text: str, tone: str) -> Markup:
    """A moment that matters, named at the top."""
    place = frame.x(moment)
    left = place > (frame.width - RIGHT + LEFT) / 2
    return joined(
        element("line", x1=place, x2=place, y1=TOP, y2=frame.bottom, class_=f"moment {tone}"),
        element(
            "text",
            text,
            x=place - 4 if left else place + 4,
            y=TOP + LETTER - 2,
            text_anchor="end" if left else "start",
            class_=f"label {tone}",
        ),
    )


def _axes(frame: Frame) -> Markup:
    parts: list[Markup] = []
    for value, text in frame.labels:
        place = frame.y(value)
        parts.append(element("line", x1=LEFT, x2=frame.width - RIGHT, y1=place, y2=place, class_="grid"))
        parts.append(element("text", text, x=LEFT - 6, y=place + 4, text_anchor="end", class_="tick"))
    for moment, text in clock(frame.begin, frame.end):
        place = frame.x(moment)
        parts.append(element("line", x1=place, x2=place, y1=frame.bottom, y2=frame.bottom + 4, class_="grid"))
        parts.append(element("text", text, x=place, y=frame.bottom + 17, text_anchor="middle", class_="tick"))
    return joined(*parts)


def _tags(frame: Frame, tags: Sequence[Tag]) -> Markup:
    places = spread([frame.y(tag.value) for tag in tags], LETTER + 2, TOP, frame.bottom)
    return joined(
        *(
            element("text", tag.text, x=frame.width - RIGHT + 5, y=place + 4, class_=f"label {tag.tone}")
            for tag, place in zip(tags, places, strict=True)
        )
    )
