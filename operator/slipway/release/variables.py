"""Variables in the texts of a runtime: ``{{model.name}}`` and its kind, from what a release says of its model.

Each text is gone through once, so that what a release says is never read as a variable. Where a kubelet expands
``$(NAME)``, a dollar of the release is doubled, which is how a kubelet reads a plain one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from slipway.api import DEFAULT_MODEL_PATH, ReleaseSpec, RuntimeAdapters, adapter_path

VARIABLE: Final = re.compile(r"\{\{\s*([A-Za-z][A-Za-z0-9_.]*)\s*\}\}")
"""How a variable is written; blanks are let pass."""

PATH: Final = "model.path"
BASE: Final = "model.base"
NAMES: Final = ("model.name", "model.version", "model.format", "model.uri", PATH, BASE)
"""All of them."""

DELIVERY_PATH: Final = "delivery.path"

_KUBELET_EXPANDS: Final = re.compile(r"^(command|args)\[\d+\]$|^env\[\d+\]\.value$")


class VariableError(Exception):
    """A variable that does not exist, or of which the release says nothing."""

    def __init__(self, name: str, field: str) -> None:
        super().__init__(name, field)
        self.name = name
        self.field = field

    def told(self, runtime: str) -> str:
        """The problem as a sentence that names the field and what to write."""
        if self.name not in NAMES:
            known = ", ".join(f"{{{{{name}}}}}" for name in NAMES)
            problem = f"{runtime}: spec.{self.field}: {{{{{self.name}}}}} is no variable"
            if self.name.startswith("pod."):
                return (
                    f"{problem}, because a release has many pods: give spec.container.env a variable such as POD_IP "
                    "with valueFrom.fieldRef.fieldPath status.podIP, and write $(POD_IP)"
                )
            return f"{problem}: write one of {known}"
        if self.name == PATH:
            return f"{runtime}: spec.{self.field}: {{{{{PATH}}}}} is where files are delivered to: add spec.delivery"
        return f"spec.release.{self.name}: {runtime} needs it for its spec.{self.field}: say it"


def base_name(release: ReleaseSpec) -> str:
    """What the weights that ``model.uri`` names are offered as: an adapter may have the name that clients ask for."""
    taken = any(adapter.name == release.model.name for adapter in release.adapters or ())
    return f"{release.model.name}-base" if taken else release.model.name


def expanded_path(path: str | None, release: ReleaseSpec) -> str:
    """The folder that a model's files are delivered to. Raises VariableError."""
    return _text(path or DEFAULT_MODEL_PATH, DELIVERY_PATH, _values(release, None))


def expanded(container: Mapping[str, Any], release: ReleaseSpec, path: str | None) -> dict[str, Any]:
    """A runtime's container, as a manifest says it, without variables; `path` is None where nothing is delivered.

    Raises VariableError.
    """
    values = _values(release, path)

    def text(value: str, field: str) -> str:
        said = _doubled(values) if _KUBELET_EXPANDS.match(field) is not None else values
        return _text(value, f"container.{field}", said)

    return {name: _walked(value, name, text) for name, value in container.items()}


def adapter_arguments(taken: RuntimeAdapters, release: ReleaseSpec, path: str | None) -> list[str]:
    """The arguments that tell a server of the release's adapters. Raises VariableError."""
    values = _doubled(_values(release, path))
    once = [_text(word, f"adapters.args[{index}]", values) for index, word in enumerate(taken.args)]
    each = [
        _text(taken.each, "adapters.each", {**values, "adapter.name": one.name, "adapter.path": adapter_path(one.name)})
        for one in release.adapters or ()
    ]
    return [*once, *each]


def _doubled(values: Mapping[str, str]) -> dict[str, str]:
    return {name: known.replace("$", "$$") for name, known in values.items()}


def _values(release: ReleaseSpec, path: str | None) -> dict[str, str]:
    model = release.model
    said = {
        "model.name": model.name,
        "model.version": model.version,
        "model.format": model.format,
        "model.uri": model.uri,
        PATH: path,
        BASE: base_name(release),
    }
    return {name: value for name, value in said.items() if value is not None}


def _text(template: str, field: str, values: Mapping[str, str]) -> str:
    def said(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise VariableError(found[1], field)
        return values[found[1]]

    return VARIABLE.sub(said, template)


def _walked(value: Any, field: str, text: Callable[[str, str], str]) -> Any:
    if isinstance(value, str):
        return text(value, field)
    if isinstance(value, Mapping):
        return {name: _walked(inner, f"{field}.{name}", text) for name, inner in value.items()}
    if isinstance(value, list):
        return [_walked(inner, f"{field}[{index}]", text) for index, inner in enumerate(value)]
    return value
