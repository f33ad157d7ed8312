"""Amounts as the API writes them."""

import re
from typing import Any, Final

_QUANTITY: Final = re.compile(r"([0-9.]+)([a-zA-Z]*)")
_UNITS: Final = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


def quantity(text: Any) -> float:
    """A Kubernetes quantity as a number."""
    match = _QUANTITY.fullmatch(str(text))
    return float(match.group(1)) * _UNITS.get(match.group(2), 1.0) if match else 0.0
