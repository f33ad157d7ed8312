"""Readiness by status code, and what counts as a prediction."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx
import pytest
from aiohttp import web
from unit.probes.builders import a_client, a_server, an_answer, an_endpoint, an_item

from slipway.cluster.endpoints import http_client
from slipway.probes import OpenInferenceV2, model_ready
from slipway.probes.inference import Prediction, predict


async def readiness(status: int, body: str = "") -> Any:
    async with a_client(lambda _: httpx.Response(status, text=body)) as client:
        return await model_ready(client, an_endpoint(), port=None, model="fraud", timeout=20)


@pytest.mark.parametrize("body", ["", "ready", '{"name": "fraud", "ready": true}', '{"ready": false}', "<html>"])
async def test_readiness_is_the_status_code_whatever_the_body(body: str) -> None:
    assert (await readiness(200, body)).ready
    assert not (await readiness(503, body)).ready


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "not ready"),
        (404, "correct spec.release.model.name"),
        (405, "has to speak the Open Inference Protocol V2"),
        (501, "has to speak the Open Inference Protocol V2"),
        (302, "redirect"),
        (500, "not ready (HTTP 500)"),
    ],
)
async def test_what_is_not_ready_is_told_with_what_to_do(status: int, message: str) -> None:
    answer = await readiness(status)
    assert not answer.ready
    assert message in answer.message
    assert "fraud" in answer.message
    assert "pod-a" in answer.message


async def test_a_server_that_is_ready_without_the_model_is_not_ready() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200 if request.url.path == "/v2/health/ready" else 404)

    async with a_client(answer) as client:
        assert not (await model_ready(client, an_endpoint(), port=None, model="fraud", timeout=20)).ready
    assert asked == ["/v2/models/fraud/ready"]


async def test_a_pod_that_cannot_be_asked_is_not_ready() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        pod = an_endpoint(port=unused.getsockname()[1])
        async with http_client() as client:
            closed = await model_ready(client, pod, port=None, model="fraud", timeout=20)
            nameless = await model_ready(client, pod, port="grpc", model="fraud", timeout=20)
    assert closed == type(closed)(False, "model fraud on pod pod-a: could not be connected to")
    assert not nameless.ready
    assert "no port 'grpc'" in nameless.message


async def ask(body: bytes | dict[str, Any], *, status: int = 200, output: str | None = None) -> Prediction:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with a_client(lambda _: httpx.Response(status, content=content)) as client:
        return await predict(
            client,
            an_endpoint(),
            an_item(),
            port=None,
            model="fraud",
            protocol=OpenInferenceV2(output=output),
            timeout=20,
        )


@pytest.mark.parametrize(
    ("tensor", "values"),
    [
        ({"shape": [2, 1], "data": [0, 2]}, (0, 2)),
        ({"shape": [2], "data": [[0], [2]]}, (0, 2)),
        ({"shape": [1], "data": [1.0]}, (1,)),
        ({"shape": [1], "data": [True]}, (1,)),
        ({"shape": [1], "data": ["cat"], "datatype": "BYTES"}, ("cat",)),
        ({"data": [1]}, (1,)),
        ({"shape": [-1, 2], "data": [1, 2]}, (1, 2)),
    ],
)
async def test_values_are_the_flat_output_whatever_its_shape(tensor: dict[str, Any], values: tuple[Any, ...]) -> None:
    assert (await ask({"outputs": [{"name": "label"} | tensor]})).values == values


async def test_the_named_output_is_asked_for_and_read() -> None:
    sent: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append((request.method, request.url.path, json.loads(request.content)))
        outputs = [an_answer(0, name="label")["outputs"][0], an_answer(7, name="score")["outputs"][0]]
        return httpx.Response(200, json={"outputs": outputs})

    async with a_client(answer) as client:
        for output in (None, "score"):
            got = await predict(
                client,
                an_endpoint(),
                an_item(),
                port=None,
                model="a/b",
                protocol=OpenInferenceV2(output=output),
                timeout=20,
            )
            assert got.values == ((0,) if output is None else (7,))
    inputs = list(an_item().inputs)
    assert sent[0] == ("POST", "/v2/models/a/b/infer", {"id": "g1", "inputs": inputs})
    assert sent[1][2] == {"id": "g1", "inputs": inputs, "outputs": [{"name": "score"}]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Internal Server Error",
        b"<html></html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"[]",
        b'{"error": "no"}',
        b'{"outputs": []}',
        b'{"outputs": {"label": 1}}',
        b'{"outputs": [1]}',
        b'{"outputs": [{"name": "label"}]}',
        b'{"outputs": [{"name": "label", "data": [null]}]}',
        b'{"outputs": [{"name": "label", "data": [{}]}]}',
        b'{"outputs": [{"name": "label", "shape": [2], "data": [1]}]}',
        b'{"outputs": [{"name": "label", "shape": [1], "data": [NaN]}]}',
        b'{"outputs": [{"name": "label", "shape": [1], "data": [-Infinity]}]}',
        b'{"outputs": [{"name": "label", "shape": [1], "data": [1e999]}]}',
    ],
)
async def test_a_body_without_finite_values_is_no_prediction(body: bytes) -> None:
    answer = await ask(body)
    assert answer.values is None
    assert answer.problem.startswith("gave no prediction")


async def test_a_missing_output_is_told_by_the_name_that_was_asked_for() -> None:
    assert "no output named 'score' (see goldenSet.output)" in (await ask(an_answer(1), output="score")).problem


async def test_a_failure_is_told_without_its_body() -> None:
    answer = await ask(b"secret stack trace", status=500)
    assert (answer.problem, answer.status) == ("answered HTTP 500", 500)


async def test_a_real_server_gets_json_and_answers_in_time() -> None:
    async def infer(request: web.Request) -> web.StreamResponse:
        assert request.content_type == "application/json"
        return web.json_response(an_answer(len((await request.json())["inputs"])))

    async with a_server(infer) as port, http_client() as client:
        answer = await predict(
            client,
            an_endpoint(port=port),
            an_item(),
            port="http",
            model="fraud",
            protocol=OpenInferenceV2(),
            timeout=20,
        )
    assert answer.values == (1,)
