"""The report in a real browser: its charts have sizes, nothing is cut off, nothing is asked of a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browser.chromium import Tab, a_tab, executable
from unit.cli.builders import NOW
from unit.cli.reports import BEGUN, HAULED_BACK, a_metric, a_tried, accuracy, alone, errors, latency, weights

from slipway.cli.report import page

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(executable() is None, reason="no Chromium on the path, and SLIPWAY_CHROMIUM names none"),
    pytest.mark.asyncio(loop_scope="module"),
]

WIDE, NARROW = 1200, 390

CUT_OFF = """[...document.querySelectorAll('svg')].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    const aside = box.left < frame.left - 1 || box.right > frame.right + 1;
    return aside || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
  }).map(text => text.textContent);
})"""
"""Texts that reach out of their chart."""

OVERLAPS = """[...document.querySelectorAll('svg')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
  const shared = (a, b, low, high) => Math.min(a[high], b[high]) - Math.max(a[low], b[low]);
  return texts.flatMap(([name, a], i) => texts.slice(i + 1)
    .filter(([, b]) => shared(a, b, 'left', 'right') > 2 && shared(a, b, 'top', 'bottom') > 6)
    .map(([other]) => `${name} and ${other}`));
})"""
"""Texts of a chart that are written over each other."""

SIZES = """[...document.querySelectorAll('svg')].map(svg => {
  const box = svg.getBoundingClientRect();
  const lines = [...svg.querySelectorAll('.line')].map(line => line.getBoundingClientRect());
  return [box.width, box.height, Math.max(0, ...lines.map(line => Math.max(line.width, line.height)))];
})"""
"""Width and height of each chart, and the length of its longest line."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tab]:
    """One browser for the module."""
    async with a_tab(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def show(tab: Tab, tmp_path: Path) -> Any:
    """Shows a report and returns the tab."""

    async def shown(*about: Any, width: int = WIDE, dark: bool = False) -> Tab:
        written = tmp_path / "report.html"
        written.write_text(page(*about, NOW), encoding="utf-8")
        tab.requests.clear()
        tab.complaints.clear()
        await tab.open(written, width=width, dark=dark)
        return tab

    return shown


def hauled_back() -> Any:
    metrics = [
        a_metric("errors", *errors(rate=0.055, looks=34, silent_at=12), begin=BEGUN + timedelta(seconds=80)),
        a_metric("accuracy", *alone()),
    ]
    return a_tried("RolledBack", timeline=HAULED_BACK, weights=weights((70, 10), (420, 0)), metrics=metrics)


def crowded() -> Any:
    kinds = (errors, accuracy, latency, alone)
    return a_tried(metrics=[a_metric(f"metric-{index}", *kinds[index % 4]()) for index in range(16)])


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("about", [a_tried, hauled_back, crowded])
async def test_the_charts_have_sizes_and_all_that_is_written_in_them_can_be_read(
    show: Any, about: Any, width: int
) -> None:
    tab = await show(*about(), width=width)
    sizes = await tab.evaluate(SIZES)
    assert len(sizes) >= 4
    assert all(wide > 250 and high > 100 and line > 50 for wide, high, line in sizes), sizes
    assert await tab.evaluate(CUT_OFF) == []
    assert await tab.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("width", [WIDE, NARROW])
async def test_the_page_is_no_wider_than_its_window(show: Any, width: int) -> None:
    tab = await show(*a_tried(), width=width)
    assert await tab.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_look_that_stands_alone_shows_its_interval(show: Any) -> None:
    tab = await show(*a_tried(metrics=[a_metric("accuracy", *alone(batches=1))]))
    box = "document.querySelector('.whisker').getBoundingClientRect().height"
    assert await tab.evaluate(box) > 20
    assert await tab.evaluate(CUT_OFF) == []


async def test_nothing_is_asked_of_a_network_and_nothing_is_complained_of(show: Any) -> None:
    tab = await show(*a_tried())
    assert [url for url in tab.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in tab.requests if url.startswith("file:")]) == 1
    assert tab.complaints == []


async def test_markup_in_names_and_messages_is_text(show: Any) -> None:
    script = "<script>document.title=1</script>"
    attack = f'</style></title><img src="https://evil.example/x.png" onerror="document.title=1">{script}'
    metric = a_metric("errors", *errors(looks=5)) | {"message": attack, "dataset": attack}
    tab = await show(*a_tried(message=attack, metrics=[metric], release={"model": {"version": attack}}))
    assert tab.requests == [tab.requests[0]]
    assert await tab.evaluate("document.querySelectorAll('script, img, iframe, a').length") == 0
    assert attack in await tab.evaluate("document.body.textContent")
    assert await tab.evaluate("document.title") != "1"


async def test_it_is_dark_where_the_reader_prefers_that(show: Any) -> None:
    colours = []
    for dark in (False, True):
        tab = await show(*a_tried(), dark=dark)
        colours.append(await tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(15, 19, 24)"]
