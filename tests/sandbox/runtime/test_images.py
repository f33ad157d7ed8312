"""The image table: which command stands for an image.

Cases: precedence, names without a tag, with a digest, files (good, unknown key, wrong type, unreadable), built-in
entries, round trip, requirements.
"""

import sys
from pathlib import Path

import pytest

from slipway_sandbox import ImageEntry, ImageError, ImageTable


def a_table(*patterns: str) -> ImageTable:
    return ImageTable({pattern: ImageEntry(command=(pattern,)) for pattern in patterns})


@pytest.mark.parametrize(
    ("image", "winner"),
    [
        ("registry.example/team/server:1.2", "registry.example/team/server:1.2"),
        ("registry.example/team/server:1.3", "registry.example/team/server:1.*"),
        ("registry.example/team/other:9", "registry.example/team/*"),
        ("registry.example/other:9", "*"),
    ],
)
def test_the_longest_matching_pattern_wins(image: str, winner: str) -> None:
    table = a_table(
        "*", "registry.example/team/*", "registry.example/team/server:1.*", "registry.example/team/server:1.2"
    )
    entry = table.resolve(image)
    assert entry is not None
    assert entry.command == (winner,)


def test_a_name_without_a_tag_means_latest() -> None:
    assert a_table("server:latest").resolve("server") is not None
    assert a_table("server:latest").resolve("server:1") is None
    assert a_table("registry.example:5000/server:latest").resolve("registry.example:5000/server") is not None


def test_an_image_without_an_entry_is_not_there() -> None:
    assert a_table("server:*").resolve("client:1") is None


def test_the_interpreter_itself_is_an_image() -> None:
    entry = ImageTable.builtin().resolve("localhost/python:3.12-slim")
    assert entry is not None
    assert entry.command == (sys.executable,)


def test_a_file_says_what_an_image_is(tmp_path: Path) -> None:
    file = tmp_path / "images.yaml"
    file.write_text(
        """
images:
- image: registry.example/server:*
  command: [python, server.py]
  args: [--quiet]
  env: {HOST: $(POD_IP)}
  workingDir: /srv
"""
    )
    assert ImageTable.load(file).resolve("registry.example/server:1") == ImageEntry(
        command=("python", "server.py"), args=("--quiet",), env={"HOST": "$(POD_IP)"}, working_dir="/srv"
    )


def test_a_table_that_was_saved_is_read_back_the_same(tmp_path: Path) -> None:
    table = ImageTable(
        {
            "a:*": ImageEntry(
                command=("x",),
                env={"A": "b"},
                working_dir="/w",
                root="/r",
                requirements=("a==1",),
                pythons=("3.12",),
                version="1",
            )
        }
    )
    table.save(tmp_path / "images.json")
    assert ImageTable.load(tmp_path / "images.json").resolve("a:1") == table.resolve("a:1")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("images: {}", "images"),
        ("images: [{command: [x]}]", "images[0]"),
        ("images: [{image: a, comand: [x]}]", "comand"),
        ("images: [{image: a, command: x}]", "images[0].command"),
        ("images: [{image: a, env: {PORT: 80}}]", "images[0].env"),
        ("images: [{image: a, pythons: [3.12]}]", "images[0].pythons"),
        ("images: [{image: a, version: 1}]", "images[0].version"),
        ("images: [", "images.yaml"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "images.yaml"
    file.write_text(text)
    with pytest.raises(ImageError) as refusal:
        ImageTable.load(file)
    assert named in str(refusal.value)


def test_a_pattern_for_a_tag_holds_for_the_same_tag_with_a_digest() -> None:
    table = a_table("server:1.*", "server:*9")
    entry = table.resolve("server:1.2@sha256:0009")
    assert entry is not None
    assert entry.command == ("server:1.*",)
    assert a_table("server:*").resolve("server@sha256:0009") is None
    assert a_table("server@sha256:*").resolve("server:1@sha256:0009") is None
    assert a_table("server:1@sha256:0009").resolve("server:1@sha256:0009") is not None


def test_requirements_that_cannot_be_used_are_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    file = tmp_path / "images.yaml"
    for written, named in (
        ("[-r other.txt]", "'-r other.txt'"),
        ("[-e ./project]", "'-e ./project'"),
        ("[./project]", "build a wheel"),
        ("[1]", "images[0].requirements"),
        ("absent.txt", "absent.txt"),
    ):
        file.write_text(f"images: [{{image: a, requirements: {written}}}]")
        with pytest.raises(ImageError) as refusal:
            ImageTable.load(file)
        assert named in str(refusal.value)


def test_requirements_are_the_same_wherever_they_are_read_from(tmp_path: Path) -> None:
    (tmp_path / "wanted.txt").write_text("./a.whl\n\n# nothing\nb==1 \\\n  ; python_version > '3'  # why\n")
    (tmp_path / "images.yaml").write_text("images: [{image: a, requirements: wanted.txt, version: '1'}]")
    entry = ImageTable.load(tmp_path / "images.yaml").resolve("a")
    assert entry == ImageEntry(requirements=(f"{tmp_path}/a.whl", "b==1    ; python_version > '3'"), version="1")
