"""A transformer in front of the model, in the same pod.

One pod is one version of both; requests reach the transformer's first port, and it alone is told where the model is.
"""

from __future__ import annotations

from typing import Any

import pytest
from unit.workload.builders import a_deployment, a_raw_release, a_release, a_service

from slipway.api import ReleaseSpec
from slipway.release import release_hash
from slipway.workload import drains, model_ports, named_ports

Object = dict[str, Any]
PORTS = [{"containerPort": 9000}]


def with_transformer(release: Object | None = None, **container: Any) -> ReleaseSpec:
    """A release with a transformer; keywords are fields of the transformer's container."""
    ahead = {"container": {"image": "registry.example/features:7", "ports": PORTS, **container}}
    return ReleaseSpec.model_validate({**a_raw_release(), "transformer": ahead, **(release or {})})


def pod(release: ReleaseSpec, **changes: Any) -> Object:
    found: Object = a_deployment(release, **changes)["spec"]["template"]["spec"]
    return found


def transformer(release: ReleaseSpec, **changes: Any) -> Object:
    model, ahead = pod(release, **changes)["containers"]
    assert (model["name"], ahead["name"]) == ("model", "transformer")
    return ahead


def env(container: Object) -> list[tuple[str, Any]]:
    return [(one["name"], one.get("value", one.get("valueFrom"))) for one in container["env"]]


def test_a_release_without_a_transformer_has_one_container_and_its_ports() -> None:
    assert [one["name"] for one in pod(a_release())["containers"]] == ["model"]
    assert model_ports(a_release()) == named_ports(a_release())


def test_the_model_in_front_of_which_a_transformer_stands_is_otherwise_what_it_was() -> None:
    release = a_raw_release(ports=[{"name": "in", "containerPort": 8081}], env=[{"name": "A", "value": "b"}])
    (before,) = pod(ReleaseSpec.model_validate(release))["containers"]
    assert pod(with_transformer(release))["containers"][0] == before


def test_port_80_of_the_service_leads_to_the_transformer_and_the_others_keep_their_numbers() -> None:
    release = with_transformer(a_raw_release(ports=[{"containerPort": 8080}, {"name": "grpc", "containerPort": 8081}]))
    ports = a_service(release)["spec"]["ports"]
    assert [(port["port"], port["targetPort"]) for port in ports] == [(80, "http"), (8080, "predictor"), (8081, "grpc")]
    assert transformer(release)["ports"] == [{"name": "http", "containerPort": 9000, "protocol": "TCP"}]
    model = pod(release)["containers"][0]
    assert [port["name"] for port in model["ports"]] == ["predictor", "grpc"]


@pytest.mark.parametrize(
    ("ahead", "behind", "names"),
    [
        (PORTS, None, ["http", "predictor"]),
        ([{"containerPort": 9000, "name": "in"}], None, ["in", "predictor"]),
        (PORTS, [{"containerPort": 1, "name": "http"}], ["port-9000", "http"]),
        ([{"containerPort": 9000, "name": "predictor"}], None, ["predictor", "port-8080"]),
        ([*PORTS, {"containerPort": 9001}], [{"containerPort": 1}, {"containerPort": 2}], None),
    ],
)
def test_no_two_ports_of_a_pod_have_one_name(ahead: Any, behind: Any, names: list[str] | None) -> None:
    release = with_transformer(a_raw_release(**({"ports": behind} if behind else {})), ports=ahead)
    found = [port.name for port in named_ports(release)]
    assert found == (names or ["http", "port-9001", "predictor", "port-2"])
    targets = [port["targetPort"] for port in a_service(release)["spec"]["ports"]]
    assert targets == found


