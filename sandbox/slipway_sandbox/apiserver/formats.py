"""The formats that a schema can ask of text, as the server checks them: which is looser here and stricter there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

_PLAIN = {
    "bsonobjectid": r"[0-9a-fA-F]{24}",
    "byte": r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})",
    "hexcolor": r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})",
    "rgbcolor": r"rgb\(" + r"\s*,".join([r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"] * 3) + r"\s*\)",
    "ssn": r"\d{3}[- ]?\d{2}[- ]?\d{4}",
    "uuid": r"(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}",
    "uuid3": r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}",
    "uuid4": r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}",
    "uuid5": r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}",
    "email": r"(?s)([^@<>]*<\s*)?[^@\s<>]+@[^@\s<>]+(\s*>)?",
    "mac": (
        r"([0-9A-Fa-f]{2}[:-]){5}(([0-9A-Fa-f]{2}[:-]){2}|([0-9A-Fa-f]{2}[:-]){14})?[0-9A-Fa-f]{2}"
        r"|([0-9A-Fa-f]{4}\.){2}([0-9A-Fa-f]{4}\.)?([0-9A-Fa-f]{4}\.){0,6}[0-9A-Fa-f]{4}"
    ),
    "k8sshortname": r"(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    "k8slongname": r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
    "password": r"(?s).*",
}
DURATION = re.compile(r"[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")
_SPOKEN_DURATION = re.compile(r"(\d+)\s*([A-Za-zµ]+)")
_WHOLE_UNITS = {"ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "week"}
_UNIT_BEGINNINGS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "wk", "week")
_ONE_LABEL = re.compile(r"[^\W_](-?[^\W_]{0,62})")
_LABELS = re.compile(r"([^\W_]((-|[^\W_]){0,61}[^\W_])?\.)+[^\W\d_]{2,63}")


def _is_date_time(value: str) -> bool:
    day, _, time = value.lower().partition("t")
    found = re.fullmatch(r"(\d{2}):(\d{2}):(\d{2})(.\d+)?(z|[+-]\d{2}:\d{2})", time, re.ASCII)
    if found is None or not _is_date(day):
        return False
    return found[1] <= "23" and found[2] <= "59" and found[3] <= "59"


def _is_date(value: str) -> bool:
    try:
        return re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) is not None and bool(date.fromisoformat(value))
    except ValueError:
        return False


def _is_address(mark: str, value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return mark in value


def _is_cidr(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return re.search(r"/\d+$", value) is not None


def _is_uri(value: str) -> bool:
    """An absolute path, or a URL with a scheme and something that begins with a slash."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    if any(ord(character) < 32 or ord(character) == 127 for character in value) or " " in parts.netloc:
        return False
    return value.startswith("/") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", value) is not None


def _is_duration(value: str) -> bool:
    if DURATION.fullmatch(value):
        return True
    units = [unit.lower() for _, unit in _SPOKEN_DURATION.findall(value)]
    return any(unit in _WHOLE_UNITS or unit.startswith(_UNIT_BEGINNINGS) for unit in units)


def _is_host(value: str) -> bool:
    if len(value) > 255 or any(len(label) > 63 for label in value.split(".")):
        return False
    return (_ONE_LABEL.fullmatch(value) or _LABELS.fullmatch(value)) is not None


def _is_isbn10(value: str) -> bool:
    digits = re.sub(r"[\s-]+", "", value)
    if not re.fullmatch(r"\d{9}[\dX]", digits, re.ASCII):
        return False
    numbers = [10 if digit == "X" else int(digit) for digit in digits]
    return sum((10 - index) * number for index, number in enumerate(numbers)) % 11 == 0


def _is_isbn13(value: str) -> bool:
    digits = re.sub(r"[\s-]+", "", value)
    if not re.fullmatch(r"\d{13}", digits, re.ASCII):
        return False
    return sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits)) % 10 == 0


def _is_card(value: str) -> bool:
    digits = re.sub(r"\D", "", value)
    if (
        not re.fullmatch(r"(4|5[1-5]|6011|65|3[47]|30[0-5]|3[68]|2131|1800|35)\d+", digits)
        or not 13 <= len(digits) <= 16
    ):
        return False
    doubled = (int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits)))
    return sum(number // 10 + number % 10 for number in doubled) % 10 == 0


def _whole(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: compiled.fullmatch(value) is not None


_CHECKS: dict[str, Callable[[str], bool]] = {
    **{name: _whole(pattern) for name, pattern in _PLAIN.items()},
    "datetime": _is_date_time,
    "date": _is_date,
    "ipv4": lambda value: _is_address(".", value),
    "ipv6": lambda value: _is_address(":", value),
    "cidr": _is_cidr,
    "uri": _is_uri,
    "duration": _is_duration,
    "hostname": _is_host,
    "isbn": lambda value: _is_isbn10(value) or _is_isbn13(value),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "creditcard": _is_card,
}
_KNOWN = {
    "integer": {"int32", "int64"},
    "number": {"float", "double"},
}


def is_known(name: str, kind: str) -> bool:
    """Whether the server knows a format for values of a type; one that it does not know accepts everything."""
    if kind in {"", "string"}:
        return name.replace("-", "") in _CHECKS
    return name in _KNOWN.get(kind, ())


def has_format(name: str, value: str) -> bool:
    """Whether text has a format. Dashes in the name of a format make no difference."""
    check = _CHECKS.get(name.replace("-", ""))
    return check is None or check(value)
