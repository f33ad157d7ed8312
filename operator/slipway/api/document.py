"""Pages on the kinds, written from their schemas and never behind them: ``python -m slipway.api.document FOLDER``.

One page for each CustomResourceDefinition, named after its kind: another kind needs an entry in ``INTRODUCTIONS``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.api.common import API_VERSION, DNS_LABEL, DNS_SUBDOMAIN
from slipway.api.container import QUANTITY_PATTERN
from slipway.api.crd import definitions
from slipway.api.modeldeployment import MODEL_DEPLOYMENT_KIND
from slipway.api.modelrevision import MODEL_REVISION_KIND
from slipway.api.modelruntime import CLUSTER_MODEL_RUNTIME_KIND, MODEL_RUNTIME_KIND

INTRODUCTIONS: Final = {
    MODEL_DEPLOYMENT_KIND: "You write one for each model that serves. [Concepts](../concepts.md) tells what follows from it.",
    MODEL_REVISION_KIND: "The operator writes one for each release, and nobody else does. It is the audit trail of what was tried.",
    MODEL_RUNTIME_KIND: "Releases name it, or only the format of their model. It is the business of those who run the models of a namespace.",
    CLUSTER_MODEL_RUNTIME_KIND: "It is the business of those who run the cluster.",
}
"""What stands above the fields of each kind."""

COPIED: Final = ("as in a pod", "A ``metav1.Condition``")
"""Said of what is copied from Kubernetes: its fields are documented there, and may go without a description here."""

Schema = Mapping[str, Any]

_HEAD: Final = """<!-- Generated from operator/slipway/api by `make generate`: change the models. -->

# {kind}

{description} {introduction}

`apiVersion: {version}`, `kind: {kind}`; in short `kubectl get {short}`. Fields that are not listed here are refused where
`kubectl` or an API server validates strictly.

A field that has to be there is marked with \\*. Where the table says nothing of a default, leaving the field out means
that the thing is not asked for. Defaults are not written into your object: what you applied is what is stored.
Durations are written like `90s`, `10m` or `1h30m`.
"""

DEFAULT: Final = re.compile(r"\s*Default: (?P<value>.+?)\.?$")
"""How a description tells a default: at its end."""

_BOUNDS: Final = (
    ("minimum", "exclusiveMinimum", "at least", "more than"),
    ("maximum", "exclusiveMaximum", "at most", "less than"),
)
_SIZES: Final = (
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minProperties", "maxProperties", "entries"),
)
_DURATION: Final = "(h|m|s|ms)"
_NAMED: Final = {
    DNS_LABEL: "a DNS label",
    DNS_SUBDOMAIN: "a DNS subdomain",
    QUANTITY_PATTERN: "a quantity",
}
"""Forms that Kubernetes has a name for."""

_SHORT: Final = 64
"""Strings that may not be longer are not worth a word on their length."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field, by its path from the top of the object: ``spec.strategy.canary.steps[].weight``."""

    path: str
    schema: Schema
    required: bool
    copied: bool
    """Whether it is part of something that Kubernetes documents."""


