"""The table: patterns of image names, and the local commands that they stand for."""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Self

import yaml

_KEYS: Final = frozenset({"image", "command", "args", "env", "workingDir", "root"})


class ImageError(ValueError):
    """An image table that cannot be used; the message names the file, the entry and what to change."""


@dataclass(frozen=True)
class ImageEntry:
    """What stands for an image. Values may hold `$(POD_IP)`, `$(POD_NAME)`, `$(POD_NAMESPACE)` and `$(POD_UID)`."""

    command: tuple[str, ...] = ()
    """The image's entry point: what a container runs that names no command."""
    args: tuple[str, ...] = ()
    """The image's default arguments: used when the container names neither command nor args."""
    env: Mapping[str, str] = field(default_factory=dict)
    """The image's environment; the container's own entries win."""
    working_dir: str | None = None
    """Where its processes start; a folder of the pod by default."""
    root: str | None = None
    """A folder that holds files of the image: absolute paths that exist below it are rewritten to point there."""


class ImageTable:
    """Patterns and entries. The longest pattern that matches an image's full name wins.

    A pattern is a shell pattern (`registry.example/team/*:1.*`). Names are matched as written in the pod, and also
    with `:latest` added where they carry neither tag nor digest.
    """

    def __init__(self, entries: Mapping[str, ImageEntry] | None = None) -> None:
        self._entries: dict[str, ImageEntry] = dict(entries or {})

    @classmethod
    def builtin(cls) -> Self:
        """The images that every sandbox knows: the interpreter it runs on, and the model server that comes with it."""
        table = cls()
        table.add("localhost/python:3*", ImageEntry(command=(sys.executable,)))
        table.add(
            "slipway.dev/onnx-server:*",
            ImageEntry(
                command=(sys.executable, "-m", "slipway_sandbox.modelserver"),
                env={"HOST": "$(POD_IP)"},
            ),
        )
        return table

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a table from a YAML or JSON file. Raises `ImageError` when it cannot be used."""
        path = Path(path)
        try:
            text = path.read_text()
            data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        except (OSError, ValueError, yaml.YAMLError) as problem:
            raise ImageError(f"{path}: {problem}") from problem
        table = cls()
        entries = data.get("images") if isinstance(data, dict) else None
        if not isinstance(entries, list):
            raise ImageError(f'{path}: expected a list under "images"')
        for number, entry in enumerate(entries):
            pattern, parsed = _parsed(entry, f"{path}: images[{number}]")
            table.add(pattern, parsed)
        return table

    def add(self, pattern: str, entry: ImageEntry) -> None:
        """Map a pattern, in place of what it was mapped to before."""
        self._entries[pattern] = entry

    def update(self, other: "ImageTable") -> None:
        """Take in all entries of another table."""
        self._entries.update(other._entries)

    def resolve(self, image: str) -> ImageEntry | None:
        """The entry for an image, or None when nothing matches."""
        names = [image]
        if ":" not in image.rpartition("/")[2] and "@" not in image:
            names.append(f"{image}:latest")
        matching = [pattern for pattern in self._entries if any(fnmatchcase(name, pattern) for name in names)]
        return self._entries[max(matching, key=_precedence)] if matching else None

    def patterns(self) -> list[str]:
        """Every pattern, for messages."""
        return sorted(self._entries)

    def save(self, path: Path) -> None:
        """Write the table so that `load` reads it back."""
        images = [
            {
                "image": pattern,
                **{_camel(name): value for name, value in asdict(entry).items() if value},
            }
            for pattern, entry in self._entries.items()
        ]
        path.write_text(json.dumps({"images": images}, indent=2) + "\n")


def _precedence(pattern: str) -> tuple[int, int, str]:
    """Longest first, not counting wildcards, so that `name:1.2` beats `name:1.*` beats `name:*`."""
    return (len(re.sub(r"[*?]", "", pattern)), len(pattern), pattern)


def _parsed(entry: Any, where: str) -> tuple[str, ImageEntry]:
    if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
        raise ImageError(f'{where}: every entry needs "image", a pattern of image names')
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise ImageError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    for name in ("command", "args"):
        value = entry.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ImageError(f"{where}.{name}: expected a list of strings")
    env = entry.get("env", {})
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise ImageError(f"{where}.env: expected names and strings (quote numbers)")
    for name in ("workingDir", "root"):
        if not isinstance(entry.get(name), str | None):
            raise ImageError(f"{where}.{name}: expected a path")
    parsed = ImageEntry(
        command=tuple(entry.get("command", ())),
        args=tuple(entry.get("args", ())),
        env=env,
        working_dir=entry.get("workingDir"),
        root=entry.get("root"),
    )
    return entry["image"], parsed


def _camel(name: str) -> str:
    return "workingDir" if name == "working_dir" else name
