"""Where redirects lead, and where they have led.

Stores of large files redirect to addresses that are signed for a while, and some count who asks them for those: the
Hugging Face Hub answers 3,000 such questions in 5 minutes. So parts of a file are asked for where others of it were.
"""

from __future__ import annotations

import threading
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from slipway.delivery.errors import AddressError

MAX_REDIRECTS: Final = 5
"""Hops after the first."""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

OVER: Final = REDIRECTS | {400, 401, 403, 404, 410}
"""Answers of an address that may have been one for a while only. Google's says 400 then, others 403."""

LASTING: Final = frozenset({200, 206, 412, 416, 429})
"""Answers of an address that is asked for further parts. Asking for another one because of 429 would count as well."""


class Targets:
    """Where redirects from a URL have led. Used by several threads at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, SplitResult] = {}

    def get(self, url: str) -> SplitResult | None:
        """Where the last answer for it came from, if that was elsewhere."""
        with self._lock:
            return self._known.get(url)

    def learn(self, url: str, target: SplitResult) -> None:
        """An answer for it came from there, by redirects that may be followed."""
        with self._lock:
            self._known[url] = target

    def forget(self, url: str) -> None:
        """It has to be asked again where it leads."""
        with self._lock:
            self._known.pop(url, None)


def origin(target: SplitResult) -> tuple[str, str]:
    """Scheme and host: who gets the same credentials."""
    return target.scheme, target.netloc


def following(target: SplitResult, location: str) -> SplitResult:
    """The next hop. Raises AddressError for one that is not followed."""
    try:
        found = urlsplit(urljoin(target.geturl(), location))
        known = found.scheme in ("http", "https") and found.hostname and found.port != 0
    except ValueError:
        known = None
    if not known:
        raise AddressError(f"{target.netloc} redirects to what is no https URL: give the last address")
    if target.scheme == "https" and found.scheme != "https":
        raise AddressError(f"{target.netloc} redirects from https to http, which is not followed: give another address")
    return found
