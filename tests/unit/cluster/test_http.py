"""What can go wrong, or merely happen, between the client and an API server.

Each test scripts the server's answers, one for each request, and reads back what was sent. Covered: how requests look,
every class of refusal, answers that are cut off or never come, lists in pages that expire, credentials that are
renewed. What a well-behaved server does with objects is in test_contract.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer as HttpServer
from unit.cluster.builders import a_kubeconfig, an_object

from slipway.cluster import (
    CONFIG_MAP,
    MODEL_DEPLOYMENT,
    AlreadyExists,
    Cause,
    Cluster,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotServed,
    Object,
    Throttled,
    Unauthorized,
    Unavailable,
    Undeclared,
    connect,
)

IN_FLIGHT = 16
"""How many requests the client promises to have in flight at most."""

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ScriptedServer:
    """Answers each request with the next of its answers, or with an empty object when there are none left."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.requests: list[tuple[web.Request, bytes]] = []
        self.url = ""

    def will(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request, await request.read()))
        answer = self.answers.popleft() if self.answers else says(200, {})
        return await answer(request)


def says(status: int, body: Object | str, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def refuses(code: int, reason: str, message: str = "because", **details: Any) -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}
    return says(code, body | ({"details": details} if details else {}))


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"kind": "ConfigMap", ')
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scripted.handle)
    async with HttpServer(app) as running:
        scripted.url = str(running.make_url("/")).rstrip("/")
        yield scripted


