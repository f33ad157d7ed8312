"""The fraud example is what its README says: every number there is computed here from the files as they are checked in.

Each line goes through the model server's own parser and model, so the files are also proven to be valid V2 requests.
"""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fraud import train
from slipway_sandbox.modelserver import Model, ModelFailedError, load_model, parse_request

FRAUD = Path(train.__file__).parent
GOLDEN = (FRAUD / "golden.jsonl").read_text().splitlines()
LIVE = (FRAUD / "live.jsonl").read_text().splitlines()


@cache
def a_model(version: str) -> Model:
    return load_model("fraud", f"file:///models/{version}.onnx", version=version, root=str(FRAUD))


def answer(version: str, line: str) -> list[int] | None:
    """The label, or None where the server would answer 500."""
    model = a_model(version)
    item: dict[str, Any] = json.loads(line)
    item.pop("expected", None)
    try:
        outputs = model.infer(parse_request(json.dumps(item).encode(), model.inputs, model.outputs))
    except ModelFailedError:
        return None
    return {spec.name: array.tolist() for spec, array in outputs}["label"]


@cache
def right(version: str) -> list[bool]:
    return [answer(version, line) == json.loads(line)["expected"] for line in GOLDEN]


def wins_and_losses(candidate: str, stable: str) -> tuple[int, int]:
    pairs = list(zip(right(candidate), right(stable), strict=True))
    return pairs.count((True, False)), pairs.count((False, True))


def country(line: str) -> int:
    return json.loads(line)["inputs"][1]["data"][0]


def test_there_are_600_golden_and_600_live_items_each_with_an_id_of_its_own() -> None:
    assert (len(GOLDEN), len(LIVE)) == (600, 600)
    assert len({json.loads(line)["id"] for line in GOLDEN + LIVE}) == 1200


def test_every_golden_item_fits_the_schema_and_a_spoilt_one_does_not() -> None:
    schema = json.loads((FRAUD / "golden.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    items = [json.loads(line) for line in GOLDEN]
    assert [item["id"] for item in items if not validator.is_valid(item)] == []
    unlabelled = {name: value for name, value in items[0].items() if name != "expected"}
    for spoilt in (unlabelled, items[0] | {"expected": [2]}, items[0] | {"inputs": items[0]["inputs"][:1]}):
        assert not validator.is_valid(spoilt)


@pytest.mark.parametrize(("version", "correct"), [("v1", 556), ("v2", 561), ("v3", 498), ("v4", 561)])
def test_the_golden_accuracy_of_a_release_is_the_documented_one(version: str, correct: int) -> None:
    assert sum(right(version)) == correct


@pytest.mark.parametrize(
    ("candidate", "stable", "wins", "losses"), [("v2", "v1", 8, 3), ("v3", "v2", 24, 87), ("v4", "v2", 0, 0)]
)
def test_the_paired_counts_of_a_candidate_are_the_documented_ones(
    candidate: str, stable: str, wins: int, losses: int
) -> None:
    assert wins_and_losses(candidate, stable) == (wins, losses)


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_a_release_with_a_default_row_answers_every_live_input(version: str) -> None:
    assert [line for line in LIVE if answer(version, line) is None] == []


def test_v4_fails_on_exactly_the_live_inputs_from_new_countries() -> None:
    failed = [line for line in LIVE if answer("v4", line) is None]
    assert failed == [line for line in LIVE if country(line) >= train.KNOWN_COUNTRIES]
    assert len(failed) == 209


def test_v4_answers_the_whole_golden_set_because_it_knows_older_countries_only() -> None:
    assert {country(line) for line in GOLDEN} == set(range(train.KNOWN_COUNTRIES))
    assert [line for line in GOLDEN if answer("v4", line) is None] == []


def test_no_stretch_of_fifty_live_inputs_spares_v4() -> None:
    fails = [country(line) >= train.KNOWN_COUNTRIES for line in LIVE]
    shares = [sum(fails[start : start + 50]) / 50 for start in range(len(fails) - 49)]
    assert min(shares) >= 0.18


def test_models_are_a_few_kilobytes() -> None:
    assert all(path.stat().st_size < 4096 for path in (FRAUD / "models").iterdir())


def test_train_makes_exactly_the_files_that_are_checked_in() -> None:
    assert train.main(["--check"]) == 0


def test_the_check_names_a_file_that_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(FRAUD, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(train, "HERE", tmp_path)
    assert train.main(["--check"]) == 0
    shutil.copy(tmp_path / "models" / "v1.onnx", tmp_path / "models" / "v2.onnx")
    assert train.main(["--check"]) == 1
    assert capsys.readouterr().err.startswith("models/v2.onnx: ")
    assert train.main([]) == 0
    assert train.main(["--check"]) == 0
