"""Bad input: what the user is told, that what serves goes on serving, and that correcting the input is enough.

| input                                  | where it ends                                                  |
|----------------------------------------|----------------------------------------------------------------|
| a field, weight or duration that is wrong, two sources or gates | refused by the API server             |
| a golden set that is missing, empty or malformed | Reconciling, MetricsUnavailable: held, nothing routed |
| a container that does not come up      | Stalled, RolledBack after progressDeadline                     |
| a manifest that the API server refuses | Reconciling, ApplyRefused                                      |
| a Gateway that cannot take the route   | Reconciling, GatewayNotReady                                   |
| an HTTPRoute that is somebody else's   | Reconciling, RouteConflict                                     |
| a format that no runtime serves        | Reconciling, RuntimeNotFound: nothing is created               |
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import yaml
from sandbox.rollout.kit import Open, Shop, a_config_map, a_release, accuracy, errors, golden_text, merge, weights_of

from demo.stage import Manifest, Stage, StageError

EXAMPLE = Path(__file__).parents[3] / "examples" / "runtimes"

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


def metrics(*found: Manifest) -> Manifest:
    """The analysis with these metrics."""
    return {"metrics": list(found)}


def steps(*found: tuple[float, str]) -> Manifest:
    """The strategy with these steps."""
    return {"canary": {"steps": [{"weight": weight, "minDuration": duration} for weight, duration in found]}}


REFUSED = {
    "an unknown field": (
        {"release": {"modle": {}}},
        r'strict decoding error: unknown field "spec\.release\.modle"',
    ),
    "weights out of order": (
        {"strategy": steps((50, "1s"), (10, "1s"), (100, "0s"))},
        r"spec\.strategy\.canary\.steps: Invalid value: .*the weights of the steps have to rise",
    ),
    "a step without traffic": (
        {"strategy": steps((0, "1s"), (100, "0s"))},
        r"spec\.strategy\.canary\.steps: Invalid value: .*evidence before any traffic comes from goldenSet metrics",
    ),
    "a weight above 100": (
        {"strategy": steps((101, "1s"))},
        r"spec\.strategy\.canary\.steps\[0\]\.weight: Invalid value: 101(\.0)?: .*should be less than or equal to 100",
    ),
    "a duration that is none": (
        {"strategy": steps((50, "3 minutes"), (100, "0s"))},
        r'spec\.strategy\.canary\.steps\[0\]\.minDuration: Invalid value: "3 minutes": .*should match',
    ),
    "two sources at once": (
        {"analysis": metrics(merge(accuracy(), {"gateway": {}}))},
        r"spec\.analysis\.metrics\[0\]: Invalid value: .*exactly one source: ",
    ),
    "no gate": (
        {"analysis": metrics(merge(accuracy(), {"threshold": None}))},
        r"spec\.analysis\.metrics\[0\]: Invalid value: .*needs a gate: threshold, comparison or nonInferiority",
    ),
    "both ends of a threshold": (
        {"analysis": metrics(merge(accuracy(), {"threshold": {"max": 0.9}}))},
        r"spec\.analysis\.metrics\[0\]\.threshold: Invalid value: .*exactly one of max and min",
    ),
    "no strategy": (
        {"strategy": {"canary": None}},
        r"spec\.strategy: Invalid value: .*name exactly one strategy: canary",
    ),
    "two metrics of one name": (
        {"analysis": metrics(accuracy(), accuracy())},
        r"spec\.analysis\.metrics\[1\]: Duplicate value: .*accuracy",
    ),
}


async def test_a_release_that_only_names_its_format_waits_for_a_runtime_and_keeps_what_it_was_settled_with(
    open_shops: Open,
) -> None:
    """With the files of examples/runtimes."""
    shop = await open_shops()
    release, runtime = (yaml.safe_load((EXAMPLE / name).read_text()) for name in ("fraud.yaml", "runtime.yaml"))
    await shop.apply(release)
    said = await shop.until_told("Ready", "False", "RuntimeNotFound", saying="no runtime serves onnx")
    assert said.startswith("spec.release.model.format: ")
    await shop.apply(runtime)
    await shop.until_ready("v1")
    frozen = shop.revision("v1")["spec"]["runtime"]
    assert (frozen["name"], frozen["warmUp"]["requests"]) == ("house", 3), "and its model has answered the warm-up"
    columns = (await shop.kubectl("get", "mrt")).splitlines()
    assert columns[0].split() == ["NAME", "FORMAT", "PROTOCOL", "IMAGE", "AGE"]
    assert columns[1].split()[:4] == ["house", "onnx", "OpenInferenceV2", "slipway.dev/examples/fraud:1"]
    before = shop.status["stable"]
    await shop.apply(merge(runtime, {"spec": {"pod": {"terminationGracePeriodSeconds": 9}}}))
    await shop.until_told("RuntimeChanged", "True", "RuntimeEdited", saying="digest: sha256:[0-9a-f]{64}$")
    assert shop.status["stable"] == before


async def test_what_the_schema_forbids_is_refused_with_its_field_and_changes_nothing(shop: Shop) -> None:
    before = shop.deployment["metadata"]["generation"]
    for what, (wrong, said) in REFUSED.items():
        with pytest.raises(StageError) as refusal:
            await shop.apply(a_release("v2", **wrong))
        assert re.search(said, str(refusal.value), re.DOTALL), f"{what}: {refusal.value}"
    assert shop.deployment["metadata"]["generation"] == before
    assert shop.condition("Ready")["status"] == "True"
    assert shop.revision("v2") == {}
    await shop.apply(a_release("v2"))
    await shop.until_ready("v2")
    assert shop.failed == []


async def test_a_golden_set_that_cannot_be_used_holds_the_rollout_until_it_is_corrected(
    shop: Shop, open_shops: Open
) -> None:
    """The ConfigMap is missing, lacks its key, is empty, is malformed in one line; then it is right."""
    neighbour = await open_shops()
    await neighbour.serve_first_release()
    await shop.apply(a_release("v2", analysis=metrics(accuracy(name="labelled"), errors())))
    where = r"spec\.analysis\.metrics\[accuracy\]\.goldenSet\.configMap"
    name = f"{shop.namespace}/labelled"
    good = golden_text().splitlines()
    for data, said in (
        (None, rf"{where}: ConfigMap {name} does not exist: create it"),
        (
            {"other.jsonl": golden_text()},
            rf"{where}\.key: ConfigMap {name} has no key 'golden\.jsonl' \(it has other\.jsonl\)",
        ),
        ({"golden.jsonl": "\n"}, rf"{where}: ConfigMap {name}, key golden\.jsonl is empty: give it one item a line"),
        (
            {"golden.jsonl": "\n".join([*good[:6], '{"id": "g7", ', *good[7:]])},
            rf"{where}: ConfigMap {name}, key golden\.jsonl, line 7: not JSON at column \d+ .*: write one JSON object",
        ),
        (
            {"golden.jsonl": "\n".join([*good[:2], '{"id": "g3", "inputs": [], "expected": [1]}'])},
            rf"{where}: ConfigMap {name}, key golden\.jsonl, line 3: inputs: ",
        ),
    ):
        if data is not None:
            await shop.apply(a_config_map("labelled", data))
        await shop.until(
            f"the condition saying {said}",
            lambda said=said: re.search(said, shop.condition("Ready").get("message", "")),
            seconds=20,
        )
        assert shop.condition("Ready")["status"] == "False"
        assert shop.condition("Ready")["reason"] == "MetricsUnavailable"
        assert shop.condition("Reconciling")["reason"] == "MetricsUnavailable"
        assert shop.condition("Available")["status"] == "True"
        if data is None:
            await neighbour.apply(a_release("v2"))
    assert shop.phase("v2") == "Evaluating"
    await neighbour.until_ready("v2")
    await shop.apply(a_config_map("labelled", {"golden.jsonl": golden_text()}))
    await shop.until_ready("v2")
    assert shop.weights("v2") == [0, 5000, 10_000]
    assert shop.failed == []
    assert neighbour.failed == []


CANNOT_START = {
    "an image that does not exist": (
        {"image": "registry.example/nobody/has:it"},
        r"pod \S+, container model: (ErrImagePull|ImagePullBackOff): .*; .*spec\.release\.container\.image",
    ),
    "a container that ends at once": (
        {"args": ["--no-such-option"]},
        r"pod \S+, container model: (CrashLoopBackOff: )?it ended with exit code 2.*fix spec\.release\.container",
    ),
    "pods that never become ready": (
        {"readinessProbe": {"httpGet": {"path": "/nowhere", "port": 8080}, "periodSeconds": 1}},
        r"pod \S+, container model: runs, but its readinessProbe does not pass.*spec\.release\.container\.",
    ),
    "a model that does not answer to its name": (
        {"args": ["--model-name=another"]},
        r"fraud.*404.*spec\.release\.model\.name",
    ),
}


async def test_a_candidate_that_does_not_come_up_is_given_up_and_a_corrected_one_rolls_out(open_shops: Open) -> None:
    shops = dict(zip(CANNOT_START, [await open_shops() for _ in CANNOT_START], strict=True))
    await asyncio.gather(*(shop.serve_first_release() for shop in shops.values()))
    short = {"progressDeadline": "20s"}
    for what, shop in shops.items():
        await shop.apply(a_release("v2", rollback=short, release={"container": CANNOT_START[what][0]}))

    for what, shop in shops.items():
        said = CANNOT_START[what][1]
        await shop.until_phase("v2", "RolledBack")
        assert shop.record("v2")["reason"] == "StartDeadlineExceeded", what
        message = await shop.until_told("Stalled", "True", "RolledBack")
        assert "not up within spec.rollback.progressDeadline of 20 s" in message, what
        assert re.search(said, message), f"{what}: {message}"
        assert shop.condition("Ready")["reason"] == "RolledBack"
        assert shop.condition("Available")["status"] == "True"
        assert shop.weights("v2") == [0]

    for shop in shops.values():
        await shop.apply(a_release("v2", release={"model": {"version": "v2.1"}}))
    for shop in shops.values():
        await shop.until_ready("v2.1")
        assert shop.failed == []


async def test_what_the_api_server_refuses_of_a_child_is_said_with_its_field(shop: Shop, whispers: list[str]) -> None:
    """More memory asked for than allowed: no schema of ours knows, the Deployment's validation does."""
    whispers.append("the cluster refused")
    resources = {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}
    await shop.apply(a_release("v2", release={"container": {"resources": resources}}))
    message = await shop.until_told("Ready", "False", "ApplyRefused")
    assert re.search(
        r"Deployment .*resources\.requests: Invalid value: \"2Gi\": must be less than or equal to memory limit", message
    )
    assert shop.condition("Reconciling")["reason"] == "ApplyRefused"
    assert shop.condition("Available")["status"] == "True"
    await shop.apply(a_release("v2", release={"model": {"version": "v2.1"}}))
    await shop.until_ready("v2.1")
    assert shop.failed == []


