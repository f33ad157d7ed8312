"""Numbers of a Prometheus: what is asked, which answers count, and that all others are no evidence.

Answers: {counts, fewer series, none, NaN, infinity, negative, twice scraped, HTML, redirect, refusal, silence}.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from unit.metrics.builders import ARMS, CANDIDATE, STABLE, loopback
from unit.probes.builders import a_server

from slipway.metrics import (
    Credentials,
    Prometheus,
    PrometheusCounters,
    PrometheusHistograms,
    PrometheusQuery,
    Reading,
    SelectorError,
    SourceError,
    delta,
    snapshot,
)
from slipway.metrics.prometheus import _series
from slipway.outside import Egress, Outside

NOW = 1_700_000_100.0
PODS = {"stable": "fraud-1a2b3c4d-5d8f9-abcde", "candidate": "fraud-9e8f7a6b-7c6b5-fghij"}


def a_series(value: Any, pod: str = PODS["stable"], **labels: str) -> dict[str, Any]:
    metric = {"__name__": "req_total", "namespace": "ml", "pod": pod, "job": "ml/fraud", "instance": "10.0.0.1:8080"}
    return {"metric": metric | labels, "value": [NOW, str(value)]}


def a_vector(*series: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": list(series)}} | fields


class Server:
    """A Prometheus whose answers are a function of the query."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self._answer = answer
        self.asked: list[Mapping[str, str]] = []
        self.headers: list[Mapping[str, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = {key: str(value) for key, value in (await request.post()).items()}
        assert (request.method, request.path) == ("POST", "/prom/api/v1/query")
        self.asked.append(form)
        self.headers.append(dict(request.headers))
        answer = self._answer(form["query"])
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)

    async def ask(self, reading: Callable[[Prometheus], Any], **options: Any) -> Any:
        async with a_server(self.handle) as port:
            url = f"http://127.0.0.1:{port}/prom/"
            return await reading(Prometheus(loopback(), url, "ml", clock=lambda: NOW, **options))


async def counted(answer: Callable[[str], Any], **options: Any) -> Any:
    return await Server(answer).ask(
        lambda prometheus: PrometheusCounters(prometheus, ['req_total{code=~"5.."}'], ["req_total"]).read(ARMS),
        **options,
    )


def by_arm(query: str, **pages: list[dict[str, Any]]) -> dict[str, Any]:
    """Series by what the query is about: ``stable``, ``stable_bad`` and so on."""
    arm = "stable" if STABLE.name in query else "candidate"
    return a_vector(*pages.get(arm + ("_bad" if "code" in query else ""), []))


async def test_raw_counters_of_each_pod_are_asked_for_with_the_revisions_matchers_a_little_in_the_past() -> None:
    server = Server(lambda query: by_arm(query, stable=[a_series(7)]))
    await server.ask(lambda one: PrometheusCounters(one, ['req_total{code=~"5.."}'], ["req_total"]).read(ARMS))
    assert {form["time"] for form in server.asked} == {"1700000040.000"}
    queries = sorted(form["query"] for form in server.asked)
    assert queries[:2] == [
        'req_total{code=~"5..",namespace="ml",pod=~"fraud-1a2b3c4d-[0-9a-z]+-[0-9a-z]+"}',
        'req_total{code=~"5..",namespace="ml",pod=~"fraud-9e8f7a6b-[0-9a-z]+-[0-9a-z]+"}',
    ]
    assert re.fullmatch(STABLE.pod_pattern(), PODS["stable"])
    assert not re.fullmatch(STABLE.pod_pattern(), "fraud-1a2b3c4d-x-5d8f9-abcde")


async def test_a_matcher_of_the_user_cannot_leave_its_braces() -> None:
    server = Server(lambda _: a_vector(a_series(1)))
    await server.ask(lambda one: PrometheusCounters(one, ["req_total"], ['req_total{a="x\\"} or up{\\\\"}']).read(ARMS))
    assert any(form["query"].startswith('req_total{a="x\\"} or up{\\\\",namespace="ml",') for form in server.asked)


async def test_series_of_a_pod_are_added_up_and_a_series_that_two_selectors_take_counts_once() -> None:
    pages = {
        "stable": [a_series(90, code="200"), a_series(10, code="500")],
        "stable_bad": [a_series(10, code="500")],
        "candidate": [a_series(4, PODS["candidate"], code="200")],
    }
    assert await counted(lambda query: by_arm(query, **pages)) == {
        "stable": (Reading(f"stable/{PODS['stable']}", 10, 100),),
        "candidate": (Reading(f"candidate/{PODS['candidate']}", 0, 4),),
    }


async def test_windows_are_disjoint_and_late_series_and_resets_are_counted() -> None:
    looks = [
        {"stable": [a_series(100)]},
        {"stable": [a_series(150)], "candidate": [a_series(3, PODS["candidate"])],
         "candidate_bad": [a_series(3, PODS["candidate"], code="500")]},
        {"stable": [a_series(20)], "candidate": [a_series(3, PODS["candidate"])],
         "candidate_bad": [a_series(3, PODS["candidate"], code="500")]},
    ]  # fmt: skip
    memory, windows = (), []
    for pages in looks:
        readings = await counted(lambda query, pages=pages: by_arm(query, **pages))
        windows.append({arm: delta(memory, found) for arm, found in readings.items()})
        memory = snapshot(memory, [one for found in readings.values() for one in found])
    assert windows == [
        {"stable": (0, 0), "candidate": (0, 0)},
        {"stable": (0, 50), "candidate": (3, 3)},
        {"stable": (0, 20), "candidate": (0, 0)},
    ]


async def test_an_arm_that_was_not_scraped_yet_has_no_reading_and_names_that_nobody_exposes_are_told() -> None:
    assert (await counted(lambda query: by_arm(query, stable=[a_series(7)])))["candidate"] == ()
    with pytest.raises(SourceError, match="knows no series of req_total for either revision: check the name"):
        await counted(lambda _: a_vector())


async def test_a_pod_that_two_targets_show_would_count_twice_and_is_no_evidence() -> None:
    for other in ({"job": "ml/other"}, {"instance": "10.0.0.1:9090"}):
        with pytest.raises(SourceError, match=r"scraped more than once \(job=.*add a matcher"):
            await counted(lambda _, other=other: a_vector(a_series(7), a_series(7, **other)))


async def test_bad_requests_that_the_total_leaves_out_are_told() -> None:
    pages = {"stable": [a_series(7)], "candidate_bad": [a_series(3, PODS["candidate"], code="500")]}
    with pytest.raises(SourceError, match="total has to include them"):
        await counted(lambda query: by_arm(query, **pages))


NO_EVIDENCE: dict[str, tuple[Any, str]] = {
    "NaN": (a_vector(a_series("NaN")), "is nan, which is not a count"),
    "infinity": (a_vector(a_series("+Inf")), "is inf, which is not a count"),
    "negative": (a_vector(a_series(-1)), "is -1, which is not a count"),
    "no number": (a_vector(a_series("seven")), "not in the form of a Prometheus"),
    "a number that is not text": (a_vector(a_series(1) | {"value": [NOW, 1]}), "not in the form"),
    "no instant": (a_vector(a_series(1) | {"value": ["1"]}), "not in the form"),
    "no labels": (a_vector({"value": [NOW, "1"]}), "not in the form"),
    "labels that are no text": (a_vector({"metric": {"pod": 1}, "value": [NOW, "1"]}), "not in the form"),
    "one series twice": (a_vector(a_series(1), a_series(2)), "one series twice"),
    "no pod": (a_vector(a_series(1, "")), "without the label pod"),
    "a matrix": ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "gives a matrix"),
    "a native histogram": (a_vector({"metric": {"pod": "a"}, "histogram": [NOW, {}]}), "native histogram"),
    "nothing": ({"status": "success"}, "gives a None"),
    "warnings": (a_vector(a_series(1), warnings=["store x is down"]), "warns about its answer: .*store x is down"),
    "a list": ([], "not that of a Prometheus"),
    "another API": ({"status": "ok"}, "not that of a Prometheus"),
    "an error with 200": ({"status": "error", "errorType": "timeout", "error": "too slow"}, "timeout.: too slow"),
    "too many series": (a_vector(*[a_series(1, f"p{n}") for n in range(201)]), "201 pods are more than"),
}


