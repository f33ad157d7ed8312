"""The `kubernetes` package for Python, its synchronous client.

Cases: create, read, list, patch, replace with a stale version, status, delete, a watch from a list's version, custom
objects, a log, commands in a container with their streams and exit codes, and the token of a service account.
"""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import WSClient
from sandbox.clients.kit import Tool, a_config_map, a_deployment, eventually

pytestmark = pytest.mark.e2e

GROUP, VERSION, PLURAL = "clients.example", "v1", "whales"


PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]


@pytest.fixture
def api(kubectl: Tool) -> Iterator[client.ApiClient]:
    configuration = client.Configuration()
    config.load_kube_config(str(kubectl.kubeconfig), client_configuration=configuration)
    with client.ApiClient(configuration) as opened:
        yield opened


def test_objects_are_created_read_changed_and_deleted(api: client.ApiClient, kubectl: Tool) -> None:
    core, space = client.CoreV1Api(api), kubectl.namespace
    made = core.create_namespaced_config_map(space, client.V1ConfigMap(metadata={"name": "settings"}, data={"a": "1"}))
    assert made.metadata.uid
    assert core.patch_namespaced_config_map("settings", space, {"data": {"b": "2"}}).data == {"a": "1", "b": "2"}
    with pytest.raises(ApiException) as conflict:
        core.replace_namespaced_config_map("settings", space, made)
    assert conflict.value.status == 409
    listed = core.list_namespaced_config_map(space, field_selector="metadata.name=settings")
    assert [item.data for item in listed.items] == [{"a": "1", "b": "2"}]
    core.delete_namespaced_config_map("settings", space)
    with pytest.raises(ApiException) as absent:
        core.read_namespaced_config_map("settings", space)
    assert absent.value.status == 404


def test_a_watch_goes_on_where_the_list_ended(api: client.ApiClient, kubectl: Tool) -> None:
    core, space = client.CoreV1Api(api), kubectl.namespace
    core.create_namespaced_config_map(space, a_config_map("before"))
    version = core.list_namespaced_config_map(space).metadata.resource_version

    def work() -> None:
        core.create_namespaced_config_map(space, a_config_map("seen", a="1"))
        core.patch_namespaced_config_map("seen", space, {"data": {"a": "2"}})
        core.delete_namespaced_config_map("seen", space)

    worker = threading.Thread(target=work)
    worker.start()
    events = watch.Watch().stream(
        core.list_namespaced_config_map, space, resource_version=version, label_selector="app=seen", timeout_seconds=10
    )
    seen = [(event["type"], event["object"].data["a"]) for _, event in zip(range(3), events, strict=False)]
    events.close()
    worker.join()
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


def test_a_deployment_runs_and_its_pods_are_reached(api: client.ApiClient, kubectl: Tool) -> None:
    apps, core, space = client.AppsV1Api(api), client.CoreV1Api(api), kubectl.namespace
    apps.create_namespaced_deployment(
        space, a_deployment(args=["-S", "-u", "-c", "print('here')\nimport time\ntime.sleep(600)"])
    )
    eventually(lambda: apps.read_namespaced_deployment_status("web", space).status.ready_replicas == 1)
    apps.patch_namespaced_deployment_scale("web", space, {"spec": {"replicas": 2}})
    eventually(lambda: apps.read_namespaced_deployment("web", space).status.ready_replicas == 2)
    pod = core.list_namespaced_pod(space, label_selector="app=web").items[0].metadata.name
    assert eventually(lambda: core.read_namespaced_pod_log(pod, space)) == "here\n"


def a_running_pod(core: client.CoreV1Api, space: str) -> str:
    container = {"name": "main", "image": "localhost/python:3", "command": ["sh", "-c", "sleep 600"]}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    core.create_namespaced_pod(space, {"metadata": {"name": "idle"}, "spec": spec})
    eventually(lambda: core.read_namespaced_pod_status("idle", space).status.phase == "Running")
    return "idle"


def run(
    api: client.ApiClient, space: str, pod: str, script: str, *, protocol: str = "", stdin: bool = False
) -> WSClient:
    """A shell script in a pod, its streams open."""
    with client.ApiClient(api.configuration) as own:  # a stream takes its client over
        if protocol:
            own.set_default_header("sec-websocket-protocol", protocol)
        return stream(
            client.CoreV1Api(own).connect_get_namespaced_pod_exec, pod, space, command=["sh", "-c", script],
            stdout=True, stderr=True, stdin=stdin, tty=False, _preload_content=False,
        )  # fmt: skip


