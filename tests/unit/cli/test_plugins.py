"""Commands of other packages on the `slipway` command.

Cases: a good one, one that fails to import, one that is no typer app, one that needs an extra, one that takes the name
of an own verb; and what is imported when.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from slipway.cli.app import app

GOOD = """
import typer
app = typer.Typer()

@app.callback()
def root(): "Greets."

@app.command()
def hello(name: str): typer.echo(f"hello {name}")
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a package with one entry point where the interpreter looks for packages."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(name: str, module: str, code: str, *, extras: str = "") -> None:
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[slipway.commands]\n{name} = {module}:app{extras}\n")

    return put


def slipway(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.output


def test_a_command_of_another_package_is_listed_and_runs(install: Install) -> None:
    install("greet", "greetings_a", GOOD)
    assert "Greets." in slipway("--help")[1]
    assert slipway("greet", "hello", "you") == (0, "hello you\n")


def test_one_that_cannot_be_imported_says_why_and_leaves_the_others_alone(install: Install) -> None:
    install("broken", "greetings_b", "import no_such_module")
    code, output = slipway("broken", "anything", "--at=all")
    assert code == 1
    assert "'broken' of greetings_b cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'." in output
    assert slipway("version")[0] == 0
    assert "broken" in slipway("--help")[1]


def test_one_that_lacks_an_extra_says_how_to_get_it(install: Install) -> None:
    install("lacking", "greetings_c", "import no_such_module", extras=" [more]")
    assert "pip install 'greetings_c[more]'" in slipway("lacking")[1]


def test_what_is_no_typer_app_is_refused(install: Install) -> None:
    install("odd", "greetings_d", "app = 7")
    code, output = slipway("odd")
    assert code == 1
    assert "greetings_d:app is a int, not a typer.Typer" in output


def test_own_verbs_cannot_be_taken_over(install: Install) -> None:
    install("version", "greetings_e", GOOD)
    assert slipway("version")[1].startswith("0.")
    assert "Greets." not in slipway("--help")[1]


def test_running_the_operator_imports_nothing_of_other_packages(install: Install) -> None:
    install("greet", "greetings_f", "raise SystemExit('imported')")
    code, output = slipway("run", "--help")
    assert code == 0
    assert "Run the operator." in output
    assert "greetings_f" not in sys.modules


def test_the_sandbox_is_one_of_them() -> None:
    command = "import sys; from slipway.cli.app import app; assert 'slipway_sandbox' not in sys.modules; app()"
    done = subprocess.run([sys.executable, "-c", command, "sandbox", "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for verb in ("up", "down", "status", "kubeconfig", "logs", "load"):
        assert verb in done.stdout
