"""What `lint` finds: schema, rules, models and sense; each with the field, the line and the fix.

Cases: what is fine; each word of a schema; list maps; rules, also where something else is broken; routers and courses
that do not fit; objects that are not Slipway's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.cli.builders import Object, a_spec, merged

from slipway.cli import lint
from slipway.cli.lint import concerns, problems
from slipway.cli.manifests import Manifest, read

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def a_manifest(spec: Object | None = None, **more: Any) -> Object:
    document = {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "fraud"},
        "spec": a_spec() if spec is None else spec,
    }
    return document | more


def found(document: Object) -> dict[str, str]:
    return {problem.field: problem.message for problem in problems(Manifest("-", document, 1))}


def of(**spec: Any) -> dict[str, str]:
    return found(a_manifest(a_spec(**spec)))


def errors(**metric: Any) -> dict[str, Any]:
    return {"metrics": [{"name": "errors", "gateway": {}, "comparison": {"margin": 0.01}} | metric]}


def test_a_good_manifest_has_no_problems() -> None:
    assert found(a_manifest()) == {}


OURS = sorted(path for folder in ("fraud/v*", "transformer/v*", "llm/*") for path in EXAMPLES.glob(f"{folder}.yaml"))


@pytest.mark.parametrize("path", OURS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_examples_have_no_problems(path: Path) -> None:
    assert [problem for manifest in read(str(path)) for problem in problems(manifest)] == []


CANARY = "spec.strategy.canary"
METRIC = "spec.analysis.metrics[0]"


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"replicas": "2"}, "spec.replicas", 'it is "2", and has to be a whole number'),
        ({"replicas": 1001}, "spec.replicas", "it is 1001, and the most is 1000"),
        ({"replicas": -1}, "spec.replicas", "it is -1, and the least is 0"),
        ({"paused": "yes"}, "spec.paused", 'it is "yes", and has to be true or false'),
        ({"replcias": 2}, "spec.replcias", "there is no such field: did you mean replicas?"),
        ({"release": None}, "spec.release", "it is missing: add it"),
        (
            {"release": {"model": {"version": 1.0}}},
            "spec.release.model.version",
            "it is 1.0, and has to be text: write it in quotes",
        ),
        ({"strategy": {"canary": {"steps": []}}}, f"{CANARY}.steps", "it has 0 entries: write at least 1"),
        (
            {"strategy": {"canary": {"steps": [{"weight": 10, "minDuration": "3x"}]}}},
            f"{CANARY}.steps[0].minDuration",
            '"3x" does not fit: write a duration like 90s, 10m or 1h30m',
        ),
        (
            {"strategy": {"canary": {"capacity": "full"}}},
            f"{CANARY}.capacity",
            'it is "full", and has to be one of Weighted, Full: did you mean Full?',
        ),
        (
            {"podDisruptionBudget": {"minAvailable": True}},
            "spec.podDisruptionBudget.minAvailable",
            "it is true, and has to be a whole number or text: write it in quotes",
        ),
        ({"strategy": []}, "spec.strategy", "it is a list, and has to be a block of fields"),
        (
            {"analysis": errors(comparison={"margin": 1})},
            "spec.analysis.metrics[0].comparison.margin",
            "it is 1, and has to be less than 1",
        ),
    ],
)
def test_what_does_not_fit_the_schema_is_told_with_a_fix(spec: Any, field: str, message: str) -> None:
    assert of(**spec)[field] == message


@pytest.mark.parametrize(
    ("container", "ports", "said"),
    [
        ({"ports": [{"containerPort": 9000}]}, [{"containerPort": 9000}], "containers of one pod cannot share a port"),
        (
            {"ports": [{"containerPort": 8080, "name": "in"}]},
            [{"containerPort": 1}, {"containerPort": 9000, "name": "in"}],
            "containers of one pod cannot share a port",
        ),
        ({}, [{"containerPort": 8080}], "the model's container listens on 8080 where it names no port"),
        ({}, [{"containerPort": 9000}], None),
        ({"ports": [{"containerPort": 8080, "name": "a"}]}, [{"containerPort": 9000, "name": "b"}], None),
    ],
)
def test_a_transformer_and_its_model_share_no_port(container: Any, ports: Any, said: str | None) -> None:
    ahead = {"container": {"image": "features:7", "ports": ports}}
    problems_found = of(release={"container": container, "transformer": ahead})
    if said is None:
        assert problems_found == {}
    else:
        assert said in problems_found["spec.release"]


def test_a_transformer_has_an_image_and_a_port() -> None:
    assert of(release={"transformer": {"container": {}}}).keys() == {
        "spec.release.transformer.container.image",
        "spec.release.transformer.container.ports",
    }


def test_an_unknown_field_that_resembles_nothing_is_answered_by_what_there_is() -> None:
    assert of(xyzzy=1)["spec.xyzzy"].startswith("there is no such field here; there are replicas, paused")


def test_two_items_of_one_name_are_told_at_the_second() -> None:
    (metric,) = errors()["metrics"]
    assert of(analysis={"metrics": [metric, metric]}) == {
        "spec.analysis.metrics[1]": "there are two with name errors: give it another one"
    }


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"strategy": {"canary": None}}, "spec.strategy", "exactly one strategy"),
        ({"strategy": {"rollingUpdate": {}}}, "spec.strategy", "exactly one strategy"),
        (
            {"strategy": {"canary": {"steps": [{"weight": 50}, {"weight": 10}]}}},
            "spec.strategy.canary.steps",
            "have to rise",
        ),
        ({"strategy": {"canary": {"steps": [{"weight": 1.234}]}}}, f"{CANARY}.steps[0].weight", "two decimals"),
        ({"autoscaling": {"minReplicas": 1, "maxReplicas": 2}}, "spec", "name one of replicas and autoscaling"),
        (
            {"analysis": errors(gateway={"measure": "Latency"}, threshold={"max": 0.1})},
            "spec.analysis.metrics[0]",
            "latency is compared with that of stable",
        ),
        (
            {"analysis": errors(gateway=None, prometheus={"url": "http://p.example", "histogram": "d", "bad": ["b"]})},
            "spec.analysis.metrics[0].prometheus",
            "name exactly one of these: bad and total, which are counters; histogram; query; preset",
        ),
        (
            {"analysis": errors(gateway=None, pods={"bad": ["b"], "total": ["t"], "unit": "Seconds"})},
            "spec.analysis.metrics[0].pods",
            "unit is that of a histogram",
        ),
        ({"analysis": errors(web={"url": "http://p.example", "bad": "$.b", "total": "$.t"})}, METRIC, "one source"),
        (
            {"analysis": errors(gateway=None, web={"url": "http://p.example", "bad": "$", "total": "$", "auth": {}})},
            "spec.analysis.metrics[0].web.auth",
            "exactly one of bearer and basic",
        ),
        (
            {"analysis": errors(gateway=None, goldenSet={})},
            f"{METRIC}.goldenSet",
            "exactly one of configMap, pvc and url",
        ),
        (
            {"analysis": errors(gateway=None, goldenSet={"url": "http://g.example/g.csv", "match": {"within": {}}})},
            f"{METRIC}.goldenSet.match.within",
            "how near is right?",
        ),
        ({"release": {"protocol": {"name": "CustomHTTP"}}}, "spec.release.protocol", "name both or neither"),
        ({"release": {"schemas": {}}}, "spec.release.schemas", "which body is it of?"),
        (
            {"release": {"schemas": {"input": '{"type": 1}'}}},
            "spec.release.schemas.input",
            "not a JSON Schema at $.type",
        ),
        ({"analysis": errors(comparison={"margin": 0.1, "relative": 0.2})}, f"{METRIC}.comparison", "exactly one"),
        (
            {"analysis": errors(gateway={"measure": "Latency"}, comparison={"relative": 1})},
            METRIC,
            "give them a margin",
        ),
        ({"analysis": errors(threshold={"max": 5})}, METRIC, "a limit on a share is between 0 and 1"),
        ({"analysis": errors(threshold={"max": 0.5, "for": "2m"})}, METRIC, "for belongs to the limit of a gauge"),
        ({"analysis": errors(worse="Lower")}, METRIC, "worse belongs to the comparison of a gauge or query"),
        ({"analysis": errors(gateway=None, pods={"gauge": "q"})}, METRIC, "give it relative in the place of margin"),
        (
            {"analysis": errors(gateway=None, pods={"gauge": "q"}, comparison={"relative": 1}, threshold={"max": 5})},
            METRIC,
            "write two metrics",
        ),
        (
            {
                "analysis": errors(
                    gateway=None, pods={"gauge": "q"}, comparison=None, threshold={"max": 5}, minSamples=1
                )
            },
            METRIC,
            "neither samples nor confidence",
        ),
        (
            {"analysis": errors(gateway=None, web={"url": "http://p.example", "value": "$.v"})},
            METRIC,
            "has no pods to rank",
        ),
        (
            {"analysis": errors(gateway=None, web={"url": "http://p.example", "value": "$.v", "bad": "$.b"})},
            f"{METRIC}.web",
            "either bad and total, which are counts, or value",
        ),
        (
            {"analysis": errors(gateway=None, pods={"preset": "KServe"})},
            f"{METRIC}.pods",
            "KServe's server counts no errors",
        ),
        (
            {"analysis": errors(gateway=None, pods={"preset": "Triton", "measure": "Latency"})},
            f"{METRIC}.pods",
            "durations without buckets",
        ),
        (
            {"analysis": errors(gateway=None, pods={"preset": "vLLM", "bad": ["b"], "total": ["t"]})},
            f"{METRIC}.pods",
            "name exactly one of these",
        ),
        (
            {"analysis": errors(gateway=None, pods={"histogram": "d", "measure": "Latency"})},
            f"{METRIC}.pods",
            "measure says what is read of a preset",
        ),
    ],
)
def test_what_breaks_a_rule_is_told_in_the_rule_s_words(spec: Any, field: str, words: str) -> None:
    assert words in of(**spec)[field]


def test_a_name_that_children_could_not_carry_is_refused() -> None:
    assert "at most 54 characters" in found(a_manifest(metadata={"name": "f" * 55}))["the object"]


def test_without_a_name_there_is_no_crash() -> None:
    assert "the object" in found(a_manifest(metadata={}))
    assert found(a_manifest(metadata=None))
    assert found(a_manifest(metadata="fraud"))["metadata"] == 'it is "fraud", and has to be a block of fields'


def test_a_rule_is_left_alone_where_the_schema_is_broken_below_and_looked_at_elsewhere() -> None:
    told = of(replicas="2", analysis=errors(threshold={"min": 0.5}))
    assert set(told) == {"spec.replicas", "spec.analysis.metrics[0]"}


def test_a_rule_without_a_predicate_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "predicate", lambda rule: None)
    assert "can only be checked by an API server" in found(a_manifest())["spec.strategy"]


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (
            {"traffic": {"gateway": None, "service": {}}},
            "spec.strategy.canary.steps[0].weight",
            "10% cannot be made with 2 replicas: it can be 50, 100 percent",
        ),
        (
            {"traffic": {"gateway": None, "service": {}}, "strategy": {"canary": None, "shadow": {}}},
            "spec.strategy.shadow",
            "the router service cannot copy requests",
        ),
        (
            {"strategy": {"canary": {"steps": [{"weight": 100, "replicas": 1}]}}},
            "spec.strategy.canary.steps[0].replicas",
            "1 pods are too few",
        ),
        (
            {
                "strategy": {"canary": None, "blueGreen": {}},
                "analysis": {"metrics": [{"name": "errors", "gateway": {}, "nonInferiority": {"margin": 0.01}}]},
            },
            "spec.analysis.metrics[0].nonInferiority",
            "both releases take at the same time",
        ),
    ],
)
def test_what_makes_no_sense_together_is_told(spec: Any, field: str, words: str) -> None:
    assert words in of(**spec)[field]


def test_what_only_a_cluster_knows_is_not_held_against_a_manifest() -> None:
    assert of(strategy={"canary": None, "shadow": {"percent": 10}}) == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_say_is_told(number: float) -> None:
    told = of(strategy={"canary": {"steps": [{"weight": number}]}})
    assert "write a finite one" in told[f"{CANARY}.steps[0].weight"]


def test_a_member_that_is_null_is_as_good_as_absent() -> None:
    spec = a_spec()
    assert found(a_manifest(spec | {"analysis": None})) == {}
    assert found(a_manifest(spec | {"release": None})) == {"spec.release": "it is missing: add it"}


def test_a_whole_number_may_be_written_as_any_number() -> None:
    assert of(replicas=2.0) == {}
    assert set(of(replicas=2.5)) == set(of(replicas=True)) == {"spec.replicas"}


def test_a_status_is_no_problem_because_a_server_leaves_it_out() -> None:
    assert found(a_manifest(status={"nonsense": True})) == {}


@pytest.mark.parametrize("change", [{"apiVersion": "slipway.dev/v1"}, {"kind": "ModelDeploiment"}])
def test_a_kind_or_version_that_is_not_served_is_told(change: Object) -> None:
    assert "is not served: write slipway.dev/v1alpha1" in found(a_manifest() | change)["apiVersion"]


def test_objects_of_others_are_none_of_its_business() -> None:
    assert concerns(a_manifest())
    assert not concerns({"apiVersion": "v1", "kind": "ConfigMap"})
    assert not concerns({"apiVersion": "slipway.dev.example/v1"})


def test_problems_stand_in_the_order_of_their_lines_and_a_key_given_twice_is_one(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(yaml.safe_dump(merged(a_manifest(), {"spec": {"replicas": "2"}}), sort_keys=False) + "kind: X\n")
    (manifest,) = read(str(path))
    told = [(manifest.line_of(problem.path), problem.field) for problem in problems(manifest)]
    assert told == [(1, "apiVersion"), (28, "kind")]


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        ({}, "fraud.example/"),
        ({"hostnames": ["eu.example", "fraud.example"]}, "fraud.example/"),
        ({"hostnames": ["eu.example"]}, None),
        ({"path": "/v2"}, None),
        ({"parentRefs": [{"name": "inside"}]}, None),
    ],
    ids=["the same", "one of several host names", "another host name", "another path", "another Gateway"],
)
def test_two_model_deployments_that_want_the_same_requests_are_told(other: Object, shared: str | None) -> None:
    gateway = {"parentRefs": [{"name": "public"}], "hostnames": ["fraud.example"]}
    ours = Manifest("-", a_manifest(a_spec(traffic={"gateway": gateway})), 1)
    theirs = a_spec(traffic={"gateway": gateway | other})
    beside = [ours, Manifest("-", a_manifest(theirs, metadata={"name": "fraud-copy"}), 1)]
    told = {problem.field: problem.message for problem in problems(ours, beside)}
    if shared is None:
        assert told == {}
    else:
        message = told["spec.traffic.gateway.hostnames"]
        assert f"ModelDeployment fraud-copy takes requests for {shared} at Gateway public too" in message
    elsewhere = a_manifest(theirs, metadata={"name": "fraud-copy", "namespace": "other"})
    assert problems(ours, [ours, Manifest("-", elsewhere, 1)]) == [], "of other namespaces nothing is known"


def served_by(runtime: Object, pods: Object) -> dict[str, str]:
    """What is found of a release that its format gives to a runtime beside it, and of its metric of the pods."""
    release = {"model": {"name": "fraud", "version": "1", "format": "sklearn"}}
    spec = a_spec() | {"release": release, "analysis": errors(pods=pods, gateway=None)}
    document = {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ClusterModelRuntime",
        "metadata": {"name": "house"},
        "spec": {
            "supportedFormats": [{"name": "sklearn"}],
            "container": {"image": "registry.example/serve:1"},
            **runtime,
        },
    }
    ours = Manifest("-", a_manifest(spec), 1)
    return {one.field: one.message for one in problems(ours, [ours, Manifest("-", document, 1)])}


@pytest.mark.parametrize(
    ("preset", "pods", "said"),
    [
        ("MLServer", {}, None),
        ("MLServer", {"measure": "Latency"}, None),
        (None, {"preset": "MLServer"}, None),
        (None, {}, "it names nothing to read, and what serves the release names no preset"),
        ("KServe", {}, "the runtime's preset KServe does not have it: the server counts no errors"),
        ("Triton", {"measure": "Latency"}, "the runtime's preset Triton does not have it"),
    ],
)
def test_a_metric_of_pods_that_names_nothing_is_tried_on_the_runtime(
    preset: str | None, pods: Object, said: str | None
) -> None:
    told = served_by({"metrics": {"preset": preset}} if preset else {}, pods)
    assert (told == {}) if said is None else told["spec.analysis.metrics[0].pods"].startswith(said), told


def test_a_metric_of_pods_has_to_name_what_is_read_where_no_runtime_serves() -> None:
    assert "no runtime serves the release" in of(analysis=errors(pods={}, gateway=None))["spec"]


@pytest.mark.parametrize(
    ("warm_up", "field", "said"),
    [
        ({"item": "[1"}, "spec.release.warmUp.item", "it is no JSON text"),
        ({"fromGoldenSet": True}, "spec.release.warmUp.fromGoldenSet", "spec.analysis.metrics has no golden set"),
        ({}, "spec.release.warmUp", "name exactly one of item, and fromGoldenSet"),
        ({"item": "[]", "fromGoldenSet": True}, "spec.release.warmUp", "name exactly one of item, and fromGoldenSet"),
        ({"fromGoldenSet": False}, "spec.release.warmUp", "name exactly one of item, and fromGoldenSet"),
    ],
)
def test_a_warm_up_that_cannot_be_asked_is_told_with_its_field(warm_up: Object, field: str, said: str) -> None:
    assert said in of(release={"warmUp": {"requests": 5, **warm_up}}, analysis=errors())[field]


def test_the_item_of_a_runtimes_warm_up_has_to_be_json() -> None:
    runtime = {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": "ClusterModelRuntime",
        "metadata": {"name": "house"},
        "spec": {"container": {"image": "registry.example/serve:1"}, "warmUp": {"requests": 5, "item": "{"}},
    }
    assert found(runtime)["spec.warmUp.item"].startswith("it is no JSON text")
