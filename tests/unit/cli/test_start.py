"""How the command starts: quickly, as a plugin of kubectl, with completion; and how it draws on a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from unit.cli.builders import PROMOTED, a_revision
from unit.cli.conftest import Terminal

from slipway.cli import console

SLOW = (
    "kopf",
    "kubernetes",
    "httpx",
    "aiohttp",
    "yaml",
    "jsonschema",
    "asyncio",
    "rich",
    "slipway.api",
    "slipway.rollout",
)
COMMAND = Path(sys.executable).with_name("slipway")


def run(*words: str, command: Path = COMMAND, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(command), *words], capture_output=True, text=True, env={**os.environ, "TERM": "dumb", **environment}
    )


def test_nothing_slow_is_imported_before_a_verb_needs_it() -> None:
    """The time itself depends on the machine; what is imported does not."""
    script = (
        "import sys\n"
        "from slipway.cli.app import app\n"
        "try:\n    app(['version'])\nfinally:\n"
        f"    print(*(name for name in {SLOW!r} if name in sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)
    assert done.stderr.strip() == ""


def test_as_a_plugin_of_kubectl_the_usage_says_so(tmp_path: Path) -> None:
    link = tmp_path / "kubectl-slipway"
    link.symlink_to(COMMAND)
    assert "Usage: kubectl slipway status" in run("status", "--help", command=link).stdout
    assert "Usage: slipway status" in run("status", "--help").stdout


def test_kubectl_finds_it_as_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "kubectl-slipway").symlink_to(COMMAND)
    done = run("slipway", "version", command=COMMAND.with_name("kubectl"), PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout), done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_each_shell(shell: str) -> None:
    done = run(_SLIPWAY_COMPLETE=f"source_{shell}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "_SLIPWAY_COMPLETE" in done.stdout


def test_completion_offers_verbs() -> None:
    done = run(_SLIPWAY_COMPLETE="complete_bash", COMP_WORDS="slipway pro", COMP_CWORD="1")
    assert done.stdout.split() == ["promote"]


def test_completion_offers_options() -> None:
    done = run(_SLIPWAY_COMPLETE="complete_bash", COMP_WORDS="slipway status --ge", COMP_CWORD="2")
    assert done.stdout.split() == ["--generation"]


def test_on_a_terminal_the_tree_is_drawn(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    terminal.shop()
    out = terminal("status", "fraud", "-n", "shop", COLUMNS="160")[1]
    assert "├── stable     v1" in out
    assert "└── candidate  v2" in out


def test_on_a_terminal_a_watch_draws_in_place(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    terminal.shop(a_revision("v2", "Stable"), status=PROMOTED)
    code, out, _ = terminal("status", "fraud", "-n", "shop", "--watch", COLUMNS="160")
    assert code == 0
    assert "fraud  promoted" in out


def test_an_object_s_words_are_text_and_no_markup(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    status = PROMOTED | {"message": "[bold]release[/bold] [/nonsense]"}
    terminal.shop(a_revision("v2", "Stable"), status=status)
    assert "[bold]release[/bold] [/nonsense]" in terminal("status", "fraud", "-n", "shop", COLUMNS="160")[1]


@pytest.mark.parametrize("drawn", [True, False])
def test_what_others_write_commands_no_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, drawn: bool
) -> None:
    monkeypatch.setattr(console, "on_terminal", lambda: drawn)
    terminal.shop(a_revision("v2", "Stable"), status=PROMOTED | {"message": "\x1b]0;owned\x07\x1b[2Jall is well\x9b1A"})
    out = terminal("status", "fraud", "-n", "shop", COLUMNS="160")[1]
    assert "\\x1b]0;owned\\x07\\x1b[2Jall is well\\x9b1A" in out
    assert not {"\x07", "\x9b"} & set(out)
    assert "\x1b]" not in out
