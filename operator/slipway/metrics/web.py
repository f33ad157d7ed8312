"""Numbers of any HTTP endpoint that answers with JSON, found there by JSONPath.

``{{namespace}}``, ``{{service}}`` and ``{{arm}}`` in the URL become those of the arm that is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from slipway.metrics.document import Credentials, ask_document, together
from slipway.metrics.selector import SelectorError
from slipway.metrics.source import ServiceRef
from slipway.metrics.window import Reading, SourceError
from slipway.outside import JsonPath, JsonPathError, Outside

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Za-z_]*)\s*\}\}")
_KNOWN: Final = ("namespace", "service", "arm")


@dataclass(frozen=True, slots=True)
class WebPage:
    """An endpoint, and who asks. Raises SelectorError for a placeholder that is not known."""

    outside: Outside
    url: str
    namespace: str
    credentials: Credentials | None = None

    def __post_init__(self) -> None:
        for name in _PLACEHOLDER.findall(self.url):
            if name not in _KNOWN:
                raise SelectorError("web.url", f"it has {{{{{name}}}}}: known are {', '.join(_KNOWN)}")

    async def document(self, arm: str, service: ServiceRef) -> Any:
        """The document about an arm. Raises SourceError."""
        values = {"namespace": service.namespace, "service": service.name, "arm": arm}
        url = _PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe=""), self.url)
        asked = await ask_document(
            self.outside, url, source=f"{arm}/web", namespace=self.namespace, credentials=self.credentials
        )
        if asked.status != 200:
            raise SourceError(f"{arm}/web", f"it answered HTTP {asked.status}")
        return asked.document


class WebCounters:
    """Requests and bad ones of each arm, cumulative, from one document an arm."""

    def __init__(self, page: WebPage, bad: str, total: str) -> None:
        """`bad` and `total` are JSONPaths. Raises SelectorError."""
        self._page = page
        self._bad = _path(bad, "web.bad")
        self._total = _path(total, "web.total")

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, tuple[Reading, ...]]:
        """One reading an arm. Raises SourceError for what is no count, or more bad ones than there are."""
        found = await together(self._arm(arm, service) for arm, service in services.items())
        return {arm: (reading,) for arm, reading in zip(services, found, strict=True)}

    async def _arm(self, arm: str, service: ServiceRef) -> Reading:
        document = await self._page.document(arm, service)
        try:
            bad, total = self._bad.number(document), self._total.number(document)
        except JsonPathError as error:
            raise SourceError(f"{arm}/web", str(error)) from None
        if not 0 <= bad <= total:
            raise SourceError(f"{arm}/web", f"{bad:g} bad of {total:g} are no counts")
        return Reading(f"{arm}/web", bad, total)


class WebValue:
    """One number an arm."""

    def __init__(self, page: WebPage, value: str) -> None:
        """`value` is a JSONPath. Raises SelectorError."""
        self._page = page
        self._value = _path(value, "web.value")

    async def read(self, services: Mapping[str, ServiceRef]) -> Mapping[str, float | None]:
        """The number of each arm; None where the document says null, which is how it says that it has none yet.

        Raises SourceError for anything else that is no finite number.
        """
        found = await together(self._arm(arm, service) for arm, service in services.items())
        return dict(zip(services, found, strict=True))

    async def _arm(self, arm: str, service: ServiceRef) -> float | None:
        document = await self._page.document(arm, service)
        try:
            return None if self._value.value(document) is None else self._value.number(document)
        except JsonPathError as error:
            raise SourceError(f"{arm}/web", str(error)) from None


def _path(text: str, field: str) -> JsonPath:
    try:
        return JsonPath(text)
    except JsonPathError as error:
        raise SelectorError(field, str(error)) from None
