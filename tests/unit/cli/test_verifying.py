"""`slipway verify`: what Jobs of phase Verifying run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from slipway.cli.app import app
from slipway.delivery import digest_of, fetch

OTHER = f"sha256:{'0' * 64}"


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["verify", *words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "claim" / "v1").mkdir(parents=True)
    (tmp_path / "claim" / "v1" / "weights.bin").write_bytes(b"x" * 1000)
    return tmp_path / "claim" / "v1"


def test_what_is_there_is_printed_and_nothing_of_it_is_left(model: Path, tmp_path: Path) -> None:
    code, out, _ = run(model.as_uri())
    assert code == 0
    assert json.loads(out) == {"digest": digest_of(model), "bytes": 1000, "files": 1, "verified": []}


def test_a_digest_that_holds_is_named(model: Path) -> None:
    code, out, _ = run(model.as_uri(), "--digest", digest_of(model))
    assert (code, json.loads(out)["verified"]) == (0, ["digest"])


def test_a_claim_is_looked_at_where_it_is(model: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    code, out, _ = run("pvc://models/v1", f"--volume=models={model.parent}", f"--into={into}")
    assert (code, json.loads(out)["digest"]) == (0, digest_of(model))
    assert not into.exists()


@pytest.fixture
def nowhere_to_write(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder for what is fetched, as with a root file system that is read-only."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    model.chmod(0o555)


@pytest.mark.usefixtures("nowhere_to_write")
def test_a_folder_that_is_mounted_is_looked_at_where_it_is(model: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    for words in ((), (f"--into={into}",)):
        code, out, err = run(model.as_uri(), f"--digest={digest_of(model)}", *words)
        assert (code, err) == (0, "")
        assert json.loads(out) == {"digest": digest_of(model), "bytes": 1000, "files": 1, "verified": ["digest"]}
    assert not into.exists()


@pytest.mark.usefixtures("nowhere_to_write")
def test_a_file_alone_is_looked_at_where_it_is(model: Path) -> None:
    code, out, _ = run((model / "weights.bin").as_uri())
    assert (code, json.loads(out)["digest"]) == (0, digest_of(model))


def test_an_archive_is_unpacked_to_know_what_is_in_it(model: Path, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", model)
    code, out, _ = run(Path(packed).as_uri(), "--extract")
    assert (code, json.loads(out)["digest"]) == (0, digest_of(model))
    assert fetch(Path(packed).as_uri(), tmp_path / "fetched").digest != digest_of(model)


@pytest.mark.parametrize("how", ["link", "folder"])
def test_a_mounted_folder_with_a_link_in_it_is_refused(model: Path, tmp_path: Path, how: str) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "secret").write_text("x")
    (model / "more").symlink_to(tmp_path / "else" / ("secret" if how == "link" else ""))
    result = tmp_path / "result"
    code, _, _ = run(model.as_uri(), f"--result={result}")
    assert (code, "link" in json.loads(result.read_text())["refused"]) == (0, True)


@pytest.mark.parametrize("uri", ["file://{}/nothing", "pvc://models/nothing"])
def test_a_mounted_folder_that_is_empty_is_refused(model: Path, tmp_path: Path, uri: str) -> None:
    (model.parent / "nothing").mkdir()
    result = tmp_path / "result"
    words = (uri.format(model.parent), f"--volume=models={model.parent}", f"--result={result}")
    assert run(*words)[0] == 0
    assert json.loads(result.read_text())["refused"].startswith("spec.release.model.uri: it is empty")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("pvc://models/v1/weights.bin", "names a file"),
        ("pvc://models/../..", "leaves the volume"),
        ("pvc://models/v2", "there is no file or folder"),
        ("pvc://other/v1", "nothing says where the claim other is mounted"),
    ],
)
def test_a_claim_that_cannot_be_mounted_is_refused(model: Path, uri: str, says: str) -> None:
    code, _, err = run(uri, f"--volume=models={model.parent}")
    assert code == 1
    assert says in err


def test_a_claim_with_other_bytes_or_too_many_is_refused(model: Path) -> None:
    claim = ("pvc://models/v1", f"--volume=models={model.parent}")
    code, _, err = run(*claim, f"--digest={OTHER}", "--log-format=json")
    assert (code, json.loads(err.splitlines()[-1])["error"]) == (1, "DigestMismatch")
    code, _, err = run(*claim, "--max-size=999")
    assert (code, "999" in err) == (1, True)


def test_a_refusal_is_an_answer_where_a_file_for_it_is_named(model: Path, tmp_path: Path) -> None:
    result = tmp_path / "result"
    code, out, _ = run(model.as_uri(), f"--digest={OTHER}", f"--result={result}")
    assert code == 0
    refused = json.loads(result.read_text())["refused"]
    assert refused.startswith("spec.release.model.digest: ")
    assert digest_of(model) in refused
    assert json.loads(out) == json.loads(result.read_text())


def test_what_nobody_knows_yet_is_a_failure_and_names_the_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.delivery.transfer.FIRST_WAIT", 0.01)
    result = tmp_path / "result"
    code, _, _ = run("https://127.0.0.1:1/model.bin", f"--result={result}")
    assert code == 1
    assert result.read_text().startswith("spec.release.model.uri: ")
