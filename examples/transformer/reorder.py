"""Make the second model of the example: the first one of the fraud example, fitted with its columns in another order.

    python examples/transformer/reorder.py FOLDER     writes FOLDER/models/v1.onnx and FOLDER/models/v2.onnx

Given its columns in its own order, v2 says of each payment what v1 says; given them in that of v1, it answers nonsense
with HTTP 200.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

FRAUD = Path(__file__).resolve().parents[1] / "fraud"
COLUMNS = 5


def reordered(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the columns of its input ``features`` from the last to the first."""
    for node in model.graph.node:
        node.input[:] = ["fitted_features" if name == "features" else name for name in node.input]
    order = numpy_helper.from_array(np.arange(COLUMNS)[::-1].copy(), "order")
    model.graph.initializer.append(order)
    gather = helper.make_node("Gather", ["features", "order"], ["fitted_features"], axis=1)
    model.graph.node.insert(0, gather)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    """Write both models."""
    folder = Path(sys.argv[1]) / "models"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(FRAUD / "models" / "v1.onnx", folder / "v1.onnx")
    onnx.save(reordered(onnx.load(FRAUD / "models" / "v1.onnx")), folder / "v2.onnx")


if __name__ == "__main__":
    main()
