"""Any HTTP API that takes JSON and gives JSON: a template for the request, a JSONPath for the prediction.

In the template, a text that is nothing but ``{{inputs}}`` becomes the item's inputs, whatever they are, and
``{{inputs.name}}`` one of their fields; within a longer text, texts and numbers are put in. ``{{id}}`` and
``{{model}}`` work alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from slipway.outside import JsonPath, JsonPathError
from slipway.probes.protocol import GoldenItem, Question, Scalar, document, scalars, segment, sent

MAX_TEMPLATE: Final = 64 * 1024
"""Characters of a template."""

_HOLE: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_NAME: Final = re.compile(r"id|model|inputs(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class CustomHTTP:
    """`inputs` of an item are what the template puts into the request. Raises ValueError for settings that cannot be
    used."""

    path: str
    """Path of the request, with ``{{model}}`` where the model's name belongs."""
    template: str
    """The request's body, a JSON document."""
    output: str
    """JSONPath of the prediction in the answer."""
    ready_path: str
    """Path that is answered with 2xx when the model can be asked."""
    method: str = "POST"

    def __post_init__(self) -> None:
        for path in (self.path, self.ready_path):
            if not path.startswith("/") or not path.isprintable() or " " in path:
                raise ValueError(f"{path[:80]!r} is no path: begin with / and escape what is special")
        if self.method not in ("POST", "PUT", "PATCH"):
            raise ValueError(f"{self.method[:20]!r} sends no body: use POST, PUT or PATCH")
        JsonPath(self.output)
        for name in _holes(_template(self.template)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{{{{{name[:40]}}}}} is not known: use id, model, inputs or inputs.<field>")
        for name in (*_HOLE.findall(self.path), *_HOLE.findall(self.ready_path)):
            if name != "model":
                raise ValueError(f"{{{{{name[:40]}}}}} is not known in a path: use model")

    @property
    def title(self) -> str:
        """See InferenceProtocol."""
        return f"the protocol that is described for {self.path}"

    @property
    def knows_models(self) -> bool:
        """See InferenceProtocol."""
        return False

    def readiness(self, model: str) -> tuple[Question, ...]:
        """See InferenceProtocol."""
        return (Question("GET", _path(self.ready_path, model)),)

    def unready(self, model: str, body: bytes) -> str:  # noqa: ARG002
        """See InferenceProtocol: the status has said it all."""
        return ""

    def check(self, inputs: Any) -> None:
        """See InferenceProtocol."""
        sent(_filled(_template(self.template), {"id": "", "model": "", "inputs": inputs}))

    def inputs(self, row: Mapping[str, Scalar]) -> Any:
        """See InferenceProtocol: an object of named features."""
        return dict(row)

    def question(self, model: str, item: GoldenItem) -> Question:
        """See InferenceProtocol."""
        filled = _filled(_template(self.template), {"id": item.id, "model": model, "inputs": item.inputs})
        return Question(self.method, _path(self.path, model), sent(filled))

    def values(self, body: bytes) -> tuple[Scalar, ...]:
        """See InferenceProtocol."""
        try:
            return scalars(JsonPath(self.output).values(document(body)))
        except JsonPathError:
            raise ValueError("an answer that the JSONPath cannot be followed in") from None


@lru_cache(maxsize=64)
def _template(text: str) -> Any:
    if len(text) > MAX_TEMPLATE:
        raise ValueError(f"a template of {len(text)} characters is longer than {MAX_TEMPLATE}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('the template is not JSON: write it like {"features": "{{inputs}}"}, with quotes') from None


def _holes(template: Any) -> list[str]:
    if isinstance(template, str):
        return _HOLE.findall(template)
    if isinstance(template, dict):
        return [name for value in template.values() for name in _holes(value)]
    return [name for value in template for name in _holes(value)] if isinstance(template, list) else []


def _filled(template: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(template, dict):
        return {key: _filled(value, known) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, known) for value in template]
    if not isinstance(template, str):
        return template
    whole = _HOLE.fullmatch(template)
    if whole is not None:
        return _found(whole[1], known)
    return _HOLE.sub(lambda hole: _shown(hole[1], known), template)


def _shown(name: str, known: Mapping[str, Any]) -> str:
    value = _found(name, known)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{name}: only texts and numbers can stand within a text")
    return str(value)


def _found(name: str, known: Mapping[str, Any]) -> Any:
    value: Any = known
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ValueError(f"{name}: the item has no such field")
        value = value[part]
    return value


def _path(path: str, model: str) -> str:
    return _HOLE.sub(lambda _: segment(model), path)
