"""Which sandbox is meant, and how to say it again."""

import re
import shlex
from pathlib import Path
from typing import Final

import typer

from slipway_sandbox.sandbox import SandboxError, StateFolder, named_state

STATE_HELP: Final = "The folder that holds everything of the sandbox, instead of the one that --name stands for."
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def chosen(name: str, state: Path | None) -> StateFolder:
    """The folder that the options stand for. Raises `SandboxError` for a name that cannot be a folder's."""
    if state is not None:
        return StateFolder(state)
    if not _NAME.fullmatch(name):
        raise SandboxError(f"--name {name!r}: use lower-case letters, digits and dashes")
    return StateFolder(named_state(name))


def told_as(ctx: typer.Context, name: str, state: Path | None) -> str:
    """The command line for another verb on the same sandbox, with `{}` in the place of the verb."""
    parent = ctx.parent.command_path if ctx.parent is not None else ctx.command_path
    if state is not None:
        option = f" --state {shlex.quote(str(state))}"
    else:
        option = "" if name == "default" else f" --name {name}"
    return parent.replace("{", "{{").replace("}", "}}") + " {}" + option.replace("{", "{{").replace("}", "}}")
