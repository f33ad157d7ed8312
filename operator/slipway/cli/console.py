"""How things are shown: a tree in colours on a terminal, plain lines everywhere else.

What goes into a pipe or a log has no colours, no boxes and no cursor movements, and a watch prints a line for each
change there instead of drawing anew.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from rich.tree import Tree

    from slipway.cli.view import Branch

_STYLES: Final = {
    "plain": "",
    "title": "bold",
    "good": "green",
    "bad": "red",
    "waiting": "yellow",
    "dim": "dim",
}

GAP: Final = "   "
"""Between two columns."""


def harmless(text: str) -> str:
    """Text as a terminal may show it: what others have written, such as a message in a status, commands no terminal."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)


def on_terminal() -> bool:
    """Whether a person looks at the output."""
    return sys.stdout.isatty()


def show(branch: Branch) -> None:
    """Print a tree."""
    if not on_terminal():
        from slipway.cli.view import plain

        typer.echo(harmless("\n".join(plain(branch))))
        return
    from rich.console import Console

    Console(highlight=False).print(_drawn(branch))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, as kubectl does."""
    widths = [max(len(row[index]) for row in (header, *rows)) for index in range(len(header))]
    for row in (header, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(harmless(GAP.join(cells).rstrip()))


def data(document: dict[str, Any], form: str, *, stream: bool = False) -> None:
    """Print data as json or yaml; in a stream each document stands by itself."""
    if form == "json":
        typer.echo(json.dumps(document, ensure_ascii=False, indent=None if stream else 2))
        return
    import yaml

    typer.echo(("---\n" if stream else "") + yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


@contextlib.contextmanager
def live() -> Iterator[Callable[[Branch], None]]:
    """A place on the terminal in which a tree is drawn again and again."""
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="visible") as place:
        yield lambda branch: place.update(_drawn(branch), refresh=True)


def _drawn(branch: Branch, below: Tree | None = None) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    label = Text(harmless(branch.text), style=_STYLES[branch.tone])
    node = Tree(label, guide_style="dim") if below is None else below.add(label)
    for child in branch.children:
        _drawn(child, node)
    return node