@pytest.fixture
async def cluster(server: ScriptedServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    connected = await connect(kubeconfig=a_kubeconfig(tmp_path, server.url, {"token": "s3cret"}))
    yield connected
    await connected.close()


async def read(cluster: Cluster) -> Object | None:
    return await cluster.get(CONFIG_MAP, "shop", "golden")


# --- how requests look


async def test_an_apply_names_its_manager_and_takes_over(server: ScriptedServer, cluster: Cluster) -> None:
    await cluster.apply(an_object(MODEL_DEPLOYMENT, spec={"ü": "ß"}))
    request, body = server.requests[0]
    assert request.method == "PATCH"
    assert request.path == "/apis/slipway.dev/v1alpha1/namespaces/shop/modeldeployments/fraud"
    assert dict(request.query) == {"fieldManager": "slipway", "force": "true"}
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert json.loads(body)["spec"] == {"ü": "ß"}


async def test_a_create_is_of_all_fields_or_of_none(server: ScriptedServer, cluster: Cluster) -> None:
    """An older CRD would drop what it does not know, and say that all is well."""
    await cluster.create(an_object(MODEL_DEPLOYMENT))
    assert server.requests[0][0].query["fieldValidation"] == "Strict"


@pytest.mark.parametrize(("minor", "version"), [("36", (1, 36)), ("29+", (1, 29))])
async def test_the_version_is_read_as_providers_write_it(
    server: ScriptedServer, cluster: Cluster, minor: str, version: tuple[int, int]
) -> None:
    server.will(says(200, {"major": "1", "minor": minor, "gitVersion": "v1.36.2"}))
    assert await cluster.version() == version
    assert server.requests[0][0].path == "/version"


async def test_an_answer_that_names_no_version_is_no_version(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(says(200, {"major": "one"}))
    with pytest.raises(Unavailable, match="version of the API server"):
        await cluster.version()


async def test_what_another_tool_writes_belongs_to_that_tool(server: ScriptedServer, tmp_path: Path) -> None:
    kubeconfig = a_kubeconfig(tmp_path, server.url, {"token": "s3cret"})
    connected = await connect(kubeconfig=kubeconfig, field_manager="slipway-cli")
    await connected.merge_patch(MODEL_DEPLOYMENT, "shop", "fraud", {})
    await connected.close()
    assert dict(server.requests[0][0].query) == {"fieldManager": "slipway-cli"}


async def test_requests_say_who_sends_them(server: ScriptedServer, cluster: Cluster) -> None:
    await read(cluster)
    headers = server.requests[0][0].headers
    assert headers["User-Agent"].startswith("slipway/")
    assert headers["Authorization"] == "Bearer s3cret"


async def test_a_status_write_carries_the_version_it_was_decided_on(server: ScriptedServer, cluster: Cluster) -> None:
    metadata = {"resourceVersion": "7", "uid": "u", "labels": {"x": "1"}}
    await cluster.apply_status(an_object(MODEL_DEPLOYMENT, spec={}, status={"phase": "Stable"}, metadata=metadata))
    request, body = server.requests[0]
    assert request.path.endswith("/modeldeployments/fraud/status")
    sent = json.loads(body)
    assert sent["metadata"] == {"name": "fraud", "namespace": "shop", "resourceVersion": "7", "uid": "u"}
    assert sent.keys() == {"apiVersion", "kind", "metadata", "status"}


async def test_a_deletion_carries_its_preconditions(server: ScriptedServer, cluster: Cluster) -> None:
    await cluster.delete(CONFIG_MAP, "shop", "golden", uid="u", resource_version="7", propagation="Foreground")
    request, body = server.requests[0]
    assert request.method == "DELETE"
    sent = json.loads(body)
    assert sent["propagationPolicy"] == "Foreground"
    assert sent["preconditions"] == {"uid": "u", "resourceVersion": "7"}


async def test_no_name_reaches_another_address(server: ScriptedServer, cluster: Cluster) -> None:
    await cluster.get(CONFIG_MAP, "shop", "../../nodes?x=")
    assert server.requests[0][0].raw_path == "/api/v1/namespaces/shop/configmaps/..%2F..%2Fnodes%3Fx%3D"


async def test_only_so_many_requests_are_in_flight(server: ScriptedServer, cluster: Cluster, tmp_path: Path) -> None:
    full, released = asyncio.Event(), asyncio.Event()

    async def waits(_: web.Request) -> web.StreamResponse:
        if len(server.requests) == IN_FLIGHT:
            full.set()
        await released.wait()
        return web.json_response({})

    server.will(*[waits] * 50)
    reads = asyncio.gather(*(read(cluster) for _ in range(50)))
    async with asyncio.timeout(30):
        await full.wait()
    # Whatever else was sent with these has arrived when a later request has been there and back.
    another = await connect(kubeconfig=a_kubeconfig(tmp_path, server.url, {}))
    server.answers.appendleft(says(200, {}))
    await read(another)
    await another.close()
    assert len(server.requests) == IN_FLIGHT + 1
    released.set()
    await reads


# --- refusals


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refuses(400, "BadRequest"), Invalid),
        (refuses(403, "Forbidden"), Forbidden),
        (refuses(403, "Forbidden", causes=[{"reason": "NamespaceTerminating"}]), Conflict),
        (refuses(404, "NotFound", name="golden", kind="configmaps"), Conflict),
        (says(404, "404 page not found\n"), NotServed),
        (refuses(404, "NotFound", "the server could not find the requested resource"), NotServed),
        (refuses(409, "AlreadyExists"), AlreadyExists),
        (refuses(409, "Conflict"), Conflict),
        (refuses(413, "RequestEntityTooLarge"), Invalid),
        (refuses(422, "Invalid"), Invalid),
        (refuses(429, "TooManyRequests"), Throttled),
        (refuses(500, "InternalError"), Unavailable),
        (refuses(500, "", "failed to create typed patch object: .data.x: field not declared in schema"), Undeclared),
        (says(502, "<html>bad gateway</html>"), Unavailable),
        (refuses(503, "ServiceUnavailable"), Unavailable),
        (refuses(504, "Timeout"), Unavailable),
        (says(200, "not json"), Unavailable),
        (says(200, "[]"), Unavailable),
    ],
)
async def test_a_refused_write_is_an_error_of_its_class(
    server: ScriptedServer, cluster: Cluster, answer: Answer, error: type[ClusterError]
) -> None:
    server.will(answer)
    with pytest.raises(error) as raised:
        await cluster.apply(an_object(CONFIG_MAP, "golden"))
    assert type(raised.value) is error
    assert str(raised.value).startswith("apply ConfigMap shop/golden: ")
    assert len(server.requests) == 1