@pytest.mark.parametrize("case", NO_EVIDENCE)
async def test_an_answer_that_makes_no_sense_is_no_evidence(case: str) -> None:
    answer, problem = NO_EVIDENCE[case]
    with pytest.raises(SourceError, match=problem):
        await counted(lambda _: answer)


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (lambda: web.Response(text="<!doctype html><html>", content_type="text/html"), "HTTP 200 with HTML"),
        (lambda: web.Response(text="ok"), "with text/plain.* where JSON was asked for"),
        (lambda: web.Response(text=""), "where JSON was asked for"),
        (lambda: web.Response(text="[" * 100_000), "where JSON was asked for"),
        (lambda: web.Response(status=302, headers={"location": "/login"}), r"redirects \(HTTP 302\), as to a login"),
        (lambda: web.Response(status=401), r"refuses the credentials \(HTTP 401\): check the Secret"),
        (lambda: web.Response(status=403, text="{}"), "refuses the credentials"),
        (lambda: web.Response(status=502, text="bad gateway"), "HTTP 502 with text/plain"),
        (lambda: web.json_response({"status": "error", "errorType": "bad_data", "error": "parse error: x"}, status=400),
         r"cannot answer .*\(HTTP 400, bad_data\): parse error: x"),
        (lambda: web.json_response(a_vector(a_series(1)), status=503), "HTTP 503"),
        (lambda: web.Response(body=b"x" * 9_000_000), "more than 8388608 bytes"),
    ],
)  # fmt: skip
async def test_a_server_that_gives_no_answer_is_no_evidence(response: Callable[[], Any], problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        await counted(lambda _: response())


async def test_silence_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway.metrics.document.FETCH_TIMEOUT", 0.2)

    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with a_server(hang) as port:
        prometheus = Prometheus(loopback(), f"http://127.0.0.1:{port}", "ml")
        with pytest.raises(SourceError, match=r"did not answer within 0\.2s"):
            await prometheus.query("up")
    with pytest.raises(SourceError, match="cannot be connected to"):
        await prometheus.query("up")


async def test_all_questions_of_a_look_take_as_long_as_one() -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        query = str((await request.post())["query"])
        return web.json_response(by_arm(query, stable=[a_series(7)]))

    async with a_server(slow) as port:
        prometheus = Prometheus(loopback(), f"http://127.0.0.1:{port}", "ml", clock=lambda: NOW)
        counters = PrometheusCounters(prometheus, ["bad_total"] * 8, ["req_total"] * 8)
        start = time.monotonic()
        await counters.read(ARMS)
        assert time.monotonic() - start < 8, "32 questions one after the other take ten seconds"


async def test_a_prometheus_that_may_not_be_reached_is_not_asked() -> None:
    prometheus = Prometheus(Outside(Egress()), "http://127.0.0.1:9", "ml")
    with pytest.raises(SourceError, match="loopback"):
        await prometheus.query("up")


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        (None, None),
        (Credentials(), None),
        (Credentials(bearer="t0ken\n"), "Bearer t0ken"),
        (Credentials(user="me", password="päss\n"), "Basic bWU6cMOkc3M="),
    ],
)
async def test_credentials_are_sent_and_never_shown(credentials: Credentials | None, header: str | None) -> None:
    server = Server(lambda _: a_vector())
    await server.ask(lambda prometheus: prometheus.query("up"), credentials=credentials)
    assert server.headers[0].get("Authorization", server.headers[0].get("authorization")) == header
    assert "t0ken" not in repr(credentials)


