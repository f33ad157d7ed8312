"""Environments of images: virtual environments that are made once and kept.

Cases: made and used, found again, what the key depends on, made by two at once, a build that is killed, a build that
is given up, failures (no index, no such package, another Python, a folder that cannot be written), where the cache is.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sandbox.runtime.kit import eventually
from sandbox.runtime.wheels import Index, a_wheel

from slipway_sandbox.images import BuildError, Cache, EnvironmentStore, Plan


def a_plan(*requirements: str | Path) -> Plan:
    return Plan("registry.example/greeter:1", ("--no-index", *map(str, requirements)))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture(autouse=True)
def no_index_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.e2e
async def test_an_environment_is_made_once_and_works_in_its_place(tmp_path: Path, cache: Cache) -> None:
    plan = a_plan(a_wheel(tmp_path))
    store = EnvironmentStore(cache)
    assert cache.find(plan) is None
    environment = await store.get(plan)
    greet = [environment.programs / "greet"]
    said = await asyncio.to_thread(subprocess.run, greet, capture_output=True, text=True, check=True)
    assert said.stdout == f"hello from 1.0 in {environment.folder}\n"
    assert environment.folder == cache.folder / plan.key
    assert environment.size > 100_000
    assert "cache/py" not in (environment.folder / "pyvenv.cfg").read_text().replace(str(environment.folder), "")
    marker = environment.folder / "marker"
    marker.touch()
    assert await store.get(plan) == environment == cache.find(plan)
    assert cache.environments() == [environment]
    assert marker.exists()


def test_what_an_environment_is_made_of_is_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = a_wheel(tmp_path)
    plan = a_plan(wheel)
    first = plan.key
    assert plan.key == first == Plan("another:1", plan.requirements).key
    assert a_plan(wheel, "another==1").key != first
    a_wheel(tmp_path, requires_python=">=3.9")
    assert plan.key != first
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    assert plan.key.startswith("py3.99.0-")


@pytest.mark.e2e
async def test_two_who_want_the_same_environment_make_it_once(tmp_path: Path, cache: Cache) -> None:
    async with Index(a_wheel(tmp_path)).serve() as index:
        plan = Plan("greeter:1", (f"--index-url={index.url}", "greeter==1.0"))
        one, other = EnvironmentStore(cache), EnvironmentStore(cache)  # as two processes: they share only the folder
        both = asyncio.gather(one.get(plan), one.get(plan), other.get(plan))
        await asyncio.wait_for(index.visited.wait(), 60)
        index.open.set()
        first, same, second = await both
    assert first == same == second
    assert index.downloads == 1


@pytest.mark.e2e
async def test_a_build_that_is_killed_leaves_nothing_that_looks_ready(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Index(a_wheel(tmp_path)).serve() as index:
        (tmp_path / "images.yaml").write_text(
            f"images: [{{image: 'greeter:1', requirements: ['--index-url={index.url}', 'greeter==1.0']}}]"
        )
        monkeypatch.setenv("SLIPWAY_SANDBOX_CACHE", str(cache.folder.parent / "killed"))
        pulling = [sys.executable, "-m", "slipway_sandbox", "pull", "greeter:1", f"--state={tmp_path}"]
        killed = Cache()
        plan = Plan("greeter:1", (f"--index-url={index.url}", "greeter==1.0"))
        victim = subprocess.Popen(pulling, stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - a fork takes a millisecond
        try:
            await asyncio.wait_for(index.visited.wait(), 60)
        finally:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
        assert killed.find(plan) is None
        assert killed.environments() == []
        assert [path for path in killed.folder.iterdir() if path.is_dir()] != []
        index.open.set()
        done = await asyncio.to_thread(subprocess.run, pulling, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    environment = killed.find(plan)
    assert environment is not None
    assert [path for path in killed.folder.iterdir() if path.is_dir()] == [environment.folder]


@pytest.mark.e2e
async def test_a_build_goes_on_when_who_asked_for_it_gives_up_but_not_after_the_end(
    tmp_path: Path, cache: Cache
) -> None:
    async with Index(a_wheel(tmp_path)).serve() as index:
        plan = Plan("greeter:1", (f"--index-url={index.url}", "greeter==1.0"))
        store = EnvironmentStore(cache)
        asking = asyncio.create_task(store.get(plan))
        await asyncio.wait_for(index.visited.wait(), 60)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        index.open.set()
        await eventually(lambda: asyncio.to_thread(cache.find, plan), 60)

        index.open.clear()
        index.visited.clear()
        another = Plan("greeter:2", (*plan.requirements, "--prefer-binary"))
        asking = asyncio.create_task(store.get(another))
        await asyncio.wait_for(index.visited.wait(), 60)
        await store.close()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert list(cache.folder.glob("*.new-*")) == []
        lock = cache.try_lock(another)
        assert lock is not None
        lock.release()


@pytest.mark.e2e
async def test_an_index_that_cannot_be_reached_is_named_as_the_cause(cache: Cache) -> None:
    plan = Plan("greeter:1", ("--index-url=http://127.0.0.1:9/simple/", "greeter==1.0"))
    with pytest.raises(BuildError, match=r"greeter==1\.0.*index cannot be reached.*PIP_INDEX_URL.*log: "):
        await EnvironmentStore(cache).get(plan)
    assert cache.environments() == []
    assert [path for path in cache.folder.iterdir() if path.is_dir()] == []
    assert "greeter==1.0" in cache.log_path(plan).read_text()


@pytest.mark.e2e
async def test_a_requirement_that_cannot_be_met_is_told_with_the_installers_reason(
    tmp_path: Path, cache: Cache
) -> None:
    store = EnvironmentStore(cache)
    with pytest.raises(BuildError, match=r"No matching distribution found for absent-package.*correct the requirem"):
        await store.get(a_plan("absent-package"))
    with pytest.raises(BuildError, match="not made for this version of Python: run the sandbox with another one"):
        await store.get(a_plan(a_wheel(tmp_path, requires_python="<3.8")))


async def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match=r"file.*SLIPWAY_SANDBOX_CACHE"):
        await EnvironmentStore(Cache(tmp_path / "file" / "cache")).get(a_plan("greeter"))


def test_an_environment_whose_interpreter_is_uninstalled_is_not_ready(tmp_path: Path, cache: Cache) -> None:
    plan = a_plan("greeter")
    built = cache.new_folder(plan)
    (built / "bin").mkdir(parents=True)
    (built / "pyvenv.cfg").touch()
    interpreter = tmp_path / "python3"
    interpreter.touch()
    (built / "bin" / "python").symlink_to(interpreter)
    assert cache.keep(plan, built, 1.0) == cache.find(plan)
    interpreter.unlink()
    assert cache.find(plan) is None
    assert cache.environments() == []


def test_the_cache_is_where_its_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPWAY_SANDBOX_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cache().folder == tmp_path / ".cache" / "slipway-sandbox" / "environments"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Cache().folder == tmp_path / "xdg" / "slipway-sandbox" / "environments"
    monkeypatch.setenv("SLIPWAY_SANDBOX_CACHE", str(tmp_path / "mine"))
    assert Cache().folder == tmp_path / "mine" / "environments"
