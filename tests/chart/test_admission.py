"""The admission policy of the chart on an API server: who may send commands, which images, which namespaces."""

from __future__ import annotations

import json
import re
from textwrap import dedent

import pytest
import yaml
from chart.kit import CHART, Chart, Manifest, of_kind
from chart.people import FOLDERS, SHOP, somebody, with_rules
from sandbox.apiserver.conftest import Client
from sandbox.rollout.kit import NAME, a_release, accuracy, merge

COMMAND = "promote@75619859/1#a1"


def a_command(text: str | None = COMMAND) -> Manifest:
    return {"metadata": {"annotations": {"slipway.dev/command": text}}}


def of_image(image: str) -> Manifest:
    return a_release("v1", release={"container": {"image": image}})


async def test_a_command_needs_a_verb_of_its_own(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart)
    editor = await somebody(admin, "editor", "view", "edit")
    owner = await somebody(admin, "owner", "view", "edit", "command")
    assert (await editor.post(SHOP, a_release())).status == 201
    refused = await editor.merge(f"{SHOP}/{NAME}", a_command())
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert (
        "metadata.annotations[slipway.dev/command]: system:serviceaccount:default:editor may not send commands: "
        'they need the verb "command" on modeldeployments.slipway.dev in namespace default'
    ) in refused.body["message"]
    assert (await owner.merge(f"{SHOP}/{NAME}", a_command())).status == 200


async def test_no_other_way_of_writing_a_command_is_open(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart)
    editor = await somebody(admin, "editor", "view", "edit")
    created = await editor.post(SHOP, merge(a_release(), a_command()))
    assert created.status == 403
    await editor.post(SHOP, a_release())
    applied = await editor.apply(f"{SHOP}/{NAME}", merge(a_release(), a_command()), "f", force="true")
    assert applied.status == 403
    live = (await editor.get(f"{SHOP}/{NAME}")).body
    assert (await editor.call("PUT", f"{SHOP}/{NAME}", merge(live, a_command()))).status == 403
    status = await editor.merge(f"{SHOP}/{NAME}/status", a_command())
    assert status.status == 403
    scaled = {"spec": {"replicas": 2}, **a_command()}
    assert (await editor.merge(f"{SHOP}/{NAME}/scale", scaled)).status == 200
    assert "annotations" not in (await editor.get(f"{SHOP}/{NAME}")).body["metadata"]


async def test_a_command_that_stands_there_keeps_nobody_from_editing(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart)
    editor = await somebody(admin, "editor", "view", "edit")
    await admin.post(SHOP, merge(a_release(), a_command()))
    assert (await editor.merge(f"{SHOP}/{NAME}", {"spec": {"replicas": 3}})).status == 200
    assert (await editor.merge(f"{SHOP}/{NAME}", a_command("abort@75619859#b2"))).status == 403
    assert (await editor.merge(f"{SHOP}/{NAME}", a_command(None))).status == 200


async def test_where_commands_are_not_restricted_editors_may_send_them(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart, admission={"restrictCommands": False, "namespaces": ["default"]})
    editor = await somebody(admin, "editor", "edit")
    assert (await editor.post(SHOP, merge(a_release(), a_command()))).status == 201


async def test_only_listed_images_run(admin: Client, chart: Chart) -> None:
    images = ["registry.example.com/models/", "registry.example.com:5000/fraud"]
    await with_rules(admin, chart, admission={"images": images})
    for image, code in {
        "registry.example.com/models/fraud:1": 201,
        "registry.example.com/models/deep/fraud@sha256:" + "0" * 64: 201,
        "registry.example.com:5000/fraud": 201,
        "registry.example.com:5000/fraud:2": 201,
        "registry.example.com:5000/fraud@sha256:" + "0" * 64: 201,
        "registry.example.com:5000/fraudulent:1": 403,
        "registry.example.com:5000/fraud/more:1": 403,
        "registry.example.com.evil.example/models/fraud:1": 403,
        "registry.example.com/modelsx/fraud:1": 403,
        "evil/registry.example.com/models/fraud:1": 403,
        "fraud:1": 403,
    }.items():
        made = await admin.post(SHOP, of_image(image))
        assert made.status == code, image
        if code == 201:
            await admin.delete(f"{SHOP}/{NAME}")
        else:
            assert f"spec.release.container.image: {image} is not among the allowed images: " in made.body["message"]


def a_runtime(image: str | None, kind: str = "ModelRuntime") -> Manifest:
    container = {"ports": [{"containerPort": 8080}]} | ({"image": image} if image else {})
    return {
        "apiVersion": "slipway.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "house"},
        "spec": {"container": container},
    }