async def test_an_error_quotes_the_reason(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(refuses(403, "Forbidden", "role lacks patch"), says(502, "<html>bad gateway</html>"), says(500, ""))
    for quoted in ("403 Forbidden: role lacks patch", "502 <html>bad gateway", "500 without a reason"):
        with pytest.raises(ClusterError, match=quoted):
            await read(cluster)


async def test_a_page_long_reason_is_cut(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(says(502, "x" * 100_000))
    with pytest.raises(Unavailable) as raised:
        await read(cluster)
    assert len(str(raised.value)) < 2000


async def test_an_invalid_object_says_which_fields(server: ScriptedServer, cluster: Cluster) -> None:
    causes = [{"reason": "FieldValueInvalid", "field": "spec.steps[0].weight", "message": "must be over 0"}]
    server.will(refuses(422, "Invalid", "2 errors", name="golden", causes=[*causes, {"message": "no field"}]))
    with pytest.raises(Invalid) as raised:
        await cluster.apply(an_object(CONFIG_MAP, "golden"))
    assert raised.value.causes == (Cause("spec.steps[0].weight", "must be over 0"), Cause("", "no field"))


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (says(429, "slow down", Retry_After="7"), 7.0),
        (refuses(429, "TooManyRequests", retryAfterSeconds=3), 3.0),
        (says(429, "slow down"), 1.0),
        (says(429, "slow down", Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), 1.0),
        (says(429, "slow down", Retry_After="-5"), 0.0),
    ],
)
async def test_throttling_says_for_how_long(
    server: ScriptedServer, cluster: Cluster, answer: Answer, seconds: float
) -> None:
    server.will(answer)
    with pytest.raises(Throttled) as raised:
        await read(cluster)
    assert raised.value.retry_after == seconds


