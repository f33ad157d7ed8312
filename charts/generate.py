"""What the charts hold twice: the CRDs, the schema of the values and the table of the README.

``python charts/generate.py`` writes them, ``--check`` only says which of them are stale. The source of the first is
``crds/``, that of the others the commented ``values.yaml``: a line that begins with ``# --`` describes the value below,
one that begins with ``# @schema`` adds what its default does not tell, as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
CHART: Final = ROOT / "charts" / "slipway"
BEGIN: Final = "<!-- values: begin -->"
END: Final = "<!-- values: end -->"

Schema = dict[str, Any]

DEFINITIONS: Final[Schema] = {
    "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
    "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    "object": {"type": "object"},
    "named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
    "namespace": {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
    "objectName": {"type": "string", "maxLength": 253, "pattern": "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
}
_TYPES: Final = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
_KEY: Final = re.compile(r"^( *)([A-Za-z][A-Za-z0-9_.-]*):")


@dataclass(frozen=True)
class Value:
    """One key of values.yaml, with what its comments say."""

    path: tuple[str, ...]
    default: Any
    description: str
    schema: Schema


class UnclearError(Exception):
    """The comments do not say enough of a value; the message names it."""


def read(text: str) -> Iterator[Value]:
    """The keys in the order of the file. Raises UnclearError for a comment that cannot be read."""
    whole = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    closed = -1  # the indent of a value whose inside is described by its own schema
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
            continue
        found = _KEY.match(line)
        if found is None:
            comment = []
            continue
        indent = len(found[1])
        if closed >= 0 and indent > closed:
            comment = []
            continue
        while path and path[-1][0] >= indent:
            path.pop()
        path.append((indent, found[2]))
        keys = tuple(key for _, key in path)
        description, schema = _comment(keys, comment)
        closed = indent if "$ref" in schema else -1
        default = whole
        for key in keys:
            default = default[key]
        yield Value(keys, default, description, schema)
        comment = []


def _comment(keys: tuple[str, ...], lines: list[str]) -> tuple[str, Schema]:
    words: list[str] = []
    schema: Schema = {}
    for line in lines:
        if line.startswith("@schema"):
            try:
                schema |= json.loads(line.removeprefix("@schema"))
            except ValueError as error:
                raise UnclearError(f"values.yaml: {'.'.join(keys)}: @schema is no JSON: {error}") from error
        elif line.startswith("--"):
            words = [line.removeprefix("--").strip()]
        elif words:
            words.append(line)
    return " ".join(words), schema


def schema_of(values: list[Value], alerts: list[str]) -> Schema:
    """The JSON schema of the values: no key beyond them. Raises UnclearError for a list or map without a schema."""
    root: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Generated from values.yaml by `make generate`: change that file, not this one.",
        "type": "object",
        "additionalProperties": False,
        # Where a parent chart names `slipway.enabled` as the condition of this one, Helm hands it on.
        "properties": {"enabled": {"type": "boolean", "description": "For the condition of a parent chart."}},
        "$defs": DEFINITIONS | {"alert": {"enum": alerts}},
    }
    for value in values:
        parent = root
        for key in value.path[:-1]:
            parent = parent["properties"][key]
        parent["properties"][value.path[-1]] = _property(value)
    return root


def _property(value: Value) -> Schema:
    name = ".".join(value.path)
    told: Schema = {"description": value.description} if value.description else {}
    if "$ref" in value.schema:
        return told | {"allOf": [value.schema]}
    found = told | ({} if "enum" in value.schema else {"type": _TYPES[type(value.default)]})
    if isinstance(value.default, dict):
        if not value.default:
            raise UnclearError(f"values.yaml: {name} is an empty map: say with @schema what may be in it")
        found |= {"additionalProperties": False, "properties": {}}
    if isinstance(value.default, list) and "items" not in value.schema:
        raise UnclearError(f"values.yaml: {name} is a list: say with @schema what its items are")
    return found | value.schema


def table(values: list[Value]) -> str:
    """The values as a table in Markdown."""
    rows = ["| value | default | meaning |", "|---|---|---|"]
    for value in values:
        inner = isinstance(value.default, dict) and "$ref" not in value.schema
        if inner:
            continue
        default = json.dumps(value.default, ensure_ascii=False)
        rows.append(f"| `{'.'.join(value.path)}` | `{default}` | {value.description.replace('|', '&#124;')} |")
    return "\n".join(rows)


def outputs() -> dict[Path, str]:
    """What each generated file has to hold."""
    values = list(read((CHART / "values.yaml").read_text()))
    alerts = re.findall(r"^- alert: (\w+)", (CHART / "templates" / "_alerts.tpl").read_text(), re.MULTILINE)
    schema = json.dumps(schema_of(values, alerts), indent=2, ensure_ascii=False) + "\n"
    readme = (CHART / "README.md").read_text()
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    found = {
        CHART / "values.schema.json": schema,
        CHART / "README.md": f"{before}{BEGIN}\n{table(values)}\n{END}{after}",
    }
    for crd in sorted((ROOT / "crds").glob("*.yaml")):
        found[CHART / "files" / "crds" / crd.name] = crd.read_text()
    return found


def stale() -> list[Path]:
    """The generated files that are not what they have to be."""
    return [path for path, text in outputs().items() if not path.is_file() or path.read_text() != text]


def main() -> int:
    """Write what is stale, or with ``--check`` only name it and fail."""
    found, texts = stale(), outputs()
    for path in found:
        print(path.relative_to(ROOT))
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path])
    return int(bool(found) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
