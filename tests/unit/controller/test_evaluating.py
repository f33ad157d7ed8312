"""`slipway evaluate`: a golden set replayed by another process than the operator's, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from unit.controller.builders import golden_text
from unit.controller.outside import Outside, an_outside

from slipway.cli.app import app
from slipway.controller import evaluating

ITEMS = 300


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    return _written(tmp_path / "golden.jsonl", golden_text(ITEMS))


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


async def run(*arguments: object) -> Result:
    """The verb in a thread of its own, beside the models that answer it."""
    return await asyncio.to_thread(
        CliRunner().invoke, app, ["evaluate", "--items-per-second=100000", *map(str, arguments)]
    )


async def arms(outside: Outside, **accuracies: float) -> list[str]:
    outside.golden_items = ITEMS
    out = []
    for arm, accuracy in accuracies.items():
        model = await outside.model(arm)
        model.accuracy = accuracy
        out += [f"--{arm}=http://127.0.0.1:{model.port}", f"--{arm}-model=fraud"]
    return out


async def test_both_arms_are_asked_every_item_and_the_counts_are_left_behind(golden: Path, tmp_path: Path) -> None:
    async with an_outside() as outside:
        addresses = await arms(outside, candidate=0.8, stable=0.9)
        done = await run(golden, *addresses, f"--result={tmp_path / 'result'}", "--seed=uid")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert json.loads((tmp_path / "result").read_text()) == found
    counts = {key: found.get(key, 0) for key in ("losses", "wins", "tiesRight", "tiesWrong", "excluded")}
    assert counts == {"losses": 30, "wins": 0, "tiesRight": 240, "tiesWrong": 30, "excluded": 0}
    assert found["dataset"].startswith("sha256:")
    assert found["examples"][0].startswith("g0")
    assert "300 of 300 items after" in done.stderr


async def test_one_arm_alone_is_right_or_wrong(golden: Path) -> None:
    async with an_outside() as outside:
        done = await run(golden, *await arms(outside, candidate=0.9))
    found = json.loads(done.stdout)
    assert (found["right"], found["wrong"]) == (270, 30)


async def test_the_first_address_whose_name_is_known_is_asked(golden: Path) -> None:
    async with an_outside() as outside:
        done = await run(golden, "--candidate=http://fraud-1.shop.svc.invalid:80", *await arms(outside, candidate=1.0))
        assert json.loads(done.stdout)["right"] == 300
        assert "fraud-1.shop.svc.invalid is not known here" in done.stderr
        done = await run(golden, "--candidate=http://fraud-1.shop.svc.invalid", "--candidate-model=fraud")
    assert done.exit_code == 1
    assert "check the cluster's DNS" in done.stderr


async def test_a_part_that_gave_no_evidence_is_asked_again_before_the_whole_is_given_up(
    golden: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(evaluating, "PAUSES", (0.0, 0.0))
    asked: list[int] = []

    async def failing(client: Any, part: Any, **more: Any) -> Any:
        asked.append(len(part))
        if len(asked) in failures:
            raise evaluating.ProbeError("no server was reached")
        return await replay(client, part, **more)

    replay = evaluating.replay  # type: ignore[attr-defined]
    monkeypatch.setattr(evaluating, "replay", failing)
    failures = {1, 3}
    async with an_outside() as outside:
        addresses = await arms(outside, candidate=1.0)
        done = await run(golden, *addresses)
        assert json.loads(done.stdout)["right"] == 300
        assert asked == [256, 256, 44, 44]
        failures = {5, 6, 7}
        done = await run(golden, *addresses, f"--result={tmp_path / 'result'}")
    assert done.exit_code == 1
    assert (tmp_path / "result").read_text() == "no server was reached"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["none.jsonl"], "none.jsonl is no file: check the volume and the path"),
        (["file:///etc/passwd", "--format=CSV"], "file:// is not a scheme that the administrator allows"),
        (["http://127.0.0.1:1/a.csv"], "loopback is allowed by an address only"),
        (["{golden}", "--format=XML"], "'XML' is none of JSONLines, CSV, Parquet"),
        (["{golden}", "--protocol={}"], "--protocol: name: Field required"),
        (["{golden}", "--match={}"], "--match: name exactly one of within, text and embedding"),
        (["{golden}", '--match={"exact": {}}'], "--match: exact: Extra inputs are not permitted"),
        (["{golden}", "--requests={"], "the schema is not JSON"),
        (["{golden}", '--requests={"required": ["id", "no"]}'], "the request that it becomes"),
        (["{golden}", "--timeout=soon"], "is not a duration"),
        (["{golden}", "--egress=http://x"], "is no egress rule"),
    ],
)
async def test_what_cannot_be_replayed_ends_with_the_reason(
    golden: Path, arguments: list[str], problem: str, tmp_path: Path
) -> None:
    given = [argument.replace("{golden}", str(golden)) for argument in arguments]
    done = await run(
        *given, "--candidate=http://127.0.0.1:1", "--candidate-model=fraud", f"--result={tmp_path / 'result'}"
    )
    assert done.exit_code == 1
    assert problem in done.stderr
    assert problem in (tmp_path / "result").read_text()


async def test_a_bad_item_fails_it_unless_it_is_tolerated(tmp_path: Path) -> None:
    golden = _written(tmp_path / "bad.jsonl", golden_text(ITEMS) + "\n{")
    async with an_outside() as outside:
        addresses = await arms(outside, candidate=1.0)
        done = await run(golden, *addresses)
        assert done.exit_code == 1
        assert "line 301: not JSON" in done.stderr
        done = await run(golden, *addresses, "--tolerance=0.01")
    assert json.loads(done.stdout)["leftOut"] == "1 of 301 items are bad and left out: 1 unreadable"


async def test_an_answer_that_does_not_match_its_schema_is_none(golden: Path) -> None:
    async with an_outside() as outside:
        addresses = await arms(outside, candidate=1.0, stable=1.0)
        done = await run(golden, *addresses, '--candidate-answers={"required": ["no"]}')
    assert json.loads(done.stdout)["losses"] == ITEMS


async def test_each_group_of_a_slice_is_counted_too(tmp_path: Path) -> None:
    items = [json.loads(line) for line in golden_text(ITEMS).splitlines()]
    countries = ["de", "fr", "de", "it"]
    sliced = [item | {"slices": {"country": countries[n % 4]}} if n >= 20 else item for n, item in enumerate(items)]
    golden = _written(tmp_path / "sliced.jsonl", "\n".join(map(json.dumps, sliced)))
    async with an_outside() as outside:
        addresses = await arms(outside, candidate=0.8, stable=0.9)
        done = await run(golden, *addresses, "--slice=country")
        missing = await run(golden, *addresses, "--slice=city")
    found = json.loads(done.stdout)
    assert found["leftOut"] == "20 items are of no country"
    assert {group: sum(counts) for group, counts in found["groups"]["country"].items()} == {
        "de": 140,
        "fr": 70,
        "it": 70,
    }
    assert sum(counts[0] for counts in found["groups"]["country"].values()) == found["losses"] == 30
    assert missing.exit_code == 1
    assert "no item has the slice 'city' (they have country)" in missing.stderr
