"""Text that is rewritten before a process sees it: references and paths."""

from pathlib import Path

import pytest

from slipway_sandbox.node.expansion import PathRewriter, expand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(HOST):80", "10.0.0.1:80"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(HOST)", "$(HOST)"),
        ("$HOST ${HOST}", "$HOST ${HOST}"),
        ("$(HOST)$(HOST)", "10.0.0.110.0.0.1"),
    ],
)
def test_references_expand_as_a_kubelet_expands_them(text: str, expected: str) -> None:
    assert expand(text, {"HOST": "10.0.0.1"}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/models", "/state/m"),
        ("/models/a/b.onnx", "/state/m/a/b.onnx"),
        ("--path=/models/a", "--path=/state/m/a"),
        ("file:///models/a", "file:///state/m/a"),
        ("cat /models/a; ls /etc/app", "cat /state/m/a; ls /state/c"),
        ("/models-old/a", "/models-old/a"),
        ("/srv/models/a", "/srv/models/a"),
        ("http://models/a", "http://models/a"),
        ("/models/inner/a", "/state/i/a"),
    ],
)
def test_only_whole_mount_paths_are_rewritten(text: str, expected: str) -> None:
    mounts = [("/models", Path("/state/m")), ("/etc/app/", Path("/state/c")), ("/models/inner", Path("/state/i"))]
    assert PathRewriter(mounts).rewrite(text) == expected


def test_files_of_the_image_are_found_below_its_root(tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "model.onnx").touch()
    paths = PathRewriter([], tmp_path)
    assert paths.rewrite("--model=/opt/model.onnx") == f"--model={tmp_path}/opt/model.onnx"
    assert paths.rewrite("/opt/other.onnx") == "/opt/other.onnx"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0", "127.1.1.1"),
        ("--host=0.0.0.0", "--host=127.1.1.1"),
        ("--bind 0.0.0.0:8080 --workers 1", "--bind 127.1.1.1:8080 --workers 1"),
        ('{"host": "0.0.0.0"}', '{"host": "127.1.1.1"}'),
        ("http://0.0.0.0:80/0.0.0.0", "http://127.1.1.1:80/127.1.1.1"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.0.0.0", "10.0.0.0"),
        ("0.0.0.0.1", "0.0.0.0.1"),
    ],
)
def test_all_addresses_are_all_addresses_of_the_pod(text: str, expected: str) -> None:
    assert PathRewriter([], address="127.1.1.1").rewrite(text) == expected
    assert PathRewriter([]).rewrite(text) == text
