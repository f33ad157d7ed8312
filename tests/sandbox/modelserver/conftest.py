"""Tiny ONNX models, made on the spot, that each show one behaviour."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

Dims = list[int | str | None]
Saver = Callable[[list[onnx.NodeProto], dict[str, tuple[int, Dims]], dict[str, tuple[int, Dims]]], Path]


@pytest.fixture
def save_model(tmp_path: Path) -> Saver:
    """Write a model of these nodes, inputs and outputs (name → element type and dimensions); returns its path."""

    def save(
        nodes: list[onnx.NodeProto], inputs: dict[str, tuple[int, Dims]], outputs: dict[str, tuple[int, Dims]]
    ) -> Path:
        graph = helper.make_graph(
            nodes,
            "model",
            [helper.make_tensor_value_info(name, kind, dims) for name, (kind, dims) in inputs.items()],
            [helper.make_tensor_value_info(name, kind, dims) for name, (kind, dims) in outputs.items()],
        )
        model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])
        path = tmp_path / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return save


@pytest.fixture
def logarithm(save_model: Saver) -> Path:
    """`y = log(x)`, FP32 [N]: 0 and negative numbers have no answer that JSON can carry."""
    return save_model(
        [helper.make_node("Log", ["x"], ["y"])], {"x": (TensorProto.FLOAT, ["N"])}, {"y": (TensorProto.FLOAT, ["N"])}
    )


@pytest.fixture
def lookup(save_model: Saver) -> Path:
    """`y = table[x]`, with a table of three rows: INT64 codes outside of it make the runtime raise."""
    table = helper.make_tensor("table", TensorProto.FLOAT, [3], [10.0, 20.0, 30.0])
    return save_model(
        [
            helper.make_node("Constant", [], ["table"], value=table),
            helper.make_node("Gather", ["table", "x"], ["y"], axis=0),
        ],
        {"x": (TensorProto.INT64, ["N"])},
        {"y": (TensorProto.FLOAT, ["N"])},
    )


@pytest.fixture
def echo(save_model: Saver) -> Path:
    """Answers each input as it came, one for every datatype family: BOOL, INT64, FP32, FP64, BYTES."""
    kinds = {
        "bool": TensorProto.BOOL,
        "int64": TensorProto.INT64,
        "fp32": TensorProto.FLOAT,
        "fp64": TensorProto.DOUBLE,
        "bytes": TensorProto.STRING,
    }
    return save_model(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in kinds],
        {name: (kind, ["N"]) for name, kind in kinds.items()},
        {f"{name}_out": (kind, ["N"]) for name, kind in kinds.items()},
    )
