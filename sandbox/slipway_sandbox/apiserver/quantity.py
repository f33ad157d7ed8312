"""Resource quantities (`100m`, `1Gi`): parsing, and the canonical form the server stores.

The canonical form keeps the suffix family the user chose (binary, decimal, exponent), has no fraction, and uses the
largest suffix that needs none.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

_FORM = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))((?:[eE][+-]?\d{1,9})|[KMGTPE]i|[numkMGTPE]|)$")
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
_EXACT = Decimal(10) ** -9


class QuantityError(ValueError):
    """The text is no quantity."""


def _split(text: str) -> tuple[Decimal, str, str]:
    match = _FORM.match(text)
    if match is None:
        raise QuantityError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, suffix = Decimal(match.group(1)), match.group(2)
    if suffix in _BINARY:
        return number * 2 ** _BINARY[suffix], "binary", suffix
    if suffix[:1] in {"e", "E"} and len(suffix) > 1:
        return number.scaleb(max(-999, min(999, int(suffix[1:])))), "exponent", suffix
    return number.scaleb(_DECIMAL[suffix]), "decimal", suffix


_LARGEST = Decimal(2**63 - 1)
"""Quantities beyond are cut to it."""


@lru_cache(maxsize=4096)
def value(text: str) -> Decimal:
    """The number a quantity stands for.

    Raises:
        QuantityError: when the text is no quantity.
    """
    return _split(text)[0]


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The form in which the server stores and returns a quantity.

    Raises:
        QuantityError: when the text is no quantity.
    """
    number, family, _ = _split(text)
    number = _round_up(max(-_LARGEST, min(_LARGEST, number)))
    if number == 0:
        return "0"
    sign, size = ("-", -number) if number < 0 else ("", number)
    if family == "binary":
        if size < 1024 or size != size.to_integral_value():
            return sign + _decimal(size)
        whole, shift, suffix = int(size), 0, ""
        for name, bits in _BINARY.items():
            if whole % (1 << bits) == 0:
                shift, suffix = bits, name
        return f"{sign}{whole >> shift}{suffix}"
    return sign + (_decimal(size) if family == "decimal" else _exponent(size))


def _round_up(number: Decimal) -> Decimal:
    """Nothing finer than a nano unit is kept; what is finer is rounded away from zero."""
    if number == number.quantize(_EXACT, rounding=ROUND_CEILING):
        return number
    magnitude = abs(number).quantize(_EXACT, rounding=ROUND_CEILING)
    return magnitude if number > 0 else -magnitude


def _exponent_of(size: Decimal) -> tuple[int, int]:
    """The number as digits times a power of ten that is a multiple of three, as large as needs no fraction."""
    power = -9
    while power < 18 and size.scaleb(-(power + 3)) == size.scaleb(-(power + 3)).to_integral_value():
        power += 3
    return int(size.scaleb(-power)), power


def _decimal(size: Decimal) -> str:
    digits, power = _exponent_of(size)
    suffix = {exponent: name for name, exponent in _DECIMAL.items()}[power]
    return f"{digits}{suffix}"


def _exponent(size: Decimal) -> str:
    digits, power = _exponent_of(size)
    return f"{digits}e{power}" if power else str(digits)
