"""Requirements as a user writes them, made independent of the folder that they were written in."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_RELATIVE: Final = re.compile(r"(?<![^\s=])\.{1,2}/[^\s;]*")
_REFUSED: Final = re.compile(r"(-r|-c|-e|--requirement|--constraint|--editable)(\s|=|$)")


class RequirementsError(ValueError):
    """Requirements that cannot be used; the message names the line and what to write instead."""


def read_requirements(path: Path) -> tuple[str, ...]:
    """The lines of a requirements file. Raises `RequirementsError` when it cannot be read or used."""
    try:
        text = path.expanduser().read_text()
    except OSError as problem:
        raise RequirementsError(f"{path}: {problem.strerror or problem}") from problem
    lines = text.replace("\\\n", " ").split("\n")
    return resolved_requirements(lines, path.expanduser().parent)


def resolved_requirements(lines: Iterable[str], folder: Path) -> tuple[str, ...]:
    """The lines without comments, and with `./…` and `../…` as full paths. Raises `RequirementsError`."""
    found = []
    for line in lines:
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        if _REFUSED.match(bare):
            raise RequirementsError(f"{bare!r}: other files and editable projects are not followed; list the packages")
        full = _RELATIVE.sub(lambda match: str((folder / match.group(0)).resolve()), bare)
        if full.startswith("/") and Path(full).is_dir():
            raise RequirementsError(f"{bare!r}: a folder may change unnoticed; build a wheel of it and name that")
        if full:
            found.append(full)
    return tuple(found)