def test_the_transformer_is_told_where_the_model_is_and_which_one_and_of_which_pipeline() -> None:
    pipeline = {"name": "payments/features", "version": "7", "digest": "sha256:" + "7" * 64}
    release = with_transformer({"featurePipeline": pipeline}, env=[{"name": "MINE", "value": "$(SLIPWAY_MODEL_NAME)"}])
    assert env(transformer(release)) == [
        ("POD_IP", {"fieldRef": {"fieldPath": "status.podIP"}}),
        ("SLIPWAY_PREDICTOR_URL", "http://$(POD_IP):8080"),
        ("SLIPWAY_MODEL_NAME", "fraud"),
        ("SLIPWAY_MODEL_VERSION", "1.4.0"),
        ("SLIPWAY_MODEL_URI", "s3://models/fraud/1.4.0"),
        ("SLIPWAY_MODEL_FORMAT", "onnx"),
        ("SLIPWAY_PIPELINE_NAME", "payments/features"),
        ("SLIPWAY_PIPELINE_VERSION", "7"),
        ("SLIPWAY_PIPELINE_DIGEST", "sha256:" + "7" * 64),
        ("MINE", "$(SLIPWAY_MODEL_NAME)"),
    ]


def test_variables_of_the_user_win_and_an_address_is_said_before_what_refers_to_it() -> None:
    own = [{"name": "A", "value": "b"}, {"name": "POD_IP", "value": "::1"}]
    said = env(transformer(with_transformer(env=own)))
    assert said[:2] == [("POD_IP", "::1"), ("SLIPWAY_PREDICTOR_URL", "http://$(POD_IP):8080")]
    assert [name for name, _ in said].count("POD_IP") == 1
    elsewhere = {"name": "SLIPWAY_PREDICTOR_URL", "value": "http://[$(POD_IP)]:8080"}
    said = env(transformer(with_transformer(env=[elsewhere])))
    assert [value for name, value in said if name == elsewhere["name"]] == [elsewhere["value"]]


def test_each_container_is_asked_on_its_own_port_and_in_its_own_protocol_whether_it_is_ready() -> None:
    def asked(release: ReleaseSpec) -> list[tuple[str, int]]:
        gets = (one["readinessProbe"]["httpGet"] for one in pod(release)["containers"])
        return [(get["path"], get["port"]) for get in gets]

    v2, v1 = "/v2/health/ready", "/v1/models/fraud"
    kserve = {"name": "KServeV1"}
    assert asked(with_transformer()) == [(v2, 8080), (v2, 9000)]
    assert asked(with_transformer({"protocol": kserve})) == [(v1, 8080), (v1, 9000)]
    ahead = {"container": {"image": "f", "ports": PORTS}, "protocol": kserve}
    assert asked(with_transformer({"transformer": ahead})) == [(v2, 8080), (v1, 9000)]
    own = {"httpGet": {"path": "/alive", "port": 9000}}
    assert transformer(with_transformer(readinessProbe=own))["readinessProbe"] == own


def test_what_may_be_said_of_the_models_container_may_be_said_of_the_transformers() -> None:
    said = {
        "command": ["serve"],
        "args": ["--to=$(SLIPWAY_PREDICTOR_URL)"],
        "resources": {"requests": {"cpu": "0.5"}},
        "livenessProbe": {"tcpSocket": {"port": 9000}},
    }
    ahead = transformer(with_transformer(**said))
    assert ahead["image"] == "registry.example/features:7"
    assert ahead["resources"] == {"requests": {"cpu": "500m"}}
    assert {name: ahead[name] for name in said if name != "resources"} == {
        name: value for name, value in said.items() if name != "resources"
    }
    assert ahead["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize(("grace", "pauses"), [(None, (10, 5)), (60, (10, 5)), (8, (4, 2)), (3, (1, None))])
def test_the_model_goes_on_answering_for_longer_than_the_transformer(grace: int | None, pauses: Any) -> None:
    release = with_transformer({"pod": {"terminationGracePeriodSeconds": grace} if grace else {}})
    lifecycles = [one.get("lifecycle") for one in pod(release, drain=True)["containers"]]
    slept = [one["preStop"]["sleep"]["seconds"] if one else None for one in lifecycles]
    assert tuple(slept) == pauses
    assert drains(a_deployment(release, drain=True))
    assert not drains(a_deployment(release))
    assert [one.get("lifecycle") for one in pod(release)["containers"]] == [None, None]


def test_another_transformer_is_another_release() -> None:
    def hash_of(image: str) -> str:
        ahead = {"container": {"image": image, "ports": PORTS}}
        return release_hash({**a_raw_release(), "transformer": ahead})

    assert len({hash_of("features:1"), hash_of("features:2"), release_hash(a_raw_release())}) == 3
