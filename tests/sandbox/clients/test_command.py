"""`slipway sandbox` at a terminal.

Cases: a second `up`, two at once, a port in use, a sandbox that is not there, folders and files that cannot be used,
image mappings that come later, logs by name, a crash and what clears it away.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sandbox.clients.kit import eventually
from sandbox.clients.terminal import Terminal

pytestmark = pytest.mark.e2e


def test_up_says_what_to_type_next_and_a_second_one_that_it_runs(sandbox_at: Terminal) -> None:
    said = sandbox_at("up", "--no-gateway")
    assert f"export KUBECONFIG={sandbox_at.folder}/kubeconfig" in said
    assert "slipway sandbox down --name mine" in said
    assert "already running" in sandbox_at("up", code=1)
    assert sandbox_at.kubectl("get", "nodes", "--output=name") == "node/sandbox\n"
    sandbox_at("down")
    assert sandbox_at("status", code=3).startswith("No sandbox is running")


@pytest.mark.parametrize("option", ["--port", "--gateway-port"])
def test_a_port_in_use_is_told_with_who_has_it_and_nothing_is_left(sandbox_at: Terminal, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = sandbox_at("up", f"{option}={port}", code=1)
    assert f"port {port}, asked for as the" in said
    assert f"in use by process {os.getpid()} (" in said
    assert f"choose another one with {option}" in said
    assert "Traceback" not in said
    assert "did not end properly" not in sandbox_at("status", code=3)


def test_of_two_that_are_typed_at_once_one_starts_a_sandbox_and_the_other_says_that_it_runs(
    sandbox_at: Terminal,
) -> None:
    both = [sandbox_at.typed("up", "--no-gateway") for _ in range(2)]
    said = sorted((up.communicate(timeout=60)[0], up.returncode) for up in both)
    assert sorted(code for _, code in said) == [0, 1], said
    [other] = [text for text, code in said if code == 1]
    assert "already running" in other or "is starting" in other
    assert sandbox_at.kubectl("get", "nodes", "--output=name") == "node/sandbox\n"


def test_verbs_for_a_sandbox_that_is_not_there_say_so(sandbox_at: Terminal) -> None:
    assert sandbox_at("status", code=3) == f"No sandbox is running in {sandbox_at.folder}.\n"
    assert sandbox_at("down") == "No sandbox is running.\n"
    assert "start one with `up`" in sandbox_at("kubeconfig", code=1)
    assert "start one with `up`" in sandbox_at("load", "a=b", code=1)
    assert "no sandbox has run there" in sandbox_at("logs", code=1)
    assert not sandbox_at.folder.exists()


def test_a_folder_that_cannot_be_one_is_told_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    def typed(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "slipway_sandbox", *words, f"--state={file}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    up = typed("up", "--no-gateway")
    assert (up.returncode, up.stderr) == (1, f"Error: {file} cannot be the folder of a sandbox: File exists\n")
    assert typed("status").returncode == 3
    assert typed("down").stdout == "No sandbox is running.\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--images=nowhere.yaml"], "No such file or directory"),
        (["--persist"], "is damaged or no state file"),
    ],
    ids=["images", "objects"],
)
def test_a_file_that_cannot_be_used_is_told_in_a_line_and_nothing_is_left(
    sandbox_at: Terminal, words: list[str], complaint: str
) -> None:
    sandbox_at.folder.mkdir(parents=True)
    (sandbox_at.folder / "objects.sqlite").write_text("no database")
    said = sandbox_at("up", "--no-gateway", *words, code=1)
    assert said.startswith("Error: ")
    assert complaint in said
    assert said.count("\n") == 1
    assert sandbox_at("status", code=3) == f"No sandbox is running in {sandbox_at.folder}.\n"


def test_a_mapping_that_is_brought_later_is_found_by_a_pod_that_waits(sandbox_at: Terminal) -> None:
    sandbox_at("up", "--no-gateway", "--backoff=0.3")
    kubectl = sandbox_at.kubectl
    kubectl("run", "late", "--image=example.org/late:1", "--restart=Never")
    eventually(lambda: "BackOff" in kubectl("get", "pods"))
    sandbox_at("load", "example.org/late:*=sh -c 'echo came'")
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/late", "--timeout=120s")
    assert sandbox_at("logs", "default/late") == "came\n"
    assert "no log of 'nobody'; there are: sandbox, default/late" in sandbox_at("logs", "nobody", code=1)


def test_a_log_is_followed_over_a_restart_until_ctrl_c(sandbox_at: Terminal) -> None:
    sandbox_at("up", "--no-gateway", "--backoff=0.1")
    sandbox_at.kubectl("run", "clock", "--image=localhost/python:3", "--command", "--", "sh", "-c", "date +%N; sleep 1")
    eventually(lambda: "default/clock" in sandbox_at("logs", "nobody", code=1))
    with sandbox_at.typed("logs", "clock", "--follow") as following:
        assert following.stdout is not None
        said = [following.stdout.readline() for _ in range(3)]
        following.send_signal(signal.SIGINT)
        assert following.wait(timeout=60) == 0
    assert len(set(said)) == 3


def test_a_reader_that_has_seen_enough_is_told_nothing(sandbox_at: Terminal) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = sandbox_at.command("status")
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=sandbox_at.environment, timeout=60)
    os.close(writing)
    assert done.stderr == b""


def test_a_crash_is_recognised_and_cleared_away(sandbox_at: Terminal) -> None:
    sandbox_at("up", "--no-gateway")
    os.kill(sandbox_at.pid(), signal.SIGKILL)
    assert "did not end properly" in eventually(lambda: sandbox_at("status", code=3))
    assert "what one that crashed had left is cleared away" in sandbox_at("down")
    assert sandbox_at("down") == "No sandbox is running.\n"
