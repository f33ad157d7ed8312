"""Pages that are written from the code, and never behind it: ``python -m slipway.rollout.document FOLDER``.

``docs/state-machine.md`` comes from the table; ``docs/reasons.md`` from the constants of reasons, their docstrings and
the advice for each. The pages of `slipway.rollout.handbook` are written with them.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from pathlib import Path
from types import ModuleType
from typing import Final

from slipway import analysis
from slipway.api import Phase
from slipway.rollout import reasons
from slipway.rollout.advice import ADVICE
from slipway.rollout.handbook import (
    CONDITIONS_FILE,
    EVENTS_FILE,
    TROUBLESHOOTING_FILE,
    conditions_markdown,
    events_markdown,
    troubleshooting_markdown,
)
from slipway.rollout.table import TABLE, Transition

FILE: Final = "state-machine.md"
REASONS_FILE: Final = "reasons.md"

_HEAD: Final = """<!-- Generated from operator/slipway/rollout/table.py by `make generate`: change the table. -->

# The state machine of a revision

What is not in this table does not happen. A revision stays in its phase until one of its events is seen; seeing the
same twice changes nothing. What each phase means is told in [Concepts](concepts.md).
"""

_REASONS_HEAD: Final = """<!-- Generated from operator/slipway/rollout by `make generate` -->

# Reasons

Each condition, each entry of a revision's timeline and each Event carries a reason, which is one word to search for;
the message beside it has the names and numbers. Here is what each of them means and what you can do. `NAME` stands for
the name of the ModelDeployment. `slipway explain NAME` says the same of the one that a rollout rests on now.
"""

_JUDGED: Final = "Of the evidence"

_SECTION: Final = re.compile(r"# --- (?P<title>.+?) -+$")


def markdown() -> str:
    """The page on the state machine: the diagram and the table."""
    order = list(Phase)
    transitions = sorted(TABLE, key=lambda transition: order.index(transition.phase))
    return f"{_HEAD}\n```mermaid\nstateDiagram-v2\n{_diagram(transitions)}\n```\n\n{_table(transitions)}"


def _diagram(transitions: list[Transition]) -> str:
    lines = ["    [*] --> Pending"]
    lines += sorted({f"    {step.phase} --> {step.next}" for step in transitions})
    return "\n".join(lines)


def _table(transitions: list[Transition]) -> str:
    lines = ["| phase | event | next phase |", "|---|---|---|"]
    for phase, steps in groupby(transitions, key=lambda step: step.phase):
        lines += [f"| {phase} | {step.event} | {step.next} |" for step in steps]
    return "\n".join(lines) + "\n"


def meanings() -> dict[str, dict[str, str]]:
    """What each reason means, by the section that it is in."""
    found = _said(reasons, inspect.getsource(reasons))
    judged = inspect.getsource(analysis.Reason)
    found[_JUDGED] = {
        reason: text for section in _said(analysis.Reason, judged).values() for reason, text in section.items()
    }
    return found


def _said(where: ModuleType | type, source: str) -> dict[str, dict[str, str]]:
    """The string constants of a module or an enum with the docstring behind each, by the comment above them."""
    titles = {
        number: match["title"] for number, line in enumerate(source.splitlines(), 1) if (match := _SECTION.match(line))
    }
    body = ast.parse(source).body
    if isinstance(where, type) and isinstance(body[0], ast.ClassDef):
        body = body[0].body
    out: dict[str, dict[str, str]] = {}
    for node, after in pairwise(body):
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if not isinstance(target, ast.Name) or not isinstance(after, ast.Expr):
            continue
        value = getattr(where, target.id)
        if isinstance(value, str):
            above = [title for number, title in titles.items() if number < node.lineno]
            text = str(ast.literal_eval(after.value))
            out.setdefault(above[-1] if above else "", {})[str(value)] = " ".join(text.split())
    return out


def reasons_markdown() -> str:
    """The page on reasons."""
    return _REASONS_HEAD + "".join(_section(title, said) for title, said in meanings().items())


def _section(title: str, said: Mapping[str, str]) -> str:
    lines = [f"\n## {title[0].upper()}{title[1:]}\n", "| reason | what it means | what you can do |", "|---|---|---|"]
    return "\n".join([*lines, *_rows(said)]) + "\n"


def _rows(said: Mapping[str, str]) -> Iterator[str]:
    for reason, meaning in said.items():
        todo = ADVICE[reason].format(name="NAME")
        yield f"| `{reason}` | {_cell(meaning)} | {_cell(todo)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def pages() -> dict[str, str]:
    """The text of every page, by its path in the documentation."""
    said = {reason: text for section in meanings().values() for reason, text in section.items()}
    return {
        FILE: markdown(),
        REASONS_FILE: reasons_markdown(),
        TROUBLESHOOTING_FILE: troubleshooting_markdown(said),
        CONDITIONS_FILE: conditions_markdown(),
        EVENTS_FILE: events_markdown(),
    }


def main(folder: Path) -> None:
    """Write the pages into a folder."""
    for path, text in pages().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
