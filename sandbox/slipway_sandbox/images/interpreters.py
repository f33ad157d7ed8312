"""Which Python an environment is made with: the sandbox's own, or another where the packages are not made for that."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ANSWER_SECONDS: Final = 20.0
_QUESTION: Final = "import json, platform, sys; print(json.dumps([platform.python_version(), sys.base_prefix]))"


class MissingPythonError(LookupError):
    """No interpreter of this machine is of a version that is asked for; the message says what to install."""


@dataclass(frozen=True)
class Interpreter:
    """A Python of this machine."""

    path: str
    version: str
    home: str
    """Where it is installed, which is not where a virtual environment of it is."""


_known: dict[str, Interpreter] = {}


def interpreter_of(minors: Sequence[str]) -> Interpreter:
    """The sandbox's own interpreter if it is of one of these versions (`3.12`) or any will do, else one on the PATH.

    Raises `MissingPythonError` when there is none.
    """
    own = Interpreter(sys.executable, platform.python_version(), sys.base_prefix)
    if not minors or _minor(own.version) in minors:
        return own
    for minor in minors:
        path = shutil.which(f"python{minor}")
        found = _asked(path) if path is not None else None
        if found is not None and _minor(found.version) == minor:
            return found
    names = " or ".join(minors)
    raise MissingPythonError(
        f"its packages are made for Python {names}, the sandbox runs on {own.version}, and there is no "
        f"{' or '.join(f'python{minor}' for minor in minors)} on its PATH: install one of them"
    )


def _asked(path: str) -> Interpreter | None:
    """What the program says of itself; None for one that is only there by name, as version managers leave them."""
    if path not in _known:
        try:
            said = subprocess.run(
                [path, "-I", "-c", _QUESTION], capture_output=True, timeout=ANSWER_SECONDS, check=True
            ).stdout
            _known[path] = Interpreter(path, *json.loads(said))
        except (OSError, ValueError, TypeError, subprocess.SubprocessError):
            return None
    return _known[path]


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
