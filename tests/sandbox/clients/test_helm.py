"""Helm 3 and Helm 4 with a chart that has hooks.

Cases: install, list, status, upgrade, a failing upgrade that returns by itself, rollback, history, uninstall.
"""

import json
from pathlib import Path

import pytest
from sandbox.clients.kit import Tool, eventually

OURS = "app.kubernetes.io/instance=shop"
CHART = str(Path(__file__).with_name("chart"))

pytestmark = pytest.mark.e2e


def test_a_release_from_its_installation_to_its_end(helm: Tool, kubectl: Tool) -> None:
    told = helm("install", "shop", CHART, "--wait", "--timeout=120s")
    assert "shop says hello." in told
    assert kubectl("logs", "job/shop-pre-install") == "pre-install of revision 1\n"
    assert kubectl.field("deployment/shop", ".status.readyReplicas") == "1"

    helm("upgrade", "shop", CHART, "--set=greeting=good evening,replicas=2", "--wait", "--timeout=120s")
    assert kubectl("logs", "job/shop-post-upgrade") == "post-upgrade of revision 2\n"
    assert kubectl.field("configmap/shop", ".data.greeting") == "good evening"
    assert kubectl.field("deployment/shop", ".status.readyReplicas") == "2"

    helm("rollback", "shop", "1", "--wait", "--timeout=120s")
    assert kubectl.field("configmap/shop", ".data.greeting") == "hello"
    assert kubectl.field("deployment/shop", ".spec.replicas") == "1"

    [listed] = json.loads(helm("list", "--output=json"))
    assert (listed["name"], listed["revision"], listed["status"]) == ("shop", "3", "deployed")
    history = json.loads(helm("history", "shop", "--output=json"))
    assert [entry["status"] for entry in history] == ["superseded", "superseded", "deployed"]
    assert "kind: Deployment" in helm("get", "manifest", "shop")

    helm("uninstall", "shop", "--wait", "--timeout=120s")
    assert json.loads(helm("list", "--output=json")) == []
    eventually(lambda: kubectl("get", "deployments,services,configmaps,secrets", "--selector=" + OURS) == "")
    jobs = kubectl("get", "jobs", "--output=name").split()
    assert jobs == ["job.batch/shop-post-upgrade", "job.batch/shop-pre-install"]  # the pre-delete hook cleans up


def test_an_upgrade_whose_pods_crash_returns_to_the_release_before(helm: Tool, kubectl: Tool) -> None:
    helm("install", "shop", CHART, "--wait", "--timeout=120s")
    safely = "--atomic" if "helm3" in helm.binary.name else "--rollback-on-failure"
    told = helm("upgrade", "shop", CHART, "--set=image=no/such/image:1", safely, "--timeout=5s", code=1)
    assert "rolled back" in told
    [listed] = json.loads(helm("list", "--output=json"))
    assert (listed["revision"], listed["status"]) == ("3", "deployed")
    assert kubectl.field("deployment/shop", ".spec.template.spec.containers[0].image") == "localhost/python:3"


def test_a_hook_that_fails_stops_the_installation(helm: Tool, kubectl: Tool) -> None:
    told = helm("install", "shop", CHART, "--set=hookExit=3", "--timeout=5s", code=1)
    assert "pre-install" in told
    assert kubectl("get", "deployments", "--output=name") == ""


def test_a_dry_run_on_the_server_leaves_nothing(helm: Tool, kubectl: Tool) -> None:
    assert "kind: Deployment" in helm("install", "shop", CHART, "--dry-run=server")
    assert kubectl("get", "deployments,secrets", "--output=name") == ""
