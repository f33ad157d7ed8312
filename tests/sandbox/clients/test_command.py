"""`slipway sandbox` at a terminal.

Cases: a second `up`, a port in use, image mappings that come later, logs by name, a crash and what clears it away,
objects that outlive a sandbox, names.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox.clients.conftest import PACKAGED
from sandbox.clients.kit import Tool, eventually

from slipway_sandbox.processes import marked

SLIPWAY = Path(sys.executable).with_name("slipway")

pytestmark = pytest.mark.e2e


class Terminal:
    """Types commands for the sandbox of one folder."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "slipway-sandbox" / "mine"
        self._environment = {**os.environ, "XDG_STATE_HOME": str(home)}
        self.kubectl = Tool(PACKAGED, self.folder / "kubeconfig", home, "default")

    def __call__(self, verb: str, *words: str, code: int = 0) -> str:
        command = [str(SLIPWAY), "sandbox", verb, "--name=mine", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=self._environment)
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def pid(self) -> int:
        return int(self("status").split()[2])


@pytest.fixture
def sandbox_at(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal("down")
    assert marked(str(terminal.folder)) == []


def test_up_says_what_to_type_next_and_a_second_one_that_it_runs(sandbox_at: Terminal) -> None:
    said = sandbox_at("up", "--no-gateway")
    assert f"export KUBECONFIG={sandbox_at.folder}/kubeconfig" in said
    assert "slipway sandbox down --name mine" in said
    assert "already running" in sandbox_at("up", code=1)
    assert sandbox_at.kubectl("get", "nodes", "--output=name") == "node/sandbox\n"
    sandbox_at("down")
    assert sandbox_at("status", code=3).startswith("No sandbox is running")
    assert "start one with `up`" in sandbox_at("load", "a=b", code=1)


def test_a_port_in_use_is_told_in_a_line_and_nothing_is_left(sandbox_at: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = sandbox_at("up", "--no-gateway", f"--port={taken.getsockname()[1]}", code=1)
    assert "in use" in said
    assert "Traceback" not in said
    sandbox_at("status", code=3)


def test_a_mapping_that_is_brought_later_is_found_by_a_pod_that_waits(sandbox_at: Terminal) -> None:
    sandbox_at("up", "--no-gateway", "--backoff=0.3")
    kubectl = sandbox_at.kubectl
    kubectl("run", "late", "--image=example.org/late:1", "--restart=Never")
    eventually(lambda: "BackOff" in kubectl("get", "pods"))
    sandbox_at("load", "example.org/late:*=sh -c 'echo came'")
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/late", "--timeout=15s")
    assert sandbox_at("logs", "default/late") == "came\n"
    assert "no log of 'nobody'; there are: sandbox, default/late" in sandbox_at("logs", "nobody", code=1)


def test_a_crash_is_recognised_and_cleared_away(sandbox_at: Terminal) -> None:
    sandbox_at("up", "--no-gateway")
    os.kill(sandbox_at.pid(), signal.SIGKILL)
    assert "did not end properly" in eventually(lambda: sandbox_at("status", code=3))
    assert "what one that crashed had left is cleared away" in sandbox_at("down")
    assert sandbox_at("down") == "No sandbox is running.\n"


def test_objects_that_are_kept_are_there_after_the_next_start(sandbox_at: Terminal) -> None:
    sandbox_at("up", "--no-gateway", "--persist")
    sandbox_at.kubectl("create", "configmap", "kept", "--from-literal=a=1")
    sandbox_at("down")
    sandbox_at("up", "--no-gateway", "--persist")
    assert sandbox_at.kubectl.field("configmap/kept", ".data.a") == "1"
