"""One JSON document of a server that a user named."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from slipway.metrics.window import SourceError
from slipway.outside import FetchError, Outside

T = TypeVar("T")

MAX_DOCUMENT: Final = 8 * 1024 * 1024
"""Bytes of one answer."""

FETCH_TIMEOUT: Final = 10.0
"""Seconds for one whole answer."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a Secret holds: a bearer token, or a user with a password. Never shown, also not by ``repr``."""

    bearer: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def headers(self, source: str) -> Mapping[str, str]:
        """The header that proves who asks, if any. White space around a value is not part of it: files that Secrets
        are made of end with a line feed. Raises SourceError for what no header can hold."""
        if self.bearer.strip():
            value = f"Bearer {self.bearer.strip()}"
        elif self.user.strip():
            pair = f"{self.user.strip()}:{self.password.strip()}"
            value = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            return {}
        if not value.isascii() or not value.isprintable():
            raise SourceError(source, "its token has characters that a header cannot hold: correct the Secret")
        return {"authorization": value}

    def hidden(self, text: str) -> str:
        """The text of a server that was shown them, without them: it may be repeating what it was sent."""
        try:
            sent = self.headers("").get("authorization", "").partition(" ")[2]
        except SourceError:
            sent = ""
        for secret in (sent, self.bearer.strip(), self.password.strip()):
            text = text.replace(secret, "…") if secret else text
        return text


@dataclass(frozen=True, slots=True)
class Asked:
    """A whole answer that is JSON, with its status."""

    status: int
    document: Any


async def together(reads: Iterable[Awaitable[T]]) -> list[T]:
    """The results of questions that are asked at once, so that all of them take as long as the slowest. Raises the
    first of their errors when each has ended: none is left behind."""
    results = await asyncio.gather(*reads, return_exceptions=True)
    good = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        good.append(result)
    return good


async def ask_document(
    outside: Outside,
    url: str,
    *,
    source: str,
    namespace: str,
    credentials: Credentials | None,
    form: bytes | None = None,
) -> Asked:
    """Asks for a document, on behalf of a namespace. `form` makes it a POST.

    Redirects are not followed: what a login page answers is no measurement. Raises SourceError for anything but JSON;
    the status is the caller's to judge.
    """
    headers = {"accept": "application/json", **(credentials or Credentials()).headers(source)}
    if form is not None:
        headers["content-type"] = "application/x-www-form-urlencoded"
    try:
        answer = await outside.request(
            url,
            namespace=namespace,
            timeout=FETCH_TIMEOUT,
            limit=MAX_DOCUMENT,
            method="GET" if form is None else "POST",
            content=form,
            headers=headers,
            redirects=0,
        )
    except FetchError as error:
        raise SourceError(source, str(error)) from None
    if 300 <= answer.status < 400:
        raise SourceError(source, f"it redirects (HTTP {answer.status}), as to a login page: give its final address")
    if answer.status in (401, 403):
        raise SourceError(source, f"it refuses the credentials (HTTP {answer.status}): check the Secret")
    try:
        return Asked(answer.status, json.loads(answer.body))
    except (ValueError, RecursionError):
        what = "HTML" if b"<html" in answer.body[:2000].lower() else answer.content_type or "something else"
        raise SourceError(
            source, f"it answered HTTP {answer.status} with {what[:80]} where JSON was asked for"
        ) from None
