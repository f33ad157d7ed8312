"""One sandbox for all clients; a namespace of its own for each test."""

import asyncio
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sandbox.clients.helmfetch import UnavailableError, helm_binary
from sandbox.clients.kit import Tool
from sandbox.clients.terminal import KUBECTL as PACKAGED
from sandbox.clients.terminal import Terminal

from slipway_sandbox import Sandbox
from slipway_sandbox.processes import marked

_numbers = itertools.count(1)

MakeTool = Callable[[Path], Tool]


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    state = tmp_path_factory.mktemp("clients")
    running = Sandbox(state_dir=state, gateway=False, backoff_seconds=0.4)
    with asyncio.Runner() as runner:
        runner.run(running.__aenter__())
        try:
            yield running
        finally:
            runner.run(running.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clients keep their caches: discovery is asked for once a run, as at home."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def make_tool(sandbox: Sandbox, home: Path) -> Iterator[MakeTool]:
    """Makes clients of one fresh namespace, which goes when the test is done."""
    namespace = f"c{next(_numbers)}"

    def tool(binary: Path) -> Tool:
        return Tool(binary, sandbox.kubeconfig_path, home, namespace)

    admin = tool(PACKAGED)
    admin("create", "namespace", namespace)
    yield tool
    admin("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def kubectl(make_tool: MakeTool) -> Tool:
    """The kubectl of the environment."""
    return make_tool(PACKAGED)


@pytest.fixture(params=["packaged", "installed"])
def any_kubectl(request: pytest.FixtureRequest, make_tool: MakeTool) -> Tool:
    """The kubectl of the environment, and the one that is installed on this machine."""
    if request.param == "packaged":
        return make_tool(PACKAGED)
    elsewhere = [folder for folder in os.get_exec_path() if Path(folder).resolve() != PACKAGED.parent.resolve()]
    found = shutil.which("kubectl", path=os.pathsep.join(elsewhere))
    if found is None:
        pytest.skip("no kubectl is installed beside the packaged one")
    return make_tool(Path(found))


@pytest.fixture(params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest, make_tool: MakeTool) -> Tool:
    try:
        return make_tool(helm_binary(request.param))
    except UnavailableError as why:
        pytest.skip(str(why))


@pytest.fixture
def sandbox_at(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal at which the sandbox of a fresh folder may be started; nothing of it may be left after `down`."""
    terminal = Terminal(tmp_path)
    yield terminal
    terminal("down")
    assert marked(str(terminal.folder)) == []
