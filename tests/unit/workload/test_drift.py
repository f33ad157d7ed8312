"""When a child is applied again.

| what happened to the live object            | applied again |
|---------------------------------------------|---------------|
| it is missing                               | yes           |
| the API server filled in defaults           | no            |
| somebody added what we say nothing about    | no            |
| somebody changed or removed what we say     | yes           |
| we say less than we did                     | yes           |
| somebody put a field into a rule of a route | yes           |
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.traffic.builders import a_route, as_served_route
from unit.workload.builders import (
    CPU,
    MEMORY,
    OWNER,
    REQUESTS,
    a_deployment,
    a_disruption_budget,
    a_raw_release,
    a_release,
    a_scaled_object,
    a_service,
    an_autoscaler,
    an_autoscaling,
    as_served_deployment,
    as_served_service,
)

from slipway.release import release_hash
from slipway.workload import needs_apply, revision_manifest

Edit = Callable[[Any], Any]

EVERYTHING = a_release(
    command=["serve"],
    args=["--fast"],
    env=[
        {"name": "EMPTY", "value": ""},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": False}}},
    ],
    ports=[{"containerPort": 9000}, {"containerPort": 9001, "name": "metrics"}],
    resources={"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"nvidia.com/gpu": 1}},
    readinessProbe={"httpGet": {"port": "http"}, "initialDelaySeconds": 0},
    livenessProbe={"tcpSocket": {"port": 9000}, "periodSeconds": 5},
    startupProbe={"exec": {"command": ["true"]}},
    pod={
        "serviceAccountName": "reader",
        "nodeSelector": {"gpu": "a100"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "registry"}],
        "terminationGracePeriodSeconds": 45,
    },
)


def _template(live: Any) -> Any:
    return live["spec"]["template"]["spec"]


def _container(live: Any) -> Any:
    return _template(live)["containers"][0]


def test_a_missing_object_is_applied() -> None:
    assert needs_apply(None, a_service())


@pytest.mark.parametrize("release", [a_release(), EVERYTHING], ids=["small", "everything"])
def test_defaults_of_the_server_never_look_like_drift(release: Any) -> None:
    deployment, service, route = a_deployment(release), a_service(release), a_route()
    assert not needs_apply(as_served_deployment(deployment), deployment)
    assert not needs_apply(as_served_service(service), service)
    assert not needs_apply(as_served_route(route), route)


@pytest.mark.parametrize("gone", [[], None])
def test_an_empty_list_and_no_list_are_the_same(gone: Any) -> None:
    route = a_route(backends=[])
    live = as_served_route(route)
    live["spec"]["rules"][0]["backendRefs"] = gone
    live["spec"]["hostnames"] = gone
    assert not needs_apply(live, route)


def test_a_revision_that_was_stored_is_not_applied_again() -> None:
    raw = a_raw_release(resources={"limits": {"cpu": 1}}, args=None)
    revision = revision_manifest(
        model_deployment="fraud", namespace="shop", release=raw, full_hash=release_hash(raw), owner=OWNER
    )
    live = copy.deepcopy(revision)
    del live["spec"]["release"]["container"]["args"]  # the API server prunes nulls
    live["status"] = {"phase": "Stable"}
    assert not needs_apply(live, revision)


HARMLESS: dict[str, Edit] = {
    "a label": lambda live: live["metadata"]["labels"].update(team="risk"),
    "an annotation": lambda live: live["metadata"]["annotations"].update(note="x"),
    "another owner": lambda live: live["metadata"]["ownerReferences"].insert(0, {"uid": "other", "kind": "App"}),
    "a sidecar in front": lambda live: _template(live)["containers"].insert(0, {"name": "proxy", "image": "p"}),
    "a variable in front": lambda live: _container(live)["env"].insert(0, {"name": "INJECTED", "value": "1"}),
    "a volume": lambda live: _template(live).update(volumes=[{"name": "certs"}]),
    "an amount in another form": lambda live: _container(live)["resources"]["requests"].update(cpu="0.5"),
    "a number as text": lambda live: live["spec"]["strategy"]["rollingUpdate"].update(maxSurge="1"),
    "status": lambda live: live["status"].update(readyReplicas=0),
}


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_we_say_nothing_about_is_left_alone(edit: Edit) -> None:
    deployment = a_deployment(EVERYTHING)
    live = as_served_deployment(deployment)
    edit(live)
    assert not needs_apply(live, deployment)


EDITED: dict[str, Edit] = {
    "replicas": lambda live: live["spec"].update(replicas=5),
    "replicas removed": lambda live: live["spec"].pop("replicas"),
    "a label of ours removed": lambda live: live["metadata"]["labels"].pop("slipway.dev/role"),
    "all labels removed": lambda live: live["metadata"].pop("labels"),
    "the owner removed": lambda live: live["metadata"].update(ownerReferences=[]),
    "the stamp of another manifest": lambda live: live["metadata"]["annotations"].update({"slipway.dev/applied": "x"}),
    "the image": lambda live: _container(live).update(image="evil:1"),
    "an argument added": lambda live: _container(live)["args"].append("--slow"),
    "the command replaced by text": lambda live: _container(live).update(command="serve"),
    "a variable removed": lambda live: _container(live)["env"].pop(),
    "a variable changed": lambda live: _container(live)["env"][0].update(value="x"),
    "an empty variable filled": lambda live: _container(live)["env"][4].update(value="x"),
    "a port changed": lambda live: _container(live)["ports"][0].update(containerPort=1),
    "an amount": lambda live: _container(live)["resources"]["requests"].update(memory="2Gi"),
    "an amount removed": lambda live: _container(live)["resources"]["limits"].clear(),
    "a delay of a probe": lambda live: _container(live)["readinessProbe"].update(initialDelaySeconds=9),
    "the container renamed": lambda live: _container(live).update(name="other"),
    "privileges": lambda live: _container(live)["securityContext"].update(allowPrivilegeEscalation=True),
    "privileges unsaid": lambda live: _container(live)["securityContext"].pop("allowPrivilegeEscalation"),
    "a token": lambda live: _template(live).update(automountServiceAccountToken=True),
    "a token unsaid": lambda live: _template(live).pop("automountServiceAccountToken"),
    "a toleration added": lambda live: _template(live)["tolerations"].append({"operator": "Exists"}),
    "the grace period": lambda live: _template(live).update(terminationGracePeriodSeconds=1),
    "surge": lambda live: live["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1),
    "true where a number belongs": lambda live: live["spec"]["strategy"]["rollingUpdate"].update(maxSurge=True),
}


@pytest.mark.parametrize("edit", EDITED.values(), ids=EDITED.keys())
def test_what_we_say_is_repaired(edit: Edit) -> None:
    deployment = a_deployment(EVERYTHING)
    live = as_served_deployment(deployment)
    edit(live)
    assert needs_apply(live, deployment)


def test_a_service_that_was_opened_to_unready_pods_is_repaired() -> None:
    service = a_service()
    live = as_served_service(service)
    live["spec"]["publishNotReadyAddresses"] = True
    assert needs_apply(live, service)


def test_a_port_of_a_service_that_somebody_added_is_left_alone_and_ours_is_repaired() -> None:
    service = a_service()
    live = as_served_service(service)
    live["spec"]["ports"].insert(0, {"name": "debug", "port": 5678, "protocol": "TCP", "targetPort": 5678})
    assert not needs_apply(live, service)
    live["spec"]["ports"][1]["targetPort"] = "debug"
    assert needs_apply(live, service)


def test_a_field_that_we_no_longer_say_is_applied_too() -> None:
    before = a_deployment(a_release(livenessProbe={"tcpSocket": {"port": 8080}}))
    after = a_deployment(a_release())
    assert needs_apply(as_served_deployment(before), after)
    assert needs_apply(as_served_deployment(a_deployment(role="candidate")), a_deployment(role="none"))


ROUTE_EDITS: dict[str, Edit] = {
    "a weight": lambda spec: spec["rules"][0]["backendRefs"][0].update(weight=1),
    "a backend removed": lambda spec: spec["rules"][0]["backendRefs"].pop(),
    "a backend added": lambda spec: spec["rules"][0]["backendRefs"].append({"name": "other", "port": 80, "weight": 0}),
    "a rule added": lambda spec: spec["rules"].append({"matches": []}),
    "a mirror": lambda spec: spec["rules"][0].update(filters=[{"type": "RequestMirror"}]),
    "a header that has to match": lambda spec: spec["rules"][0]["matches"][0].update(headers=[{"name": "x"}]),
    "a time-out": lambda spec: spec["rules"][0].update(timeouts={"request": "1s"}),
    "a host name": lambda spec: spec["hostnames"].append("other.example"),
    "a listener": lambda spec: spec["parentRefs"][0].update(sectionName="other"),
    "the path": lambda spec: spec["rules"][0]["matches"][0]["path"].update(value="/other"),
}


@pytest.mark.parametrize("edit", ROUTE_EDITS.values(), ids=ROUTE_EDITS.keys())
def test_a_route_that_somebody_edited_is_repaired(edit: Edit) -> None:
    route = a_route()
    live = as_served_route(route)
    edit(live["spec"])
    assert needs_apply(live, route)


MEASURED = an_autoscaler(an_autoscaling(metrics=[CPU, MEMORY, REQUESTS]))


def test_metrics_that_a_server_gives_back_in_another_order_are_the_same() -> None:
    live = copy.deepcopy(MEASURED)
    live["spec"]["metrics"].reverse()
    assert not needs_apply(live, MEASURED)


AUTOSCALER_EDITS: dict[str, Edit] = {
    "the floor": lambda spec: spec.update(minReplicas=1),
    "the ceiling": lambda spec: spec.update(maxReplicas=99),
    "a metric removed": lambda spec: spec["metrics"].pop(),
    "a metric added": lambda spec: spec["metrics"].append({"type": "External"}),
    "a metric twice": lambda spec: spec["metrics"].__setitem__(0, spec["metrics"][1]),
    "a target": lambda spec: spec["metrics"][0]["resource"]["target"].update(averageUtilization=99),
    "an amount": lambda spec: spec["metrics"][1]["resource"]["target"].update(averageValue="2Gi"),
    "no metrics": lambda spec: spec.pop("metrics"),
    "what is scaled": lambda spec: spec["scaleTargetRef"].update(name="other"),
}


@pytest.mark.parametrize("edit", AUTOSCALER_EDITS.values(), ids=AUTOSCALER_EDITS.keys())
def test_an_autoscaler_that_somebody_edited_is_repaired(edit: Edit) -> None:
    live = copy.deepcopy(MEASURED)
    edit(live["spec"])
    assert needs_apply(live, MEASURED)


def test_what_keda_adds_to_its_scaled_object_is_left_alone_and_a_trigger_is_repaired() -> None:
    desired = a_scaled_object()
    live = copy.deepcopy(desired)
    live["metadata"]["labels"]["scaledobject.keda.sh/name"] = live["metadata"]["name"]
    live["metadata"]["finalizers"] = ["finalizer.keda.sh"]
    assert not needs_apply(live, desired)
    live["spec"]["triggers"][0]["metadata"]["threshold"] = "1"
    assert needs_apply(live, desired)


def test_a_disruption_budget_that_somebody_loosened_is_repaired() -> None:
    desired = a_disruption_budget({"maxUnavailable": 0})
    live = copy.deepcopy(desired)
    live["spec"]["maxUnavailable"] = 1
    assert needs_apply(live, desired)
    assert needs_apply(copy.deepcopy(a_disruption_budget({"minAvailable": 1})), desired)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["env", "name", "x", "rules"]), inner),
    max_leaves=12,
)


@given(live=values, desired=values)
def test_no_shape_of_a_live_object_is_too_odd_to_compare(live: Any, desired: Any) -> None:
    assert needs_apply({"spec": live}, {"spec": desired}) in {True, False}
    assert not needs_apply({"spec": desired}, {"spec": desired})
