"""The page about the command line."""

from pathlib import Path

from slipway.cli.document import FILE, markdown
from slipway.cli.exits import Exit

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_page_is_what_the_commands_say() -> None:
    assert (DOCS / FILE).read_text() == markdown(), "run python -m slipway.cli.document docs"


def test_every_verb_and_every_exit_code_is_on_it() -> None:
    page = markdown()
    for verb in ("list", "status", "explain", "history", "promote", "undo", "lint", "diff", "run", "version"):
        assert f"### slipway {verb}" in page
    assert all(f"| {int(code)} |" in page for code in Exit)


def test_commands_of_other_packages_are_not_on_it() -> None:
    assert "### slipway sandbox" not in markdown()
