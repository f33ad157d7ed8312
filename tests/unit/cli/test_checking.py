"""lint and diff at a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from unit.cli.builders import Object, a_spec, name_of
from unit.cli.conftest import Terminal

from slipway.cli.exits import Exit


def a_file(folder: Path, spec: Object | None = None, name: str = "fraud.yaml", **metadata: str) -> str:
    document = {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "fraud"} | metadata,
        "spec": a_spec() if spec is None else spec,
    }
    path = folder / name
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return str(path)


def test_lint_of_good_manifests_is_quiet_and_asks_no_cluster(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal("lint", "-f", a_file(tmp_path)) == (0, "1 objects are right.\n", "")
    assert terminal.connections == []


def test_lint_tells_file_line_object_field_and_fix(terminal: Terminal, tmp_path: Path) -> None:
    path = a_file(tmp_path, a_spec(replicas="2"))
    code, out, err = terminal("lint", "-f", path)
    assert code == Exit.ERROR
    assert out == f'{path}:6: ModelDeployment fraud: spec.replicas: it is "2", and has to be a whole number\n'
    assert err == "slipway: 1 of 1 objects cannot be applied as they are\n"


def test_lint_of_a_folder_checks_all_of_it_and_leaves_others_objects_alone(terminal: Terminal, tmp_path: Path) -> None:
    a_file(tmp_path, a_spec(replicas=-1), "a.yaml")
    a_file(tmp_path, name="b.yaml")
    (tmp_path / "c.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: golden}\n")
    assert "1 of 2 objects" in terminal("lint", "-f", str(tmp_path))[2]


def test_lint_takes_several_files(terminal: Terminal, tmp_path: Path) -> None:
    files = [word for name in ("a.yaml", "b.yaml") for word in ("-f", a_file(tmp_path, name=name))]
    assert terminal("lint", *files)[1] == "2 objects are right.\n"


def a_runtime(folder: Path, name: str, *args: str, file: str = "runtime.yaml", **metadata: str) -> str:
    document = {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelRuntime" if metadata else "ClusterModelRuntime",
        "metadata": {"name": name} | metadata,
        "spec": {
            "supportedFormats": [{"name": "sklearn"}],
            "container": {"image": "registry.example/serve:1", "args": list(args)},
        },
    }
    (folder / file).write_text(yaml.safe_dump(document, sort_keys=False))
    return str(folder / file)


def by_format(folder: Path, **parts: Object) -> str:
    model = {"name": "fraud", "version": "1", "format": "sklearn"}
    return a_file(folder, a_spec() | {"release": {"model": model, **parts}})


def test_lint_takes_a_release_whose_runtime_may_be_in_the_cluster(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal("lint", "-f", by_format(tmp_path))[0] == 0
    assert terminal("lint", "-f", by_format(tmp_path), "-f", a_runtime(tmp_path, "house", "{{model.name}}"))[0] == 0


@pytest.mark.parametrize(
    ("args", "others", "said"),
    [
        (
            ["{{model.uri}}"],
            {},
            "ModelDeployment fraud: spec.release.model.uri: ClusterModelRuntime house",
        ),
        (
            ["{{model.nme}}"],
            {},
            "runtime.yaml:11: ClusterModelRuntime house: spec.container.args[0]: {{model.nme}} is no",
        ),
        ([], {"other": {}}, "ModelDeployment fraud: spec.release.model.format: ClusterModelRuntime house and Cluster"),
        ([], {"other": {"namespace": "elsewhere"}}, None),
    ],
)
def test_lint_tries_a_release_on_the_runtimes_of_its_files(
    terminal: Terminal, tmp_path: Path, args: list[str], others: dict[str, dict[str, str]], said: str | None
) -> None:
    a_file(
        tmp_path,
        a_spec() | {"release": {"model": {"name": "fraud", "version": "1", "format": "sklearn"}}},
        namespace="shop",
    )
    a_runtime(tmp_path, "house", *args)
    for name, metadata in others.items():
        a_runtime(tmp_path, name, file="other.yaml", **metadata)
    code, out, _ = terminal("lint", "-f", str(tmp_path))
    assert (code, said in out if said else out.endswith("objects are right.\n")) == (Exit.ERROR if said else 0, True), (
        out
    )


def test_lint_says_of_a_release_that_nothing_serves_what_to_name(terminal: Terminal, tmp_path: Path) -> None:
    path = a_file(tmp_path, a_spec() | {"release": {"model": {"name": "fraud", "version": "1"}}})
    code, out, _ = terminal("lint", "-f", path)
    assert code == Exit.ERROR
    assert "spec.release: nothing says what serves the model: name container.image, runtime.name or model.format" in out


@pytest.mark.parametrize("text", ["kind: [", "apiVersion: v1\nkind: ConfigMap\n"])
def test_lint_of_nothing_it_could_check_is_no_success(terminal: Terminal, tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    code, _, err = terminal("lint", "-f", str(path))
    assert code == Exit.ERROR
    assert "x.yaml" in err


def test_diff_compares_with_the_cluster(terminal: Terminal, tmp_path: Path) -> None:
    terminal.shop()
    code, out, _ = terminal("diff", "-n", "shop", "-f", a_file(tmp_path, a_spec("v3")))
    assert code == 0
    assert f"new revision {name_of('v3')}" in out


def test_diff_takes_the_namespace_of_the_manifest_first(terminal: Terminal, tmp_path: Path) -> None:
    terminal.shop()
    path = a_file(tmp_path, namespace="shop")
    assert "nothing changes" in terminal("diff", "-n", "elsewhere", "-f", path)[1]


def test_diff_of_what_is_not_there_says_that_it_is_created(terminal: Terminal, tmp_path: Path) -> None:
    assert "it is created" in terminal("diff", "-f", a_file(tmp_path))[1]


def test_diff_of_what_cannot_be_applied_is_refused_and_writes_nothing(terminal: Terminal, tmp_path: Path) -> None:
    terminal.shop()
    code, out, err = terminal("diff", "-f", a_file(tmp_path, a_spec(replicas=-1)))
    assert (code, "spec.replicas" in out, "cannot be compared" in err) == (Exit.ERROR, True, True)
    assert not [request for request in terminal.cluster.requests if request.verb not in {"get", "list"}]
