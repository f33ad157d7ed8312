"""The runtimes of the chart against the documentation of their servers, and the example of a release without container.

An option that a server does not know ends it at once, in a pod that nobody has started here: so each that is used is
held against the page that documents it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from slipway.api import ReleaseSpec
from slipway.cli.lint import concerns, problems
from slipway.cli.manifests import read
from slipway.metrics import PRESETS
from slipway.release import read_runtime, resolve
from slipway.workload import named_ports
from slipway.workload.podspec import READY_PATHS

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "charts" / "slipway" / "files" / "runtimes"
FILES: Final = sorted(FOLDER.glob("*.yaml"))
EXAMPLE: Final = ROOT / "examples" / "runtimes"
PAGE: Final = ROOT / "docs" / "runtimes.md"

MLSERVER: Final = (
    "https://docs.seldon.ai/mlserver/api-reference: settings by variables MLSERVER_…, of the model MLSERVER_MODEL_…",
    {"MLSERVER_MODEL_NAME", "MLSERVER_MODEL_IMPLEMENTATION", "MLSERVER_MODEL_URI"},
)
DOCUMENTED: Final[dict[str, tuple[str, set[str]]]] = {
    **{f"mlserver-{flavour}": MLSERVER for flavour in ("sklearn", "xgboost", "lightgbm", "mlflow")},
    "kserve-sklearn": (
        "https://github.com/kserve/kserve: python/kserve/kserve/model_server.py and python/sklearnserver",
        {"--model_name", "--model_dir", "--http_port"},
    ),
    "mlflow": (
        "https://mlflow.org/docs/latest/cli.html#mlflow-models-serve",
        {"--model-uri", "--host", "--port", "--env-manager"},
    ),
    "triton": (
        "https://github.com/triton-inference-server/server: tritonserver --help",
        {"--model-repository", "--http-port", "--grpc-port", "--metrics-port", "--strict-readiness"},
    ),
    "tensorflow-serving": (
        "https://www.tensorflow.org/tfx/serving/serving_config and its page on Docker",
        {"--port", "--rest_api_port", "--model_name", "--model_base_path", "--monitoring_config_file"},
    ),
    "torchserve": (
        "https://github.com/pytorch/serve: ts/arg_parser.py, and docs/token_authorization_api.md",
        {
            "--start",
            "--foreground",
            "--no-config-snapshots",
            "--disable-token-auth",
            "--ts-config",
            "--model-store",
            "--models",
        },
    ),
    "vllm": ("https://docs.vllm.ai/en/latest/cli/serve.html", {"--served-model-name", "--host", "--port"}),
    "sglang": (
        "https://docs.sglang.ai/advanced_features/server_arguments.html",
        {"--model-path", "--served-model-name", "--host", "--port", "--enable-metrics"},
    ),
    "bentoml": ("https://docs.bentoml.com: an image of `bentoml containerize` starts by itself", set()),
}
METRICS: Final = {
    **dict.fromkeys(("mlserver-sklearn", "mlserver-xgboost", "mlserver-lightgbm", "mlserver-mlflow"), "MLServer"),
    "kserve-sklearn": "KServe",
    "triton": "Triton",
    "tensorflow-serving": "TensorFlowServing",
    "torchserve": "TorchServe",
    "vllm": "vLLM",
    "bentoml": "BentoML",
}
"""The preset whose page the server shows; the others show none that is known."""


def spec_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["spec"]
    return found


def settled(name: str, **container: Any) -> ReleaseSpec:
    spec = spec_of(name)
    model = {"name": "fraud", "version": "1", "uri": "s3://models/fraud"}
    release: dict[str, Any] = {"model": model, "runtime": {"name": name}}
    if container:
        release["container"] = container
    frozen = resolve(ReleaseSpec.model_validate(release), [read_runtime("ClusterModelRuntime", name, spec)])
    return ReleaseSpec.model_validate(
        release | {"container": frozen.container.model_dump(by_alias=True, exclude_none=True)}
    )


def test_every_file_is_held_against_a_documentation() -> None:
    assert {path.stem for path in FILES} == set(DOCUMENTED)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_only_documented_options_and_variables_are_used(name: str) -> None:
    container = spec_of(name)["container"]
    options = {arg.partition("=")[0] for arg in container.get("args", []) if arg.startswith("-")}
    variables = {variable["name"] for variable in container.get("env", [])}
    assert options | variables == DOCUMENTED[name][1]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_comes_to_a_container_that_is_asked_at_a_port_of_its_own(name: str) -> None:
    release = settled(name, **({"image": "registry.example/bento:1"} if name == "bentoml" else {}))
    ports = named_ports(release)
    assert release.container is not None
    listening = {int(found) for arg in release.container.args or [] for found in re.findall(r"port=(\d+)", arg)}
    assert not listening or ports[0].number in listening
    assert ports[0].name == "http"
    for probe in (release.container.readiness_probe, release.container.liveness_probe, release.container.startup_probe):
        if probe is not None and probe.http_get is not None:
            assert probe.http_get.port in {port.name for port in ports}


@pytest.mark.parametrize(("name", "preset"), METRICS.items())
def test_the_page_of_its_metrics_preset_is_at_a_port_that_it_names(name: str, preset: str) -> None:
    release = settled(name, **({"image": "registry.example/bento:1"} if name == "bentoml" else {}))
    assert spec_of(name)["metrics"] == {"preset": preset}
    assert PRESETS[preset].port in {port.number for port in named_ports(release)}


@pytest.mark.parametrize("name", sorted(set(DOCUMENTED) - {"bentoml"}))
def test_it_says_how_the_model_is_asked(name: str) -> None:
    assert spec_of(name)["protocol"]["name"] in READY_PATHS


def test_no_format_is_served_by_two_with_the_same_priority() -> None:
    served = [
        (one["name"], one.get("priority", 0))
        for name in DOCUMENTED
        for one in spec_of(name).get("supportedFormats", [])
    ]
    assert len(served) == len(set(served))


def test_triton_is_given_only_formats_that_it_makes_a_configuration_for() -> None:
    """Beside the folder of the version, which alone is delivered, there is no config.pbtxt."""
    assert spec_of("triton")["delivery"]["path"] == "/mnt/models/{{model.name}}/1"
    offered = {one["name"] for one in spec_of("triton")["supportedFormats"]}
    assert offered <= {"onnx", "tensorrt", "tensorflow", "openvino"}


def test_the_page_tells_of_each() -> None:
    rows = re.findall(r"^\| \[`([a-z-]+)`\]", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(DOCUMENTED)


def test_the_example_is_right_and_its_release_gets_the_runtime_beside_it() -> None:
    manifests = [one for path in sorted(EXAMPLE.glob("*.yaml")) for one in read(str(path)) if concerns(one.document)]
    assert [problem for one in manifests for problem in problems(one, manifests)] == []
    by_kind = {one.document["kind"]: one.document for one in manifests}
    runtime = read_runtime("ModelRuntime", "house", by_kind["ModelRuntime"]["spec"])
    release = ReleaseSpec.model_validate(by_kind["ModelDeployment"]["spec"]["release"])
    assert release.container is None
    assert resolve(release, [runtime]).name == "house"
