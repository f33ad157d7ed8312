"""Whether a CRD only adds to an older one: what was valid stays valid, and what was stored can be read.

Additive is what an old object cannot notice. So a limit may become wider and never narrower, and a CEL rule may change
only together with a field that is new: a rule that names none of the new fields speaks of objects that exist. The one
exception is a rule that takes the place of a narrower one, listed in `WIDER` or `ADAPTERS` and tested to be so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

Schema = dict[str, Any]

_READ: Final = (
    "[has(self.bad) && has(self.total), has(self.histogram), has(self.gauge), has(self.preset)].filter(x, x).size()"
)

WIDER: Final = {
    f"{_READ} <= 1 && has(self.bad) == has(self.total)": f"{_READ} == 1 && has(self.bad) == has(self.total)",
    "!has(self.measure) || !(has(self.bad) || has(self.histogram) || has(self.gauge))": (
        "!has(self.measure) || has(self.preset)"
    ),
}
"""Rules of sources of pods that let more through than those in whose place they are."""

ADAPTERS: Final = {
    rule: rule.replace("http|", "")
    for rule in (
        "!has(self.adapters) || self.adapters.all(a, a.uri.matches('^((s3|gs|az|hf|http|https|oci|file)://|mlflow:)'))",
        "!has(self.adapters) || self.adapters.all(a, !a.uri.matches('^(s3|gs|az|http|https|oci|file)://[^/]*@'))",
    )
}
"""The same of adapters: the second one speaks of addresses too that the first one refused."""

SAME: Final = (
    "type",
    "format",
    "default",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
)
"""What decides how a value is read, stored and merged."""

LEAST: Final = ("minimum", "minLength", "minItems", "minProperties")
MOST: Final = ("maximum", "maxLength", "maxItems", "maxProperties")


def breaches(old: Schema, new: Schema) -> list[str]:
    """What of a CustomResourceDefinition is not additive; empty when all is."""
    found = [f"spec.{part}" for part in ("group", "names", "scope") if old["spec"][part] != new["spec"][part]]
    versions = {version["name"]: version for version in new["spec"]["versions"]}
    for before in old["spec"]["versions"]:
        after = versions.get(before["name"])
        if after is None:
            found.append(f"version {before['name']} is gone")
        else:
            found += [f"{before['name']}: {breach}" for breach in _of_version(before, after)]
    return found


def _of_version(old: Schema, new: Schema) -> Iterator[str]:
    for part in ("served", "storage", "subresources"):
        if old.get(part) != new.get(part):
            yield f"{part} changed"
    columns = [(column["name"], column["jsonPath"]) for column in new.get("additionalPrinterColumns") or []]
    for column in old.get("additionalPrinterColumns") or []:
        if (column["name"], column["jsonPath"]) not in columns:
            yield f"column {column['name']} is gone or shows something else"
    yield from _of_schema(old["schema"]["openAPIV3Schema"], new["schema"]["openAPIV3Schema"], "")


def _of_schema(old: Schema, new: Schema, path: str) -> Iterator[str]:
    yield from _narrower(old, new, path or ".")
    before, after = old.get("properties") or {}, new.get("properties") or {}
    for name, inner in before.items():
        here = f"{path}.{name}" if path else name
        if name not in after:
            yield f"{here} is gone"
        else:
            yield from _of_schema(inner, after[name], here)
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if part in old and part in new:
            yield from _of_schema(old[part], new[part], path + mark)
        elif part in old or part in new:
            yield f"{path}: {part} came or went"


def _narrower(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for word in SAME:
        if old.get(word) != new.get(word):
            yield f"{path}: {word} changed"
    for name in sorted(set(new.get("required") or ()) - set(old.get("required") or ())):
        yield f"{path}: {name} is required now"
    for word in (*LEAST, *MOST):
        higher_is_wider = word in MOST
        if word in new and (word not in old or (new[word] < old[word] if higher_is_wider else new[word] > old[word])):
            yield f"{path}: {word} is tighter"
    if new.get("pattern") not in {None, old.get("pattern")}:
        yield f"{path}: another pattern"
    if old.get("nullable") and not new.get("nullable"):
        yield f"{path}: null is refused now"
    if "enum" in new and ("enum" not in old or not set(old["enum"]) <= set(new["enum"])):
        yield f"{path}: a value of the enum is gone"
    fresh = _names(new) - _names(old)
    known = {rule["rule"] for rule in old.get("x-kubernetes-validations") or []}
    for rule in new.get("x-kubernetes-validations") or []:
        if {rule["rule"], (WIDER | ADAPTERS).get(rule["rule"])} & known:
            continue
        if not fresh & set(re.findall(r"\w+", rule["rule"])):
            yield f"{path}: a rule for objects that exist: {rule['rule']}"


def _names(schema: Schema) -> set[str]:
    """The names of all fields under a schema."""
    found: set[str] = set()
    for name, inner in (schema.get("properties") or {}).items():
        found |= {name} | _names(inner)
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            found |= _names(schema[part])
    return found
