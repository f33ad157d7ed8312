"""The endpoint: takes reports over HTTP, and answers when they are kept.

Everything that comes in is bounded before it is read: who sends is asked first, then sizes, times and numbers. An
answer tells of each report what became of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from aiohttp import web

from slipway.cluster import Cluster, ClusterError
from slipway.feedback.doorman import Doorman, RefusedError
from slipway.feedback.ledger import Ledger, Outcome
from slipway.feedback.report import MOST_PROBLEMS, MOST_REPORTS, Problem, Report, UnreadableError, parse
from slipway.feedback.segment import SegmentError
from slipway.feedback.terms import Key, NothingAskedError, Terms, read_terms

PATH: Final = "/v1/namespaces/{namespace}/modeldeployments/{name}/feedback"

REGISTRY_PATH: Final = "/v1/namespaces/{namespace}/modeldeployments/{name}/registry"

LARGEST_BODY: Final = 1024 * 1024
"""Bytes of a request."""

BODY_TIMEOUT: Final = 10.0
"""Seconds in which a body has to be there."""

AT_ONCE: Final = 32
"""Requests that are worked on at a time; the others are asked to come back."""

TERMS_AGE: Final = timedelta(seconds=2)
"""How long what is judged need not be looked up again."""

MOST_TERMS: Final = 256

_REFUSALS: Final = {
    Outcome.FUTURE: "time: the request is said to have been made in the future",
    Outcome.UNKNOWN: "revision: the ModelDeployment has no revision of this name: it is what the route says in the "
    "header x-slipway-revision of the answer",
    Outcome.FULL: "the revision has as many reports as can be kept: report on a share of the requests, drawn from "
    "their ids, and the same share for all revisions",
}

_LINES: Final = frozenset({"application/x-ndjson", "application/jsonl", "application/json-lines"})

_log = logging.getLogger(__name__)


class Intake:
    """Takes what has been read off a request, and knows for a moment what it was asked for."""

    def __init__(self, cluster: Cluster, ledger: Ledger, *, clock: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._ledger = ledger
        self._clock = clock
        self._terms: OrderedDict[Key, tuple[datetime, Terms]] = OrderedDict()

    async def take(self, key: Key, reports: Sequence[Report]) -> list[Outcome]:
        """What became of each report. Raises NothingAskedError, ClusterError and SegmentError."""
        arrived = self._clock()  # before anything is looked up: see Terms.judged_since
        dated = [replace(report, made=report.made or arrived) for report in reports]
        terms = await self._current(key, dated, arrived)
        return await self._ledger.add(key, dated, terms)

    async def _current(self, key: Key, reports: Sequence[Report], now: datetime) -> Terms:
        read_at, known = self._terms.get(key, (now, None))
        if known is not None and now < read_at + TERMS_AGE and _suffices(known, reports):
            return known
        self._terms.pop(key, None)
        fresh = await read_terms(self._cluster, key, self._clock)
        self._terms[key] = now, fresh
        while len(self._terms) > MOST_TERMS:
            self._terms.popitem(last=False)
        return fresh


def _suffices(terms: Terms, reports: Sequence[Report]) -> bool:
    """Whether nothing that may have happened since these terms were read matters to the reports."""
    known = all(report.revision in terms.revisions for report in reports)
    before = all(report.made is not None and report.made <= terms.judged_since for report in reports)
    return known and (terms.on_trial or before)


Desk = Callable[[Key, Mapping[str, str], bytes], tuple[int, str]]
"""Takes what a registry sends: the ModelDeployment that it is for, headers by names in lower case, and the body. Gives
the status of the answer, and what it says."""


class Endpoint:
    """The HTTP side."""

    def __init__(self) -> None:
        self.desk: Desk | None = None
        """Takes the webhooks of registries, which prove by their signatures who sends them."""
        self._office: tuple[Doorman, Intake] | None = None
        self._places = asyncio.Semaphore(AT_ONCE)

    def open(self, doorman: Doorman, intake: Intake) -> None:
        """Take reports from now on: this replica leads."""
        self._office = doorman, intake

    def close(self) -> None:
        """Take no more."""
        self._office = None

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_post(PATH, self._answer)
        app.router.add_post(REGISTRY_PATH, self._registry)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        if self._places.locked():
            return _error(503, "too many requests at once: come back in a moment", retry=True)
        if self._office is None:
            return _error(503, "this replica does not lead: come back in a moment", retry=True)
        doorman, intake = self._office
        async with self._places:
            key = request.match_info["namespace"], request.match_info["name"]
            try:
                await doorman.admit(_token(request), *key)
                body = await _body(request)
                reports, problems = parse(body, lines=request.content_type in _LINES)
                outcomes = await intake.take(key, [report for _, report in reports]) if reports else []
            except RefusedError as error:
                return _error(403 if error.known else 401, str(error))
            except _BodyError as error:
                return _error(error.status, str(error))
            except UnreadableError as error:
                return _error(422, str(error))
            except NothingAskedError as error:
                return _error(422 if error.exists else 404, str(error))
            except (ClusterError, SegmentError) as error:
                _log.warning("reports on %s were not taken: %s", "/".join(key), error)
                return _error(503, "the reports could not be kept: send them again", retry=True)
            return _told([place for place, _ in reports], outcomes, problems)

    async def _registry(self, request: web.Request) -> web.Response:
        """What a registry is answered."""
        if self._places.locked() or self.desk is None:
            return _error(503, "this replica does not lead, or has too much to do: come back in a moment", retry=True)
        async with self._places:
            try:
                body = await _body(request)
            except _BodyError as error:
                return _error(error.status, str(error))
            headers = {name.lower(): value for name, value in request.headers.items()}
            key = request.match_info["namespace"], request.match_info["name"]
            status, text = self.desk(key, headers, body)
            return _json({"message": text}, status=status)


class _BodyError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _token(request: web.Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def _body(request: web.Request) -> bytes:
    """The body, if it is small enough and comes in time."""
    too_large = f"the body has more than {LARGEST_BODY} bytes: send at most {MOST_REPORTS} reports at a time"
    if (request.content_length or 0) > LARGEST_BODY:
        raise _BodyError(413, too_large)
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _BodyError(413, too_large) from error
    except TimeoutError as error:
        raise _BodyError(408, f"the body was not there within {BODY_TIMEOUT:g} s") from error
    except (OSError, web.RequestPayloadError) as error:
        raise _BodyError(400, "the body broke off") from error


def _told(places: Sequence[int], outcomes: Sequence[Outcome], problems: Sequence[Problem]) -> web.Response:
    """What became of the reports. 200 where any was understood, 422 where none was."""
    refused = [
        *problems,
        *(
            Problem(place, _REFUSALS[outcome])
            for place, outcome in zip(places, outcomes, strict=True)
            if outcome in _REFUSALS
        ),
    ]
    refused.sort(key=lambda problem: problem.item)
    counts = Counter(outcome for outcome in outcomes if outcome not in _REFUSALS)
    kept = (Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.IGNORED, Outcome.LATE)
    body: dict[str, Any] = {outcome.value: counts[outcome] for outcome in kept}
    body["refused"] = len(refused)
    body["problems"] = [{"item": problem.item, "message": problem.message} for problem in refused[:MOST_PROBLEMS]]
    return _json(body, status=200 if counts else 422)


def _error(status: int, message: str, *, retry: bool = False) -> web.Response:
    headers = {"Retry-After": "1"} if retry else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    response = _json({"error": message}, status=status)
    response.headers.update(headers)
    if status in (400, 401, 403, 408, 413):
        response.force_close()  # nobody reads what else such a client sends
    return response


def _json(content: Any, *, status: int) -> web.Response:
    return web.Response(text=json.dumps(content), status=status, content_type="application/json")


@asynccontextmanager
async def serving_feedback(endpoint: Endpoint, host: str | None, port: int) -> AsyncIterator[str]:
    """Listen, and yield the URL; on leaving, finish the requests that have begun.

    Raises OSError when the address cannot be had.
    """
    runner = web.AppRunner(
        endpoint.application(),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=5.0,
        keepalive_timeout=30.0,
        max_field_size=16_384,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound, at = runner.addresses[0][:2]
        yield f"http://{f'[{bound}]' if ':' in bound else bound}:{at}"
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)  # connections that are told to close do so at the loop's next turn
