"""Values that cannot be meant are refused before anything reaches a cluster, and the refusal names them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml
from chart.kit import CHART, ROOT, Chart, Refused, of_kind


def test_what_is_generated_is_not_stale() -> None:
    done = subprocess.run([sys.executable, ROOT / "charts" / "generate.py", "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run `make generate`"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replica": 3}, "replica"),
        ({"operator": {"maxrollouts": 3}}, "maxrollouts"),
        ({"replicas": "two"}, "replicas"),
        ({"replicas": 11}, "replicas"),
        ({"scope": {"namespaces": ["a", "a"]}}, "namespaces"),
        ({"scope": {"namespaces": ["Team_A"]}}, "namespaces"),
        ({"image": {"digest": "sha256:abc"}}, "digest"),
        ({"operator": {"gatewayMetrics": ["traefik:9100"]}}, "gatewayMetrics"),
        ({"operator": {"mlflowTrackingUri": "https://user:word@mlflow"}}, "mlflowTrackingUri"),
        ({"admission": {"actions": []}}, "actions"),
        ({"permissions": {"secrets": [{"names": ["token"]}]}}, "secrets"),
        ({"commonLabels": {"team": 3}}, "team"),
        ({"tracing": {"endpoint": "collector:4318"}}, "endpoint"),
        ({"tracing": {"endpoint": "https://user:word@collector:4318"}}, "endpoint"),
        ({"tracing": {"samplerRatio": 1.5}}, "samplerRatio"),
        ({"tracing": {"samplerRatio": "1.5"}}, "samplerRatio"),
        ({"tracing": {"samplerRatio": "often"}}, "samplerRatio"),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, "maxUnavailable"),
        ({"podDisruptionBudget": {"maxUnavailable": "0%"}}, "maxUnavailable"),
        ({"podDisruptionBudget": {"maxUnavailable": "one"}}, "maxUnavailable"),
        ({"podDisruptionBudget": {"minAvailable": "101%"}}, "minAvailable"),
        ({"fullnameOverride": "Bad_Name"}, "fullnameOverride"),
        ({"nameOverride": "Bad_Name"}, "nameOverride"),
        ({"namespaceOverride": "Bad_Name"}, "namespaceOverride"),
        ({"global": {"imageRegistry": "registry.example.com/"}}, "imageRegistry"),
        ({"image": {"registry": "registry.example.com/"}}, "registry"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_the_schema_refuses(any_helm: Chart, values: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused, match=told):
        any_helm.text(values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"scope": {"namespaces": ["a"]}, "permissions": {"secrets": [{"namespace": "b"}]}},
            "permissions.secrets: namespace b is not in scope.namespaces",
        ),
        (
            {"scope": {"namespaces": ["a"]}, "admission": {"namespaces": ["b"]}},
            "admission.namespaces: b is not in scope.namespaces",
        ),
        (
            {"scope": {"namespaces": ["a"], "namespaceSelector": "shard=a"}},
            "scope.namespaces and scope.namespaceSelector are both set",
        ),
        (
            {"networkPolicy": {"feedbackFrom": [{"podSelector": {}}]}},
            "networkPolicy.feedbackFrom is set and feedback.enabled is false",
        ),
        (
            {"tracing": {"headersSecret": {"name": "collector"}}},
            "tracing.headersSecret.name is set and tracing.endpoint is empty",
        ),
        (
            {"networkPolicy": {"egress": {"tracingTo": [{"podSelector": {}}]}}},
            "networkPolicy.egress.tracingTo is set and tracing.endpoint is empty",
        ),
        ({"permissions": {"gatewayNamespaces": ["a"]}}, "permissions.gatewayNamespaces: Gateways of all namespaces"),
        (
            {"scope": {"namespaces": ["a"]}, "permissions": {"gatewayNamespaces": ["b"], "gatewayApi": False}},
            "permissions.gatewayNamespaces is set and permissions.gatewayApi is false",
        ),
        (
            {"permissions": {"gatewayClasses": True, "gatewayApi": False}},
            "permissions.gatewayClasses is true and permissions.gatewayApi is false",
        ),
        (
            {"permissions": {"create": False, "secrets": [{"namespace": "a"}]}},
            "permissions.secrets asks for roles and permissions.create is false",
        ),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name is empty and serviceAccount.create is false"),
        (
            {"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
            "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both true",
        ),
        (
            {"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}},
            "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set",
        ),
        (
            {"podDisruptionBudget": {"minAvailable": 2}},
            r"podDisruptionBudget.minAvailable \(2\) lets none of the replicas",
        ),
        ({"podDisruptionBudget": {"minAvailable": "100%"}}, r"podDisruptionBudget.minAvailable \(100%\) lets none"),
        # the cluster rounds up: of two replicas, 51 percent are two
        ({"podDisruptionBudget": {"minAvailable": "51%"}}, r"podDisruptionBudget.minAvailable \(51%\) lets none"),
        (
            {"replicas": 1, "podDisruptionBudget": {"minAvailable": "1%"}},
            r"podDisruptionBudget.minAvailable \(1%\) lets none of the replicas \(1\)",
        ),
        ({"admission": {"restrictCommands": False}}, "admission.enabled is true and there is no rule"),
        ({"admission": {"actions": ["Deny", "Warn"]}}, "admission.actions has both Deny and Warn"),
        ({"crds": {"enabled": False, "annotations": {"a": "b"}}}, "crds.annotations is set and crds.enabled is false"),
        (
            {"podLabels": {"app.kubernetes.io/name": "x"}},
            "podLabels: app.kubernetes.io/name is what the operator's pods",
        ),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_values_that_contradict_each_other_are_refused_by_name(chart: Chart, values: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused, match=told):
        chart.text(values)


@pytest.mark.parametrize(
    "values",
    [
        {"podDisruptionBudget": {"minAvailable": "50%"}},
        {"podDisruptionBudget": {"minAvailable": "0"}},
        {"podDisruptionBudget": {"maxUnavailable": "1%"}},
        {"podDisruptionBudget": {"maxUnavailable": "100%"}},
        {"podDisruptionBudget": {"maxUnavailable": 2}},
        {"replicas": 0, "podDisruptionBudget": {"minAvailable": "50%"}},
    ],
    ids=json.dumps,
)
def test_a_budget_that_lets_a_replica_go_is_taken(chart: Chart, values: dict[str, Any]) -> None:
    [budget] = of_kind(chart.objects(values), "PodDisruptionBudget")
    [(key, value)] = values["podDisruptionBudget"].items()
    assert str(budget["spec"][key]) == str(value)


@pytest.mark.parametrize("share", ["0.1", "1", "0"])
def test_the_share_of_traces_may_be_set_on_the_command_line(any_helm: Chart, share: str) -> None:
    words = [f"--set=tracing.samplerRatio={share}", "--set=tracing.endpoint=http://otel:4318"]
    told = any_helm.run("template", "rel", str(CHART), "--kube-version=1.37.0", *words)
    [deployment] = of_kind([found for found in yaml.safe_load_all(told) if found], "Deployment")
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "OTEL_TRACES_SAMPLER_ARG", "value": share} in variables


def test_a_kubernetes_without_admission_policies_is_told_what_to_give_up(any_helm: Chart) -> None:
    with pytest.raises(Refused, match=r"admission.enabled needs Kubernetes 1.30 or newer, and this is v1.29.0"):
        any_helm.text(version="1.29")


def test_a_kubernetes_that_is_too_old_is_refused(any_helm: Chart) -> None:
    with pytest.raises(Refused, match=r"incompatible with Kubernetes v1\.28\.0"):
        any_helm.text(version="1.28")


def test_a_parent_chart_may_name_it_as_a_condition(any_helm: Chart) -> None:
    any_helm.text({"enabled": True, "global": {"anything": "else"}})