async def test_editors_write_the_runtimes_of_their_namespace_and_none_of_the_cluster(
    admin: Client, chart: Chart
) -> None:
    await with_rules(admin, chart)
    viewer = await somebody(admin, "viewer", "view")
    editor = await somebody(admin, "editor", "view", "edit")
    mine, all_ = SHOP.replace("modeldeployments", "modelruntimes"), "/apis/slipway.dev/v1alpha1/clustermodelruntimes"
    assert (await viewer.post(mine, a_runtime("serve:1"))).status == 403
    assert (await editor.post(mine, a_runtime("serve:1"))).status == 201
    assert (await viewer.get(f"{mine}/house")).status == 200
    assert (await editor.post(all_, a_runtime("serve:1", "ClusterModelRuntime"))).status == 403


async def test_runtimes_are_no_way_around_the_list_of_images(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart, admission={"images": ["registry.example.com/models/"]})
    by_format = merge(a_release("v1"), {"spec": {"release": {"container": None}}})
    assert (await admin.post(SHOP, by_format)).status == 201, "what serves it is the runtime's to say"
    cluster = "/apis/slipway.dev/v1alpha1/clustermodelruntimes"
    for folder, kind in (
        (SHOP.replace("modeldeployments", "modelruntimes"), "ModelRuntime"),
        (cluster, "ClusterModelRuntime"),
    ):
        for image, code in {
            "registry.example.com/models/serve:1": 201,
            "registry.example.com/models/{{model.name}}:{{model.version}}": 201,
            None: 201,
            "evil.example/serve:1": 403,
            "{{model.version}}": 403,
        }.items():
            made = await admin.post(folder, a_runtime(image, kind))
            assert made.status == code, (kind, image)
            if code == 201:
                await admin.delete(f"{folder}/house")
            else:
                assert f"spec.container.image: {image} is not among the allowed images: " in made.body["message"]


async def test_a_runtime_whose_image_left_the_list_can_be_labelled_and_deleted(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart, admission={"enabled": False})
    folder = SHOP.replace("modeldeployments", "modelruntimes")
    held = merge(a_runtime("old.example/serve:1"), {"metadata": {"finalizers": ["foregroundDeletion"]}})
    assert (await admin.post(folder, held)).status == 201
    for obj in of_kind(chart.objects({"admission": {"images": ["new.example/"]}}), *FOLDERS):
        if "Admission" in obj["kind"]:
            assert (await admin.post(FOLDERS[obj["kind"]], obj)).status == 201
    other = {"spec": {"container": {"image": "old.example/serve:2"}}}
    assert (await admin.merge(f"{folder}/house", other)).status == 403
    assert (await admin.merge(f"{folder}/house", {"metadata": {"labels": {"team": "a"}}})).status == 200
    await admin.delete(f"{folder}/house")
    assert (await admin.merge(f"{folder}/house", {"metadata": {"finalizers": None}})).status == 200
    assert (await admin.get(f"{folder}/house")).status == 404


async def test_a_transformer_is_no_way_around_the_list_of_images(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart, admission={"images": ["registry.example.com/models/"]})

    def with_transformer(image: str) -> Manifest:
        ahead = {"container": {"image": image, "ports": [{"containerPort": 9000}]}}
        container = {"image": "registry.example.com/models/fraud:1"}
        return a_release("v1", release={"container": container, "transformer": ahead})

    refused = await admin.post(SHOP, with_transformer("evil.example/features:1"))
    assert refused.status == 403
    said = "spec.release.transformer.container.image: evil.example/features:1 is not among the allowed images: "
    assert said in refused.body["message"]
    assert (await admin.post(SHOP, with_transformer("registry.example.com/models/features:1"))).status == 201
    image = {"spec": {"release": {"transformer": {"container": {"image": "evil.example/features:2"}}}}}
    assert (await admin.merge(f"{SHOP}/{NAME}", image)).status == 403
    assert (await admin.merge(f"{SHOP}/{NAME}", {"spec": {"replicas": 3}})).status == 200


