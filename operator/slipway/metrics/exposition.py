"""One scrape: a bounded GET, and the samples of the metrics that were asked for.

Only lines of these metrics are parsed: pages run to megabytes, the parser is slow, and a strange line of another
metric is none of our business. Neither HELP nor TYPE decides anything, so the Prometheus text format and OpenMetrics
read alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from slipway.cluster.endpoints import AnswerError, ask
from slipway.metrics.window import SourceError

SCRAPE_TIMEOUT: Final = 5.0
"""Seconds for one whole scrape."""

MAX_SERIES: Final = 20_000
"""Series of the wanted metrics: more cannot be read without holding up everything else."""

_ACCEPT: Final = {"accept": "text/plain;version=0.0.4, */*;q=0.1"}
_LINE_NAME: Final = re.compile(r"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)(?=[{ \t])")


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of a scrape: a finite value, which is not negative where counts were asked for."""

    metric: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Page:
    """What a scrape showed."""

    samples: tuple[Sample, ...]
    """The series of the metrics that were asked for."""
    metrics: frozenset[str]
    """Names of everything that the page shows or declares."""


async def scrape(
    client: httpx.AsyncClient,
    url: str,
    source: str,
    wanted: Collection[str],
    *,
    limit: int,
    mentioning: Collection[str] = ("",),
    counts: bool = True,
) -> Page:
    """Reads metrics of a page of at most `limit` bytes, as `parse` does.

    Raises SourceError for anything but a whole and sane page of metrics.
    """
    try:
        answer = await ask(client, "GET", url, timeout=SCRAPE_TIMEOUT, limit=limit, headers=_ACCEPT)
    except AnswerError as error:
        raise SourceError(source, f"{url} {error}: check that it runs and can be reached from the operator") from None
    if not answer.ok:
        raise SourceError(source, f"{url} answered HTTP {answer.status}: check port and path of its metrics")
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        raise SourceError(source, f"{url} did not answer with text: check port and path of its metrics") from None
    if "html" in answer.content_type or text.lstrip()[:1] in ("<", "{", "["):
        raise SourceError(source, f"{url} did not answer with metrics but {answer.content_type or 'something else'}")
    return parse(text, source, wanted, mentioning, counts=counts)


def parse(
    text: str, source: str, wanted: Collection[str], mentioning: Collection[str] = ("",), *, counts: bool = True
) -> Page:
    """Reads the wanted metrics of a page in the text format, or of them the series that mention any of some texts.
    `counts` says that they count something, and so are not negative.

    Raises SourceError. An empty page is a page without series.
    """
    lines, metrics = [], set()
    for line in text.split("\n"):
        if line.startswith("#"):
            words = line.split(None, 3)
            if len(words) > 2 and words[1] in ("HELP", "TYPE"):
                metrics.add(words[2])
            continue
        if not (line := line.strip()):
            continue
        if line[line.rfind(" ") + 1] not in "0123456789+-.NnIi" and "\t" not in line:
            raise SourceError(source, "what it shows are not metrics in the Prometheus text format")
        if name := _LINE_NAME.match(line):
            metrics.add(name[1])
            if name[1] in wanted and any(text in line for text in mentioning):
                lines.append(line)
        elif not line.startswith("{"):  # a quoted name, which no selector can ask for
            raise SourceError(source, "what it shows are not metrics in the Prometheus text format")
    return Page(_samples(lines, source, counts=counts), frozenset(metrics))


def _samples(lines: list[str], source: str, *, counts: bool) -> tuple[Sample, ...]:
    if len(lines) > MAX_SERIES:
        raise SourceError(source, f"its counters have more than {MAX_SERIES} series: drop labels of many values")
    samples, seen = [], set()
    try:
        parsed = [sample for family in text_string_to_metric_families("\n".join(lines)) for sample in family.samples]
    except (ValueError, IndexError, KeyError) as error:
        raise SourceError(source, f"its metrics cannot be parsed: {str(error)[:120]}") from None
    for sample in parsed:
        if not math.isfinite(sample.value) or (counts and sample.value < 0):
            what = "a count" if counts else "a number"
            raise SourceError(source, f"{sample.name} is {sample.value:g}, which is not {what}")
        series = (sample.name, frozenset(sample.labels.items()))
        if series in seen:
            raise SourceError(source, f"{sample.name} shows one series twice: it cannot be told which value counts")
        seen.add(series)
        samples.append(Sample(sample.name, sample.labels, float(sample.value)))
    return tuple(samples)
