"""`slipway fetch`: one line on standard output, progress and errors on standard error, fields by their options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner
from unit.delivery.servers import serving
from unit.delivery.test_mlflow import ROOT, a_server

from slipway.cli.app import app
from slipway.cli.fetching import in_words
from slipway.delivery import Progress, digest_of


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["fetch", *words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "weights.bin").write_bytes(b"x" * 1000)
    return tmp_path / "source"


def test_the_artifact_is_printed_as_json(tmp_path: Path, model: Path) -> None:
    code, out, err = run(model.as_uri(), str(tmp_path / "model"))
    assert code == 0
    assert json.loads(out) == {"uri": model.as_uri(), "digest": digest_of(model), "bytes": 1000, "files": 1}
    assert "1000 B of 1000 B (100%)" in err
    assert "1 of 1 files" in err


@pytest.mark.parametrize("verb", ["fetch", "verify"])
@pytest.mark.parametrize("said", ["", "the server's"])
def test_a_server_of_mlflow_is_that_of_the_variable_or_else_of_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, said: str
) -> None:
    with serving(a_server(f"mlflow-artifacts:/{ROOT}")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", said and server.url)
        named = "http://127.0.0.1:1" if said else server.url
        dest = [str(tmp_path / "model")] if verb == "fetch" else []
        words = [verb, "mlflow:models:/fraud/3", *dest, f"--mlflow-tracking-uri={named}"]
        done = CliRunner().invoke(app, words)
    assert (done.exit_code, json.loads(done.stdout)["files"]) == (0, 2)


def test_a_digest_that_does_not_match_is_told_by_the_option(tmp_path: Path, model: Path) -> None:
    code, out, err = run(model.as_uri(), str(tmp_path / "model"), "--digest", "sha256:" + "0" * 64)
    assert (code, out) == (1, "")
    assert f"slipway: --digest: the URI holds {digest_of(model)}, and sha256:000" in err
    assert not (tmp_path / "model").exists()


def test_errors_are_json_where_the_log_is(tmp_path: Path, model: Path) -> None:
    code, _, err = run("ftp://host/x", str(tmp_path / "model"), "--log-format", "json")
    assert code == 1
    said = json.loads(err)
    assert (said["event"], said["error"], said["field"]) == ("error", "AddressError", "uri")
    assert "ftp: is not a scheme" in said["message"]


def test_credentials_in_the_uri_are_not_shown(tmp_path: Path) -> None:
    code, out, err = run("https://me:s3cret@host/file", str(tmp_path / "model"))
    assert code == 1
    assert "URI: it holds a user or a password" in err
    assert "s3cret" not in out + err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--max-size", "12 pounds"), "--max-size: '12 pounds' is no size"),
        (("--max-size", "0"), "--max-size: '0' is no size"),
        (("--volume", "weights"), "--volume: 'weights' names no claim and folder"),
    ],
)
def test_options_that_cannot_be_read_are_usage_errors(tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    code, _, err = run("file:///x", str(tmp_path / "model"), *words)
    assert code == 2
    assert why in err


def test_sizes_are_quantities(tmp_path: Path, model: Path) -> None:
    assert run(model.as_uri(), str(tmp_path / "model"), "--max-size", "1k")[0] == 0
    code, _, err = run(model.as_uri(), str(tmp_path / "other"), "--max-size", "999")
    assert code == 1
    assert "--max-size: there are 1000 bytes, more than 999" in err


def test_progress_is_said_in_units_for_people() -> None:
    progress = Progress(3 * 2**30, 4 * 2**30, 2**30, 1, 3, 250 * 2**20, 12.4)
    assert in_words(progress) == (
        "3.0 GiB of 4.0 GiB (75%), 1.0 GiB of it was there, 250.0 MiB/s, 12 s left, 1 of 3 files"
    )
