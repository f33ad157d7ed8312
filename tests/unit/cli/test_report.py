"""The report as text: well-formed, alone, safe, legible, and there for every state that a revision can be in.

How it looks is tested in a browser; here is what needs none.
"""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from unit.cli.builders import (
    NOW,
    a_release,
    a_revision,
    a_spec,
    ago,
    drifted,
    name_of,
    stable_revision,
    stepping_revision,
)
from unit.cli.conftest import Terminal
from unit.cli.reports import (
    BEGUN,
    HAULED_BACK,
    a_metric,
    a_tried,
    accuracy,
    alone,
    entries,
    errors,
    groups,
    latency,
    weights,
)

from slipway.analysis import Measure
from slipway.api import Phase
from slipway.cli.exits import Exit
from slipway.cli.report import page
from slipway.cli.report.figures import plain, size, span
from slipway.cli.report.markup import element
from slipway.cli.report.scale import Scale, clock, spread, ticks
from slipway.cli.report.style import CSS

SHOP = ("--namespace", "shop")
VOID = {"meta", "link", "br", "hr"}


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text. Fails where tags do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def count(self, tag: str) -> int:
        return len([name for name, _ in self.elements if name == tag])


def read(*about: Any) -> Page:
    return Page(page(*about, NOW))


def hauled_back() -> Any:
    metrics = [a_metric("errors", *errors(rate=0.055, looks=34, silent_at=12), begin=BEGUN + timedelta(seconds=80))]
    return a_tried("RolledBack", timeline=HAULED_BACK, weights=weights((70, 10), (420, 0)), metrics=metrics)


def first_release() -> Any:
    return a_tried(baseline=None, metrics=[a_metric("accuracy", *alone())])


def not_looked_at() -> Any:
    nothing = dict.fromkeys(("timeline", "weights", "metrics", "gates", "baseline", "reason", "message", "weight"))
    return a_tried("Pending", release={}, **nothing)


def without_histories() -> Any:
    metrics = [{"name": "errors", "verdict": "NoData", "message": "no requests yet"}]
    return a_tried(metrics=metrics, weights=None)


def crowded() -> Any:
    kinds = (errors, accuracy, latency, alone)
    told = entries(*((index, "Stepping", "StepStarted", f"step {index}") for index in range(50)))
    asked = weights(*((index, index) for index in range(48)))
    metrics = [a_metric(f"metric-{index}", *kinds[index % 4]()) for index in range(16)]
    return a_tried("Stepping", timeline=told, weights=asked, metrics=metrics)


def one_look() -> Any:
    return a_tried(metrics=[a_metric("errors", *errors(looks=1))], timeline=entries((0, "Pending", "New", "x")))


def only_silence() -> Any:
    return a_tried(metrics=[a_metric("errors", None, None)])


STATES = (a_tried, hauled_back, first_release, not_looked_at, without_histories, crowded, one_look, only_silence)


@pytest.mark.parametrize("state", STATES)
def test_every_state_makes_a_page_whose_tags_close(state: Any) -> None:
    assert read(*state()).count("h2") == 4


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_makes_a_page(phase: Phase) -> None:
    read(*a_tried(phase))


@pytest.mark.parametrize("state", STATES)
def test_the_page_stands_by_itself(state: Any) -> None:
    found = read(*state())
    assert not {"script", "iframe", "object", "embed", "img", "a", "form"} & {tag for tag, _ in found.elements}
    references = [
        value for _, attributes in found.elements for key, value in attributes.items() if key in ("href", "src")
    ]
    assert references == ["data:,"]
    assert "url(" not in CSS
    assert "@import" not in CSS
    assert all(not key.startswith("on") for _, attributes in found.elements for key in attributes)


