"""The table: patterns of image names, and the local commands that they stand for."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Self

import yaml

from slipway_sandbox.images.environments import Plan
from slipway_sandbox.images.wanted import RequirementsError, read_requirements, resolved_requirements

_KEYS: Final = frozenset(
    {"image", "command", "args", "env", "workingDir", "root", "requirements", "pythons", "version"}
)
_VERSION: Final = re.compile(r"v?(\d+(?:\.\d+)*)")


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
    requirements: tuple[str, ...] = ()
    """Python packages, in lines of pip's format: the image runs in a virtual environment that is made of them once."""
    pythons: tuple[str, ...] = ()
    """The minor versions of Python that those are made for, such as `3.12`; any, if none is named."""
    version: str | None = None
    """The version that runs, whatever the tag says; a pod whose image's tag says another is told so."""

    def plan(self, image: str) -> Plan | None:
        """The environment that it runs in, or None for one that needs none."""
        return Plan(image, self.requirements, self.pythons) if self.requirements else None

    def difference(self, image: str) -> str:
        """In what it is not what the image's name asks for; empty where it is, or where the name leaves it open."""
        name, _, digest = image.partition("@")
        asked = _VERSION.match(name.rpartition("/")[2].partition(":")[2])
        words = []
        if self.version and asked:
            parts = asked.group(1).split(".")
            if self.version.split(".")[: len(parts)] != parts:
                words.append(f"it stands for version {self.version} here, not for the {asked.group(1)} of its tag")
        if digest:
            words.append("its digest is not checked")
        return "; ".join(words)


class ImageTable:
    """Patterns and entries. The longest pattern that matches an image's full name wins.

    A pattern is a shell pattern (`registry.example/team/*:1.*`). Names are matched as written in the pod, and also
    with `:latest` added where they carry neither tag nor digest, and without the digest where they carry both.
    """

    def __init__(self, entries: Mapping[str, ImageEntry] | None = None) -> None:
        self._entries: dict[str, ImageEntry] = dict(entries or {})

    @classmethod
    def builtin(cls) -> Self:
        """The images that every sandbox knows: its own interpreter and model server, and the presets."""
        from slipway_sandbox.images.presets import presets  # they are entries of this module

        return cls(presets())

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
            pattern, parsed = _parsed(entry, f"{path}: images[{number}]", path.parent)
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
        name, _, digest = image.partition("@")
        tagged = ":" in name.rpartition("/")[2]
        names = [name if digest and tagged else image]
        if not digest and not tagged:
            names.append(f"{image}:latest")
        matching = [
            pattern
            for pattern in self._entries
            if any(fnmatchcase(name, pattern) for name in names) or ("@" in pattern and fnmatchcase(image, pattern))
        ]
        return self._entries[max(matching, key=_precedence)] if matching else None

    def entry(self, pattern: str) -> ImageEntry:
        """What a pattern is mapped to. Raises `KeyError` for one that is not in the table."""
        return self._entries[pattern]

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


def _parsed(entry: Any, where: str, folder: Path) -> tuple[str, ImageEntry]:
    if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
        raise ImageError(f'{where}: every entry needs "image", a pattern of image names')
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise ImageError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    for name in ("command", "args", "pythons"):
        value = entry.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ImageError(f"{where}.{name}: expected a list of strings (quote numbers)")
    env = entry.get("env", {})
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise ImageError(f"{where}.env: expected names and strings (quote numbers)")
    for name, kind in (("workingDir", "a path"), ("root", "a path"), ("version", "a string (quote it)")):
        if not isinstance(entry.get(name), str | None):
            raise ImageError(f"{where}.{name}: expected {kind}")
    parsed = ImageEntry(
        command=tuple(entry.get("command", ())),
        args=tuple(entry.get("args", ())),
        env=env,
        working_dir=entry.get("workingDir"),
        root=entry.get("root"),
        requirements=_requirements(entry.get("requirements", []), f"{where}.requirements", folder),
        pythons=tuple(entry.get("pythons", ())),
        version=entry.get("version"),
    )
    return entry["image"], parsed


def _requirements(value: Any, where: str, folder: Path) -> tuple[str, ...]:
    try:
        if isinstance(value, str):
            return read_requirements(folder / value)
        if isinstance(value, list) and all(isinstance(line, str) for line in value):
            return resolved_requirements(value, folder)
    except RequirementsError as problem:
        raise ImageError(f"{where}: {problem}") from problem
    raise ImageError(f"{where}: expected a list of requirements, or the path of a file of them")


def _camel(name: str) -> str:
    return "workingDir" if name == "working_dir" else name
