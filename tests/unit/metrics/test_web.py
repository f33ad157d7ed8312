"""Numbers of any JSON endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from unit.metrics.builders import ARMS, loopback
from unit.probes.builders import a_server

from slipway.metrics import Credentials, Reading, SelectorError, SourceError, WebCounters, WebPage, WebValue
from slipway.outside import Egress, Outside

pytest.importorskip("jsonpath", reason="the package python-jsonpath is not installed")


async def ask(answer: Any, make: Any, path: str = "/x", **options: Any) -> tuple[Any, list[tuple[str, str | None]]]:
    asked: list[tuple[str, str | None]] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        asked.append((request.path_qs, request.headers.get("authorization")))
        return answer() if callable(answer) else web.json_response(answer)

    async with a_server(serve) as port:
        page = WebPage(loopback(), f"http://127.0.0.1:{port}{path}", "ml", **options)
        return await make(page).read(ARMS), asked


async def test_counts_are_found_by_path_in_a_document_about_each_arm() -> None:
    document = {"outcomes": [{"kind": "bad", "n": 3}], "all": {"n": 40}}
    readings, asked = await ask(
        document,
        lambda page: WebCounters(page, "$.outcomes[?@.kind == 'bad'].n", "$.all.n"),
        "/stats?of={{service}}&in={{namespace}}&role={{arm}}",
        credentials=Credentials(bearer="t"),
    )
    assert readings == {"stable": (Reading("stable/web", 3, 40),), "candidate": (Reading("candidate/web", 3, 40),)}
    assert sorted(asked) == [
        ("/stats?of=fraud-1a2b3c4d&in=ml&role=stable", "Bearer t"),
        ("/stats?of=fraud-9e8f7a6b&in=ml&role=candidate", "Bearer t"),
    ]


async def test_one_number_is_found_and_null_is_none_yet() -> None:
    assert (await ask({"score": 0.5}, lambda page: WebValue(page, "$.score")))[0] == {"stable": 0.5, "candidate": 0.5}
    assert (await ask({"score": None}, lambda page: WebValue(page, "$.score")))[0]["stable"] is None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({}, "selects no values"),
        ({"bad": [1], "total": 2}, "selects list"),
        ({"bad": "1", "total": 2}, "selects str"),
        ({"bad": True, "total": 2}, "selects bool"),
        ({"bad": -1, "total": 2}, "-1 bad of 2 are no counts"),
        ({"bad": 3, "total": 2}, "3 bad of 2 are no counts"),
        (lambda: web.Response(text='{"bad": NaN, "total": 2}'), "selects nan"),
        (lambda: web.Response(text='{"bad": 1e999, "total": 2}'), "selects inf"),
        (lambda: web.Response(text=f'{{"bad": {"9" * 5000}, "total": 2}}'), "where JSON was asked for"),
        (lambda: web.Response(text="<html></html>", content_type="text/html"), "HTTP 200 with HTML"),
        (lambda: web.Response(status=302, headers={"location": "/"}), "redirects"),
        (lambda: web.json_response({"bad": 1, "total": 2}, status=500), "answered HTTP 500"),
    ],
)
async def test_anything_else_is_no_evidence(answer: Any, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        await ask(answer, lambda page: WebCounters(page, "$.bad", "$.total"))


async def test_null_is_no_count() -> None:
    with pytest.raises(SourceError, match="selects NoneType"):
        await ask({"bad": None, "total": 2}, lambda page: WebCounters(page, "$.bad", "$.total"))


def test_what_cannot_be_asked_is_refused_before_it_is_asked() -> None:
    with pytest.raises(SelectorError, match=r"^web\.url: it has \{\{pod\}\}: known are namespace, service, arm"):
        WebPage(loopback(), "http://127.0.0.1/{{pod}}", "ml")
    page = WebPage(loopback(), "http://127.0.0.1/", "ml")
    with pytest.raises(SelectorError, match=r"^web\.total: .*is no JSONPath"):
        WebCounters(page, "$.bad", "total")
    with pytest.raises(SelectorError, match=r"^web\.value"):
        WebValue(page, "$[")


async def test_what_may_not_be_reached_is_not_asked() -> None:
    page = WebPage(Outside(Egress()), "http://169.254.169.254/latest/{{arm}}", "ml")
    with pytest.raises(SourceError, match="metadata"):
        await WebValue(page, "$.x").read(ARMS)
