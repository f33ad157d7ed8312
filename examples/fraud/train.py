"""Make the fraud example: four tiny ONNX models, a golden set and a stream of live inputs, all from fixed seeds.

Nothing here is downloaded. A small invented world says how likely a payment is fraud; payments are drawn from it, a
logistic regression with one table row a country is fitted to them by Newton's method, and the result is written as an
ONNX graph that takes raw features. The feature pipeline (logarithms, scaling, the table lookup) is part of the graph:
a wrong pipeline is a wrong release.

    python examples/fraud/train.py           write the files beside this script
    python examples/fraud/train.py --check   make them in memory and compare them, byte for byte, with what is there

Fitted numbers are rounded to four decimals before they are written: that is far coarser than the difference between two
machines' floating point, so the same seeds give the same bytes everywhere.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent

FEATURES = ("amount", "account_age_days", "payments_last_hour", "distance_km", "hour")
"""Columns of the input `features`, in order; euros, days, a count, kilometres, hour of the day in [0, 24)."""

LOG_FEATURES = 4
"""The leading features, all but the hour, are heavy-tailed: the pipeline takes log(1 + x) and scales them."""

KNOWN_COUNTRIES = 12
"""Codes 0 to 11 occur in training data and in the golden set. Every embedding table has a row for each of them."""

ALL_COUNTRIES = 18
"""Codes 12 to 17 are countries the shop opened in after the golden set was labelled: only live traffic has them."""

GOLDEN_ITEMS = 600
LIVE_ITEMS = 600
NEW_COUNTRY_SHARE = 1 / 3

LOG_MEANS = np.array([3.6, 6.0, 0.7, 2.5])
LOG_SPREADS = np.array([1.1, 1.2, 0.55, 1.4])
BUSINESS_SHIFT = np.array([1.3, 0.5, 0.0, 0.5])
"""Business accounts pay more, are older and act from farther away; the shift is on the logarithmic scale."""

SHARPNESS = 5.5
"""How clear-cut fraud is: with this value nobody, knowing the world itself, could be right on more than about 95 %."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Seed(IntEnum):
    """One independent stream of random numbers for each thing that is drawn."""

    WORLD = 7
    FIRST_WEEKS = 101
    FIRST_YEAR = 102
    LATER_MONTH = 103
    BUSINESS = 104
    GOLDEN = 105
    LIVE = 106


