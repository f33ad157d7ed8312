"""When a model is ready, asked in every protocol, of servers with the quirks that real ones have."""

from __future__ import annotations

import pytest
from unit.probes.servers import CUSTOM, EMPTY, Answer, Server, needs_jsonpath, says

from slipway.probes import (
    InferenceProtocol,
    KServeV1,
    MLflow,
    OpenAIChat,
    OpenAICompletions,
    OpenInferenceV2,
    Readiness,
    TorchServe,
)

READY: dict[str, tuple[InferenceProtocol, dict[str, Answer]]] = {
    "V2, KServe": (OpenInferenceV2(), {"/v2/models/iris/ready": says({"name": "iris", "ready": True})}),
    "V2, MLServer": (OpenInferenceV2(), {"/v2/models/iris/ready": EMPTY}),
    "V2, a version": (OpenInferenceV2(version="2"), {"/v2/models/iris/versions/2/ready": EMPTY}),
    "V2, no versions": (
        OpenInferenceV2(version="2"),
        {
            "/v2/models/iris/versions/2/ready": says({"error": "Model versioning not supported yet."}, status=501),
            "/v2/models/iris/ready": EMPTY,
        },
    ),
    "V1, KServe": (KServeV1(), {"/v1/models/iris": says({"name": "iris", "ready": True})}),
    "V1, TF Serving": (
        KServeV1(version="2"),
        {"/v1/models/iris/versions/2": says({"model_version_status": [{"version": "2", "state": "AVAILABLE"}]})},
    ),
    "V1, a label": (
        KServeV1(label="canary"),
        {"/v1/models/iris/labels/canary": says({"model_version_status": [{"state": "AVAILABLE"}, {"state": "END"}]})},
    ),
    "V1, no body": (KServeV1(), {"/v1/models/iris": EMPTY}),
    "MLflow": (MLflow(), {"/ping": EMPTY}),
    "OpenAI": (OpenAIChat(), {"/v1/models": says({"object": "list", "data": [{"id": "base"}, {"id": "iris"}]})}),
    "OpenAI, KServe": (OpenAIChat(prefix="/openai/v1"), {"/openai/v1/models": says({"data": [{"id": "iris"}]})}),
    "TorchServe": (TorchServe(), {"/ping": says({"status": "Healthy"})}),
    "TorchServe, text": (TorchServe(), {"/ping": says(text="pong")}),
}


@pytest.mark.parametrize("case", READY)
async def test_a_model_is_ready_when_its_server_says_so_in_its_own_way(case: str) -> None:
    protocol, answers = READY[case]
    assert await Server(answers).ready(protocol) == Readiness(True, "model iris is ready on pod pod-a")


UNREADY: dict[str, tuple[InferenceProtocol, dict[str, Answer], str]] = {
    "V2, unknown": (OpenInferenceV2(), {"/v2/health/ready": EMPTY}, "does not know model iris (HTTP 404)"),
    "V2, unknown version": (
        OpenInferenceV2(version="2"),
        {"/v2/models/iris/ready": EMPTY, "/v2/models/iris/versions/2/ready": says(status=404)},
        "does not know model iris (HTTP 404)",
    ),
    "V1, unknown": (
        KServeV1(),
        {},
        "under that name, or name the protocol of its server in spec.release.protocol",
    ),
    "V1, loading": (
        KServeV1(),
        {"/v1/models/iris": says({"name": "iris", "ready": False})},
        "says that it is not ready",
    ),
    "V1, older": (
        KServeV1(),
        {"/v1/models/iris": says({"name": "iris", "ready": "False"})},
        "says that it is not ready",
    ),
    "V1, TF Serving loads": (
        KServeV1(),
        {"/v1/models/iris": says({"model_version_status": [{"state": "LOADING"}, {"state": "END"}]})},
        "has no version available (states: LOADING, END)",
    ),
    "V1, no versions": (
        KServeV1(),
        {"/v1/models/iris": says({"model_version_status": []})},
        "no version available (states: none)",
    ),
    "MLflow, another server": (MLflow(), {}, "first port has to speak the protocol of MLflow's scoring server"),
    "OpenAI, another model": (
        OpenAICompletions(),
        {"/v1/models": says({"data": [{"id": "base"}]})},
        "does not serve it but base: correct spec.release.model.name",
    ),
    "OpenAI, no list": (OpenAIChat(), {"/v1/models": EMPTY}, "does not list its models"),
    "OpenAI, a strange list": (OpenAIChat(), {"/v1/models": says({"data": [{}]})}, "does not list its models"),
    "TorchServe, unhealthy": (
        TorchServe(),
        {"/ping": says({"status": "Unhealthy"}, status=500)},
        "not ready (HTTP 500)",
    ),
    "TorchServe, partly": (TorchServe(), {"/ping": says({"status": "Partial Healthy"})}, "it is 'Partial Healthy'"),
}


@pytest.mark.parametrize("case", UNREADY)
async def test_a_model_that_is_not_ready_is_told_with_what_to_do(case: str) -> None:
    protocol, answers, message = UNREADY[case]
    got = await Server(answers).ready(protocol)
    assert not got.ready
    assert message in got.message


@needs_jsonpath
async def test_a_custom_server_is_ready_when_its_path_is() -> None:
    assert CUSTOM is not None
    assert (await Server({"/up": EMPTY}).ready(CUSTOM)).ready
    got = await Server({}).ready(CUSTOM)
    assert "has to speak the protocol that is described for /score/{{model}}" in got.message
