"""How long a server asks to wait before it is asked again."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

_NAME: Final = re.compile(r'"[^"]*"')
_PARAMETER: Final = re.compile(r";\s*([rt])\s*=\s*(\d{1,9})(?![\d.])")


def seconds_asked(headers: Mapping[str, str]) -> float:
    """Seconds by ``Retry-After`` and ``RateLimit``, whichever is longer; 0 where neither says. Names are lower case.

    The former is of RFC 9110, the latter of the draft on rate limits for HTTP: of the limits that are used up
    (``r=0``), the time until the last one begins anew, as in ``"resolvers";r=0;t=184``.
    """
    return max(_retry_after(headers), _used_up(headers.get("ratelimit", "")))


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    then = _time(text)
    if then is None:
        return 0.0
    now = _time(headers.get("date", ""))  # of the same clock
    return max(0.0, then - (time.time() if now is None else now))


def _time(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _used_up(text: str) -> float:
    longest = 0.0
    for limit in _NAME.sub("", text).split(","):
        says = {name: int(number) for name, number in _PARAMETER.findall(limit)}
        if says.get("r") == 0:
            longest = max(longest, float(says.get("t", 0)))
    return longest
