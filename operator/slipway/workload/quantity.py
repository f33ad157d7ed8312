"""Kubernetes quantities: their value, and the form in which an API server writes them back.

The server stores ``1000m`` as ``1`` and ``0.5`` as ``500m``. Rendering that form ourselves keeps what is read equal
to what was applied. The rules are those of the Quantity type in k8s.io/apimachinery: at most nine decimals, rounded
up; the largest suffix that leaves a whole number; binary suffixes only for whole values of at least 1024.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_DECIMAL: Final = {"E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "": 0, "m": -3, "u": -6, "n": -9}
_BINARY: Final = {"Ei": 6, "Pi": 5, "Ti": 4, "Gi": 3, "Mi": 2, "Ki": 1, "": 0}
_QUANTITY: Final = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,2}))?")


def _parse(quantity: int | str) -> tuple[Fraction, str] | None:
    """The value in units and the family of its suffix (decimal, binary, exponent); None for what is no quantity."""
    match = _QUANTITY.fullmatch(str(quantity))
    if match is None:
        return None
    number, suffix, exponent = match.groups()
    value = Fraction(number.removesuffix("."))
    if exponent is not None:
        family, value = "exponent", value * Fraction(10) ** int(exponent)
    elif suffix in _BINARY:
        family, value = "binary", value * 1024 ** _BINARY[suffix]
    else:
        family, value = "decimal", value * Fraction(10) ** _DECIMAL[suffix or ""]
    nano = abs(value) * 10**9
    rounded = Fraction(-(-nano.numerator // nano.denominator), 10**9)
    return (-rounded if value < 0 else rounded), family


def quantity_value(quantity: int | str) -> Fraction | None:
    """The value of a quantity in units (cores, bytes); None when it is not one."""
    parsed = _parse(quantity)
    return None if parsed is None else parsed[0]


def canonical_quantity(quantity: int | str) -> str:
    """The quantity as an API server writes it. What is no quantity is returned as it is, for the server to refuse."""
    parsed = _parse(quantity)
    if parsed is None:
        return str(quantity)
    value, family = parsed
    if value == 0:
        return "0"
    if family == "binary" and abs(value) >= 1024 and value.denominator == 1:
        for suffix, power in _BINARY.items():
            if value % 1024**power == 0:
                return f"{value // 1024**power}{suffix}"
    for suffix, power in _DECIMAL.items():
        scaled = value / Fraction(10) ** power
        if scaled.denominator == 1:
            return f"{scaled}{'' if power == 0 else f'e{power}' if family == 'exponent' else suffix}"
    return str(quantity)
