"""A cookie's pattern means the same to a gateway that searches in the header and to one that matches all of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api import CookieMatch
from slipway.traffic.patterns import cookie_pattern, literal

PATTERN = cookie_pattern(CookieMatch(name="group", value="b.1"))


@pytest.mark.parametrize(
    "header",
    ["group=b.1", "a=1; group=b.1", "a=1;group=b.1", "group=b.1; z=2", "group=b.1 ;z=2", "a=1; group=b.1; z=2"],
)
def test_the_cookie_is_found_among_others(header: str) -> None:
    assert re.search(PATTERN, header)
    assert re.fullmatch(PATTERN, header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "group=b",
        "group=b.12",
        "group=bx1",
        "Group=b.1",
        "subgroup=b.1",
        "a=group=b.1",
        "a=1, group=b.1",
        "group= b.1",
    ],
)
def test_nothing_else_is_taken_for_it(header: str) -> None:
    assert not re.search(PATTERN, header)


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1))
def test_a_literal_matches_itself_alone(text: str) -> None:
    assert re.fullmatch(literal(text), text)
    assert not re.fullmatch(literal(text), text + "x")
    assert not re.fullmatch(literal(text), text[:-1])