async def test_a_first_release_waits_for_its_gateway_and_goes_on_when_it_exists(
    platform: Stage, open_shops: Open
) -> None:
    shop = await open_shops()
    await shop.apply(a_release("v1", traffic={"gateway": {"parentRefs": [{"name": "edge"}]}}))
    message = await shop.until_told("Ready", "False", "GatewayNotReady")
    assert message == (
        f"spec.traffic.gateway.parentRefs[0]: Gateway {shop.namespace}/edge does not exist in the ModelDeployment's "
        f"namespace {shop.namespace}: create it, or name another one"
    )
    assert shop.condition("Reconciling")["reason"] == "GatewayNotReady"
    assert shop.condition("Available")["reason"] == "NothingServes"
    assert "No resources found" in await shop.kubectl("get", "deploy,httproute", check=False)
    await shop.apply(await a_gateway(platform, "edge"))
    await shop.until_ready("v1", seconds=20)
    await shop.load.first_answer(seconds=60)


async def a_gateway(platform: Stage, name: str) -> Manifest:
    """A Gateway like the sandbox's own."""
    text = await platform.kubectl(
        "get", "gateway", "sandbox", "--namespace=default", "-ojsonpath={.spec.listeners[0].port}"
    )
    listener = {"name": "web", "protocol": "HTTP", "port": int(text), "allowedRoutes": {"namespaces": {"from": "Same"}}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"gatewayClassName": "traefik", "listeners": [listener]},
    }


