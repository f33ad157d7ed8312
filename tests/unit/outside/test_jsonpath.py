"""JSONPaths of users: what they select, and which are refused before they can cost much."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jsonpath", reason="the package python-jsonpath is not installed")

from slipway.outside import JsonPath, JsonPathError

DOCUMENT = {
    "outputs": [{"name": "label", "score": 0.25}, {"name": "other", "score": 1}],
    "nan": float("nan"),
    "huge": 10**400,
    "text": "1",
    "truth": True,
    "nothing": None,
    "a.b": 3,
}


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("$.outputs[0].score", 0.25),
        ("$['outputs'][-1]['score']", 1),
        ("$.outputs[?@.name == 'other'].score", 1),
        ("$['a.b']", 3),
    ],
)
def test_one_finite_number_is_selected(path: str, number: float) -> None:
    assert JsonPath(path).number(DOCUMENT) == number


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("$.missing", "selects no values"),
        ("$.outputs[*].score", "selects 2 values"),
        ("$.text", "selects str"),
        ("$.truth", "selects bool"),
        ("$.nothing", "selects NoneType"),
        ("$.outputs", "selects list"),
        ("$.nan", "selects nan"),
        ("$.huge", "selects int where it has to select a finite number"),
    ],
)
def test_anything_else_is_told_and_is_no_number(path: str, problem: str) -> None:
    with pytest.raises(JsonPathError, match=problem):
        JsonPath(path).number(DOCUMENT)


def test_values_come_in_the_order_of_the_document() -> None:
    assert JsonPath("$..score").values(DOCUMENT) == [0.25, 1]
    assert JsonPath("$.missing[*]").values(DOCUMENT) == []


@pytest.mark.parametrize(
    "path",
    ["", "outputs", "$.", "$.outputs[", "$..a..b", "$[?match(@.a, '(a+)+$')]", "$[?search(@.a, 'x')]",
     "$[?length(@.a) > 1]", "$[?@..a]", "$[?@.a[?@.b]]", "$['a','b']['a','b']", "$.a | $.b", "$" + ".a" * 300],
)  # fmt: skip
def test_a_path_that_cannot_be_used_is_refused_when_it_is_read(path: str) -> None:
    with pytest.raises(JsonPathError) as caught:
        JsonPath(path)
    assert len(str(caught.value)) < 300


def test_a_document_that_is_nested_too_deeply_is_told() -> None:
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    with pytest.raises(JsonPathError, match="nested too deeply"):
        JsonPath("$..a").values(deep)


def test_a_document_that_would_take_long_is_told_and_not_followed() -> None:
    start = time.process_time()
    for document in ([0] * 2_000_000, [[0] * 10] * 100_000):
        with pytest.raises(JsonPathError, match="more than 100000 values"):
            JsonPath("$..a").values(document)
    assert time.process_time() - start < 2
    assert len(JsonPath("$..*").values([0] * 50_000)) == 50_000


@given(st.text("$.*[]?@='ab0,:&|()<! ", max_size=24).map("$".__add__))
def test_any_path_is_refused_or_quick(text: str) -> None:
    document = {"a": [[{"a": index, "b": [index] * 4} for index in range(40)]] * 3, "b": {"a": 1}}
    try:
        path = JsonPath(text)
    except JsonPathError:
        return
    start = time.process_time()
    with suppress(JsonPathError):
        path.values(document)
    assert time.process_time() - start < 2
