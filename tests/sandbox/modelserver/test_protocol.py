"""What the V2 parser takes, and what it refuses, with the reason that the client gets to read."""

import json
from typing import Any

import numpy as np
import pytest

from slipway_sandbox.modelserver import BadRequestError, ReplyError, TensorSpec, parse_request, render_reply

FEATURES = TensorSpec("features", "FP32", ("N", 2))
COUNTRY = TensorSpec("country", "INT64", ("N", 1))
LABEL = TensorSpec("label", "INT64", ("N",))
SCORE = TensorSpec("score", "FP32", ("N",))


def a_tensor(which: str = "features", **changes: Any) -> dict[str, Any]:
    tensors: dict[str, dict[str, Any]] = {
        "features": {"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1.5, 2]},
        "country": {"name": "country", "shape": [1, 1], "datatype": "INT64", "data": [7]},
    }
    return tensors[which] | changes


def a_request(*inputs: object, **members: object) -> bytes:
    return json.dumps({"inputs": list(inputs or (a_tensor(), a_tensor("country"))), **members}).encode()


def read_value(datatype: str, *data: object) -> np.ndarray[Any, Any]:
    tensor = {"name": "x", "shape": [len(data)], "datatype": datatype, "data": list(data)}
    return parse_request(a_request(tensor), [TensorSpec("x", datatype, (None,))], [LABEL]).inputs["x"]


def refusal(body: bytes) -> str:
    with pytest.raises(BadRequestError) as caught:
        parse_request(body, [FEATURES, COUNTRY], [LABEL, SCORE])
    return str(caught.value)


def test_a_request_becomes_arrays_in_the_models_datatypes_and_shapes() -> None:
    request = parse_request(a_request(id="42"), [FEATURES, COUNTRY], [LABEL, SCORE])
    assert request.id == "42"
    assert request.inputs["features"].dtype == np.float32
    assert request.inputs["features"].tolist() == [[1.5, 2.0]]
    assert request.inputs["country"].dtype == np.int64
    assert request.inputs["country"].tolist() == [[7]]
    assert request.outputs == ("label", "score")


def test_nested_data_mean_the_same_as_flat_row_major_data() -> None:
    features = a_tensor(shape=[2, 2], data=[[1, 2], [3, 4]])
    country = a_tensor("country", shape=[2, 1], data=[1, 2])
    request = parse_request(a_request(features, country), [FEATURES, COUNTRY], [LABEL])
    assert request.inputs["features"].tolist() == [[1, 2], [3, 4]]


def test_only_the_outputs_asked_for_are_answered_in_their_order() -> None:
    body = a_request(outputs=[{"name": "score"}, {"name": "label"}])
    assert parse_request(body, [FEATURES, COUNTRY], [LABEL, SCORE]).outputs == ("score", "label")


def test_parameters_are_accepted_and_change_nothing() -> None:
    body = a_request(a_tensor(parameters={"content_type": "np"}), a_tensor("country"), parameters={"any": 1})
    assert parse_request(body, [FEATURES, COUNTRY], [LABEL]).inputs["features"].tolist() == [[1.5, 2.0]]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BOOL", [True, False]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("UINT64", [2**64 - 1]),
        ("INT8", [-128, 127]),
        ("FP64", [0.1, 1e300]),
        ("FP32", [0.5, -3]),
        ("BYTES", ["é", ""]),
        ("FP32", []),
    ],
)
def test_values_arrive_exactly(datatype: str, data: list[object]) -> None:
    assert read_value(datatype, *data).tolist() == data


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("INT64", 1.0),
        ("INT64", True),
        ("INT64", 2**63),
        ("INT64", "1"),
        ("INT64", None),
        ("UINT8", -1),
        ("BOOL", 1),
        ("FP32", "1"),
        ("FP32", True),
        ("FP32", None),
        ("FP32", 1e39),
        ("FP64", 10**400),
        ("BYTES", 1),
        ("BYTES", "\ud800"),
    ],
)
def test_a_value_that_the_datatype_cannot_hold_is_refused_not_cast(datatype: str, value: object) -> None:
    with pytest.raises(BadRequestError, match="'x'"):
        read_value(datatype, value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\xfd", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"inputs":[{"data":[NaN]}]}', "NaN is no JSON value"),
        (b'{"inputs":[{"data":[-Infinity]}]}', "-Infinity is no JSON value"),
        (b"[]", "the request: an object is expected"),
        (b"{}", "inputs: a list of tensors"),
        (b'{"inputs":{}}', "inputs: a list of tensors"),
        (b'{"inputs":[1]}', r"inputs\[0\]: an object is expected"),
        (b'{"inputs":[{}]}', r"inputs\[0\]\.name: a string"),
        (a_request(id=42), "id: a string"),
        (a_request(a_tensor()), "'country' missing"),
        (a_request(a_tensor(), a_tensor("country"), a_tensor(name="more")), "'more' unknown"),
        (a_request(a_tensor(), a_tensor(), a_tensor("country")), "'features' is there twice"),
        (a_request(outputs=[{"name": "nope"}]), "outputs: 'nope' unknown; the model answers 'label', 'score'"),
        (a_request(outputs="label"), "outputs: a list of tensors"),
        (a_request(a_tensor(datatype="FP64"), a_tensor("country")), "'features': datatype 'FP64'.*takes FP32"),
        (a_request(a_tensor(shape=[1, 3]), a_tensor("country")), r"2 values do not fill the shape \[1, 3\]"),
        (a_request(a_tensor(shape=[2]), a_tensor("country")), r"shape \[2\] where the model takes \[-1, 2\]"),
        (a_request(a_tensor(shape=[2, 1]), a_tensor("country")), r"shape \[2, 1\] where the model takes \[2, 2\]"),
        (a_request(a_tensor(shape=[-1, 2]), a_tensor("country")), "shape is expected"),
        (a_request(a_tensor(shape=[True, 2]), a_tensor("country")), "shape is expected"),
        (a_request(a_tensor(shape=None), a_tensor("country")), "shape is expected"),
        (a_request(a_tensor(shape=[0, 10**30], data=[]), a_tensor("country")), "too large"),
        (a_request(a_tensor(data=[[1], [2]]), a_tensor("country")), "nested, but not in the shape"),
        (a_request(a_tensor(shape=[2, 2], data=[[1, 2], [3]]), a_tensor("country")), "nested, but not in the shape"),
        (a_request(a_tensor(data=None), a_tensor("country")), "data is expected to be a list"),
    ],
)
def test_a_malformed_request_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(BadRequestError, match=reason):
        parse_request(body, [FEATURES, COUNTRY], [LABEL, SCORE])


def test_dimensions_with_one_name_must_have_one_size() -> None:
    two_rows = a_tensor(shape=[2, 2], data=[1, 2, 3, 4])
    assert refusal(a_request(two_rows, a_tensor("country"))) == (
        "input 'country': shape [1, 1] where the model takes [2, 1]"
    )


def test_a_reply_says_model_version_id_and_flat_data() -> None:
    outputs = [(TensorSpec("p", "FP64", ("N", 2)), np.array([[0.25, 0.75]])), (LABEL, np.array([1]))]
    assert json.loads(render_reply("fraud", "v1", "42", outputs)) == {
        "model_name": "fraud",
        "model_version": "v1",
        "id": "42",
        "outputs": [
            {"name": "p", "datatype": "FP64", "shape": [1, 2], "data": [0.25, 0.75]},
            {"name": "label", "datatype": "INT64", "shape": [1], "data": [1]},
        ],
    }
    assert json.loads(render_reply("fraud", None, None, [])) == {"model_name": "fraud", "outputs": []}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_json_cannot_carry_is_not_written(value: float) -> None:
    with pytest.raises(ReplyError, match="'score'"):
        render_reply("fraud", None, None, [(SCORE, np.array([value], dtype=np.float32))])
