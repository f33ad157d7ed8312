"""How a verb ends: one number for each thing that a script may want to tell apart."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """The exit codes of all verbs. 2 is that of every command line that was typed wrong."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    ROLLED_BACK = 3
    WAITS = 4
    TIMED_OUT = 5
    NOT_FOUND = 6
    IN_PROGRESS = 7
    STALLED = 8
    REFUSED = 9
    REPLACED = 10


MEANINGS: Final = {
    Exit.DONE: "the declared release serves all traffic; the command was accepted; the manifests are right",
    Exit.ERROR: "the cluster or a file could not be read or written, or `lint` found something",
    Exit.USAGE: "the command line is wrong",
    Exit.ROLLED_BACK: "the declared release was hauled back",
    Exit.WAITS: "the rollout waits for a person: it is paused, or a step wants an approval",
    Exit.TIMED_OUT: "`--timeout` passed first",
    Exit.NOT_FOUND: "there is no such ModelDeployment",
    Exit.IN_PROGRESS: "the rollout is on (only without `--watch`)",
    Exit.STALLED: "nothing goes on before the manifest is changed, as when it cannot be read",
    Exit.REFUSED: "the operator refused the command, or there is nothing that it could be about",
    Exit.REPLACED: "the generation that was asked about was replaced by a later one",
}
"""What each code says, for the documentation."""


class Stop(Exception):
    """Ends a verb with a message and an exit code."""

    def __init__(self, message: str, code: Exit = Exit.ERROR) -> None:
        super().__init__(message)
        self.code = code
