"""What `load` is given: files of the image table, and single mappings as one types them."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from slipway_sandbox.images import ImageEntry, ImageError, ImageTable, RequirementsError, read_requirements


def read_mappings(words: Iterable[str], requirements: Path | None = None) -> ImageTable:
    """A table of all of them, later ones in place of earlier ones.

    `PATTERN=COMMAND` starts the command in the folder where it was typed, so that it names files as it does there, in
    an environment of the `requirements` file if there is one. Raises `ImageError` for what is neither that nor a
    readable file.
    """
    table = ImageTable()
    try:
        packages = read_requirements(requirements) if requirements is not None else ()
    except RequirementsError as problem:
        raise ImageError(f"--requirements: {problem}") from problem
    for word in words:
        pattern, sign, command = word.partition("=")
        if Path(word).is_file() or not sign:
            table.update(ImageTable.load(word))
        else:
            table.add(pattern, _typed(word, pattern, command, packages))
    return table


def _typed(word: str, pattern: str, command: str, packages: tuple[str, ...]) -> ImageEntry:
    try:
        words = tuple(shlex.split(command))
    except ValueError as problem:
        raise ImageError(f"{word}: {problem}") from problem
    if not pattern or not words:
        raise ImageError(f"{word}: expected PATTERN=COMMAND, as in 'registry.example/app:*=python3 app.py'")
    return ImageEntry(command=words, working_dir=str(Path.cwd()), requirements=packages)
