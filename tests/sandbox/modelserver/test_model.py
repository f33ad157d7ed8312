"""Loading: which files become a model, and what is said of those that do not."""

import hashlib
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from slipway_sandbox.modelserver import ModelLoadError, load_model


def test_the_signature_is_read_from_the_model(echo: Path) -> None:
    model = load_model("echo", echo.as_uri(), version="v1")
    assert model.metadata() == {
        "name": "echo",
        "versions": ["v1"],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "bool", "datatype": "BOOL", "shape": [-1]},
            {"name": "int64", "datatype": "INT64", "shape": [-1]},
            {"name": "fp32", "datatype": "FP32", "shape": [-1]},
            {"name": "fp64", "datatype": "FP64", "shape": [-1]},
            {"name": "bytes", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "bool_out", "datatype": "BOOL", "shape": [-1]},
            {"name": "int64_out", "datatype": "INT64", "shape": [-1]},
            {"name": "fp32_out", "datatype": "FP32", "shape": [-1]},
            {"name": "fp64_out", "datatype": "FP64", "shape": [-1]},
            {"name": "bytes_out", "datatype": "BYTES", "shape": [-1]},
        ],
    }


def test_the_digest_of_the_file_is_accepted(lookup: Path) -> None:
    digest = f"sha256:{hashlib.sha256(lookup.read_bytes()).hexdigest()}"
    assert load_model("m", lookup.as_uri(), digest=digest).name == "m"


def test_another_digest_is_refused_and_both_are_named(lookup: Path) -> None:
    found = hashlib.sha256(lookup.read_bytes()).hexdigest()
    with pytest.raises(ModelLoadError, match=f"digest mismatch: .* is sha256:{found}, expected sha256:0000"):
        load_model("m", lookup.as_uri(), digest="sha256:0000")


def test_the_path_is_looked_up_below_the_root_and_cannot_leave_it(lookup: Path) -> None:
    root = str(lookup.parent)
    assert load_model("m", "file:///model.onnx", root=root).name == "m"
    assert load_model("m", "file:///../../model.onnx", root=root).name == "m"
    with pytest.raises(ModelLoadError, match="cannot read"):
        load_model("m", lookup.as_uri(), root=root)


@pytest.mark.parametrize("uri", ["/models/v1.onnx", "s3://bucket/v1.onnx", "file://elsewhere/v1.onnx", "file:v1.onnx"])
def test_only_local_file_uris_are_served(uri: str) -> None:
    with pytest.raises(ModelLoadError, match="only file:///path"):
        load_model("m", uri)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="No such file or directory"):
        load_model("m", (tmp_path / "none.onnx").as_uri())


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_a_file_that_is_no_model_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match="not a model ONNX Runtime can load") as caught:
        load_model("m", path.as_uri())
    assert "\n" not in str(caught.value)


def test_a_model_whose_datatypes_the_protocol_lacks_is_refused(save_model) -> None:
    path = save_model(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)],
        {"x": (TensorProto.FLOAT, ["N"])},
        {"y": (TensorProto.BFLOAT16, ["N"])},
    )
    with pytest.raises(ModelLoadError, match=r"no datatype for y \(tensor\(bfloat16\)\)"):
        load_model("m", path.as_uri())
