"""The command line: its verbs in the order in which the help lists them, and no decisions."""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import Final

import typer

from slipway import __version__
from slipway.cli import (
    auditing,
    checking,
    describing,
    evaluating,
    feedback,
    fetching,
    looking,
    reporting,
    running,
    suggesting,
    verdicts,
    verifying,
)
from slipway.cli.plugins import OpenGroup

KUBECTL_PLUGIN: Final = "kubectl-slipway"
"""The name under which kubectl finds the command, for `kubectl slipway`."""

app = typer.Typer(
    name="slipway",
    cls=OpenGroup,
    help="Launches machine-learning models on Kubernetes, and hauls bad ones back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Keep verbs as sub-commands, also while there are few."""


app.command("list")(looking.list_)
app.command()(looking.status)
app.command()(looking.explain)
app.command()(suggesting.suggest)
app.command()(looking.history)
app.command()(reporting.report)
for _name, (_, _help) in describing.DESCRIPTIONS.items():
    app.command(_name, help=_help)(describing.description(_name))
app.command()(verdicts.promote)
for _name, _help in verdicts.VERDICTS.items():
    app.command(_name, help=_help)(verdicts.verdict(_name))
app.command()(verdicts.undo)
app.add_typer(auditing.app)
app.command()(checking.lint)
app.command()(checking.diff)
app.command()(feedback.feedback)
app.command()(evaluating.evaluate)
app.command()(fetching.fetch)
app.command()(verifying.verify)
app.command()(running.run)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """The console script's entry; as a plugin of kubectl it tells its usage as one."""
    as_plugin = PurePath(sys.argv[0]).name == KUBECTL_PLUGIN
    app(prog_name="kubectl slipway" if as_plugin else "slipway")