async def test_what_runs_already_may_be_edited_when_the_list_gets_shorter(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart, admission={"enabled": False})
    await admin.post(SHOP, of_image("old.example/fraud:1"))
    for obj in of_kind(chart.objects({"admission": {"images": ["new.example/"]}}), *FOLDERS):
        if "Admission" in obj["kind"]:
            assert (await admin.post(FOLDERS[obj["kind"]], obj)).status == 201
    image = {"spec": {"release": {"container": {"image": "old.example/fraud:2"}}}}
    assert (await admin.merge(f"{SHOP}/{NAME}", {"spec": {"replicas": 3}})).status == 200
    assert (await admin.merge(f"{SHOP}/{NAME}", image)).status == 403


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"admission": {"namespaces": ["ml", "shop"]}},
        {"scope": {"namespaces": ["shop", "ml"]}, "admission": {"namespaces": ["ml"]}},
        {"scope": {"namespaces": ["ml"]}},
        {"admission": {"images": ["registry.example.com/models/"]}},
        {"admission": {"images": ["registry.example.com/models/fraud", "other.example/"]}},
        {"admission": {"images": ["registry.example.com:5000/models/fraud:v3"]}},
    ],
    ids=json.dumps,
)
async def test_what_the_notes_tell_to_apply_first_is_taken(admin: Client, chart: Chart, values: Manifest) -> None:
    told = chart.run("install", "rel", str(CHART), "--dry-run=client", "--namespace=ops", "--values=-", stdin=json.dumps(values))  # fmt: skip  # noqa: E501
    [(where, example)] = re.findall(r"--namespace (\S+) -f - <<MANIFEST\n(.*?)MANIFEST", told, re.DOTALL)
    await with_rules(admin, chart, **values)
    await admin.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}})
    made = await admin.post(SHOP.replace("/default/", f"/{where}/"), yaml.safe_load(dedent(example)))
    assert made.status == 201, made.body


async def test_only_listed_namespaces_have_model_deployments(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart, admission={"namespaces": ["default"]})
    await admin.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    assert (await admin.post(SHOP, a_release())).status == 201
    refused = await admin.post(SHOP.replace("/default/", "/other/"), a_release())
    assert refused.status == 403
    assert "metadata.namespace: no ModelDeployment may be in other, but in default" in refused.body["message"]


async def test_the_rules_of_a_namespaced_operator_end_with_its_namespaces(admin: Client, chart: Chart) -> None:
    values = {"scope": {"namespaces": ["default"]}, "admission": {"images": ["registry.example.com/"]}}
    await with_rules(admin, chart, **values)
    await admin.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    assert (await admin.post(SHOP, a_release())).status == 403
    assert (await admin.post(SHOP.replace("/default/", "/other/"), a_release())).status == 201


async def test_rules_can_be_tried_out_first(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart, admission={"images": ["registry.example.com/"], "actions": ["Warn", "Audit"]})
    made = await admin.post(SHOP, a_release())
    assert made.status == 201
    assert "is not among the allowed images" in made.headers["Warning"]


def with_job(image: str) -> Manifest:
    """A release whose gate is a Job of the user."""
    gate = {"name": "safety", "job": {"image": image}, "threshold": {"max": 0.05}}
    return a_release("v1", analysis={"metrics": [accuracy(), gate]})


def with_reaction(image: str) -> Manifest:
    """A release that trains itself anew."""
    golden = {"source": {"configMap": {"name": "golden", "key": "golden.jsonl"}}, "min": 0.5}
    return a_release("v1", drift={"goldenSet": golden, "onDrift": {"job": {"image": image}}})


async def test_a_job_of_the_user_runs_listed_images_only(admin: Client, chart: Chart) -> None:
    allowed = a_release("v1")["spec"]["release"]["container"]["image"]
    await with_rules(admin, chart, admission={"images": [allowed, "registry.example.com/jobs/"]})
    for build in (with_job, with_reaction):
        refused = await admin.post(SHOP, build("evil.example/miner:1"))
        assert refused.status == 403
        assert (
            "spec.analysis.metrics[].job.image, spec.drift.onDrift.job.image: evil.example/miner:1 is not among"
            in refused.body["message"]
        )
        made = await admin.post(SHOP, build("registry.example.com/jobs/check:1"))
        assert made.status == 201, made.body
        changed = build("evil.example/miner:1")["spec"]
        assert (await admin.merge(f"{SHOP}/{NAME}", {"spec": changed})).status == 403
        await admin.delete(f"{SHOP}/{NAME}")


async def test_nobody_gives_a_command_in_the_name_of_another(admin: Client, chart: Chart) -> None:
    await with_rules(admin, chart)
    owner = await somebody(admin, "owner", "view", "edit", "command")
    me = "system:serviceaccount:default:owner"
    await admin.post(SHOP, a_release())

    def given(command: str, by: str | None) -> Manifest:
        return {"metadata": {"annotations": {"slipway.dev/command": command, "slipway.dev/command-by": by}}}

    refused = await owner.merge(f"{SHOP}/{NAME}", given(COMMAND, f"{COMMAND} alice"))
    assert refused.status == 403
    assert f'it has to be the command, a space and who gives it: "{COMMAND} {me}"' in refused.body["message"]
    assert (await owner.merge(f"{SHOP}/{NAME}", given(COMMAND, f"{COMMAND} {me}"))).status == 200
    # what stands there of an earlier command is in nobody's way, and names nobody for this one
    assert (await owner.merge(f"{SHOP}/{NAME}", a_command("abort@75619859#b2"))).status == 200
    assert (await owner.merge(f"{SHOP}/{NAME}", given("abort@75619859#b2", None))).status == 200
