"""What the chart renders: valid for every Kubernetes it says it supports, whatever is switched on or off.

Cases: both Helms; the profiles in ci/; each switch by itself; what an API server and the Pod Security Standard demand.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import kubernetes_validate
import pytest
import yaml
from chart.kit import CHART, PROFILES, ROOT, VERSIONS, Chart, Manifest, granted, nested, of_kind, switches
from kubernetes_validate import utils
from typer.main import get_command

from slipway.cli.app import app
from slipway.cli.lint import problems as lint
from slipway.cli.manifests import read
from slipway.controller.shard import Shard

DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
utils.schema_contents = cache(utils.schema_contents)  # it reads two megabytes anew for every object
NOT_IN_KUBERNETES = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "ModelRuntime", "ClusterModelRuntime"}

WITH = {
    # Switches that contradict the defaults by themselves, with what has to be said beside them.
    ("admission", "restrictCommands"): {"admission": {"images": ["registry.example.com/"]}},
    ("serviceAccount", "create"): {"serviceAccount": {"name": "other"}, "crds": {"enabled": False}},
    # Switches that only tell something beside another one.
    ("permissions", "clusterRuntimes"): {"scope": {"namespaces": ["a"]}, "crds": {"enabled": False}},
    ("permissions", "gatewayClasses"): {"scope": {"namespaces": ["a"]}, "crds": {"enabled": False}},
    ("networkPolicy", "egress", "dns"): {"networkPolicy": {"enabled": True}, "crds": {"enabled": False}},
    ("networkPolicy", "egress", "models"): {"networkPolicy": {"enabled": True}, "crds": {"enabled": False}},
}


def problems(objects: list[Manifest], version: str) -> list[str]:
    """What a strict API server of this version would hold against the objects."""
    found = [problem(json.dumps(obj), version) for obj in objects if obj["kind"] not in NOT_IN_KUBERNETES]
    return [said for said in found if said is not None]


@cache
def problem(text: str, version: str) -> str | None:
    obj = json.loads(text)
    try:
        assert kubernetes_validate.validate(obj, version, strict=True) == version
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return f"{obj['kind']} {obj['metadata']['name']}: {error}"
    return None


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    out = dict(one)
    for key, value in other.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def test_helm_finds_nothing_to_say_about_it(any_helm: Chart) -> None:
    for profile in PROFILES:
        told = any_helm.run("lint", str(CHART), "--strict", f"--values={profile}")
        assert re.findall(r"\[(?:WARNING|ERROR)\].*", told) == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_every_object_is_valid_for_every_kubernetes(chart: Chart, profile: Path) -> None:
    objects = chart.objects(profile)
    found = {version: problems(objects, version) for version in VERSIONS[1:]}
    assert found == {version: [] for version in VERSIONS[1:]}


def test_the_oldest_kubernetes_is_served_without_the_admission_policy(chart: Chart) -> None:
    objects = chart.objects({"admission": {"enabled": False}}, version=VERSIONS[0])
    assert problems(objects, VERSIONS[0]) == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_helm_3_and_helm_4_render_the_same(chart: Chart, any_helm: Chart, profile: Path) -> None:
    assert any_helm.text(profile) == chart.text(profile)


@pytest.mark.parametrize(("path", "default"), list(switches(DEFAULTS)), ids=lambda value: ".".join(value) if isinstance(value, tuple) else "")  # fmt: skip  # noqa: E501
def test_each_switch_by_itself_changes_something_and_breaks_nothing(
    chart: Chart, path: tuple[str, ...], default: bool
) -> None:
    beside = WITH.get(path, {} if path[0] == "crds" else {"crds": {"enabled": False}})
    flipped = chart.objects(merged(beside, nested(path, not default)))
    assert {version: problems(flipped, version) for version in VERSIONS[1:]} == {
        version: [] for version in VERSIONS[1:]
    }
    assert flipped != chart.objects(merged(beside, nested(path, default)))


def every_switch(on: bool, **but: bool) -> dict[str, Any]:
    """All booleans one way, but those whose path joined by `__` is named."""
    found: dict[str, Any] = {}
    for path, _ in switches(DEFAULTS):
        found = merged(found, nested(path, but.get("__".join(path), on)))
    return found


ALL: dict[str, dict[str, Any]] = {
    "all on, scraped by Service": every_switch(True, metrics__podMonitor__enabled=False),
    "all on, scraped by pod": every_switch(True, metrics__serviceMonitor__enabled=False),
    "all off": merged(every_switch(False), {"serviceAccount": {"name": "other"}}),
}


@pytest.mark.parametrize("name", ALL)
def test_all_switches_at_once_break_nothing(chart: Chart, name: str) -> None:
    found = {version: problems(chart.objects(ALL[name]), version) for version in VERSIONS[1:]}
    assert found == {version: [] for version in VERSIONS[1:]}
    old = merged(ALL[name], {"admission": {"enabled": False}})
    assert problems(chart.objects(old, version=VERSIONS[0]), VERSIONS[0]) == []


def nulls(value: Any, path: str = "") -> list[str]:
    """Where a null stands. A server-side apply takes it for a value, and most fields may not be null."""
    if isinstance(value, dict):
        return [found for key, below in value.items() for found in nulls(below, f"{path}.{key}")]
    if isinstance(value, list):
        return [found for at, below in enumerate(value) for found in nulls(below, f"{path}[{at}]")]
    return [path] if value is None else []


@pytest.mark.parametrize("values", [*PROFILES, *ALL.values()], ids=[*(path.stem for path in PROFILES), *ALL])
def test_no_object_holds_a_null(chart: Chart, values: Path | dict[str, Any]) -> None:
    assert [(obj["kind"], nulls(obj)) for obj in chart.objects(values) if nulls(obj)] == []


def named(name: str) -> dict[str, Any]:
    """Values with one name wherever a user names something."""
    return merged(
        every_switch(True, metrics__podMonitor__enabled=False),
        {
            "nameOverride": name,
            "scope": {"namespaces": [name, "0"]},
            "permissions": {"gatewayNamespaces": ["1"], "secrets": [{"namespace": name, "names": [name]}]},
            "serviceAccount": {"name": name},
            "global": {"imagePullSecrets": [{"name": name}]},
            "image": {"registry": "", "repository": name, "tag": name},
            "admission": {"namespaces": [name], "images": [name]},
            "priorityClassName": name,
            "runtimeClassName": name,
            "topologySpread": {"keys": [name]},
            "podLabels": {"a": name},
            "nodeSelector": {"a": name},
            "metrics": {kind: {"namespace": name} for kind in ("serviceMonitor", "prometheusRule", "dashboard")},
            "tracing": {"endpoint": "http://otel:4318", "headersSecret": {"name": name, "key": name}},
            "extraArgs": [name],
        },
    )


def types(value: Any) -> Any:
    """A value with the types of its leaves in their place."""
    if isinstance(value, dict):
        return {key: types(below) for key, below in value.items()}
    return [types(below) for below in value] if isinstance(value, list) else type(value).__name__


def test_names_that_look_like_numbers_stay_names(chart: Chart) -> None:
    def rendered(name: str) -> list[Manifest]:
        words = ["template", name, str(CHART), f"--namespace={name}", "--kube-version=1.37.0", "--values=-"]
        told = chart.run(*words, stdin=json.dumps(named(name)))
        return [found for found in yaml.safe_load_all(told) if found and found["kind"] != "CustomResourceDefinition"]

    numbers = rendered("123")
    assert [types(obj) for obj in numbers] == [types(obj) for obj in rendered("abc")]
    assert {obj["metadata"]["name"] for obj in of_kind(numbers, "Deployment", "ServiceAccount")} == {"123"}
    assert {obj["metadata"].get("namespace") for obj in of_kind(numbers, "Role")} == {"123", "0", "1"}


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_a_monitor_finds_the_page_of_metrics(chart: Chart, kind: str) -> None:
    switch = kind[0].lower() + kind[1:]
    objects = chart.objects(
        {"metrics": {switch: {"enabled": True, "namespace": "monitoring"}}, "feedback": {"enabled": True}}
    )
    [monitor] = of_kind(objects, kind)
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["ops"]}
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    [deployment] = of_kind(objects, "Deployment")
    template = deployment["spec"]["template"]
    ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
    if kind == "PodMonitor":
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        assert selected <= template["metadata"]["labels"].items()
        assert ports[endpoint["port"]] == 8081
        return
    [endpoint] = monitor["spec"]["endpoints"]
    services = [found for found in of_kind(objects, "Service") if selected <= found["metadata"]["labels"].items()]
    [found] = [port for service in services for port in service["spec"]["ports"] if port["name"] == endpoint["port"]]
    assert ports[found["targetPort"]] == 8081


def test_what_is_said_of_the_pods_is_in_the_pods(chart: Chart) -> None:
    said: dict[str, Any] = {
        "priorityClassName": "system-cluster-critical",
        "runtimeClassName": "gvisor",
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["a"]}],
        "dnsPolicy": "ClusterFirst",
        "dnsConfig": {"options": [{"name": "ndots"}]},
        "terminationGracePeriodSeconds": 40,
    }
    [deployment] = of_kind(chart.objects({**said, "crds": {"enabled": False}}), "Deployment")
    assert said.items() <= deployment["spec"]["template"]["spec"].items()


def test_extra_objects_may_be_objects_or_templates_of_them(chart: Chart) -> None:
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: text, namespace: {{ .Release.Namespace }}}"
    written = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}
    objects = chart.objects({"extraObjects": [written, template]})
    names = [obj["metadata"] for obj in of_kind(objects, "ConfigMap")]
    assert names == [{"name": "rel-more"}, {"name": "text", "namespace": "ops"}]


def test_nothing_depends_on_hooks_chance_or_the_cluster_that_renders() -> None:
    for template in (CHART / "templates").iterdir():
        text = template.read_text()
        if template.name == "test.yaml":  # what `helm test` runs, and nothing else does
            text = re.sub(r"helm\.sh/hook: test$|helm\.sh/hook-delete-policy: .*", "", text, flags=re.MULTILINE)
        assert re.findall(r"helm\.sh/hook|\blookup\b|\brand[A-Z]|\bgen[A-Z]\w+Cert|\bnow\b|APIVersions", text) == [], (
            template
        )


def test_the_crds_are_those_of_the_operator(chart: Chart) -> None:
    rendered = {obj["metadata"]["name"]: obj for obj in of_kind(chart.objects(), "CustomResourceDefinition")}
    ours = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    assert {name: obj["spec"] for name, obj in rendered.items()} == {
        crd["metadata"]["name"]: crd["spec"] for crd in ours
    }
    assert all(obj["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for obj in rendered.values())


RUNTIMES = sorted((CHART / "files" / "runtimes").glob("*.yaml"))


@pytest.mark.parametrize(
    ("values", "kind", "namespaces"),
    [
        ({}, "ClusterModelRuntime", [None]),
        ({"scope": {"namespaces": ["a", "b"]}}, "ModelRuntime", ["a", "b"]),
        (
            {"scope": {"namespaces": ["a", "b"]}, "permissions": {"clusterRuntimes": True}},
            "ClusterModelRuntime",
            [None],
        ),
    ],
)
def test_the_runtimes_are_those_of_the_files_in_the_kind_that_the_operator_can_read(
    chart: Chart, values: dict[str, Any], kind: str, namespaces: list[str | None]
) -> None:
    objects = chart.objects({"runtimes": {"enabled": True}, "commonLabels": {"team": "x"}, **values})
    made = of_kind(objects, "ModelRuntime", "ClusterModelRuntime")
    ours = [yaml.safe_load(path.read_text()) for path in RUNTIMES]
    wanted = [(kind, where, ours_["metadata"]["name"], ours_["spec"]) for ours_ in ours for where in namespaces]
    found = [(obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"], obj["spec"]) for obj in made]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    assert all(obj["metadata"]["labels"]["team"] == "x" for obj in made)
    rights = {right[3] for right in granted(objects, "rel-slipway") if right[2] == "clustermodelruntimes"}
    assert rights == ({"get", "list", "watch"} if kind == "ClusterModelRuntime" else set())


def test_no_runtime_is_made_unless_it_is_asked_for(chart: Chart) -> None:
    assert of_kind(chart.objects(), "ModelRuntime", "ClusterModelRuntime") == []


@pytest.mark.parametrize("path", RUNTIMES, ids=lambda path: path.stem)
def test_each_runtime_passes_lint_and_names_an_image_with_a_version(path: Path) -> None:
    [manifest] = read(str(path))
    assert lint(manifest) == []
    assert manifest.document["metadata"]["name"] == path.stem
    image = manifest.document["spec"]["container"].get("image")
    assert image is None or re.fullmatch(r"[a-z.]+/[a-z/-]+:v?\d+\.\d+[a-z0-9.-]*", image), image


def test_crds_that_are_not_kept_go_with_the_release(chart: Chart) -> None:
    for obj in of_kind(chart.objects({"crds": {"keep": False}}), "CustomResourceDefinition"):
        assert "helm.sh/resource-policy" not in obj["metadata"].get("annotations", {})


def test_crds_carry_the_labels_and_annotations_that_are_asked_for(chart: Chart) -> None:
    values = {"crds": {"annotations": {"a/b": "c"}}, "commonLabels": {"team": "x"}, "commonAnnotations": {"d/e": "f"}}
    for obj in of_kind(chart.objects(values), "CustomResourceDefinition"):
        assert obj["metadata"]["labels"]["team"] == "x"
        assert obj["metadata"]["annotations"] == {"a/b": "c", "d/e": "f", "helm.sh/resource-policy": "keep"}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "ghcr.io/slipway-dev/slipway:0.1.0"),
        ({"tag": "1.2.3"}, "ghcr.io/slipway-dev/slipway:1.2.3"),
        ({"tag": "1.2.3", "digest": "sha256:" + "0" * 64}, "ghcr.io/slipway-dev/slipway@sha256:" + "0" * 64),
        ({"registry": "", "repository": "slipway"}, "slipway:0.1.0"),
    ],
)
def test_the_digest_of_the_image_wins_over_its_tag(chart: Chart, image: dict[str, str], expected: str) -> None:
    [deployment] = of_kind(chart.objects({"image": image}), "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == expected


def test_a_global_registry_wins_over_that_of_the_image(chart: Chart) -> None:
    [deployment] = of_kind(chart.objects({"global": {"imageRegistry": "r.example"}}), "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].startswith("r.example/slipway-dev/")


def test_the_pods_meet_the_restricted_pod_security_standard(chart: Chart) -> None:
    [deployment] = of_kind(chart.objects(), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} == {"emptyDir"}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = pod["containers"]
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    assert container["securityContext"] == context


def test_what_selects_pods_never_changes_between_versions(chart: Chart) -> None:
    [deployment] = of_kind(chart.objects(PROFILES[1]), "Deployment")
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector == {"app.kubernetes.io/name": "models", "app.kubernetes.io/instance": "rel"}
    assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_a_namespaced_operator_has_rights_in_its_namespaces_only(chart: Chart) -> None:
    objects = chart.objects({"scope": {"namespaces": ["a", "b"]}})
    rights = granted(objects, "rel-slipway")
    assert {where for where, *_ in rights} == {"a", "b", "ops"}
    assert {right for right in rights if right[0] == "ops"} == {
        ("ops", "coordination.k8s.io", "leases", verb) for verb in ("create", "get", "patch")
    }
    [deployment] = of_kind(objects, "Deployment")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert [argument for argument in arguments if "--namespace=" in argument] == ["--namespace=a", "--namespace=b"]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_the_operator_knows_every_argument_that_the_chart_gives_it(chart: Chart, profile: Path) -> None:
    [deployment] = of_kind(chart.objects(profile), "Deployment")
    verb, *arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    known: Any = get_command(app)
    read = known.commands[verb].make_context(verb, arguments)
    values = yaml.safe_load(profile.read_text()).get("operator", {})
    assert list(read.params["gateway_metrics"]) == values.get("gatewayMetrics", [])
    assert list(read.params["egress"]) == values.get("egress", [])
    assert read.params["mlflow_tracking_uri"] == values.get("mlflowTrackingUri")
    assert read.params["max_rollouts"] == values.get("maxRollouts")
    assert read.params["max_rollouts_per_namespace"] == values.get("maxRolloutsPerNamespace")


def test_secrets_are_only_read_by_name_in_namespaces_that_are_named(chart: Chart) -> None:
    assert [right for right in granted(chart.objects(), "rel-slipway") if right[2] == "secrets"] == []
    objects = chart.objects({"permissions": {"secrets": [{"namespace": "ml", "names": ["token"]}, {"namespace": "x"}]}})
    secrets = {right for right in granted(objects, "rel-slipway") if right[2] == "secrets"}
    assert secrets == {("ml", "", "secrets", "get"), ("x", "", "secrets", "get")}
    [role] = [role for role in of_kind(objects, "Role") if role["metadata"]["namespace"] == "ml"]
    assert role["rules"][0]["resourceNames"] == ["token"]


@pytest.mark.parametrize(
    ("switch", "group"),
    [
        ("gatewayApi", "gateway.networking.k8s.io"),
        ("traefik", "traefik.io"),
        ("istio", "networking.istio.io"),
        ("ingressNginx", "networking.k8s.io"),
        ("horizontalPodAutoscalers", "autoscaling"),
        ("keda", "keda.sh"),
        ("podDisruptionBudgets", "policy"),
        ("jobs", "batch"),
    ],
)
def test_each_provider_has_a_switch_for_its_rights(chart: Chart, switch: str, group: str) -> None:
    def groups(on: bool) -> set[str]:
        return {
            right[1]
            for right in granted(
                chart.objects({"permissions": {switch: on}, "crds": {"enabled": False}}), "rel-slipway"
            )
        }

    assert groups(True) - groups(False) == {group}


def test_feedback_brings_the_rights_to_keep_reports_and_to_ask_who_reports(chart: Chart) -> None:
    def rights(on: bool) -> set[tuple[str, ...]]:
        values = {"feedback": {"enabled": on}, "scope": {"namespaces": ["a"]}, "crds": {"enabled": False}}
        return granted(chart.objects(values), "rel-slipway")

    assert rights(True) - rights(False) == {
        *(("a", "", "configmaps", verb) for verb in ("list", "create", "patch", "delete")),
        ("*", "authentication.k8s.io", "tokenreviews", "create"),
        ("*", "authorization.k8s.io", "subjectaccessreviews", "create"),
    }


def test_a_part_of_the_cluster_has_the_lease_that_the_operator_looks_for(chart: Chart) -> None:
    selector = "shard in (a, b)"
    objects = chart.objects({"scope": {"namespaceSelector": selector}, "crds": {"enabled": False}})
    [role] = [role for role in of_kind(objects, "Role") if role["metadata"]["name"] == "rel-slipway-lease"]
    assert role["rules"][1]["resourceNames"] == [Shard(selector).lease_name("rel-slipway")]
    assert {right[3] for right in granted(objects, "rel-slipway") if right[2] == "namespaces"} == {"list", "watch"}


def test_no_right_is_a_wildcard(chart: Chart) -> None:
    rights = granted(chart.objects(PROFILES[1]), "rel-models")
    assert rights
    assert not [right for right in rights if "*" in right[1:]]


def complaints(path: Path, text: str | None = None) -> list[str]:
    """What `slipway lint` says of a manifest, which is written to the path first where its text is given."""
    if text is not None:
        path.write_text(dedent(text))
    return [str(problem) for manifest in read(str(path)) for problem in lint(manifest)]


def test_the_notes_tell_what_to_do_next(chart: Chart, tmp_path: Path) -> None:
    told = chart.run("install", "rel", str(CHART), "--dry-run=client", "--namespace=ops")
    notes = told[told.index("NOTES:") :]
    assert "rollout status deployment/rel-slipway" in notes
    assert "kind: ModelDeployment" in notes
    assert 'need the verb "command"' in notes
    [example] = re.findall(r"<<MANIFEST\n(.*?)MANIFEST", notes, re.DOTALL)
    assert complaints(tmp_path / "notes.yaml", example) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"crds": {"enabled": False}}, "apply those of this version of the chart before you upgrade it"),
        ({"permissions": {"create": False}}, "There are no roles (permissions.create=false)"),
        ({"admission": {"enabled": False}}, "Everybody who may change a ModelDeployment may send commands"),
        (
            {"networkPolicy": {"enabled": True}, "operator": {"gatewayMetrics": ["http://gateway.x:9100/metrics"]}},
            "The NetworkPolicy names no way to http://gateway.x:9100/metrics",
        ),
        ({"scope": {"namespaces": ["team-a"]}}, "It looks after ModelDeployments in team-a."),
    ],
    ids=str,
)
def test_the_notes_tell_what_the_values_leave_to_somebody_else(chart: Chart, values: dict[str, Any], said: str) -> None:
    told = chart.run(
        "install", "rel", str(CHART), "--dry-run=client", "--namespace=ops", "--values=-", stdin=json.dumps(values)
    )
    assert said in told[told.index("NOTES:") :]


def test_the_examples_of_the_chart_are_valid(tmp_path: Path) -> None:
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    [example] = yaml.safe_load(annotations["artifacthub.io/crdsExamples"])
    assert complaints(tmp_path / "hub.yaml", yaml.safe_dump(example)) == []
    assert complaints(ROOT / "tests" / "cluster" / "model.yaml") == []


def test_traces_are_asked_for_by_the_variables_of_opentelemetry(chart: Chart) -> None:
    secret = {"name": "collector", "key": "headers"}
    tracing = {"endpoint": "http://otel.obs:4318", "samplerRatio": 0.25, "headersSecret": {"name": "collector"}}
    [plain], [traced] = (
        of_kind(chart.objects({"tracing": values, "crds": {"enabled": False}}), "Deployment")
        for values in ({}, tracing)
    )
    assert "env" not in plain["spec"]["template"]["spec"]["containers"][0]
    assert traced["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://otel.obs:4318"},
        {"name": "OTEL_TRACES_SAMPLER", "value": "parentbased_traceidratio"},
        {"name": "OTEL_TRACES_SAMPLER_ARG", "value": "0.25"},
        {"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": {"secretKeyRef": secret}},
    ]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://otel.obs:4318", 4318),
        ("https://otel.example.com/in", 443),
        ("http://[fd00::1]:4318", 4318),
        ("http://otel", 80),
    ],
)
def test_the_network_policy_lets_the_operator_reach_its_collector(chart: Chart, endpoint: str, port: int) -> None:
    to = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "obs"}}}]
    policy = {"enabled": True, "egress": {"tracingTo": to}}
    objects = chart.objects({"tracing": {"endpoint": endpoint}, "networkPolicy": policy, "crds": {"enabled": False}})
    [rendered] = of_kind(objects, "NetworkPolicy")
    assert {"ports": [{"port": port, "protocol": "TCP"}], "to": to} in rendered["spec"]["egress"]
    assert problems([rendered], VERSIONS[-1]) == []
