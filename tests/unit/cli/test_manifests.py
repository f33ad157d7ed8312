"""Reading manifests: files, folders, standard input, several documents, Lists, and what is no YAML."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from slipway.cli.exits import Stop
from slipway.cli.manifests import files, read


def a_file(folder: Path, text: str, name: str = "model.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_every_document_knows_the_lines_of_its_fields(tmp_path: Path) -> None:
    first, second = read(a_file(tmp_path, "kind: A\nspec:\n  steps:\n  - weight: 1\n---\n# nothing\nkind: B\n"))
    assert (first.line_of(("spec", "steps", 0, "weight")), second.line_of(("kind",))) == (4, 7)


def test_a_field_that_is_not_there_is_looked_for_where_it_would_be(tmp_path: Path) -> None:
    (manifest,) = read(a_file(tmp_path, "kind: A\nspec:\n  replicas: 1\n"))
    assert manifest.line_of(("spec", "release", "model")) == 2


def test_the_items_of_a_list_are_objects_of_their_own(tmp_path: Path) -> None:
    text = "kind: List\nitems:\n- kind: A\n  metadata: {name: a}\n- kind: B\n  kind: C\n"
    first, second = read(a_file(tmp_path, text))
    assert (first.title, first.line_of(("metadata", "name"))) == ("A a", 4)
    assert second.repeated == (("kind",),)


def test_empty_documents_are_nothing(tmp_path: Path) -> None:
    assert read(a_file(tmp_path, "---\n---\n# a comment\n")) == []


def test_json_is_read_too(tmp_path: Path) -> None:
    (manifest,) = read(a_file(tmp_path, '{"kind": "A",\n "spec": {"replicas": 2}}', "model.json"))
    assert manifest.document["spec"] == {"replicas": 2}


@pytest.mark.parametrize(
    ("text", "value"),
    [("2024-01-01", "2024-01-01"), ("6e21123", float("6e21123")), ("1.5e3", 1500.0), ("v1e5", "v1e5"), ("0012", 10)],
)
def test_plain_words_are_what_kubectl_takes_them_for(tmp_path: Path, text: str, value: object) -> None:
    (manifest,) = read(a_file(tmp_path, f"commit: {text}\n"))
    assert manifest.document["commit"] == value


def test_keys_are_text(tmp_path: Path) -> None:
    (manifest,) = read(a_file(tmp_path, "labels: {7: a, true: b}\n"))
    assert manifest.document["labels"] == {"7": "a", "true": "b"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: A\nspec: [1,\n", r"model\.yaml:3: this is not YAML"),
        ("kind: A\n---\n- 1\n", r"model\.yaml:3: an object is expected"),
        ("spec: &it\n  inner: *it\n", r"model\.yaml:1: an anchor that contains itself"),
        ("kind: !!python/object:os.system x\n", r"model\.yaml:1: this is not YAML"),
        ("kind: \x01\n", "this is not YAML"),
        ("kind: " + "[" * 3000, "model.yaml: it is nested too deep"),
        ("kind: !!bool perhaps\n", "model.yaml: it holds a value that its tag does not allow"),
        ("kind: !!timestamp soon\n", "model.yaml: it holds a value that its tag does not allow"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Stop, match=told):
        read(a_file(tmp_path, text))


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Stop, match="cannot be read"):
        read(str(path))


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("kind: A\n"))
    assert [manifest.title for source in files("-") for manifest in read(source)] == ["A without a name"]


def test_a_folder_stands_for_the_manifests_in_it_and_not_below(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    a_file(tmp_path / "below", "kind: C\n")
    found = [a_file(tmp_path, "kind: A\n", name) for name in ("a.yaml", "b.yml", "c.json")]
    a_file(tmp_path, "nothing", "readme.md")
    assert files(str(tmp_path)) == found


def test_a_place_without_manifests_is_told(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="no manifests"):
        files(str(tmp_path))
    with pytest.raises(Stop, match="no such file"):
        files(str(tmp_path / "missing.yaml"))