def fields(schema: Schema, path: str = "", *, copied: bool = False) -> Iterator[Field]:
    """All fields below a schema, in the order of the models, each before those inside of it."""
    required = frozenset(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        yield Field(where, inner, name in required, copied)
        yield from _inside(inner, where, copied=copied)


def _inside(schema: Schema, path: str, *, copied: bool) -> Iterator[Field]:
    copied = copied or any(word in _told(schema) for word in COPIED)
    if "items" in schema:
        yield from _inside(schema["items"], f"{path}[]", copied=copied)
    else:
        yield from fields(schema, path, copied=copied)


def _told(schema: Schema) -> str:
    return str(schema.get("description", ""))


def markdown(crd: Schema) -> str:
    """The page of one definition."""
    names, schema = crd["spec"]["names"], crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    kind = names["kind"]
    head = _HEAD.format(
        kind=kind,
        description=_told(schema),
        introduction=INTRODUCTIONS[kind],
        version=API_VERSION,
        short=names["shortNames"][0],
    )
    parts = [name for name in ("spec", "status") if name in schema["properties"]]
    sections = [section for name in parts for section in _sections(schema["properties"][name], name)]
    top = list(_rules(schema))
    rules = "\n## Rules for the whole object\n\n" + "\n".join(top) + "\n" if top else ""
    return head + rules + "".join(sections)


def _sections(schema: Schema, name: str) -> Iterator[str]:
    """The fields of spec or status that hold no others in one table, and a section for each that does."""
    plain = [field for field in fields(schema, name) if _depth(field.path) == 1 and not _holds(field.schema)]
    yield f"\n## {name}\n\n{_escaped(_told(schema))}\n"
    rules = list(_rules(schema))
    if rules:
        yield "\n" + "\n".join(rules) + "\n"
    if plain:
        yield "\n" + _table(plain, name)
    for inner, value in schema["properties"].items():
        if _holds(value):
            yield _section(value, f"{name}.{inner}", required=inner in schema.get("required", ()))


def _section(schema: Schema, path: str, *, required: bool) -> str:
    listed = _inside(schema, path, copied=False)
    star = " \\*" if required else ""
    kind = f"\n{_sentence(schema)}\n"
    rules = "".join(f"\n{rule}" for rule in [*_rules(schema), *_rules(schema.get("items", {}))])
    return f"\n### {path}{star}\n{kind}{rules}{chr(10) if rules else ''}\n{_table(list(listed), path)}"


def _sentence(schema: Schema) -> str:
    limits = _limits(schema)
    more = f" ({_type(schema)}{'; ' + limits if limits else ''})" if "items" in schema else ""
    return f"{_escaped(_told(schema))}{more}"


def _holds(schema: Schema) -> bool:
    return bool(schema.get("properties") or (schema.get("items") or {}).get("properties"))


def _depth(path: str) -> int:
    return path.count(".")


def _table(listed: list[Field], above: str) -> str:
    lines = ["| field | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*lines, *(_row(field, above) for field in listed)]) + "\n"


def _row(field: Field, above: str) -> str:
    path = field.path.removeprefix(above).removeprefix("[]").removeprefix(".")
    told = _told(field.schema) or _told(field.schema.get("items", {}))
    default = DEFAULT.search(told)
    text = told[: default.start()] if default else told
    parts = [text, _limited(field.schema), *(rule.removeprefix("- ") for rule in _rules(field.schema))]
    items = field.schema.get("items", {})
    parts += [rule.removeprefix("- ") for rule in _rules(items)]
    meaning = " ".join(part for part in parts if part)
    star = " \\*" if field.required else ""
    return (
        f"| `{path}`{star} | {_type(field.schema)} | {_cell(default['value']) if default else ''} | {_cell(meaning)} |"
    )


def _type(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if "items" in schema:
        inner = _type(schema["items"])
        return f"list of {inner}s" if not inner.endswith("y") else f"list of {inner}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}s"
    if _DURATION in schema.get("pattern", ""):
        return "duration"
    if schema.get("format") == "date-time":
        return "time"
    return str(schema.get("type", "any"))


def _limited(schema: Schema) -> str:
    said = _limits(schema)
    return f"{said[0].upper()}{said[1:]}." if said else ""


def _limits(schema: Schema) -> str:
    """What a value may be, in words; nothing of a duration or a time, whose form says it."""
    if _type(schema) in {"duration", "time"}:
        return ""
    said = []
    if "enum" in schema:
        said.append("one of " + ", ".join(f"`{value}`" for value in schema["enum"]))
    for bound, exclusive, word, strictly in _BOUNDS:
        if bound in schema:
            said.append(f"{strictly if schema.get(exclusive) else word} {schema[bound]:,g}".replace(",", " "))
    for least, most, what in _SIZES:
        low, high = schema.get(least), schema.get(most)
        if high is not None and what != "characters":
            said.append(f"{low} to {high} {what}" if low else f"at most {high} {what}")
        elif high is not None and high > _SHORT and schema.get("pattern") not in _NAMED:
            said.append(f"at most {high} characters")
    if schema.get("pattern") in _NAMED:
        said.append(_NAMED[schema["pattern"]])
    elif "pattern" in schema:
        said.append(f"matches `{schema['pattern']}`")
    return ", ".join(said)


def _rules(schema: Schema) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        text = str(rule["message"])
        yield f"- Rule: {_escaped(text)} (`{rule['rule']}`)."


def _escaped(text: str) -> str:
    """A sentence of a docstring as Markdown: what stands in angles or double braces is not markup."""
    return text.replace("``", "`").replace("<", "&lt;")


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def file_name(crd: Schema) -> str:
    """Name of a definition's page."""
    return f"{crd['spec']['names']['singular']}.md"


def main(folder: Path) -> None:
    """Write the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for crd in definitions().values():
        (folder / file_name(crd)).write_text(markdown(crd))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