@pytest.mark.parametrize(
    "credentials", [Credentials(bearer="t0ken\n"), Credentials(user="me", password="t0ken")], ids=["bearer", "basic"]
)
@pytest.mark.parametrize("where", ["error", "errorType", "warnings"])
async def test_a_server_that_repeats_its_credentials_makes_nobody_else_know_them(
    credentials: Credentials, where: str
) -> None:
    header = credentials.headers("")["authorization"]
    said = f"who is {header}, with t0ken?"
    refusal: dict[str, Any] = {"status": "error", "errorType": "auth", "error": "no"}
    answer = a_vector(warnings=[said]) if where == "warnings" else refusal | {where: said}
    with pytest.raises(SourceError, match="who is") as caught:
        await counted(lambda _: answer, credentials=credentials)
    assert "t0ken" not in str(caught.value)
    assert header not in str(caught.value)


async def test_a_token_that_no_header_can_hold_is_told_and_not_sent() -> None:
    with pytest.raises(SourceError, match="correct the Secret") as caught:
        await counted(lambda _: a_vector(), credentials=Credentials(bearer="a\r\nx-evil: 1"))
    assert "evil" not in str(caught.value)


async def test_durations_are_read_pod_by_pod() -> None:
    buckets = [a_series(count, le=edge, __name__="t_bucket") for edge, count in (("0.1", 3), ("+Inf", 5))]
    server = Server(lambda query: by_arm(query, stable=buckets))
    readings = await server.ask(lambda one: PrometheusHistograms(one, 't{path="/"}').read(ARMS))
    assert readings["stable"][0].slower_than(0.1) == Reading(f"stable/{PODS['stable']}@0.1", 2, 5)
    assert readings["candidate"] == ()
    assert server.asked[0]["query"].startswith('t_bucket{path="/",namespace="ml",')
    with pytest.raises(SourceError, match="knows no series of t_bucket"):
        await Server(lambda _: a_vector()).ask(lambda one: PrometheusHistograms(one, "t").read(ARMS))