async def test_a_deletion_of_what_is_not_there_is_fine(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(refuses(404, "NotFound", name="golden"), says(404, "404 page not found"), refuses(409, "Conflict"))
    await cluster.delete(CONFIG_MAP, "shop", "golden")
    await cluster.delete(CONFIG_MAP, "shop", "golden")
    with pytest.raises(Conflict):
        await cluster.delete(CONFIG_MAP, "shop", "golden")


# --- answers that do not come


@pytest.mark.parametrize("trouble", [hangs_up, breaks_off])
async def test_a_read_is_sent_again_once(server: ScriptedServer, cluster: Cluster, trouble: Answer) -> None:
    server.will(trouble, says(200, {"kind": "ConfigMap"}))
    assert await read(cluster) == {"kind": "ConfigMap"}


async def test_a_read_is_not_sent_again_for_ever(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(*[breaks_off] * 10)
    with pytest.raises(Unavailable, match="get ConfigMap shop/golden"):
        await read(cluster)
    assert len(server.requests) == 2


@pytest.mark.parametrize("trouble", [hangs_up, breaks_off])
async def test_a_write_whose_answer_was_lost_is_not_sent_again(
    server: ScriptedServer, cluster: Cluster, trouble: Answer
) -> None:
    server.will(trouble)
    with pytest.raises(Unavailable, match="apply ConfigMap shop/golden"):
        await cluster.apply(an_object(CONFIG_MAP, "golden"))
    assert len(server.requests) == 1


async def test_a_server_that_says_nothing_is_given_up_on(
    server: ScriptedServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.cluster.transport.REQUEST_TIMEOUT", 0.1)
    asked_for_longer = asyncio.Event()

    async def says_nothing(_: web.Request) -> web.StreamResponse:
        await asked_for_longer.wait()
        return web.Response()

    server.will(says_nothing)
    with pytest.raises(Unavailable, match="no answer within"):
        await read(cluster)
    asked_for_longer.set()


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path, unused_tcp_port: int) -> None:
    cluster = await connect(kubeconfig=a_kubeconfig(tmp_path, f"http://127.0.0.1:{unused_tcp_port}", {}))
    with pytest.raises(Unavailable, match="get ConfigMap shop/golden"):
        await read(cluster)
    await cluster.close()


# --- lists


def a_page(*names: str, more: str = "") -> Answer:
    items = [{"metadata": {"name": name, "namespace": "shop"}} for name in names]
    return says(200, {"kind": "ConfigMapList", "metadata": {"continue": more}, "items": items})


async def test_a_list_is_read_in_pages(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(a_page("a", "b", more="x/1=="), a_page("c"))
    listed = await cluster.list(CONFIG_MAP, labels={"app": "x", "slipway.dev/role": "stable"})
    assert [obj["metadata"]["name"] for obj in listed] == ["a", "b", "c"]
    assert {(obj["apiVersion"], obj["kind"]) for obj in listed} == {("v1", "ConfigMap")}
    first, second = (dict(request.query) for request, _ in server.requests)
    assert first == {"limit": "500", "labelSelector": "app=x,slipway.dev/role=stable"}
    assert second == first | {"continue": "x/1=="}
    assert server.requests[0][0].path == "/api/v1/configmaps"


async def test_a_list_that_expires_is_read_anew(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(a_page("old", more="x"), refuses(410, "Expired"), a_page("a", more="y"), a_page("b"))
    assert [obj["metadata"]["name"] for obj in await cluster.list(CONFIG_MAP)] == ["a", "b"]


async def test_a_list_that_keeps_expiring_is_given_up_on(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(*[a_page("a", more="x"), refuses(410, "Expired")] * 10)
    with pytest.raises(Unavailable, match="list ConfigMap: 410"):
        await cluster.list(CONFIG_MAP)
    assert len(server.requests) == 6


async def test_an_empty_list_may_be_null(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(says(200, {"kind": "ConfigMapList", "items": None}))
    assert await cluster.list(CONFIG_MAP) == []


async def test_what_is_not_a_list_is_not_an_empty_list(server: ScriptedServer, cluster: Cluster) -> None:
    server.will(says(200, {"kind": "Status"}))
    with pytest.raises(Unavailable, match="not a list"):
        await cluster.list(CONFIG_MAP)


# --- credentials


async def accepts(server: ScriptedServer, token: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") == f"Bearer {token}":
            return web.json_response({})
        return await refuses(401, "Unauthorized")(request)

    server.answers.clear()
    server.will(*[answer] * 100)


def rotate(token_file: Path) -> None:
    token_file.write_text("new\n")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("old\n")
    return file


@pytest.fixture
async def with_token_file(server: ScriptedServer, tmp_path: Path, token_file: Path) -> AsyncIterator[Cluster]:
    connected = await connect(kubeconfig=a_kubeconfig(tmp_path, server.url, {"tokenFile": str(token_file)}))
    yield connected
    await connected.close()


async def test_a_token_that_was_rotated_is_read_again_when_it_is_refused(
    server: ScriptedServer, with_token_file: Cluster, token_file: Path
) -> None:
    await accepts(server, "old")
    await read(with_token_file)
    rotate(token_file)
    await accepts(server, "new")
    await asyncio.gather(*(read(with_token_file) for _ in range(10)))


async def test_a_token_is_read_again_when_it_is_old(
    server: ScriptedServer, with_token_file: Cluster, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read(with_token_file)
    rotate(token_file)
    await read(with_token_file)
    monkeypatch.setattr("slipway.cluster.connection.TOKEN_AGE", 0.0)
    await read(with_token_file)
    sent = [request.headers["Authorization"] for request, _ in server.requests]
    assert sent == ["Bearer old", "Bearer old", "Bearer new"]


async def test_credentials_that_stay_refused_are_an_error(server: ScriptedServer, with_token_file: Cluster) -> None:
    await accepts(server, "another")
    with pytest.raises(Unauthorized, match="get ConfigMap shop/golden: 401"):
        await read(with_token_file)
    assert len(server.requests) == 1


async def test_no_token_and_no_secret_is_logged_or_told(
    server: ScriptedServer, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.will(refuses(401, "Unauthorized"), refuses(422, "Invalid"))
    for _ in range(2):
        with pytest.raises(ClusterError) as raised:
            await cluster.apply(an_object(CONFIG_MAP, "golden", data={"password": "hunter2"}))
        assert "s3cret" not in str(raised.value)
        assert "hunter2" not in str(raised.value)
    assert "s3cret" not in caplog.text
    assert "hunter2" not in caplog.text