@pytest.fixture(autouse=True)
def closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client leaves the socket of a finished stream to the garbage collector; here that would be a warning."""
    finish = WSClient.run_forever

    def finish_and_close(self: WSClient, *args: Any, **options: Any) -> None:
        finish(self, *args, **options)
        self.sock.shutdown()

    monkeypatch.setattr(WSClient, "run_forever", finish_and_close)


def test_the_output_of_a_command_comes_in_one_piece(api: client.ApiClient, kubectl: Tool) -> None:
    core, space = client.CoreV1Api(api), kubectl.namespace
    pod = a_running_pod(core, space)
    with client.ApiClient(api.configuration) as own:
        call = client.CoreV1Api(own).connect_get_namespaced_pod_exec
        said = stream(call, pod, space, command=["echo", "hello"], stdout=True, stderr=True, stdin=False, tty=False)
    assert said == "hello\n"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_command_ends_its_stream_and_tells_its_exit_code(api: client.ApiClient, kubectl: Tool, protocol: str) -> None:
    pod = a_running_pod(client.CoreV1Api(api), kubectl.namespace)
    running = run(api, kubectl.namespace, pod, "echo out; echo err >&2; exit 3", protocol=protocol)
    running.run_forever(timeout=30)
    assert (running.subprotocol, running.is_open(), running.returncode) == (protocol, False, 3)
    assert sorted(running.read_all().split()) == ["err", "out"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("line", ["whale\n", b"whale\n"], ids=["text", "bytes"])
def test_a_command_reads_what_is_written_to_it(
    api: client.ApiClient, kubectl: Tool, protocol: str, line: str | bytes
) -> None:
    pod = a_running_pod(client.CoreV1Api(api), kubectl.namespace)
    running = run(api, kubectl.namespace, pod, "read name; echo hello $name", protocol=protocol, stdin=True)
    running.write_stdin(line)
    running.run_forever(timeout=30)
    assert (running.is_open(), running.returncode, running.read_all()) == (False, 0, "hello whale\n")


def test_standard_input_ends_when_its_channel_is_closed(api: client.ApiClient, kubectl: Tool) -> None:
    pod = a_running_pod(client.CoreV1Api(api), kubectl.namespace)
    running = run(api, kubectl.namespace, pod, "cat", stdin=True)
    running.write_stdin("to the end")
    running.close_channel(0)
    running.run_forever(timeout=30)
    assert (running.is_open(), running.returncode, running.read_all()) == (False, 0, "to the end")


def test_custom_objects_are_checked_against_their_schema(api: client.ApiClient, kubectl: Tool) -> None:
    definitions, objects = client.ApiextensionsV1Api(api), client.CustomObjectsApi(api)
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"tons": {"type": "integer"}}}}}
    version = {"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definitions.create_custom_resource_definition(
        {
            "metadata": {"name": f"{PLURAL}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {"kind": "Whale", "plural": PLURAL, "singular": "whale"},
                "versions": [version],
            },
        }
    )
    try:
        kubectl("wait", "--for=condition=Established", f"crd/{PLURAL}.{GROUP}", "--timeout=120s")
        whale = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Whale",
            "metadata": {"name": "moby"},
            "spec": {"tons": 90},
        }
        place = (GROUP, VERSION, kubectl.namespace, PLURAL)
        objects.create_namespaced_custom_object(*place, whale)
        with pytest.raises(ApiException) as refused:
            objects.patch_namespaced_custom_object(*place, "moby", {"spec": {"tons": "many"}})
        assert refused.value.status == 422
        assert "spec.tons" in refused.value.body
        assert [item["spec"]["tons"] for item in objects.list_namespaced_custom_object(*place)["items"]] == [90]
        assert kubectl("get", "whales", "--output=name") == f"whale.{GROUP}/moby\n"
    finally:
        definitions.delete_custom_resource_definition(f"{PLURAL}.{GROUP}")
    eventually(lambda: PLURAL not in kubectl("api-resources", f"--api-group={GROUP}", "--cached=false"))


def test_a_token_of_a_service_account_has_its_rights_alone(api: client.ApiClient, kubectl: Tool) -> None:
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "robots", "--role=reader", f"--serviceaccount={kubectl.namespace}:robot")
    token = kubectl("create", "token", "robot").strip()
    configuration = client.Configuration(host=api.configuration.host, api_key={"authorization": f"Bearer {token}"})
    with client.ApiClient(configuration) as robot:
        core = client.CoreV1Api(robot)
        assert core.list_namespaced_pod(kubectl.namespace).items == []
        with pytest.raises(ApiException) as refused:
            core.list_namespaced_secret(kubectl.namespace)
        assert refused.value.status == 403