GATEWAYS = {
    "a Gateway that does not exist": (
        {"name": "sandboks", "namespace": "default"},
        r"spec\.traffic\.gateway\.parentRefs\[0\]: Gateway default/sandboks does not exist: create it, or",
    ),
    "a listener that does not exist": (
        {"name": "sandbox", "namespace": "default", "sectionName": "wbe"},
        r"spec\.traffic\.gateway\.parentRefs\[0\]: Gateway default/sandbox has no listener named wbe: .* one of web",
    ),
}


async def test_a_change_to_a_gateway_that_cannot_take_the_route_leaves_what_serves_where_it_is(shop: Shop) -> None:
    for parent, said in GATEWAYS.values():
        await shop.apply(a_release("v2", traffic={"gateway": {"parentRefs": [parent]}}))
        await shop.until_told("Ready", "False", "GatewayNotReady", saying=said)
        known = len(shop.load.answers)
        await shop.until("answers", lambda known=known: len(shop.load.answers) > known + 40)
        assert shop.last(20) == ["v1"] * 20
        assert shop.condition("Available")["status"] == "True"
        assert shop.phase("v2") == "Pending"
    await shop.apply(a_release("v2"))
    await shop.until_ready("v2")
    assert shop.failed == []

    # The same mistake without a new release: it is said, and looked at again until it is mended.
    parent = {"name": "later", "namespace": shop.namespace}
    await shop.apply(a_release("v2", traffic={"gateway": {"parentRefs": [parent]}}))
    await shop.until_told("Ready", "False", "GatewayNotReady")
    assert shop.condition("Available")["status"] == "True"
    await shop.apply(await a_gateway(shop.stage, "later"))
    await shop.until_told("Ready", "True", "ReleaseServing")
    await shop.until("every answer coming from v2", lambda: shop.last(20) == ["v2"] * 20)
    assert shop.failed == []


async def test_a_route_of_somebody_else_is_left_alone_and_named(open_shops: Open) -> None:
    shop = await open_shops()
    foreign = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "fraud", "labels": {"team": "another"}},
        "spec": {
            "parentRefs": [{"name": "sandbox", "namespace": "default"}],
            "hostnames": ["another.example"],
            "rules": [{"backendRefs": [{"name": "another", "port": 80, "weight": 1}]}],
        },
    }
    await shop.apply(foreign)
    before = await shop.kubectl("get", "httproute", "fraud", "-ojsonpath={.metadata.generation} {.metadata.labels}")
    await shop.apply(a_release("v1"))
    message = await shop.until_told("Ready", "False", "RouteConflict")
    assert (
        "does not belong to this ModelDeployment: delete or rename it, or give the ModelDeployment another name"
        in message
    )
    after = await shop.kubectl("get", "httproute", "fraud", "-ojsonpath={.metadata.generation} {.metadata.labels}")
    assert after == before
    route = shop.stage.routes.get(shop.namespace, "fraud")
    assert route is not None
    assert weights_of(route) == {"another": 1}
    await shop.kubectl("delete", "httproute", "fraud")
    await shop.until_ready("v1", seconds=20)