def test_a_browser_is_told_to_run_and_to_load_nothing() -> None:
    (policy,) = [
        a["content"] for tag, a in read(*a_tried()).elements if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


SHORT = '"><script>alert(1)</script>'
ATTACK = '"><script>alert(1)</script></style><img src=x onerror=alert(1)>&amp;'


@pytest.mark.parametrize(
    "record",
    [
        {"message": ATTACK},
        {"timeline": entries((0, SHORT, "New", ATTACK))},
        {"metrics": [a_metric("errors", *errors(looks=5)) | {"verdict": SHORT, "message": ATTACK}]},
        {"metrics": [a_metric("accuracy", *alone()) | {"dataset": ATTACK}]},
        {"release": {"model": {"version": ATTACK}}},
        {"release": {"lineage": {"dataset": {"version": ATTACK}}, "container": {"image": ATTACK}}},
        {"spec": a_spec("v2", analysis={"metrics": [{"name": ATTACK}]})},
    ],
)
def test_what_users_write_is_text_wherever_it_stands(record: Any) -> None:
    found = read(*a_tried(**record))
    assert not {"script", "img"} & {tag for tag, _ in found.elements}
    assert "alert(1)" in found.text


def test_what_is_not_markup_is_escaped_between_tags_and_in_attributes() -> None:
    inner = element("b", '<i>"x"</i>', title='"><script>')
    assert inner == '<b title="&quot;&gt;&lt;script&gt;">&lt;i&gt;&quot;x&quot;&lt;/i&gt;</b>'
    assert element("p", inner, None) == f"<p>{inner}</p>"


# --- what it tells ----------------------------------------------------------------------------------------------------


def test_a_promotion_tells_who_decided_what_and_what_it_was_made_from() -> None:
    text = read(*a_tried()).text
    for told in (
        "shop / fraud",
        "Release v2 promoted",
        name_of("v1"),
        "2026-05-04 11:36:40 UTC: a person approved what follows step 1 of release v2",
        "2026-05-04 11:46:00 UTC, after 16m00s",
        "3f786850e387550fdab836ed7e6dc881de23001b",
        "fraud-features",
        f"sha256:{'e' * 64}",
        "2026-05",
        "run-71",
        "comparison: margin: 0.005",
    ):
        assert told in text


def test_a_release_that_was_hauled_back_is_headed_by_the_verdict_and_not_by_the_way_out() -> None:
    text = read(*hauled_back()).text
    assert "Release v2 rolled back AnalysisFailed: errors: Fail n=700/6300" in text


def test_each_metric_has_its_sentence_its_charts_and_its_numbers() -> None:
    found = read(*a_tried())
    tried = a_tried()[1]
    for metric in tried.record.metrics or ():
        assert metric.message in found.text
    assert found.count("svg") == 7
    assert "evidence of harm 300 for a Fail, evidence of safety 20 for a Pass" in found.text
    assert "48 looks as numbers" in found.text


def test_the_groups_of_a_golden_set_are_told_with_the_worst_first() -> None:
    text = read(*a_tried()).text
    order = [text.index(f"country {group} ") for group in ("pt", "lu", "fr", "de")]
    assert order == sorted(order)
    assert "country pt Continue 210 of 210 87.1% 92.4%" in text


def test_a_group_of_a_first_release_has_no_stable_to_be_beside() -> None:
    slices = groups(("de", 40, 0.9, None, "Pass"), ("fr", 12, None, None, "NoData"))
    text = read(*a_tried(metrics=[a_metric("accuracy", *alone(), slices=slices)])).text
    assert "country de Pass 40 of 40 90% country fr NoData 12 of 12" in text


def test_what_was_watched_since_the_promotion_is_told() -> None:
    picture = drifted()
    text = read(picture, picture.of(picture.status.stable)).text
    assert "Drift since its promotion Drifted feature amount: index=0.612" in text
    assert "GoldenSet golden-set Steady n=500" in text


def test_every_chart_can_be_read_out() -> None:
    charts = [attributes for tag, attributes in read(*crowded()).elements if tag == "svg"]
    assert all(chart["role"] == "img" and len(chart["aria-label"] or "") > 20 for chart in charts)


def test_gates_that_are_no_longer_declared_are_not_passed_off_as_those_it_was_judged_under() -> None:
    text = read(*a_tried(gates="a" * 64)).text
    assert "The gates were changed since" in text
    assert "comparison: margin: 0.005" not in text


def test_values_that_may_be_secret_are_left_out() -> None:
    container = {"env": [{"name": "TOKEN", "value": "s3cret"}], "args": ["--password=s3cret"], "command": ["s3cret"]}
    for release in ({"container": container}, {"transformer": {"container": {**container, "image": "features:1"}}}):
        text = page(*a_tried(release=release), NOW)
        assert "s3cret" not in text
        assert "TOKEN" in text
    assert "features:1" in text


def test_a_chart_of_the_weight_ends_with_the_attempt_and_not_days_later() -> None:
    later = entries((90_000, "Superseded", "Superseded", "release v3 took the place of release v2"))
    tried = a_tried("Superseded")[1]
    timeline = [entry.model_dump(mode="json", by_alias=True) for entry in tried.record.timeline or ()]
    text = page(*a_tried("Superseded", timeline=[*timeline, *later]), NOW)
    assert "Stepping from 11:31:10 to 11:45:00" in text


def test_a_second_attempt_is_told_by_itself() -> None:
    again = entries(
        (0, "Pending", "RevisionCreated", "declared"),
        (60, "RollingBack", "Aborted", "a person aborted release v2"),
        (70, "RolledBack", "RolledBack", "nothing is routed to it"),
        (600, "Pending", "RevisionRetried", "a person has release v2 tried again"),
        (660, "Stable", "CandidatePromoted", "it serves"),
    )
    text = read(*a_tried(timeline=again, attempt=2)).text
    assert "2, begun 2026-05-04 11:40:00 UTC" in text
    assert "2026-05-04 11:41:00 UTC, after 1m00s" in text


# --- legible ----------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", range(3), ids=["light", "dark", "print"])
@pytest.mark.parametrize("back", ["back", "card"])
@pytest.mark.parametrize("front", ["text", "soft", "good", "bad", "wait", "line", "quiet"])
def test_every_colour_can_be_read_on_every_ground(scheme: int, back: str, front: str) -> None:
    block = re.findall(r":root \{(.*?)\}", CSS, flags=re.S)[scheme]
    colours = dict(re.findall(r"--(\w+):\s*(#[0-9a-f]{6})", block))
    light, dark = sorted((luminance(colours[back]), luminance(colours[front])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


# --- numbers and axes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.013, 0.021), (1e-9, 3e-9), (-5e6, 7.0), (2.0, 2.0)])
def test_ticks_are_few_round_and_within(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-12 <= tick <= high + 1e-12 for tick in found)


@pytest.mark.parametrize("seconds", [1, 7, 61, 3_600, 86_400, 10_000_000])
def test_a_clock_has_few_ticks_however_long_it_went(seconds: int) -> None:
    assert 1 <= len(clock(BEGUN, BEGUN + timedelta(seconds=seconds))) <= 6


def test_labels_that_are_close_are_moved_apart_in_their_order() -> None:
    assert spread([10.0, 11.0, 50.0], 14, 0, 100) == [10.0, 24.0, 50.0]
    assert spread([99.0, 100.0], 14, 0, 100) == [86.0, 100.0]


def test_what_is_beyond_a_scale_is_at_its_edge() -> None:
    assert Scale(0, 10, 0, 100).at(25) == 100
    assert Scale(5, 5, 0, 100).at(5) == 50


def test_numbers_are_written_for_people() -> None:
    assert [plain(value) for value in (0.001, 0.5, 3.14159, 299.9, 12345.6, 1e9)] == [
        "under 0.01",
        "0.5",
        "3.14",
        "300",
        "12,346",
        "over a million",
    ]
    assert size(Measure.DIFFERENCE, 0.00123) == "+0.12pp"
    assert size(Measure.ACCURACY, 0.9312) == "93.1%"
    assert [span(timedelta(seconds=seconds)) for seconds in (5, 130, 11_100, 352_800)] == [
        "5s",
        "2m10s",
        "3h05m",
        "4d02h",
    ]


# --- the verb ---------------------------------------------------------------------------------------------------------


def test_the_page_is_written_to_a_file(terminal: Terminal, tmp_path: Path) -> None:
    terminal.shop()
    written = tmp_path / "report.html"
    code, out, _ = terminal("report", "fraud", "-o", str(written), *SHOP)
    assert (code, out) == (Exit.DONE, f"{written}: release v2 ({name_of('v2')})\n")
    assert "Release v2 on trial" in Page(written.read_text()).text


def test_a_dash_writes_to_standard_output_and_nothing_else(terminal: Terminal) -> None:
    terminal.shop()
    code, out, _ = terminal("report", "fraud", "-o", "-", *SHOP)
    assert code == Exit.DONE
    assert out.startswith("<!doctype html>")
    assert out.endswith("</html>\n")


def test_a_past_revision_is_named_as_history_lists_it(terminal: Terminal) -> None:
    gone = a_revision("v0", "Superseded", stableUntil=ago(timedelta(days=1)))
    terminal.shop(stable_revision(), stepping_revision(), gone)
    code, out, _ = terminal("report", "fraud", "--revision", name_of("v0"), "-o", "-", *SHOP)
    assert code == Exit.DONE
    assert "Release v0 replaced" in Page(out).text


def test_a_revision_that_is_not_there_is_answered_by_those_that_are(terminal: Terminal) -> None:
    terminal.shop()
    code, _, err = terminal("report", "fraud", "--revision", "fraud-00000000", "-o", "-", *SHOP)
    assert code == Exit.NOT_FOUND
    assert name_of("v1") in err


def test_a_file_that_cannot_be_written_is_named(terminal: Terminal, tmp_path: Path) -> None:
    terminal.shop()
    code, _, err = terminal("report", "fraud", "-o", str(tmp_path / "none" / "report.html"), *SHOP)
    assert code == Exit.ERROR
    assert "report.html: cannot be written: No such file or directory" in err


def test_a_specification_that_cannot_be_hashed_has_a_page_all_the_same() -> None:
    spec = a_spec("v2", analysis={"metrics": [{"name": "errors", "ratio": float("nan")}]})
    assert "The gates were changed since" in read(*a_tried(spec=spec, gates="b" * 64)).text


def test_a_release_is_told_from_what_it_was_declared_as(terminal: Terminal) -> None:
    terminal.shop(stable_revision(), a_revision("v2", "Stepping", release=a_release("v2")))
    _, out, _ = terminal("report", "fraud", "-o", "-", *SHOP)
    assert "No lineage was declared with this release." in Page(out).text
