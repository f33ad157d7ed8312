"""Reading manifests the way an API server's clients do, with the line of every field for messages.

PyYAML reads some plain words otherwise than kubectl does: dates, which kubectl leaves text, and numbers like ``6e21``,
which kubectl reads as numbers. A commit or a version written without quotes is where that matters.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from slipway.cli.exits import Stop

STDIN: Final = "-"
SUFFIXES: Final = (".yaml", ".yml", ".json")
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_FLOAT: Final = "tag:yaml.org,2002:float"
_NUMBER: Final = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")

FieldPath = tuple[str | int, ...]
"""The way to a field: names of members, and positions in lists."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file. ``lines`` says where its fields are; ``repeated`` are keys that it has twice."""

    source: str
    document: Mapping[str, Any]
    line: int
    lines: Mapping[FieldPath, int] = field(default_factory=dict)
    repeated: tuple[FieldPath, ...] = ()

    @property
    def title(self) -> str:
        """Kind and name, for people."""
        metadata = self.document.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        return f"{self.document.get('kind', 'object')} {name or 'without a name'}"

    def line_of(self, path: FieldPath) -> int:
        """The line of a field, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, self.line)


class _Loader(yaml.SafeLoader):
    """See the module."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_FLOAT, _NUMBER, list("-+.0123456789"))


def files(given: str) -> list[str]:
    """The files that an argument stands for. Raises Stop when there is none."""
    path = Path(given)
    if given == STDIN or path.is_file():
        return [given]
    if not path.is_dir():
        raise Stop(f"{given}: there is no such file or folder")
    found = sorted(str(file) for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if not found:
        raise Stop(f"{given}: there are no manifests in this folder ({', '.join(SUFFIXES)})")
    return found


def read(source: str) -> list[Manifest]:
    """The objects of a file, or of standard input, with those of Lists one by one.

    Raises Stop, naming the line, for what is not YAML, or not an object.
    """
    try:
        text = sys.stdin.read() if source == STDIN else Path(source).read_text(encoding="utf-8")
        return list(_manifests(source, text))
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(f"{source}: cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark is not None else ""
        raise Stop(f"{source}{where}: this is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise Stop(f"{source}: this is not YAML: {error}") from error
    except RecursionError:
        raise Stop(f"{source}: it is nested too deep") from None
    except (ValueError, KeyError, IndexError, AttributeError):  # what PyYAML makes of `!!bool perhaps` and its like
        raise Stop(f"{source}: it holds a value that its tag does not allow: leave tags (!!) out") from None


def _manifests(source: str, text: str) -> Iterator[Manifest]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                places = _Places(source)
                places.note(node, (), ())
                document = loader.construct_document(node)
                if document is not None:
                    yield from _objects(source, _with_text_keys(document), places)
    finally:
        loader.dispose()


def _with_text_keys(value: Any) -> Any:
    """The value as JSON can say it: kubectl makes text of the keys that are numbers or booleans to YAML."""
    if isinstance(value, dict):
        return {
            str(key).lower() if isinstance(key, bool) else str(key): _with_text_keys(inner)
            for key, inner in value.items()
        }
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the fields of a document are, and which keys it has twice: what its value no longer tells."""

    source: str
    lines: dict[FieldPath, int] = field(default_factory=dict)
    repeated: list[FieldPath] = field(default_factory=list)

    def note(self, node: yaml.Node, path: FieldPath, around: tuple[int, ...]) -> None:
        """Note a node and all below it; ``around`` are the nodes that it is part of."""
        line = node.start_mark.line + 1
        if id(node) in around:
            raise Stop(f"{self.source}:{line}: an anchor that contains itself")
        around = (*around, id(node))
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode):
            names = set()
            for key, value in node.value:
                below = (*path, str(key.value))
                if key.value in names:
                    self.repeated.append(below)
                names.add(key.value)
                self.lines[below] = key.start_mark.line + 1
                self.note(value, below, around)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.note(item, (*path, index), around)


def _objects(source: str, document: Any, places: _Places) -> Iterator[Manifest]:
    lines, repeated = places.lines, places.repeated
    line = lines[()]
    if not isinstance(document, Mapping):
        raise Stop(f"{source}:{line}: an object is expected here, with apiVersion, kind and metadata")
    items = document.get("items")
    if document.get("kind") != "List" or not isinstance(items, list):
        yield Manifest(source, document, line, lines, tuple(repeated))
        return
    for index, item in enumerate(items):
        if isinstance(item, Mapping):
            start: FieldPath = ("items", index)
            inner = {path[2:]: number for path, number in lines.items() if path[:2] == start}
            twice = tuple(path[2:] for path in repeated if path[:2] == start)
            yield Manifest(source, item, inner.get((), line), inner, twice)
