"""The HTTP surface: codes, bodies and counters, for a model that answers and for models that fail."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from slipway_sandbox.modelserver import Readiness, create_app, load_model


def a_client(path: Path, readiness: Readiness | None = None) -> httpx.AsyncClient:
    app = create_app(load_model("m", path.as_uri(), version="v1"), readiness or Readiness())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://modelserver")


def a_request(*data: object, datatype: str = "INT64") -> dict[str, Any]:
    return {"id": "7", "inputs": [{"name": "x", "shape": [len(data)], "datatype": datatype, "data": list(data)}]}


async def counters(client: httpx.AsyncClient) -> dict[str, float]:
    """Success, failure and the number of durations, for model m at v1."""
    text = (await client.get("/metrics")).text
    samples = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels == {"model": "m", "version": "v1"}
    }
    prefix = "model_infer_request_"
    names = ("success_total", "failure_total", "duration_seconds_count")
    return {name: samples[prefix + name] for name in names}


@pytest.fixture
async def client(lookup: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with a_client(lookup) as client:
        yield client


async def test_an_inference_is_answered_with_id_and_outputs(client: httpx.AsyncClient) -> None:
    for path in ("/v2/models/m/infer", "/v2/models/m/versions/v1/infer"):
        response = await client.post(path, json=a_request(2, 0))
        assert response.status_code == 200
        assert response.json() == {
            "model_name": "m",
            "model_version": "v1",
            "id": "7",
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [30.0, 10.0]}],
        }


async def test_every_datatype_goes_through_the_runtime_and_back(echo: Path) -> None:
    values = {
        "bool": ("BOOL", [True, False]),
        "int64": ("INT64", [2**63 - 1, -1]),
        "fp32": ("FP32", [0.5, 1.0]),
        "fp64": ("FP64", [0.1, 1e300]),
        "bytes": ("BYTES", ["é", ""]),
    }
    inputs = [
        {"name": name, "shape": [2], "datatype": datatype, "data": data} for name, (datatype, data) in values.items()
    ]
    async with a_client(echo) as client:
        response = await client.post("/v2/models/m/infer", json={"inputs": inputs})
    assert response.status_code == 200
    assert [output["data"] for output in response.json()["outputs"]] == [data for _, data in values.values()]


async def test_health_and_metadata_are_there(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    assert (await client.get("/v2")).json().keys() == {"name", "version", "extensions"}
    for path in ("/v2/models/m", "/v2/models/m/versions/v1"):
        assert (await client.get(path)).json()["inputs"] == [{"name": "x", "datatype": "INT64", "shape": [-1]}]
        assert (await client.get(f"{path}/ready")).json() == {"name": "m", "ready": True}


@pytest.mark.parametrize("path", ["/v2/models/other", "/v2/models/m/versions/v2"])
async def test_an_unknown_model_or_version_is_404(client: httpx.AsyncClient, path: str) -> None:
    answers = [
        await client.get(path),
        await client.get(f"{path}/ready"),
        await client.post(f"{path}/infer", json=a_request(1)),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert all("is not here" in answer.json()["error"] for answer in answers)


async def test_other_paths_and_methods_are_errors_in_json_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/models")
    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})
    answer = await client.get("/v2/models/m/infer")
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})


async def test_a_bad_request_is_400_and_counts_for_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v2/models/m/infer", json=a_request(1.5))
    assert answer.status_code == 400
    assert answer.json() == {"error": "input 'x': data of datatype INT64 are integers, and nothing else"}
    assert (await client.post("/v2/models/m/infer", content=b"{")).status_code == 400
    assert await counters(client) == {"success_total": 0, "failure_total": 0, "duration_seconds_count": 0}


async def test_the_binary_extension_is_refused_not_misread(client: httpx.AsyncClient) -> None:
    headers = {"Inference-Header-Content-Length": "10"}
    answer = await client.post("/v2/models/m/infer", content=json.dumps(a_request(1)), headers=headers)
    assert answer.status_code == 400
    assert "binary" in answer.json()["error"]


async def test_what_the_runtime_raises_is_500_and_counted_as_failure(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v2/models/m/infer", json=a_request(2))).status_code == 200
    answer = await client.post("/v2/models/m/infer", json=a_request(3))
    assert answer.status_code == 500
    assert "idx=3 must be within the inclusive range [-3,2]" in answer.json()["error"]
    assert await counters(client) == {"success_total": 1, "failure_total": 1, "duration_seconds_count": 2}


async def test_an_answer_that_is_not_a_number_is_500_and_counted_as_failure(logarithm: Path) -> None:
    async with a_client(logarithm) as client:
        answer = await client.post("/v2/models/m/infer", json=a_request(-1.0, datatype="FP32"))
        assert answer.status_code == 500
        assert "'y' holds NaN" in answer.json()["error"]
        assert await counters(client) == {"success_total": 0, "failure_total": 1, "duration_seconds_count": 1}


async def test_a_request_over_4_mib_is_413_whether_or_not_it_says_its_length(client: httpx.AsyncClient) -> None:
    too_large = b" " * (4 * 1024 * 1024 + 1)

    async def in_pieces() -> AsyncIterator[bytes]:
        yield too_large[:1000]
        yield too_large[1000:]

    for content in (too_large, in_pieces()):
        answer = await client.post("/v2/models/m/infer", content=content)
        assert answer.status_code == 413
        assert "4194304 bytes" in answer.json()["error"]
    assert (await client.post("/v2/models/m/infer", content=too_large[1:])).status_code == 400


async def test_readiness_once_withdrawn_turns_probes_and_connections_away_but_serves(lookup: Path) -> None:
    readiness = Readiness()
    async with a_client(lookup, readiness) as client:
        readiness.withdraw()
        for path in ("/v2/health/ready", "/v2/models/m/ready"):
            assert (await client.get(path)).status_code == 503
        assert (await client.get("/v2/health/live")).status_code == 200
        answer = await client.post("/v2/models/m/infer", json=a_request(1))
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"


async def test_what_was_asked_and_answered_is_counted_by_value(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        assert (await client.post("/v2/models/m/infer", json=a_request(1))).status_code == 200
    text = (await client.get("/metrics")).text
    assert 'model_tensor_class_total{class="1",model="m",tensor="x",version="v1"} 3.0' in text
    assert 'model_tensor_value_bucket{le="10.0",model="m",tensor="y",version="v1"} 0.0' in text
    assert 'model_tensor_value_bucket{le="20.0",model="m",tensor="y",version="v1"} 3.0' in text
