"""The Hugging Face Hub, by a small server that answers as its API does."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
from unit.delivery.servers import CHUNK, Answer, Asked, Reply, as_json, ranged, serving

from slipway import delivery
from slipway.delivery import fetch

pytest.importorskip("huggingface_hub", reason="the package huggingface-hub is not installed")

BIG = random.Random(9).randbytes(2 * CHUNK + 5)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = {"config.json": b"{}", "onnx/model.onnx": BIG, "onnx/readme.md": b"# hello"}


def a_hub(content: dict[str, bytes], *, said: dict[str, bytes] | None = None) -> Answer:
    """A repository org/bert at one commit; `said` is what its listing says where that differs."""

    def about(path: str) -> dict[str, Any]:
        body = (said or content)[path]
        known: dict[str, Any] = {"type": "file", "path": path, "size": len(body), "oid": "0" * 40}
        if len(body) > 1000:
            known["lfs"] = {"oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134}
        return known

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("authorization") != "Bearer hf_s3cret":
            return Reply(401, b"{}", {"x-error-code": "RepoNotFound"})
        if asked.path in ("/api/models/org/bert", "/api/models/org/bert/revision/main"):
            return as_json({"id": "org/bert", "sha": COMMIT, "siblings": []})
        if asked.path.startswith("/api/models/org/bert/revision/"):
            return Reply(404, b"{}", {"x-error-code": "RevisionNotFound"})
        if asked.path.startswith("/api/models/org/bert/paths-info/"):
            return (
                as_json([about("onnx/model.onnx")])
                if b"onnx%2Fmodel.onnx" in asked.body
                else as_json(
                    [{"type": "directory", "path": "onnx", "oid": "0" * 40}] if b"paths=onnx" in asked.body else []
                )
            )
        if asked.path.startswith(tree := f"/api/models/org/bert/tree/{COMMIT}"):
            below = asked.path.removeprefix(tree).strip("/")
            return as_json([about(path) for path in content if path.startswith(below)])
        body = content.get(asked.path.removeprefix(f"/org/bert/resolve/{COMMIT}/"))
        return Reply(404) if body is None else ranged(asked, body)

    return answer


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_s3cret")


def test_a_repository_is_fetched_at_the_commit_that_its_revision_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(a_hub(REPOSITORY)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        found = fetch("hf://org/bert@main", tmp_path / "model")
    assert (found.files, found.bytes) == (3, len(BIG) + 9)
    assert (tmp_path / "model" / "onnx" / "model.onnx").read_bytes() == BIG
    assert all(COMMIT in asked.path for asked in server.asked if "/resolve/" in asked.path)


@pytest.mark.parametrize(
    ("path", "names"), [("onnx", ["model.onnx", "readme.md"]), ("onnx/model.onnx", ["model.onnx"])]
)
def test_a_folder_or_a_file_of_one_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, names: list[str]
) -> None:
    with serving(a_hub(REPOSITORY)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        fetch(f"hf://org/bert/{path}", tmp_path / "model")
    assert sorted(one.name for one in (tmp_path / "model").iterdir()) == names


def test_bytes_that_are_not_those_of_the_listing_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(a_hub({**REPOSITORY, "onnx/model.onnx": BIG[::-1]}, said=REPOSITORY)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(delivery.Incomplete, match=r"onnx/model\.onnx has the sha256 .*, and its source says"):
            fetch("hf://org/bert", tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("uri", "kind", "why"),
    [
        ("hf://org/bert@v9", delivery.NotFound, "no such revision"),
        ("hf://org/bert/nowhere", delivery.NotFound, "no such file or folder"),
        ("hf://bert", delivery.AddressError, "write it like hf://org/name"),
        ("hf://org/bert@", delivery.AddressError, "write it like hf://org/name"),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, kind: type[Exception], why: str
) -> None:
    with serving(a_hub(REPOSITORY)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(kind, match=why):
            fetch(uri, tmp_path / "model")


def test_a_private_repository_needs_a_token_that_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_other-s3cret")
    with serving(a_hub(REPOSITORY)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(delivery.DeliveryError, match="HF_TOKEN") as refused:
            fetch("hf://org/bert", tmp_path / "model")
    assert "s3cret" not in str(refused.value)
