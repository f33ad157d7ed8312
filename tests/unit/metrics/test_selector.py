"""Selectors and the plain patterns in them."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api import PlainPattern
from slipway.metrics import SelectorError
from slipway.metrics.selector import parse_selector


@pytest.mark.parametrize(
    ("text", "labels", "selected"),
    [
        ("errors", {}, True),
        (" errors ", {"code": "500"}, True),
        ("errors{}", {"code": "500"}, True),
        ('errors{code="500"}', {"code": "500"}, True),
        ('errors{code="500"}', {"code": "5000"}, False),
        ('errors{code="500"}', {}, False),
        ('errors{code=""}', {}, True),
        ('errors{code!="200"}', {}, True),
        ('errors{code!="200"}', {"code": "200"}, False),
        ('errors{code=~"5.."}', {"code": "503"}, True),
        ('errors{code=~"5.."}', {"code": "1503"}, False),
        ('errors{code=~"5..|429"}', {"code": "429"}, True),
        ('errors{code!~"2..|3.."}', {"code": "404"}, True),
        ('errors{code!~"2..|3.."}', {"code": "204"}, False),
        ('errors{ code =~ "5[0-9]{2}" , path = "/a,b}" , }', {"code": "500", "path": "/a,b}"}, True),
        (r'errors{path="a\"b\\c"}', {"path": 'a"b\\c'}, True),
        (r'errors{path=~"/v\d\.x"}', {"path": "/v2.x"}, True),
    ],
)
def test_a_selector_selects_by_name_and_every_matcher(text: str, labels: dict[str, str], selected: bool) -> None:
    selector = parse_selector(text, "pods.bad[0]")
    assert selector.matches("errors", labels) is selected
    assert not selector.matches("errors_total", labels)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "needs a metric name"),
        ("5xx", "needs a metric name"),
        ("rate(errors[1m])", "needs a metric name"),
        ('{__name__="errors"}', "needs a metric name"),
        ("errors{", "needs a metric name"),
        ("errors{code}", "is not a label matcher"),
        ("errors{code=500}", "is not a label matcher"),
        ('errors{code=="500"}', "is not a label matcher"),
        ('errors{code="500" path="a"}', "is not a label matcher"),
        ('errors{code=~"(a+)+"}', "beyond what is supported"),
        ('errors{code=~"[z-a]"}', "malformed"),
    ],
)
def test_what_is_not_a_selector_is_told_with_its_field_and_how_to_write_it(text: str, problem: str) -> None:
    with pytest.raises(SelectorError, match=problem) as caught:
        parse_selector(text, "pods.bad[0]")
    assert str(caught.value).startswith("pods.bad[0]: ")
    assert "write it like http_requests_total" in str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*", "a*a*a*b", "a?a?a?", r"(.)\1", "(?=a)", "(?P<x>a)", "a**", "a++", "a{1,2}{3}", "a|b*c+d?"],
)
def test_patterns_that_could_be_slow_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="beyond what is supported"):
        PlainPattern(pattern)


def test_a_text_too_long_to_be_matched_is_refused_and_not_missed() -> None:
    with pytest.raises(ValueError, match="longer than the 256"):
        PlainPattern("a.*").fullmatch("a" * 257)


@given(st.text("ab.*+?[]^-|{}2,\\d()", max_size=24), st.text("ab2-", max_size=30))
def test_a_plain_pattern_means_what_it_means_to_python(pattern: str, text: str) -> None:
    try:
        plain = PlainPattern(pattern)
    except ValueError:
        return
    assert plain.fullmatch(text) == (re.fullmatch(pattern, text) is not None)
    assert plain.search(text) == (re.search(pattern, text) is not None)


@given(st.text("a.*+?[]^|{}2,\\w", min_size=100, max_size=1000))
def test_a_plain_pattern_is_quick_on_any_text(pattern: str) -> None:
    try:
        plain = PlainPattern(pattern)
    except ValueError:
        return
    start = time.process_time()
    plain.search("a" * 255 + "b")
    assert time.process_time() - start < 1