@dataclass(frozen=True)
class Payments:
    """Payments as a client sends them: `features` [n, 5] in raw units, `country` [n]; `fraud` [n] is what they were."""

    features: Floats
    country: Ints
    fraud: Ints

    def __add__(self, other: Payments) -> Payments:
        return Payments(
            np.concatenate([self.features, other.features]),
            np.concatenate([self.country, other.country]),
            np.concatenate([self.fraud, other.fraud]),
        )


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of the logarithmic features: the part of the pipeline that is fitted."""

    mean: Floats
    std: Floats

    @classmethod
    def fitted_on(cls, payments: Payments) -> Scaler:
        logs = np.log1p(payments.features[:, :LOG_FEATURES])
        return cls(logs.mean(axis=0).round(4), logs.std(axis=0).round(4))


@dataclass(frozen=True)
class Weights:
    """A logistic regression: a weight a feature [5], a bias, and a table row a country (offset, extra weight of the
    amount) [12, 2]."""

    linear: Floats
    bias: float
    table: Floats


def draw_payments(seed: Seed, count: int, *, new_country_share: float = 0.0, business: bool = False) -> Payments:
    """Draw payments from the invented world; `new_country_share` of them come from countries without training data."""
    world = np.random.default_rng(Seed.WORLD)
    offset = 0.6 * world.standard_normal(ALL_COUNTRIES)
    amount_weight = 0.25 * world.standard_normal(ALL_COUNTRIES)

    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((count, LOG_FEATURES))
    normal[:, 2] = (0.9 * np.abs(normal[:, 2]) - LOG_MEANS[2]) / LOG_SPREADS[2]  # most people pay once or not at all
    logs = LOG_MEANS + LOG_SPREADS * normal + (BUSINESS_SHIFT if business else 0.0)
    hour = 24 * rng.random(count)
    known = (KNOWN_COUNTRIES * rng.random(count)).astype(np.int64)
    new = KNOWN_COUNTRIES + ((ALL_COUNTRIES - KNOWN_COUNTRIES) * rng.random(count)).astype(np.int64)
    country = np.where(rng.random(count) < new_country_share, new, known)

    scaled = (logs - LOG_MEANS) / LOG_SPREADS
    score = scaled @ np.array([1.1, -0.8, 0.8, 0.7]) + 0.5 * night(hour) - 0.6
    score += offset[country] + amount_weight[country] * scaled[:, 0]
    fraud = rng.random(count) < sigmoid(SHARPNESS * score)

    raw = np.maximum(np.exp(logs) - 1, 0)
    columns = [raw[:, 0].round(2), raw[:, 1].round(), raw[:, 2].round(), raw[:, 3].round(1), np.floor(10 * hour) / 10]
    return Payments(np.stack(columns, axis=1), country, fraud.astype(np.int64))


def night(hour: Floats) -> Floats:
    """1 at midnight, -1 at noon."""
    return np.cos(hour * (2 * np.pi / 24))


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


def fit(payments: Payments, scaler: Scaler, *, ridge: float = 2.0) -> Weights:
    """Fit by Newton's method (iteratively reweighted least squares) with a ridge on the table, so that a rare country
    stays near the average one and a row of zeros is the honest guess for a country never seen.
    """
    design = design_matrix(payments, scaler)
    plain = design.shape[1] - 2 * KNOWN_COUNTRIES
    penalty = np.r_[np.full(plain, 1e-3), np.full(2 * KNOWN_COUNTRIES, ridge)]
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - payments.fraud) + penalty * weights
        hessian = (design.T * (p * (1 - p))) @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    else:
        raise RuntimeError("the fit did not converge: the payments may be perfectly separable")
    weights = weights.round(4)
    table = weights[plain:].reshape(2, KNOWN_COUNTRIES).T
    return Weights(linear=weights[: plain - 1], bias=float(weights[plain - 1]), table=table)


def design_matrix(payments: Payments, scaler: Scaler) -> Floats:
    """Columns: the features as the graph sees them, 1, an indicator a country, and that indicator times the amount."""
    logs = (np.log1p(payments.features[:, :LOG_FEATURES]) - scaler.mean) / scaler.std
    one_hot = np.eye(KNOWN_COUNTRIES)[payments.country]
    ones = np.ones((len(logs), 1))
    return np.concatenate([logs, night(payments.features[:, 4:]), ones, one_hot, one_hot * logs[:, :1]], axis=1)


def export(weights: Weights, scaler: Scaler, doc: str, *, default_row: bool) -> bytes:
    """Write pipeline and weights as one ONNX model.

    Inputs `features` FP32 [N, 5] and `country` INT64 [N, 1]; outputs `label` INT64 [N] (1 is fraud) and `probability`
    FP32 [N]. With `default_row` the table has one more row, of zeros, that every unknown code is sent to; without it
    the lookup gets the code as it came, and ONNX Runtime refuses to compute when there is no such row.
    """
    table = np.concatenate([weights.table, np.zeros((1, 2))]) if default_row else weights.table
    constants: dict[str, Floats | Ints] = {
        "one": np.array([1.0]),
        "half": np.array([0.5]),
        "hour_to_angle": np.array([2 * np.pi / 24]),
        "column": np.array([1]),
        "raw_and_hour": np.array([LOG_FEATURES, 1]),
        "pair": np.array([1, 1]),
        "amount_and_rest": np.array([1, LOG_FEATURES - 1]),
        "mean": scaler.mean,
        "std": scaler.std,
        "weights": weights.linear[:, np.newaxis],
        "bias": np.array([weights.bias]),
        "table": table,
    }
    if default_row:
        constants |= {"first_code": np.array([0]), "default_row": np.array([KNOWN_COUNTRIES])}
        nodes = [*guard_nodes(), *scoring_nodes("row")]
    else:
        nodes = scoring_nodes("country")
    graph = helper.make_graph(
        nodes,
        "fraud",
        inputs=[
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", len(FEATURES)]),
            helper.make_tensor_value_info("country", TensorProto.INT64, ["N", 1]),
        ],
        outputs=[
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N"]),
        ],
        initializer=[
            numpy_helper.from_array(value.astype(np.float32 if value.dtype.kind == "f" else np.int64), name)
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(
        graph, doc_string=doc, producer_name="slipway-fraud", ir_version=10, opset_imports=[helper.make_opsetid("", 21)]
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def guard_nodes() -> list[onnx.NodeProto]:
    """Send every code that the table was not fitted for to its last row: `country` → `row`."""
    return [
        helper.make_node("Less", ["country", "first_code"], ["below"]),
        helper.make_node("Greater", ["country", "default_row"], ["above"]),
        helper.make_node("Or", ["below", "above"], ["unknown"]),
        helper.make_node("Where", ["unknown", "default_row", "country"], ["row"]),
    ]


def scoring_nodes(row: str) -> list[onnx.NodeProto]:
    """The pipeline and the regression, with the table looked up at the tensor named `row`."""
    return [
        helper.make_node("Split", ["features", "raw_and_hour"], ["raw", "hour"], axis=1),
        helper.make_node("Add", ["raw", "one"], ["raw_plus_one"]),
        helper.make_node("Log", ["raw_plus_one"], ["logs"]),
        helper.make_node("Sub", ["logs", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["scaled"]),
        helper.make_node("Mul", ["hour", "hour_to_angle"], ["angle"]),
        helper.make_node("Cos", ["angle"], ["night"]),
        helper.make_node("Concat", ["scaled", "night"], ["inputs"], axis=1),
        helper.make_node("Gemm", ["inputs", "weights", "bias"], ["linear"]),
        helper.make_node("Gather", ["table", row], ["embedded"], name="country_table", axis=0),
        helper.make_node("Squeeze", ["embedded", "column"], ["embedding"]),
        helper.make_node("Split", ["embedding", "pair"], ["offset", "amount_weight"], axis=1),
        helper.make_node("Split", ["scaled", "amount_and_rest"], ["amount", "rest"], axis=1),
        helper.make_node("Mul", ["amount_weight", "amount"], ["by_amount"]),
        helper.make_node("Sum", ["linear", "offset", "by_amount"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probabilities"]),
        helper.make_node("Squeeze", ["probabilities", "column"], ["probability"]),
        helper.make_node("Greater", ["probability", "half"], ["is_fraud"]),
        helper.make_node("Cast", ["is_fraud"], ["label"], to=TensorProto.INT64),
    ]


def make_models() -> dict[str, bytes]:
    """The four releases by file name. README.md says what each is; why the last two are bad is said only there."""
    first_weeks = draw_payments(Seed.FIRST_WEEKS, 800)
    first_year = draw_payments(Seed.FIRST_YEAR, 20_000)
    year_and_month = first_year + draw_payments(Seed.LATER_MONTH, 2_000)

    weeks_scaler = Scaler.fitted_on(first_weeks)
    year_scaler = Scaler.fitted_on(first_year)
    business_scaler = Scaler.fitted_on(draw_payments(Seed.BUSINESS, 20_000, business=True))
    month_scaler = Scaler.fitted_on(year_and_month)
    year_weights = fit(first_year, year_scaler)
    return {
        "v1.onnx": export(fit(first_weeks, weeks_scaler), weeks_scaler, "fitted on the first weeks", default_row=True),
        "v2.onnx": export(year_weights, year_scaler, "fitted on the first year", default_row=True),
        "v3.onnx": export(year_weights, business_scaler, "v2 with a new feature pipeline", default_row=True),
        "v4.onnx": export(
            fit(year_and_month, month_scaler), month_scaler, "v2 with a month more, smaller table", default_row=False
        ),
    }


def json_lines(prefix: str, payments: Payments, *, labelled: bool) -> bytes:
    """One Open Inference Protocol V2 request a line, with `expected` where `labelled`."""
    lines = []
    for number, (features, country, fraud) in enumerate(
        zip(payments.features.tolist(), payments.country.tolist(), payments.fraud.tolist(), strict=True), start=1
    ):
        item = {
            "id": f"{prefix}{number:04d}",
            "inputs": [
                {"name": "features", "shape": [1, len(FEATURES)], "datatype": "FP32", "data": features},
                {"name": "country", "shape": [1, 1], "datatype": "INT64", "data": [country]},
            ],
        } | ({"expected": [fraud]} if labelled else {})
        lines.append(json.dumps(item, separators=(",", ":")) + "\n")
    return "".join(lines).encode()


def make_files() -> dict[str, bytes]:
    """Everything this script makes: path relative to its folder → content."""
    golden = draw_payments(Seed.GOLDEN, GOLDEN_ITEMS)
    live = draw_payments(Seed.LIVE, LIVE_ITEMS, new_country_share=NEW_COUNTRY_SHARE)
    return {f"models/{name}": content for name, content in make_models().items()} | {
        "golden.jsonl": json_lines("g", golden, labelled=True),
        "live.jsonl": json_lines("l", live, labelled=False),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the fraud example's models and data from fixed seeds.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file differs from what is made"
    )
    check = parser.parse_args(argv).check
    differing = []
    for name, content in make_files().items():
        path = HERE / name
        if check:
            if not path.is_file() or path.read_bytes() != content:
                differing.append(name)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    for name in differing:
        print(f"{name}: not what train.py makes; run train.py without --check to write it", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
