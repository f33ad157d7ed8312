"""Which runtime serves a release, and what the two come to: told once, the same for ever, and never guessed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api import FrozenRuntime, ReleaseSpec, RuntimeKind
from slipway.release import Runtime, UnresolvedError, edited, read_runtime, resolve
from slipway.release.variables import NAMES, VARIABLE
from slipway.rollout import reasons

CLUSTER: RuntimeKind = "ClusterModelRuntime"
NAMESPACED: RuntimeKind = "ModelRuntime"


def a_release(model: dict[str, Any] | None = None, **parts: Any) -> ReleaseSpec:
    said = {"name": "fraud", "version": "1.4.0", "format": "sklearn", "uri": "s3://models/fraud"} | (model or {})
    known = {name: value for name, value in said.items() if value is not None}
    return ReleaseSpec.model_validate({"model": known, **parts})


def a_runtime(
    name: str = "mlserver", *formats: str | dict[str, Any], kind: RuntimeKind = CLUSTER, **spec: Any
) -> Runtime:
    written: dict[str, Any] = {
        "supportedFormats": [{"name": one} if isinstance(one, str) else one for one in formats],
        "container": {"image": "registry.example/mlserver:1", **spec.pop("container", {})},
        **spec,
    }
    return read_runtime(kind, name, written)


def unresolved(release: ReleaseSpec, *runtimes: Runtime) -> tuple[str, str]:
    with pytest.raises(UnresolvedError) as refused:
        resolve(release, runtimes)
    return refused.value.reason.value, str(refused.value)


def chosen(release: ReleaseSpec, *runtimes: Runtime) -> tuple[str, str]:
    found = resolve(release, runtimes)
    assert resolve(release, runtimes[::-1]) == found, "the order in which they were read means nothing"
    return found.kind, found.name


# --- the choice -----------------------------------------------------------------------------------------------------


def test_by_name_a_runtime_of_the_namespace_goes_before_one_of_the_cluster() -> None:
    runtimes = [a_runtime("r"), a_runtime("r", kind=NAMESPACED)]
    assert chosen(a_release(runtime={"name": "r"}), *runtimes) == (NAMESPACED, "r")
    assert chosen(a_release(runtime={"name": "r", "kind": CLUSTER}), *runtimes) == (CLUSTER, "r")


def test_a_named_runtime_need_not_know_the_format() -> None:
    assert chosen(a_release(runtime={"name": "r"}), a_runtime("r", "onnx")) == (CLUSTER, "r")


def test_by_format_more_priority_wins() -> None:
    low, high = a_runtime("a", "sklearn"), a_runtime("b", {"name": "sklearn", "priority": 2})
    assert chosen(a_release(), low, high) == (CLUSTER, "b")


def test_by_format_the_namespace_goes_before_the_cluster_whatever_the_priority() -> None:
    own, wide = a_runtime("a", "sklearn", kind=NAMESPACED), a_runtime("b", {"name": "sklearn", "priority": 9})
    assert chosen(a_release(), own, wide) == (NAMESPACED, "a")


@pytest.mark.parametrize(
    ("wanted", "offered", "serves"),
    [
        (None, None, True),
        (None, "1", True),
        ("1", None, True),
        ("1", "1", True),
        ("1", "2", False),
    ],
)
def test_a_version_of_the_format_is_held_against_those_that_say_one(
    wanted: str | None, offered: str | None, serves: bool
) -> None:
    entry = {"name": "sklearn"} | ({"version": offered} if offered else {})
    release = a_release({"formatVersion": wanted})
    if serves:
        assert chosen(release, a_runtime("r", entry)) == (CLUSTER, "r")
    else:
        assert unresolved(release, a_runtime("r", entry)) == (
            "RuntimeNotFound",
            (
                "spec.release.model.formatVersion: no runtime serves sklearn in version 1 (there are runtimes for "
                "sklearn): create one, or name container.image"
            ),
        )


def test_a_runtime_that_is_not_to_be_selected_is_only_got_by_name() -> None:
    shy = a_runtime("shy", {"name": "sklearn", "autoSelect": False})
    assert unresolved(a_release(), shy)[0] == "RuntimeNotFound"
    assert chosen(a_release(runtime={"name": "shy"}), shy) == (CLUSTER, "shy")


def test_two_of_the_same_priority_are_a_problem_that_names_both() -> None:
    assert unresolved(a_release(), a_runtime("b", "sklearn"), a_runtime("a", "sklearn")) == (
        "RuntimeAmbiguous",
        (
            "spec.release.model.format: ClusterModelRuntime a and ClusterModelRuntime b serve sklearn with the same "
            "priority 0: name one in spec.release.runtime.name, or give one more priority"
        ),
    )


@pytest.mark.parametrize(
    ("release", "said"),
    [
        (
            a_release(runtime={"name": "gone"}),
            (
                "spec.release.runtime.name: there is no ModelRuntime and no ClusterModelRuntime gone: create it, or "
                "name another"
            ),
        ),
        (
            a_release(runtime={"name": "mlserver", "kind": NAMESPACED}),
            "spec.release.runtime.name: there is no ModelRuntime mlserver: create it, or name another",
        ),
        (
            a_release({"format": "onnx"}),
            (
                "spec.release.model.format: no runtime serves onnx (there are runtimes for sklearn): create one, or "
                "name container.image"
            ),
        ),
        (
            a_release({"format": None}),
            (
                "spec.release.model.format: nothing says what serves the model: name a format, runtime.name or "
                "container.image"
            ),
        ),
    ],
)
def test_a_runtime_that_is_not_there_is_told_with_the_field(release: ReleaseSpec, said: str) -> None:
    assert unresolved(release, a_runtime("mlserver", "sklearn")) == ("RuntimeNotFound", said)


# --- digests --------------------------------------------------------------------------------------------------------


def test_the_digest_is_of_the_specification_alone_and_moves_with_it() -> None:
    first, same, other = a_runtime("a"), a_runtime("b", kind=NAMESPACED), a_runtime("a", container={"args": ["x"]})
    assert first.digest == same.digest != other.digest
    assert re.fullmatch("sha256:[0-9a-f]{64}", first.digest)


def test_a_digest_that_is_named_has_to_be_that_of_the_runtime() -> None:
    runtime = a_runtime("r")
    assert resolve(a_release(runtime={"name": "r", "digest": runtime.digest}), [runtime]).digest == runtime.digest
    wrong = "sha256:" + "0" * 64
    reason, message = unresolved(a_release(runtime={"name": "r", "digest": wrong}), runtime)
    assert reason == "RuntimeDigestDiffers"
    assert message.startswith(
        f"spec.release.runtime.digest: it is {wrong}, and ClusterModelRuntime r has {runtime.digest}"
    )


def test_an_edited_runtime_is_told_with_what_to_write() -> None:
    before, after = a_runtime("r"), a_runtime("r", container={"args": ["x"]})
    frozen = resolve(a_release(runtime={"name": "r"}), [before])
    assert edited(frozen, before, "1.4.0") is None
    said = edited(frozen, after, "1.4.0")
    assert said is not None
    assert said.endswith(f"with kind: ClusterModelRuntime, name: r and digest: {after.digest}")
    rolled_out = a_release(runtime={"kind": CLUSTER, "name": "r", "digest": after.digest})
    assert resolve(rolled_out, [after]).container.args == ["x"], "and that is enough"


# --- what they come to ----------------------------------------------------------------------------------------------


def test_variables_are_expanded_wherever_a_text_stands() -> None:
    runtime = a_runtime(
        "r",
        delivery={"path": "/models/{{model.name}}/1"},
        container={
            "image": "registry.example/serve:{{model.version}}",
            "command": ["serve", "{{ model.name }}"],
            "args": ["--from={{model.path}}", "--of={{model.uri}}"],
            "env": [{"name": "FORMAT", "value": "{{model.format}}"}],
            "readinessProbe": {"httpGet": {"path": "/v1/models/{{model.name}}", "port": 8080}},
        },
    )
    container = resolve(a_release(runtime={"name": "r"}), [runtime]).container
    assert container.model_dump(mode="json", by_alias=True, exclude_none=True) == {
        "image": "registry.example/serve:1.4.0",
        "command": ["serve", "fraud"],
        "args": ["--from=/models/fraud/1", "--of=s3://models/fraud"],
        "env": [{"name": "FORMAT", "value": "sklearn"}],
        "readinessProbe": {"httpGet": {"path": "/v1/models/fraud", "port": 8080}},
    }


def test_a_pod_knows_its_own_address_by_a_variable_of_the_kubelet() -> None:
    address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    runtime = a_runtime("r", container={"args": ["--host=$(POD_IP)"], "env": [address]})
    container = resolve(a_release(runtime={"name": "r"}), [runtime]).container
    written = container.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert (written["args"], written["env"]) == (["--host=$(POD_IP)"], [address])


@pytest.mark.parametrize(
    ("model", "spec", "said"),
    [
        (
            {},
            {"container": {"args": ["{{model.nme}}"]}},
            (
                "ClusterModelRuntime r: spec.container.args[0]: {{model.nme}} is no variable: write one of "
                "{{model.name}}, {{model.version}}, {{model.format}}, {{model.uri}}, {{model.path}}, {{model.base}}"
            ),
        ),
        (
            {},
            {"container": {"args": ["{{pod.ip}}"]}},
            (
                "ClusterModelRuntime r: spec.container.args[0]: {{pod.ip}} is no variable, because a release has many "
                "pods: give spec.container.env a variable such as POD_IP with valueFrom.fieldRef.fieldPath "
                "status.podIP, and write $(POD_IP)"
            ),
        ),
        (
            {"uri": None},
            {"container": {"env": [{"name": "A", "value": "{{model.uri}}"}]}},
            "spec.release.model.uri: ClusterModelRuntime r needs it for its spec.container.env[0].value: say it",
        ),
        (
            {},
            {"container": {"args": ["{{model.path}}"]}},
            (
                "ClusterModelRuntime r: spec.container.args[0]: {{model.path}} is where files are delivered to: add "
                "spec.delivery"
            ),
        ),
        (
            {"uri": None},
            {"delivery": {}},
            "spec.release.model.uri: ClusterModelRuntime r needs it for its spec.delivery.path: say it",
        ),
        (
            {},
            {"delivery": {"path": "/models/{{model.path}}"}},
            (
                "ClusterModelRuntime r: spec.delivery.path: {{model.path}} is where files are delivered to: add "
                "spec.delivery"
            ),
        ),
    ],
)
def test_a_variable_that_cannot_be_expanded_names_the_field(
    model: dict[str, Any], spec: dict[str, Any], said: str
) -> None:
    assert unresolved(a_release(model, runtime={"name": "r"}), a_runtime("r", **spec)) == ("RuntimeInvalid", said)


def test_an_outcome_that_does_not_fit_names_the_field() -> None:
    runtime = a_runtime("r", container={"image": "registry.example/{{model.version}}"})
    reason, message = unresolved(a_release({"version": "a b"}, runtime={"name": "r"}), runtime)
    assert reason == "RuntimeInvalid"
    assert "come to no container: container.image: String should match pattern" in message


@pytest.mark.parametrize(
    ("ports", "shared"),
    [
        (None, "8080"),
        ([{"containerPort": 8080}], "8080"),
        ([{"containerPort": 8081, "name": "in"}], "in"),
        ([{"containerPort": 8081}], None),
    ],
)
def test_a_transformer_and_what_a_runtime_brings_share_no_port(ports: Any, shared: str | None) -> None:
    ahead = {"container": {"image": "f", "ports": [{"containerPort": 8080, "name": "in"}]}}
    runtime = a_runtime("r", container={"ports": ports} if ports else {})
    release = a_release(runtime={"name": "r"}, transformer=ahead)
    if shared is None:
        assert resolve(release, [runtime]).name == "r"
        return
    reason, message = unresolved(release, runtime)
    assert reason == "RuntimeInvalid"
    assert message == (
        f"spec.release.transformer.container.ports: ClusterModelRuntime r has the model listen on {shared} too, and "
        "containers of one pod share no port: name another"
    )


LORA: dict[str, Any] = {"args": ["--lora", "--of={{model.base}}"], "each": "{{adapter.name}}={{adapter.path}}"}


def adapters(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "uri": f"s3://adapters/{name}", "digest": f"sha256:{'1' * 64}"} for name in names]


def test_a_server_is_told_of_adapters_behind_its_other_arguments() -> None:
    container = {"args": ["--name={{model.base}}"]}
    runtime = a_runtime("r", container=container, delivery={}, adapters=LORA)
    release = a_release(runtime={"name": "r"}, adapters=adapters("eu", "us"))
    told = ["--lora", "--of=fraud", "eu=/mnt/adapters/eu", "us=/mnt/adapters/us"]
    assert resolve(release, [runtime]).container.args == ["--name=fraud", *told]
    own = a_release(runtime={"name": "r"}, adapters=adapters("eu"), container={"args": ["--mine"]})
    assert resolve(own, [runtime]).container.args == ["--mine", "--lora", "--of=fraud", "eu=/mnt/adapters/eu"]
    assert resolve(a_release(runtime={"name": "r"}), [runtime]).container.args == ["--name=fraud"]


def test_an_adapter_of_the_models_name_is_what_clients_ask_for() -> None:
    runtime = a_runtime("r", container={"args": ["--name={{model.base}}"]}, delivery={}, adapters=LORA)
    frozen = resolve(a_release(runtime={"name": "r"}, adapters=adapters("fraud")), [runtime])
    assert frozen.container.args == ["--name=fraud-base", "--lora", "--of=fraud-base", "fraud=/mnt/adapters/fraud"]


@pytest.mark.parametrize(
    ("spec", "names", "said"),
    [
        ({"delivery": {}}, ["eu"], "ClusterModelRuntime r does not say how its server takes them"),
        ({"adapters": LORA}, ["eu"], "ClusterModelRuntime r delivers no files: add spec.release.delivery"),
        (
            {"delivery": {}, "adapters": LORA},
            ["fraud", "fraud-base"],
            "fraud-base is what the base itself is",
        ),
    ],
)
def test_adapters_that_a_runtime_cannot_take_are_refused(spec: Any, names: list[str], said: str) -> None:
    reason, message = unresolved(a_release(runtime={"name": "r"}, adapters=adapters(*names)), a_runtime("r", **spec))
    assert reason == "RuntimeInvalid"
    assert message.startswith(f"spec.release.adapters: {said}")


def test_a_server_that_does_not_name_models_serves_one() -> None:
    runtime = a_runtime("r", protocol={"name": "MLflow"})
    reason, message = unresolved(a_release({"alsoServes": ["eu"]}, runtime={"name": "r"}), runtime)
    assert reason == "RuntimeInvalid"
    assert message.startswith("spec.release.model.alsoServes: ClusterModelRuntime r speaks MLflow's protocol")


def test_what_the_release_says_goes_before_the_runtime() -> None:
    runtime = a_runtime(
        "r",
        container={
            "args": ["--of={{model.name}}"],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}],
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
            "livenessProbe": {"tcpSocket": {"port": 8080}},
        },
        protocol={"name": "MLflow"},
        pod={"nodeSelector": {"disk": "fast"}, "terminationGracePeriodSeconds": 60},
    )
    plain = resolve(a_release(runtime={"name": "r"}), [runtime])
    assert plain.protocol is not None
    assert plain.protocol.name == "MLflow"
    said = resolve(
        a_release(
            runtime={"name": "r"},
            container={
                "image": "registry.example/mlserver:2",
                "args": ["--workers=2", "{{model.name}}"],
                "env": [{"name": "A", "value": "2"}, {"name": "C", "value": "3"}],
                "resources": {"limits": {"memory": "2Gi", "cpu": 2}},
                "livenessProbe": {"exec": {"command": ["true"]}},
            },
            protocol={"name": "KServeV1"},
            pod={"terminationGracePeriodSeconds": 90},
        ),
        [runtime],
    )
    assert said.model_dump(mode="json", by_alias=True, exclude_none=True) == {
        "kind": CLUSTER,
        "name": "r",
        "digest": runtime.digest,
        "container": {
            "image": "registry.example/mlserver:2",
            "args": ["--workers=2", "{{model.name}}"],
            "env": [{"name": "A", "value": "2"}, {"name": "B", "value": "$(A)"}, {"name": "C", "value": "3"}],
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi", "cpu": 2}},
            "livenessProbe": {"exec": {"command": ["true"]}},
        },
        "protocol": {"name": "KServeV1"},
        "pod": {"nodeSelector": {"disk": "fast"}, "terminationGracePeriodSeconds": 90},
    }


# --- properties -----------------------------------------------------------------------------------------------------

plain = st.text("ab/.:-_$ é\U0001f6a2", max_size=8)
variables = st.sampled_from([f"{{{{{name}}}}}" for name in NAMES])
templates = st.lists(plain | variables, max_size=5).map("".join)
hostile = st.sampled_from(
    ["{{model.uri}}", "{{", "}}", "{{model.name}}", "$(HOME)", "$$", "{{nonsense}}", "model.name"]
)
said = st.lists(hostile | plain.filter(str.strip), min_size=1, max_size=4).map("".join).map(lambda text: text[:60])
kubelet = re.compile(r"\$\$|\$\([A-Za-z]+\)")


def frozen(args: list[str], version: str, uri: str) -> FrozenRuntime:
    runtime = a_runtime("r", delivery={"path": "/m"}, container={"args": args})
    return resolve(a_release({"version": version, "uri": uri}, runtime={"name": "r"}), [runtime])


def as_a_kubelet_reads(text: str) -> str:
    return kubelet.sub(lambda found: "$" if found[0] == "$$" else "EXPANDED", text)


@given(st.lists(templates.map(lambda text: text.replace("$", "")), max_size=4), said, said.map("s3://{}".format))
def test_what_a_release_says_reaches_the_server_as_it_is_and_no_variable_survives(
    args: list[str], version: str, uri: str
) -> None:
    """Also where it looks like a variable of ours or of a kubelet: it is expanded by nobody."""
    values = {
        "model.name": "fraud",
        "model.version": version,
        "model.format": "sklearn",
        "model.uri": uri,
        "model.path": "/m",
        "model.base": "fraud",
    }
    wanted = ["".join(values.get(part, part) for part in re.split(r"\{\{|\}\}", arg)) for arg in args]
    outcome = frozen(args, version, uri)
    assert [as_a_kubelet_reads(arg) for arg in outcome.container.args or []] == wanted
    assert json.loads(outcome.model_dump_json()) == json.loads(frozen(args, version, uri).model_dump_json())
    if not VARIABLE.search(version + uri):
        assert not VARIABLE.search("".join(outcome.container.args or []))


@given(st.from_regex(r"\A[A-Za-z][A-Za-z0-9_.]{0,20}\Z").filter(lambda name: name not in NAMES))
def test_any_other_word_in_double_braces_is_refused(name: str) -> None:
    runtime = a_runtime("r", container={"args": [f"--x={{{{{name}}}}}"]})
    reason, message = unresolved(a_release(runtime={"name": "r"}), runtime)
    assert reason == "RuntimeInvalid"
    assert f"spec.container.args[0]: {{{{{name}}}}} is no variable" in message


def test_every_reason_is_one_that_users_are_told_of() -> None:
    from slipway.release import Unresolved

    assert {reason.value for reason in Unresolved} == {
        reasons.RUNTIME_NOT_FOUND,
        reasons.RUNTIME_AMBIGUOUS,
        reasons.RUNTIME_DIGEST_DIFFERS,
        reasons.RUNTIME_INVALID,
    }
