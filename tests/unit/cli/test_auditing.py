"""`slipway audit`: what an auditor sees of a record that is sound, and of one that is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.cli.conftest import Terminal
from unit.release.test_audit import HASH, RELEASE, a_record, a_revision

from slipway.api import LABEL_MODEL_DEPLOYMENT
from slipway.cluster import Object

SHOP = ("--namespace", "shop")


def recorded(terminal: Terminal, **edited: Any) -> Object:
    revision = a_revision(a_record(5))
    revision |= {"apiVersion": "slipway.dev/v1alpha1", "kind": "ModelRevision"}
    revision["metadata"]["labels"] = {LABEL_MODEL_DEPLOYMENT: "fraud"}
    revision["status"]["timeline"][2] |= edited
    terminal.cluster.put(revision)
    return revision


def test_a_sound_record_is_told_with_its_last_digest(terminal: Terminal) -> None:
    revision = recorded(terminal)
    code, out, err = terminal("audit", "verify", "fraud", *SHOP)
    last = revision["status"]["timeline"][-1]["digest"]
    assert (code, err) == (0, "")
    assert out == f"fraud-{HASH[:8]}: 5 entries are as they were written; the last digest is {last}\n"


def test_an_edited_entry_is_named_with_its_position(terminal: Terminal) -> None:
    recorded(terminal, message="all is well")
    code, out, _ = terminal("audit", "verify", "fraud", *SHOP)
    assert code != 0
    assert "entry 3 (2026-05-04T12:00:00.000000Z, Advanced) was changed" in out


def test_an_export_can_be_checked_without_a_cluster(terminal: Terminal, tmp_path: Path) -> None:
    recorded(terminal)
    code, out, _ = terminal("audit", "export", "fraud", *SHOP)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["entry"]["sequence"] for line in lines] == [1, 2, 3, 4, 5]
    assert {line["version"] for line in lines} == {RELEASE["model"]["version"]}
    file = tmp_path / "audit.jsonl"
    file.write_text(out)
    assert terminal("audit", "verify", "--filename", str(file))[0] == 0
    file.write_text("".join(line + "\n" for n, line in enumerate(out.splitlines()) if n != 2))
    code, said, _ = terminal("audit", "verify", "--filename", str(file))
    assert code != 0
    assert "entry 4 does not follow the one before: entries are missing" in said
    file.write_text(out.replace('"message": "3"', '"message": "4"'))
    code, said, _ = terminal("audit", "verify", "--filename", str(file))
    assert code != 0
    assert "entry 4 (2026-05-04T12:00:00.000000Z, Advanced) was changed" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}\n", "line 1 is no decision"),
        ("[" * 100_000, "line 1 is not JSON"),
        ("\n", "there is no decision in it"),
    ],
    ids=["another object", "nested too deep", "nothing"],
)
def test_what_is_no_export_is_refused(terminal: Terminal, tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text(text)
    code, _, err = terminal("audit", "verify", "--filename", str(file))
    assert code != 0
    assert says in err


def test_an_entry_that_lost_its_digest_is_not_taken_for_one_of_an_earlier_operator(
    terminal: Terminal, tmp_path: Path
) -> None:
    recorded(terminal)
    lines = [json.loads(line) for line in terminal("audit", "export", "fraud", *SHOP)[1].splitlines()]
    for line in lines:
        del line["entry"]["digest"]
    file = tmp_path / "audit.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    code, said, _ = terminal("audit", "verify", "--filename", str(file))
    assert code != 0
    assert "entry 1 (2026-05-04T12:00:00.000000Z, Advanced) was counted and has no digest: it was removed" in said


def test_a_model_deployment_without_revisions_is_told(terminal: Terminal) -> None:
    code, _, err = terminal("audit", "verify", "fraud", *SHOP)
    assert code != 0
    assert "there is no ModelRevision of fraud in namespace shop" in err