async def measured(answer: Any, template: str = "avg(temp{{{selector}}})", window: float = 9.2) -> Any:
    server = Server(lambda _: answer)
    found = await server.ask(lambda one: PrometheusQuery(one, template, window=window).read({"candidate": CANDIDATE}))
    return found["candidate"], server.asked[0]["query"]


def a_number(value: Any, **labels: str) -> dict[str, Any]:
    """What is left of series that were added up."""
    return {"metric": labels, "value": [NOW, str(value)]}


async def test_a_query_gives_one_number_with_the_revisions_matchers_and_the_window() -> None:
    value, query = await measured(a_vector(a_number(0.25)), "sum(increase(x{a='b',{{ selector }}}[{{window}}]))")
    assert value == 0.25
    assert query == ('sum(increase(x{a=\'b\',namespace="ml",pod=~"fraud-9e8f7a6b-[0-9a-z]+-[0-9a-z]+"}[10s]))')
    assert (await measured({"status": "success", "data": {"resultType": "scalar", "result": [NOW, "-3"]}}))[0] == -3


async def test_a_query_can_name_the_release_by_its_service_or_its_hash() -> None:
    template = 'x{ns="{{namespace}}",svc="{{service}}",rev="{{revision}}"}'
    _, query = await measured(a_vector(a_number(1)), template)
    assert query == 'x{ns="ml",svc="fraud-9e8f7a6b",rev="9e8f7a6b"}'


async def test_a_query_gives_one_number_a_pod_where_series_have_its_name() -> None:
    assert (await measured(a_vector(a_series(1), a_series(2, "other"), a_series("NaN", "third"))))[0] == {
        PODS["stable"]: 1,
        "other": 2,
    }
    with pytest.raises(SourceError, match="several series of one pod: add up by the pod"):
        await measured(a_vector(a_series(1), a_series(2, code="500")))


async def test_an_empty_answer_and_nan_are_no_number_yet() -> None:
    assert (await measured(a_vector()))[0] is None
    assert (await measured(a_vector(a_number("NaN"))))[0] is None
    assert (await measured(a_vector(a_series("NaN"))))[0] is None


async def test_infinity_and_several_series_are_told() -> None:
    for infinite in (a_series("-Inf"), a_number("+Inf")):
        with pytest.raises(SourceError, match="is infinite"):
            await measured(a_vector(infinite))
    with pytest.raises(
        SourceError, match=r"gives 2 series where one is needed, or one for each pod: add up, as with sum\(\)"
    ):
        await measured(a_vector(a_number(1, code="200"), a_number(2, code="500")))
    with pytest.raises(SourceError, match="gives 2 series"):
        await measured(a_vector(a_number(1), a_series(2)))


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("up", r"no \{\{selector\}\}"),
        ("up{{{pod}}}", r"has \{\{pod\}\}: known are"),
        ("up{{{selector}}}{{}}", "known are"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_before_it_is_asked(template: str, problem: str) -> None:
    prometheus = Prometheus(loopback(), "http://127.0.0.1:9", "ml")
    with pytest.raises(SelectorError, match=problem):
        PrometheusQuery(prometheus, template, window=10)
    for window in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SelectorError, match="window"):
            PrometheusQuery(prometheus, "up{{{selector}}}", window=window)


def test_a_bad_selector_names_its_field() -> None:
    prometheus = Prometheus(loopback(), "http://127.0.0.1:9", "ml")
    with pytest.raises(SelectorError, match=r"^prometheus\.total\[0\]: 'rate\(x\)' is not a selector"):
        PrometheusCounters(prometheus, ["x"], ["rate(x)"])
    with pytest.raises(SelectorError, match=r"^prometheus\.histogram"):
        PrometheusHistograms(prometheus, "rate(x)")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["resultType", "result", "metric", "value", "vector", "scalar"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON | st.builds(lambda result: {"resultType": "vector", "result": result}, JSON))
def test_any_document_is_series_or_a_source_error(document: Any) -> None:
    document = json.loads(json.dumps(document))
    try:
        _series(document, "up")
    except SourceError:
        return
    assert document["resultType"] in ("vector", "scalar")
