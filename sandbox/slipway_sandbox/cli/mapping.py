"""What `load` is given: files of the image table, and single mappings as one types them."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from slipway_sandbox.images import ImageEntry, ImageError, ImageTable


def read_mappings(words: Iterable[str]) -> ImageTable:
    """A table of all of them, later ones in place of earlier ones.

    `PATTERN=COMMAND` starts the command in the folder where it was typed, so that it names files as it does there.
    Raises `ImageError` for what is neither that nor a readable file.
    """
    table = ImageTable()
    for word in words:
        pattern, sign, command = word.partition("=")
        if Path(word).is_file() or not sign:
            table.update(ImageTable.load(word))
        else:
            table.add(pattern, _typed(word, pattern, command))
    return table


def _typed(word: str, pattern: str, command: str) -> ImageEntry:
    try:
        words = tuple(shlex.split(command))
    except ValueError as problem:
        raise ImageError(f"{word}: {problem}") from problem
    if not pattern or not words:
        raise ImageError(f"{word}: expected PATTERN=COMMAND, as in 'registry.example/app:*=python3 app.py'")
    return ImageEntry(command=words, working_dir=str(Path.cwd()))
