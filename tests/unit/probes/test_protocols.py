"""Every protocol against a server on loopback that speaks it with the quirks that real ones have.

For each: the request that an item becomes, what is read from the answer, which inputs are refused before they are
sent, and which answers are no prediction.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from unit.probes.servers import CUSTOM, EMPTY, Answer, Server, needs_jsonpath, says

from slipway.probes import (
    PROTOCOLS,
    GoldenItem,
    InferenceProtocol,
    KServeV1,
    MLflow,
    OpenAIChat,
    OpenAICompletions,
    OpenInferenceV2,
    TorchServe,
)

TENSOR = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1]}
CHAT = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}}]}
FIXED = {"temperature": 0, "seed": 1, "max_tokens": 256, "model": "iris", "stream": False, "n": 1}


@dataclass(frozen=True)
class Case:
    """An item, the request that it has to become, and what is read from the answer."""

    protocol: InferenceProtocol
    inputs: Any
    path: str
    request: Any
    answer: Answer
    values: tuple[Any, ...]
    kind: str = "application/json"


INFERENCE = {
    "V2": Case(
        OpenInferenceV2(output="predict_proba"), [TENSOR], "/v2/models/iris/infer",
        {"id": "g1", "inputs": [TENSOR], "outputs": [{"name": "predict_proba"}]},
        says({"outputs": [{"name": "predict", "data": [1]}, {"name": "predict_proba", "data": [[0.1, 0.9]]}]}),
        (0.1, 0.9),
    ),
    "V2, a version": Case(
        OpenInferenceV2(version="v/2"), [TENSOR], "/v2/models/iris/versions/v%2F2/infer",
        {"id": "g1", "inputs": [TENSOR]},
        says({"model_version": None, "parameters": None, "outputs": [{"name": "y", "shape": [1, 1], "data": [1]}]}),
        (1,),
    ),
    "V1": Case(
        KServeV1(), [[1, 2]], "/v1/models/iris:predict", {"instances": [[1, 2]]}, says({"predictions": [[0.25, 0.75]]}),
        (0.25, 0.75),
    ),
    "V1, by column": Case(
        KServeV1(output="y", label="canary"), {"inputs": {"x": [1]}, "signature_name": "s"},
        "/v1/models/iris/labels/canary:predict", {"inputs": {"x": [1]}, "signature_name": "s"},
        says({"outputs": {"y": [[3]], "z": [[4]]}}), (3,),
    ),
    "V1, by field": Case(
        KServeV1(output="label"), [{"x": 1}], "/v1/models/iris:predict", {"instances": [{"x": 1}]},
        says({"predictions": [{"label": "cat", "scores": [1, 2]}]}), ("cat",),
    ),
    "MLflow": Case(
        MLflow(), {"dataframe_split": {"columns": ["a"], "data": [[1]]}, "params": {"t": 0}}, "/invocations",
        {"dataframe_split": {"columns": ["a"], "data": [[1]]}, "params": {"t": 0}}, says({"predictions": [2]}), (2,),
    ),
    "MLflow, records": Case(
        MLflow(output="label"), {"inputs": [[1]]}, "/invocations", {"inputs": [[1]]},
        says({"predictions": [{"label": "cat", "score": 0.5}]}), ("cat",),
    ),
    "MLflow, a language model": Case(
        MLflow(), {"prompt": "Capital?"}, "/invocations", {"prompt": "Capital?"}, says(["Paris"]), ("Paris",),
    ),
    "OpenAI chat": Case(
        OpenAIChat(), "Capital?", "/v1/chat/completions",
        {"messages": [{"role": "user", "content": "Capital?"}], **FIXED}, says(CHAT), ("Paris",),
    ),
    "OpenAI chat, whole": Case(
        OpenAIChat(prefix="/openai/v1"),
        {"messages": [{"role": "system", "content": "Be brief."}], "max_tokens": 8, "stream": True, "model": "other"},
        "/openai/v1/chat/completions",
        {"messages": [{"role": "system", "content": "Be brief."}], **FIXED, "max_tokens": 8}, says(CHAT), ("Paris",),
    ),
    "OpenAI completions": Case(
        OpenAICompletions(), "1, 2,", "/v1/completions", {"prompt": "1, 2,", **FIXED},
        says({"choices": [{"index": 0, "text": " 3", "logprobs": None, "finish_reason": "length"}]}), (" 3",),
    ),
    "OpenAI completions, whole": Case(
        OpenAICompletions(), {"prompt": "1", "logprobs": 5}, "/v1/completions", {"prompt": "1", "logprobs": 5, **FIXED},
        says({"choices": [{"text": ""}]}), ("",),
    ),
    "TorchServe": Case(
        TorchServe(version="1.0"), {"x": [1]}, "/predictions/iris/1.0", {"x": [1]}, says([0.5, 1]), (0.5, 1),
    ),
    "TorchServe, text": Case(
        TorchServe(), "a café", "/predictions/iris", "a café", says(text="positive\n"), ("positive",), "text/plain",
    ),
}  # fmt: skip
if CUSTOM is not None:
    INFERENCE |= {
        "custom": Case(
            CUSTOM, {"x": [1, {"y": None}]}, "/score/iris",
            {"x": [1, {"y": None}], "note": "g1 for iris", "fixed": [1, True]},
            says({"result": [{"label": "cat"}, {"label": "dog"}]}), ("cat", "dog"),
        ),
        "TorchServe, a path": Case(
            TorchServe(output="$.scores"), {"x": 1}, "/predictions/iris", {"x": 1}, says({"scores": [[1, 2]]}), (1, 2),
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", INFERENCE)
async def test_an_item_becomes_the_protocols_request_and_the_answer_its_values(name: str) -> None:
    case = INFERENCE[name]
    server = Server({case.path: case.answer})
    got = await server.ask(case.protocol, case.inputs)
    assert (got.values, got.problem, got.status) == (case.values, "", 200)
    assert server.asked == [("POST", case.path, case.kind, case.request)]
    assert got.seconds is not None
    assert 0 < got.seconds < 5


NO_PREDICTION: list[Any] = [
    b"",
    b"Internal Server Error",
    b"<html></html>",
    b"\xff\xfe",
    b"[" * 100_000,
    None,
    [],
    {},
    {"error": "no"},
    {"predictions": []},
    {"predictions": [None]},
    {"predictions": {"other": 1}},
    {"outputs": []},
    {"choices": []},
    {"choices": [{}]},
    {"choices": [{"message": {"content": None, "tool_calls": [{}]}, "text": None}]},
    {"choices": "Paris"},
    {"result": [{"label": None}]},
    b'{"predictions": [NaN], "result": [{"label": NaN}], "outputs": [{"data": [NaN]}], "choices": [{"text": NaN}]}',
    b'{"predictions": [1e999], "result": [{"label": 1e999}], "outputs": [{"data": [-1e999]}]}',
]


@pytest.mark.parametrize("name", [name for name in INFERENCE if not name.startswith("TorchServe")])
def test_an_answer_without_finite_values_is_no_prediction(name: str) -> None:
    for answer in NO_PREDICTION:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        with pytest.raises(ValueError, match=r"^(no|NaN|data|object|\$|an answer)") as caught:
            INFERENCE[name].protocol.values(body)
        assert len(str(caught.value)) < 100, "it shows nothing of the body"


@pytest.mark.parametrize(
    "answer", [EMPTY, says(None), says([]), says({"a": 1}), says(text="[NaN]"), lambda: web.Response(body=b"\xff")]
)
async def test_a_free_form_answer_that_is_neither_text_nor_numbers_is_no_prediction(answer: Answer) -> None:
    got = await Server({"/predictions/iris": answer}).ask(TorchServe(), {"x": 1})
    assert got.values is None
    assert got.problem.startswith("gave no prediction: ")


async def test_a_refusal_is_told_by_its_status_and_not_by_its_body() -> None:
    body = {"error_code": "INVALID_PARAMETER_VALUE", "message": "Failed to enforce schema"}
    got = await Server({"/invocations": says(body, status=400)}).ask(MLflow(), {"instances": [[1]]})
    assert (got.problem, got.refused) == ("answered HTTP 400", True)


REFUSED: list[tuple[InferenceProtocol, Any]] = [
    (OpenInferenceV2(), None),
    (OpenInferenceV2(), "text"),
    (OpenInferenceV2(), []),
    (OpenInferenceV2(), [{"name": "x"}]),
    (OpenInferenceV2(), [TENSOR | {"data": [1]}]),
    (KServeV1(), None),
    (KServeV1(), []),
    (KServeV1(), {}),
    (KServeV1(), {"instances": [1], "inputs": [1]}),
    (KServeV1(), [float("nan")]),
    (MLflow(), [[1]]),
    (MLflow(), {}),
    (MLflow(), {"instances": [1], "dataframe_split": {}}),
    (MLflow(), {"inputs": float("inf")}),
    (OpenAIChat(), ""),
    (OpenAIChat(), {"messages": []}),
    (OpenAIChat(), {"messages": ["hi"]}),
    (OpenAIChat(), {"prompt": "hi"}),
    (OpenAICompletions(), {"messages": []}),
    (OpenAICompletions(), ["a", "b"]),
    (OpenAICompletions(), ""),
    (TorchServe(), None),
    (TorchServe(), ""),
]


@pytest.mark.parametrize(("protocol", "inputs"), REFUSED)
def test_inputs_that_cannot_be_sent_are_refused_before_they_are(protocol: InferenceProtocol, inputs: Any) -> None:
    with pytest.raises(ValueError, match=r"inputs|JSON"):
        protocol.check(inputs)


def test_the_newer_name_of_the_limit_of_tokens_stands_alone() -> None:
    item = GoldenItem("g", {"messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 9}, ("y",))
    body = json.loads(OpenAIChat().question("m", item).content or b"")
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


@needs_jsonpath
@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"path": "score"}, "is no path"),
        ({"path": "/a b"}, "is no path"),
        ({"path": "/{{id}}"}, "not known in a path"),
        ({"ready_path": "http://elsewhere/"}, "is no path"),
        ({"method": "GET"}, "sends no body"),
        ({"template": "{{inputs}}"}, "the template is not JSON"),
        ({"template": '{"x": "{{secret}}"}'}, "is not known: use id"),
        ({"template": '"' + "x" * 70_000 + '"'}, "longer than"),
        ({"output": "result"}, "is no JSONPath"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused_when_it_is_given(settings: dict[str, str], problem: str) -> None:
    good = {"path": "/x", "template": '"{{inputs}}"', "output": "$", "ready_path": "/up"}
    with pytest.raises(ValueError, match=problem):
        PROTOCOLS["CustomHTTP"](**(good | settings))


@needs_jsonpath
@pytest.mark.parametrize("inputs", [None, {}, [], {"y": 1}, "x"])
def test_an_item_without_the_templates_fields_is_refused(inputs: Any) -> None:
    assert CUSTOM is not None
    with pytest.raises(ValueError, match=r"inputs\.x: the item has no such field"):
        CUSTOM.check(inputs)


@needs_jsonpath
def test_only_texts_and_numbers_stand_within_a_text() -> None:
    protocol = PROTOCOLS["CustomHTTP"](path="/x", template='"about {{inputs}}"', output="$", ready_path="/up")
    assert json.loads(protocol.question("m", GoldenItem("g", 3, (1,))).content or b"") == "about 3"
    for inputs in (None, True, [1], {"a": 1}):
        with pytest.raises(ValueError, match="only texts and numbers"):
            protocol.check(inputs)


def test_every_protocol_has_a_name_and_can_tell_what_it_is() -> None:
    for name, make in PROTOCOLS.items():
        if name != "CustomHTTP":
            assert make().title


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["predictions", "outputs", "data", "shape", "name", "choices", "message", "content", "text", "result"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)
ANY = [case.protocol for case in INFERENCE.values()]


@given(st.sampled_from(ANY), JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
def test_any_body_is_values_or_a_problem(protocol: InferenceProtocol, body: bytes) -> None:
    try:
        values = protocol.values(body)
    except ValueError as error:
        problem = str(error)
        assert problem
    else:
        assert values
        assert json.dumps(values, allow_nan=False)
    assert isinstance(protocol.unready("m", body), str)


@given(st.sampled_from(ANY), JSON)
def test_any_inputs_are_a_question_or_a_refusal(protocol: InferenceProtocol, inputs: Any) -> None:
    try:
        protocol.check(inputs)
    except (ValueError, OverflowError):
        return
    assert protocol.question("m", GoldenItem("g", inputs, (1,))).content
