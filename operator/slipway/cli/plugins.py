"""Commands of other packages: each is an entry point, looked up by name and loaded when it is typed.

A package joins in by declaring, in the group `slipway.commands`, a name and a `typer.Typer`:

    [project.entry-points."slipway.commands"]
    sandbox = "slipway_sandbox.cli:app"

Nothing of it is imported before its name is typed or the help is printed, so that `slipway run` neither waits for it
nor fails with it. What cannot be loaded stays in the list and says why when it is called. The verbs of this package
win over entry points of the same name: an operator must not change its meaning by what is installed beside it.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as as_command

GROUP: Final = "slipway.commands"


class OpenGroup(TyperGroup):
    """The verbs of this package and, below them, those that entry points add."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Own verbs in their order, then the others by name."""
        own = super().list_commands(ctx)
        return [*own, *sorted(entry_points(group=GROUP).names - set(own))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None when neither this package nor an entry point has it."""
        own = super().get_command(ctx, cmd_name)
        found = None if own is not None else next(iter(entry_points(group=GROUP, name=cmd_name)), None)
        return own if found is None else _loaded(found)


def _loaded(entry: EntryPoint) -> Any:
    try:
        app = entry.load()
    except Exception as problem:  # noqa: BLE001 - whatever is wrong with another package is told, and breaks nothing
        return _apology(entry, f"{type(problem).__name__}: {problem}")
    if not isinstance(app, typer.Typer):
        return _apology(entry, f"{entry.value} is a {type(app).__name__}, not a typer.Typer")
    command = as_command(app)
    command.name = entry.name
    return command


def _apology(entry: EntryPoint, why: str) -> TyperCommand:
    """A command that says, whatever it is called with, why the real one is not there."""
    package = entry.dist.name if entry.dist is not None else "the package that provides it"
    remedy = "".join(f" Try: pip install '{package}[{extra}]'" for extra in entry.extras)
    message = f"slipway: the command {entry.name!r} of {package} cannot be loaded: {why}.{remedy}"

    def say() -> None:
        typer.echo(message, err=True)
        raise typer.Exit(1)

    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return TyperCommand(entry.name, callback=say, help=f"Cannot be loaded: {why}", context_settings=anything)
