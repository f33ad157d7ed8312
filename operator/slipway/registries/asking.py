"""One bounded request to a registry on behalf of a namespace, and what went wrong with it in words."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from slipway.delivery import OTHER_NAME
from slipway.outside import EgressError, Fetched, FetchError, Outside

TIMEOUT: Final = 10.0
"""Seconds for a whole answer."""

LARGEST: Final = 1024 * 1024
"""Bytes of an answer: a version with its tags has some thousand."""

FAILING: Final = "RegistryUnreachable"
REFUSED: Final = "RegistryRefused"
MISSING: Final = "RegistryNotFound"
MALFORMED: Final = "RegistryAnswer"


class RegistryError(Exception):
    """A registry named nothing. ``reason`` is one of the four words above; the message names the field and the fix."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks for one ModelDeployment."""

    outside: Outside
    namespace: str
    secret: Mapping[str, str] = field(default_factory=dict)
    """The values of the Secret that ``credentials`` names, by their keys; empty where none is named."""

    async def ask(
        self,
        url: str,
        about: str,
        *,
        headers: Mapping[str, str] | None = None,
        document: Mapping[str, Any] | None = None,
        method: Literal["GET", "HEAD"] = "GET",
        challenged: bool = False,
    ) -> Fetched:
        """An answer, whatever it says; `about` names the field in messages. With a document it is a POST. `challenged`
        says that an answer 401 is one, because it tells how to prove who asks.

        Raises RegistryError where no whole answer came, or one says that the registry fails.
        """
        content = None if document is None else json.dumps(document).encode()
        sent = dict(headers or {}) | ({} if content is None else {"content-type": "application/json"})
        try:
            answer = await self.outside.request(
                url,
                namespace=self.namespace,
                timeout=TIMEOUT,
                limit=LARGEST,
                method=method if content is None else "POST",
                content=content,
                headers=sent,
                redirects=3 if content is None else 0,
            )
        except EgressError as error:
            raise RegistryError(REFUSED, f"{about}: {error}: see slipway run --egress") from None
        except FetchError as error:
            raise RegistryError(FAILING, f"{about}: {error}") from None
        if answer.status >= 500 or answer.status == 429:
            raise RegistryError(FAILING, f"{about}: {host_of(url)} answered HTTP {answer.status}")
        if answer.status == 403 and OTHER_NAME in answer.body:
            raise RegistryError(
                REFUSED,
                f"{about}: {urlsplit(url).netloc} takes no requests under this name: allow it there (MLflow: "
                "--allowed-hosts)",
            )
        if answer.status in (401, 403) and not (challenged and answer.status == 401):
            raise RegistryError(
                REFUSED,
                f"spec.release.from.credentials: {host_of(url)} answered HTTP {answer.status}: name a Secret "
                "whose credentials may read this",
            )
        return answer


def document_of(answer: Fetched, about: str, url: str) -> Mapping[str, Any]:
    """The JSON object of an answer. Raises RegistryError."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RegistryError(
            MALFORMED, f"{about}: {host_of(url)} answered HTTP {answer.status} without a JSON object: check the address"
        )
    return found


def text_in(document: Mapping[str, Any], name: str, about: str, *, longest: int) -> str:
    """A text in a document. Raises RegistryError."""
    value = document.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise RegistryError(MALFORMED, f"{about}: the answer has no text of at most {longest} characters as {name}")
    return value


def host_of(url: str) -> str:
    """The host of an address, as messages show it."""
    return urlsplit(url).hostname or "the address"


def basic(user: str, password: str) -> str:
    """The value of a header that says who asks."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
