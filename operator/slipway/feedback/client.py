"""The other side of the endpoint: sends reports, and says what became of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx

PART: Final = 1000
"""Reports that are sent at a time."""

TRIES: Final = 6
"""How often a part is sent before its failing is told: an operator that restarts is back by then."""

TIMEOUT: Final = 40.0
"""Seconds for one part: the operator itself waits for its API server."""

COUNTS: Final = ("accepted", "duplicate", "ignored", "late", "refused")


class NotTakenError(Exception):
    """Reports were not taken. Those that were sent before may have been: sending all again counts none twice."""


@dataclass(slots=True)
class Receipt:
    """What became of the reports."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    """Which reports were refused, counted from 1, and why."""


async def send(
    url: str, token: str, namespace: str, name: str, reports: Sequence[Mapping[str, Any]], *, pause: float = 0.5
) -> Receipt:
    """Send reports on the answers of a ModelDeployment to the operator at this URL. Raises NotTakenError."""
    receipt = Receipt()
    path = f"/v1/namespaces/{quote(namespace, safe='')}/modeldeployments/{quote(name, safe='')}/feedback"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(timeout=TIMEOUT, headers=headers) as client:
        for begin in range(0, len(reports), PART):
            content = json.dumps(list(reports[begin : begin + PART])).encode()
            told = await _sent(client, url.rstrip("/") + path, content, pause)
            receipt.counts.update({count: int(told.get(count, 0)) for count in COUNTS})
            receipt.problems += [
                f"report {begin + int(problem['item']) + 1}: {problem['message']}" for problem in told["problems"]
            ]
    return receipt


async def _sent(client: httpx.AsyncClient, url: str, content: bytes, pause: float) -> dict[str, Any]:
    why = ""
    for attempt in range(TRIES):
        if attempt:
            await asyncio.sleep(pause * 2 ** (attempt - 1))
        try:
            answer = await client.post(url, content=content)
            told: dict[str, Any] = answer.json()
        except httpx.HTTPError as error:
            why = f"{url}: {type(error).__name__}: {error}"
            continue
        except ValueError as error:
            raise NotTakenError(f"{url} answered {answer.status_code}, and not as an operator does") from error
        if "problems" in told:
            return told
        why = f"{answer.status_code} {told.get('error', 'without a reason')}"
        if answer.status_code != 503:
            raise NotTakenError(why)
    raise NotTakenError(f"after {TRIES} tries: {why}")
