"""``docs/state-machine.md``, written from the table: ``python -m slipway.rollout.document FOLDER``."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import Final

from slipway.api import Phase
from slipway.rollout.table import TABLE, Transition

FILE: Final = "state-machine.md"

_HEAD: Final = """<!-- Generated from operator/slipway/rollout/table.py by `make generate`: change the table. -->

# The state machine of a revision

What is not in this table does not happen. A revision stays in its phase until one of its events is seen; seeing the
same twice changes nothing. What each phase means is told in [Concepts](concepts.md).
"""


def markdown() -> str:
    """The page: the diagram and the table."""
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


def main(folder: Path) -> None:
    """Write the page into a folder."""
    (folder / FILE).write_text(markdown())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
