"""The children of a revision, as they are sent to the API server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.workload.builders import (
    OWNER,
    a_deployment,
    a_disruption_budget,
    a_raw_release,
    a_release,
    a_scaled_object,
    a_service,
    an_autoscaler,
)

from slipway.api import ANNOTATION_APPLIED, LABEL_ROLE, AutoscalingSpec, ReleaseSpec
from slipway.release import release_hash
from slipway.workload import drains, named_ports, revision_manifest

GOLDEN = Path(__file__).parent / "golden"


def _container(release: ReleaseSpec) -> dict[str, Any]:
    return a_deployment(release)["spec"]["template"]["spec"]["containers"][0]


def _env(release: ReleaseSpec) -> list[tuple[str, str | None]]:
    return [(variable["name"], variable.get("value")) for variable in _container(release)["env"]]


def a_revision(**changes: Any) -> dict[str, Any]:
    raw = a_raw_release()
    arguments = {"model_deployment": "fraud", "namespace": "shop", "release": raw, "full_hash": release_hash(raw)}
    return revision_manifest(**arguments | {"owner": OWNER} | changes)


@pytest.mark.parametrize(
    "build", [a_deployment, a_service, a_revision, an_autoscaler, a_scaled_object, a_disruption_budget]
)
def test_every_child_is_named_labelled_owned_and_stamped_alike(build: Any) -> None:
    full_hash = release_hash(a_raw_release())
    child = build()
    metadata = child["metadata"]
    assert (metadata["name"], metadata["namespace"]) == (f"fraud-{full_hash[:8]}", "shop")
    assert (
        metadata["labels"].items()
        >= {
            "app.kubernetes.io/name": "fraud",
            "app.kubernetes.io/managed-by": "slipway",
            "app.kubernetes.io/part-of": "slipway",
            "slipway.dev/model-deployment": "fraud",
            "slipway.dev/revision": full_hash[:8],
        }.items()
    )
    assert metadata["ownerReferences"] == [OWNER.reference()]
    assert len(metadata["annotations"][ANNOTATION_APPLIED]) == 16


@pytest.mark.parametrize("build", [a_deployment, a_service, an_autoscaler, a_scaled_object, a_disruption_budget])
def test_what_serves_says_its_role(build: Any) -> None:
    assert build(role="candidate")["metadata"]["labels"][LABEL_ROLE] == "candidate"
    assert LABEL_ROLE not in build(role="none")["metadata"]["labels"]


def test_an_owner_reference_controls_but_does_not_block() -> None:
    reference = OWNER.reference()
    assert reference["controller"] is True
    assert reference["blockOwnerDeletion"] is False


def test_the_same_arguments_give_the_same_stamp_and_any_other_another() -> None:
    def stamp(**changes: Any) -> str:
        return a_deployment(**changes)["metadata"]["annotations"][ANNOTATION_APPLIED]

    assert stamp() == stamp()
    assert len({stamp(), stamp(role="candidate"), stamp(role="none"), stamp(namespace="other")}) == 4


def test_a_number_of_pods_that_an_autoscaler_chose_makes_no_other_manifest() -> None:
    stamps = {a_deployment(replicas=count)["metadata"]["annotations"][ANNOTATION_APPLIED] for count in (0, 2, 9)}
    assert len(stamps) == 1


def test_a_role_change_leaves_selector_and_pod_template_alone() -> None:
    stable, candidate, none = (a_deployment(role=role) for role in ("stable", "candidate", "none"))
    assert stable["metadata"]["labels"][LABEL_ROLE] == "stable"
    assert candidate["metadata"]["labels"][LABEL_ROLE] == "candidate"
    assert LABEL_ROLE not in none["metadata"]["labels"]
    assert stable["spec"] == candidate["spec"] == none["spec"]
    assert LABEL_ROLE not in json.dumps(stable["spec"])


def test_a_deployment_and_its_service_select_the_same_pods_by_what_never_changes() -> None:
    deployment, service = a_deployment(), a_service()
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.keys() == {"slipway.dev/model-deployment", "slipway.dev/revision"}
    assert service["spec"]["selector"] == selector
    assert deployment["spec"]["template"]["metadata"]["labels"].items() >= selector.items()


def test_pods_are_replaced_without_losing_capacity() -> None:
    strategy = a_deployment()["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_a_replica_count_of_0_is_said() -> None:
    assert a_deployment(replicas=0)["spec"]["replicas"] == 0


def test_a_pod_can_neither_raise_its_privileges_nor_talk_to_the_api() -> None:
    pod = a_deployment()["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    container = pod["containers"][0]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_what_a_release_says_of_its_user_stands_beside_what_is_said_of_every_pod() -> None:
    user = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 0, "fsGroup": 1000}
    release = ReleaseSpec.model_validate(a_raw_release() | {"pod": {"securityContext": user}})
    pod = a_deployment(release)["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}, **user}


@pytest.mark.parametrize("pod", [{}, {"securityContext": {}}, {"securityContext": {"runAsUser": None}}])
def test_a_release_that_says_nothing_of_its_user_has_the_pods_and_the_hash_that_it_had(pod: dict[str, Any]) -> None:
    silent, empty = a_raw_release(), a_raw_release() | {"pod": pod}
    assert release_hash(empty) == release_hash(silent)
    assert a_deployment(ReleaseSpec.model_validate(empty)) == a_deployment(ReleaseSpec.model_validate(silent))


def test_the_facts_of_the_model_come_first_and_only_those_that_are_given() -> None:
    release = a_release(env=[{"name": "WEIGHTS", "value": "$(SLIPWAY_MODEL_URI)/weights"}])
    assert _env(release) == [
        ("SLIPWAY_MODEL_NAME", "fraud"),
        ("SLIPWAY_MODEL_VERSION", "1.4.0"),
        ("SLIPWAY_MODEL_URI", "s3://models/fraud/1.4.0"),
        ("SLIPWAY_MODEL_FORMAT", "onnx"),
        ("WEIGHTS", "$(SLIPWAY_MODEL_URI)/weights"),
    ]


def test_a_variable_of_the_user_wins_over_ours_of_the_same_name() -> None:
    env = _env(a_release(env=[{"name": "SLIPWAY_MODEL_URI", "value": "file:/w"}]))
    values = [value for name, value in env if name == "SLIPWAY_MODEL_URI"]
    assert values == ["file:/w"]


def test_a_dollar_in_a_uri_is_not_expanded_by_the_kubelet() -> None:
    raw = a_raw_release()
    raw["model"]["uri"] = "s3://models/$(HOME)/$x"
    assert ("SLIPWAY_MODEL_URI", "s3://models/$$(HOME)/$$x") in _env(ReleaseSpec.model_validate(raw))


def test_variables_from_secrets_and_fields_are_passed_on() -> None:
    declared = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token", "optional": False}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    assert _container(a_release(env=declared))["env"][-2:] == declared


def test_readiness_is_asked_of_the_inference_protocol_every_two_seconds() -> None:
    probe = _container(a_release(ports=[{"containerPort": 9000}, {"containerPort": 9001}]))["readinessProbe"]
    assert probe == {"httpGet": {"path": "/v2/health/ready", "port": 9000}, "periodSeconds": 2}


@pytest.mark.parametrize(
    ("protocol", "path"),
    [
        ({"name": "OpenInferenceV2"}, "/v2/health/ready"),
        ({"name": "KServeV1"}, "/v1/models/fraud"),
        ({"name": "MLflow"}, "/ping"),
        ({"name": "TorchServe"}, "/ping"),
        ({"name": "OpenAIChat"}, "/v1/models"),
        ({"name": "OpenAICompletions"}, "/v1/models"),
        (
            {
                "name": "CustomHTTP",
                "custom": {"path": "/p", "readyPath": "/up/{{model}}", "template": "{}", "output": "$"},
            },
            "/up/fraud",
        ),
    ],
)
def test_readiness_is_asked_where_the_protocol_tells_it(protocol: dict[str, Any], path: str) -> None:
    release = ReleaseSpec.model_validate(a_raw_release() | {"protocol": protocol})
    assert _container(release)["readinessProbe"]["httpGet"]["path"] == path


def test_a_readiness_probe_of_the_user_replaces_ours() -> None:
    declared = {"tcpSocket": {"port": "http"}, "failureThreshold": 1}
    container = _container(a_release(readinessProbe=declared, livenessProbe={"exec": {"command": ["true"]}}))
    assert container["readinessProbe"] == declared
    assert container["livenessProbe"] == {"exec": {"command": ["true"]}}
    assert "startupProbe" not in container


@pytest.mark.parametrize(
    ("ports", "named"),
    [
        (None, [("http", 8080)]),
        ([], [("http", 8080)]),
        ([{"containerPort": 9000}], [("http", 9000)]),
        ([{"containerPort": 9000}, {"containerPort": 9001}], [("http", 9000), ("port-9001", 9001)]),
        ([{"containerPort": 9000}, {"containerPort": 80, "name": "http"}], [("port-9000", 9000), ("http", 80)]),
        ([{"containerPort": 1, "name": "port-2"}, {"containerPort": 2}], [("port-2", 1), ("port-2-2", 2)]),
    ],
)
def test_every_port_has_a_name_of_its_own(ports: Any, named: Any) -> None:
    release = a_release(ports=ports)
    assert [(port.name, port.number) for port in named_ports(release)] == named
    assert [(port["name"], port["containerPort"]) for port in _container(release)["ports"]] == named


@pytest.mark.parametrize(
    ("ports", "served"),
    [
        (None, [("http", 80, "http")]),
        (
            [{"containerPort": 9000, "name": "rest"}, {"containerPort": 9001, "name": "metrics"}],
            [("http", 80, "rest"), ("metrics", 9001, "metrics")],
        ),
        (  # the name http belongs to port 80
            [{"containerPort": 9000, "name": "grpc"}, {"containerPort": 8080, "name": "http"}],
            [("http", 80, "grpc"), ("port-8080", 8080, "http")],
        ),
        ([{"containerPort": 9000}, {"containerPort": 80, "name": "web"}], [("http", 80, "http")]),
    ],
)
def test_port_80_of_a_service_leads_to_the_first_port_of_the_container(ports: Any, served: Any) -> None:
    spec = a_service(a_release(ports=ports))["spec"]
    assert [(port["name"], port["port"], port["targetPort"]) for port in spec["ports"]] == served
    assert spec["type"] == "ClusterIP"
    assert spec["publishNotReadyAddresses"] is False


def test_amounts_are_rendered_as_an_api_server_writes_them() -> None:
    container = _container(a_release(resources={"requests": {"cpu": 0, "memory": "1024Mi"}, "limits": {"cpu": "0.5"}}))
    assert container["resources"] == {"requests": {"cpu": "0", "memory": "1Gi"}, "limits": {"cpu": "500m"}}


def test_what_may_be_said_of_pods_reaches_them() -> None:
    settings = {
        "nodeSelector": {"gpu": "a100"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "serviceAccountName": "reader",
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
        "terminationGracePeriodSeconds": 45,
    }
    pod = a_deployment(a_release(pod=settings))["spec"]["template"]["spec"]
    assert {name: pod[name] for name in settings} == settings


def test_a_revision_records_the_release_word_for_word_and_shares_nothing_with_it() -> None:
    raw = a_raw_release(resources={"limits": {"cpu": "1000m"}}, env=None)
    revision = a_revision(release=raw, full_hash=release_hash(raw))
    assert revision["spec"] == {"modelDeployment": "fraud", "hash": release_hash(raw), "release": raw}
    raw["container"]["image"] = "other"
    assert revision["spec"]["release"]["container"]["image"] != "other"


def test_the_pod_template_of_a_release_is_the_same_for_ever() -> None:
    """A changed template restarts every model of every user on the day of an upgrade.

    The golden file is never to be regenerated: a failure here means that the code has to change back.
    """
    pinned = json.loads((GOLDEN / "pod-template.json").read_text())
    for case in pinned:
        deployment = a_deployment(ReleaseSpec.model_validate(case["release"]), full_hash=case["hash"])
        assert deployment["spec"]["template"] == case["template"], case["name"]
        assert deployment["spec"]["selector"] == case["selector"], case["name"]


@pytest.mark.parametrize("declared", [{"minAvailable": 2}, {"maxUnavailable": 0}, {"maxUnavailable": "25%"}])
def test_a_disruption_budget_says_what_is_declared_of_the_pods_of_its_revision(declared: Any) -> None:
    spec = a_disruption_budget(declared)["spec"]
    assert spec.items() >= declared.items()
    assert len(spec.keys() & {"minAvailable", "maxUnavailable"}) == 1
    assert spec["selector"] == a_deployment()["spec"]["selector"]


def test_pods_that_are_not_ready_never_keep_a_node_from_being_drained() -> None:
    assert a_disruption_budget()["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_autoscalers_and_disruption_budgets_are_rendered_as_they_were() -> None:
    """A changed manifest is written to every cluster on the day of an upgrade: let it be on purpose."""
    pinned = json.loads((GOLDEN / "scaling.json").read_text())
    for case in pinned:
        if "disruptionBudget" in case:
            manifest = a_disruption_budget(case["disruptionBudget"])
        else:
            low, high = case["bounds"]
            declared = AutoscalingSpec.model_validate(case["autoscaling"])
            manifest = an_autoscaler(declared, min_replicas=low, max_replicas=high)
        assert manifest == case["manifest"], case["name"]


def test_pods_that_drain_go_on_answering_for_a_while_when_they_end() -> None:
    drained = a_deployment(drain=True)
    (container,) = drained["spec"]["template"]["spec"]["containers"]
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert "lifecycle" not in _container(a_release())


@pytest.mark.parametrize(("grace", "pause"), [(None, 5), (60, 5), (8, 4), (2, 1), (1, None)])
def test_the_pause_leaves_half_of_the_time_that_a_pod_has_to_end_in(grace: int | None, pause: int | None) -> None:
    release = a_release(pod={"terminationGracePeriodSeconds": grace} if grace else {})
    (container,) = a_deployment(release, drain=True)["spec"]["template"]["spec"]["containers"]
    sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {})
    assert sleep.get("seconds") == pause


def test_whether_pods_drain_is_read_off_the_live_deployment() -> None:
    assert drains(a_deployment(drain=True))
    assert not drains(a_deployment())
    assert not drains({})


def test_a_release_that_names_a_user_fits_the_pod_security_standard_restricted() -> None:
    """Every rule of the standard, version 1.37, of which a pod without volumes can be asked:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    release = ReleaseSpec.model_validate(a_raw_release(pod={"securityContext": {"runAsNonRoot": True}}))
    pod = a_deployment(release, drain=True)["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "volumes", "initContainers", "hostUsers"}
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}, "runAsNonRoot": True}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert all("hostPort" not in port for port in container["ports"])
    probes = [value for name, value in container.items() if name.endswith("Probe")]
    assert probes
    assert all("host" not in action for probe in probes for action in probe.values() if isinstance(action, dict))
