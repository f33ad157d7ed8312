"""Pages of metrics, as servers really write them, and pages that are none."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.probes.builders import a_client

from slipway.metrics import SourceError
from slipway.metrics.exposition import Page, parse, scrape


def values(page: Page) -> dict[str, float]:
    return {sample.labels.get("code", ""): sample.value for sample in page.samples}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('# HELP req_total Requests.\n# TYPE req_total counter\nreq_total{code="200"} 7\n', {"200": 7}),
        ('# TYPE req counter\nreq_total{code="200"} 7 1700000000.5\n# EOF\n', {"200": 7}),
        ('req_total{code="500"} 3 # {trace_id="a"} 1 1700000000.5\n# EOF', {"500": 3}),
        ('req_total{code="200",} 1.5e+01\t1700000000000\r\n', {"200": 15}),
        ("req_total 4", {"": 4}),
        ("req_total   \t 4   ", {"": 4}),
        ('req_total{code="a\\"}\\\\ b"} 1', {'a"}\\ b': 1}),
        ('req_total{code="1"} 1\nother{broken 5\nother_total NaN\n{"quoted.name",a="b"} 2', {"1": 1}),
        ("req_total_created 1e9\nreq_totals 4\n", {}),
        ("", {}),
        ("# just a comment\n\n", {}),
    ],
)
def test_the_wanted_series_are_read_from_any_dialect(text: str, expected: dict[str, float]) -> None:
    assert values(parse(text, "stable/a", ("req_total",))) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("req_total NaN", "req_total is nan, which is not a count"),
        ("req_total +Inf", "is inf, which is not a count"),
        ("req_total -1", "is -1, which is not a count"),
        ("req_total", "not metrics in the Prometheus text format"),
        ("req_total seven", "not metrics"),
        ("req_total 7up", "cannot be parsed"),
        ('req_total{code="1} 1', "cannot be parsed"),
        ("req_total{code=1} 1", "cannot be parsed"),
        ('req_total{code="1"} 1\nreq_total{code="1"} 2', "shows one series twice"),
        ("Not found\n", "not metrics"),
        ("just some words", "not metrics"),
        ("1.5", "not metrics"),
    ],
)
def test_what_makes_no_sense_is_no_evidence(text: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem) as caught:
        parse(text, "stable/a", ("req_total",))
    assert caught.value.source == "stable/a"


@given(st.lists(st.text('req_total{}="code5,\\ \t#NaInf+-.\n', max_size=40) | st.text(max_size=20), max_size=5))
def test_any_text_is_a_page_or_a_source_error(lines: list[str]) -> None:
    try:
        page = parse("\n".join(lines), "stable/a", ("req_total", "r", "e"))
    except SourceError:
        return
    assert all(sample.value >= 0 for sample in page.samples)


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (httpx.Response(503, text="req_total 1"), "answered HTTP 503"),
        (httpx.Response(302, headers={"location": "/"}), "answered HTTP 302"),
        (httpx.Response(200, html="<html>req_total 1</html>"), "did not answer with metrics but text/html"),
        (httpx.Response(200, text="  <!doctype html>"), "did not answer with metrics"),
        (httpx.Response(200, json={"req_total": 1}), "did not answer with metrics but application/json"),
        (httpx.Response(200, content=b"req_total 1\n\xff"), "did not answer with text"),
        (httpx.Response(200, text="req_total 1\n" * 100), "more than 1000 bytes"),
    ],
)
async def test_an_answer_that_is_no_page_of_metrics_is_no_evidence(response: httpx.Response, problem: str) -> None:
    async with a_client(lambda _: response) as client:
        with pytest.raises(SourceError, match=problem):
            await scrape(client, "http://10.0.0.1/metrics", "stable/a", ("req_total",), limit=1000)


def test_clocks_of_pods_count_for_nothing() -> None:
    skewed = 'req_total{code="200"} 7 4102444800000\nreq_total{code="500"} 3 1\nreq_total{code="503"} 1 -5\n'
    assert values(parse(skewed, "stable/a", ("req_total",))) == {"200": 7, "500": 3, "503": 1}
