"""What `helm test` runs: a pod that asks the Service whether the operator is ready, and that is no part of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from chart.kit import Chart, Manifest, of_kind

ON = {"test": {"enabled": True}}


def the_pod(chart: Chart, **values: object) -> Manifest:
    (pod,) = of_kind(chart.objects(ON | values), "Pod")
    return pod


def test_nothing_but_helm_test_runs_it(any_helm: Chart) -> None:
    assert of_kind(any_helm.objects(), "Pod", "Service") == []
    assert the_pod(any_helm)["metadata"]["annotations"]["helm.sh/hook"] == "test"


def test_it_runs_as_the_operator_does_and_is_not_taken_for_one(chart: Chart) -> None:
    pod = the_pod(chart, networkPolicy={"enabled": True, "metricsFrom": [{"podSelector": {}}]})
    objects = chart.objects(ON | {"networkPolicy": {"enabled": True, "metricsFrom": [{"podSelector": {}}]}})
    (deployment,) = of_kind(objects, "Deployment")
    operator, (own,) = deployment["spec"]["template"]["spec"], pod["spec"]["containers"]
    assert pod["spec"]["securityContext"] == operator["securityContext"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    for field in ("image", "securityContext", "resources"):
        assert own[field] == operator["containers"][0][field]
    labels = pod["metadata"]["labels"].items()
    (service,) = of_kind(objects, "Service")
    assert not service["spec"]["selector"].items() <= labels
    assert not deployment["spec"]["selector"]["matchLabels"].items() <= labels
    (policy,) = of_kind(objects, "NetworkPolicy")
    allowed = [source.get("podSelector", {}).get("matchLabels") for source in policy["spec"]["ingress"][0]["from"]]
    assert any(given and given.items() <= labels for given in allowed)


def test_it_asks_the_service_by_the_name_that_it_has(chart: Chart) -> None:
    (service,) = of_kind(chart.objects(ON), "Service")
    metadata = service["metadata"]
    (port,) = service["spec"]["ports"]
    assert the_pod(chart)["spec"]["containers"][0]["command"][-1] == (
        f"http://{metadata['name']}.{metadata['namespace']}.svc:{port['port']}/readyz"
    )


@pytest.mark.parametrize(("status", "passes"), [(200, True), (503, False)])
def test_it_passes_when_the_operator_is_ready(chart: Chart, status: int, passes: bool) -> None:
    *command, _ = the_pod(chart)["spec"]["containers"][0]["command"]
    assert command[0] == "python"
    with answering(status) as url:
        done = subprocess.run([sys.executable, *command[1:], url], capture_output=True, text=True, timeout=30)
    assert (done.returncode == 0) is passes, done.stderr
    assert ("leading" in done.stdout) is passes


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that says whether it is ready."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"leading")

        def log_message(self, *_: object) -> None:
            """Nothing: the output is that of the tests."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/readyz"
        finally:
            server.shutdown()
            thread.join()
