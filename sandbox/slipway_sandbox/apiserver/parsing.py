"""Texts into values: JSON, and YAML as Kubernetes reads it, noticing keys that come twice."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import yaml

from slipway_sandbox.apiserver.codec import Report


class _Pairs(dict[str, Any]):
    """A JSON object that remembers which of its keys came twice."""

    repeated: list[str]


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    marked = _Pairs(found)
    seen: set[str] = set()
    marked.repeated = []
    for key, _ in pairs:
        if key in seen and key not in marked.repeated:
            marked.repeated.append(key)
        seen.add(key)
    return marked


def _reject_constant(name: str) -> Any:
    raise ValueError(f"invalid character {name[0]!r}")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_reject_constant, parse_float=_finite)


class _YamlLoader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML as Kubernetes reads it: timestamps stay text, repeated keys are noticed."""

    def construct_mapping(self, node: Any, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        self.flatten_mapping(node)
        pairs = []
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            text = key if isinstance(key, str) else json.dumps(key)
            pairs.append((text, self.construct_object(value_node, deep=True)))
        return _pairs(pairs)


def _construct_map(loader: Any, node: Any) -> Any:
    return loader.construct_mapping(node, deep=True)


def _construct_float(loader: Any, node: Any) -> float:
    number: float = loader.construct_yaml_float(node)
    if not math.isfinite(number):
        raise ValueError(f"json: unsupported value: {node.value}")
    return number


_YamlLoader.add_constructor("tag:yaml.org,2002:map", _construct_map)
_YamlLoader.add_constructor("tag:yaml.org,2002:float", _construct_float)
for _name in ("timestamp", "binary", "set", "omap", "pairs"):  # JSON has no such values
    _YamlLoader.add_constructor(f"tag:yaml.org,2002:{_name}", _YamlLoader.construct_undefined)
_YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_json(data: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: when it is not JSON (RecursionError for absurd nesting is turned into it too).
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        return _paired(value) if b"\\ud" in data or b"\\uD" in data else value
    except RecursionError as error:
        raise ValueError("exceeded max depth") from error


def _paired(value: Any) -> Any:
    """The value with every surrogate that stands alone replaced, as it is no text and cannot be sent back."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return _pairs([(_paired(key), _paired(below)) for key, below in value.items()])
    return [_paired(item) for item in value] if isinstance(value, list) else value


MAX_DEPTH = 500
MAX_EXPANDED = 1_000_000
_RUN = re.compile(rb"(?:[-?][ \t]+){%d}|^[ ]{%d}" % (MAX_DEPTH, 4 * MAX_DEPTH), re.MULTILINE)


def _too_deep(data: bytes) -> bool:
    """Whether a YAML text is nested so deeply that libyaml, which recurses in C, would end the process."""
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:
        depth = 0
        for byte in re.findall(rb"[\[\]{}]", data):
            depth += 1 if byte in b"[{" else -1
            if depth > MAX_DEPTH:
                return True
    return _RUN.search(data) is not None


def parse_yaml(data: bytes) -> Any:
    """The value of a YAML document; JSON is YAML too, and much faster to read as JSON.

    Raises:
        ValueError: when it is not YAML.
    """
    if _too_deep(data):
        raise ValueError("exceeded max depth")
    if data[:1] == b"{":
        try:
            return parse_json(data)
        except ValueError:
            pass  # flow-style YAML may begin with a brace without being JSON
    try:
        value = yaml.load(data, _YamlLoader)  # noqa: S506  (a subclass of the safe loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"error converting YAML to JSON: {error}") from error
    if b"*" in data and _expanded(value, {}) > MAX_EXPANDED:
        raise ValueError("error converting YAML to JSON: the document contains excessive aliasing")
    return value


def _expanded(value: Any, known: dict[int, int]) -> int:
    """How many values there are when every alias is written out; a few lines of them can stand for billions."""
    if not isinstance(value, dict | list):
        return 1
    found = known.get(id(value))
    if found is None:
        below = value.values() if isinstance(value, dict) else value
        found = known[id(value)] = 1 + sum(_expanded(item, known) for item in below)
    return found


def duplicates(value: Any, report: Report, path: str = "") -> None:
    """Report the keys that occur twice in one object."""
    if isinstance(value, dict):
        if isinstance(value, _Pairs):
            for key in value.repeated:
                report.duplicate(f"{path}{key}")
        for key, below in value.items():
            duplicates(below, report, f"{path}{key}.")
    elif isinstance(value, list):
        for index, below in enumerate(value):
            duplicates(below, report, f"{path[:-1]}[{index}].")
