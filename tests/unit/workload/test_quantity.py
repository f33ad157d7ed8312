"""Amounts, as k8s.io/apimachinery reads and writes them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.workload import canonical_quantity, quantity_value


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.", "1"),
        (2, "2"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("1000Mi", "1000Mi"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("0.9765625Ki", "1k"),
        ("1e3", "1e3"),
        ("0Gi", "0"),
        ("0.0000000001", "1n"),
        ("1E", "1E"),
    ],
)
def test_an_amount_is_written_as_the_server_stores_it(written: int | str, stored: str) -> None:
    assert canonical_quantity(written) == stored


@pytest.mark.parametrize("text", ["", "..", "1e99999999", "ten", "1Mi2", "1 Gi"])
def test_what_is_no_amount_is_left_for_the_server_to_refuse(text: str) -> None:
    assert quantity_value(text) is None
    assert canonical_quantity(text) == text


@given(
    st.integers(0, 10**12),
    st.sampled_from(["n", "u", "m", "", "k", "M", "G", "Ki", "Mi", "Gi"]),
)
def test_writing_keeps_the_value_and_is_done_once(number: int, suffix: str) -> None:
    written = f"{number}{suffix}"
    stored = canonical_quantity(written)
    assert quantity_value(stored) == quantity_value(written)
    assert canonical_quantity(stored) == stored


def test_binary_and_decimal_suffixes_are_different_amounts() -> None:
    assert quantity_value("1Gi") == Fraction(1024**3)
    assert quantity_value("1G") == Fraction(10**9)
