"""What is particular to a kind when it is written: reading, defaulting, what an endpoint may change, validation.

`BuiltInStrategy` drives the hooks of `kinds`; `CustomStrategy` drives a schema. The write engine knows only the
common interface.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from slipway_sandbox.apiserver import fieldsets, metadata, names, structural
from slipway_sandbox.apiserver.codec import DecodeError, Report, canonicalise
from slipway_sandbox.apiserver.content import inner_object_errors, member_errors
from slipway_sandbox.apiserver.errors import INVALID, FieldError, bad_request
from slipway_sandbox.apiserver.fieldsets import FieldSet
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.metadata import NameRule
from slipway_sandbox.apiserver.nodes import type_node
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.schema import blocks_rules, validate_value

_STATUS: FieldSet = {"f:status": fieldsets.leaf()}


@dataclass
class Verdict:
    """What validation found: errors refuse the write, warnings travel with the answer."""

    errors: list[FieldError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Strategy(Protocol):
    """How objects of one resource are written. `part` is "" for the main endpoint or a subresource's name."""

    resource: Resource
    name_rule: NameRule
    unconditional_update: bool
    create_on_update: bool

    def read(self, value: dict[str, Any], report: Report | None) -> dict[str, Any]: ...
    def default(self, obj: dict[str, Any]) -> None: ...
    def for_create(self, obj: dict[str, Any]) -> None: ...
    def for_update(self, new: dict[str, Any], old: dict[str, Any], part: str) -> None: ...
    def check_create(self, obj: dict[str, Any]) -> Verdict: ...
    def check_update(self, new: dict[str, Any], old: dict[str, Any], part: str) -> Verdict: ...
    def for_delete(self, old: dict[str, Any]) -> dict[str, Any] | None: ...
    def ignored(self, part: str) -> FieldSet: ...


class BuiltInStrategy:
    """Built-in kinds: their type table and their hooks."""

    def __init__(self, resource: Resource, hooks: Hooks) -> None:
        self.resource = resource
        self.hooks = hooks
        self.name_rule: NameRule = hooks.name_rule
        self.unconditional_update = hooks.unconditional_update
        self.create_on_update = hooks.create_on_update

    def read(self, value: dict[str, Any], report: Report | None) -> dict[str, Any]:
        """The object in canonical form, at the stored version.

        Raises:
            ApiError: 400 when a value has the wrong type.
        """
        resource = self.resource
        try:
            obj = canonicalise(resource.node, value, report)
        except DecodeError as error:
            shown = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {error}'
            raise bad_request(shown) from error
        obj["apiVersion"], obj["kind"] = resource.api_version, resource.kind
        if resource.to_storage is not None:
            return resource.to_storage(obj)
        return obj

    def default(self, obj: dict[str, Any]) -> None:
        self.hooks.default(obj)

    def for_create(self, obj: dict[str, Any]) -> None:
        if self.resource.has_status() and not self.hooks.keeps_status:
            self._empty_status(obj)
        if self.hooks.generation:
            obj["metadata"]["generation"] = 1
        self.hooks.for_create(obj)

    def _empty_status(self, obj: dict[str, Any]) -> None:
        blank = canonicalise(type_node(self.resource.type_name), {}, None)
        if "status" in blank:
            obj["status"] = blank["status"]
        else:
            obj.pop("status", None)

    def for_update(self, new: dict[str, Any], old: dict[str, Any], part: str) -> None:
        if part == "status":
            self.hooks.for_status_update(new, old)
            return
        if part == "" and self.resource.has_status():
            _take(new, old, "status")
        if part == "":
            self.hooks.for_update(new, old)
        if self.hooks.generation and part in {"", "scale"} and self.hooks.spec_changed(new, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def check_create(self, obj: dict[str, Any]) -> Verdict:
        found = metadata.validate(obj["metadata"], self.resource.namespaced, self.name_rule)
        found += self.hooks.validate_create(obj) + self.hooks.validate(obj)
        return Verdict(found + self.hooks.validate_in_group(obj, self.resource.group), self.hooks.warn(obj))

    def check_update(self, new: dict[str, Any], old: dict[str, Any], part: str) -> Verdict:
        errors = metadata.validate(new["metadata"], self.resource.namespaced, lambda _: "")
        errors += metadata.validate_update(new["metadata"], old["metadata"])
        if self.hooks.checks_metadata_again and not part:
            errors += metadata.validate(new["metadata"], self.resource.namespaced, lambda _: "")
        if part == "status":
            return Verdict(errors + self.hooks.validate_status(new, old))
        errors += self.hooks.validate(new) + self.hooks.validate_update(new, old)
        return Verdict(errors, self.hooks.warn_update(new, old))

    def for_delete(self, old: dict[str, Any]) -> dict[str, Any] | None:
        """What a deletion makes of the object where that is more than the usual mark."""
        return self.hooks.for_delete(old)

    def ignored(self, part: str) -> FieldSet:
        if part == "" and self.resource.has_status():
            return _STATUS
        return self.hooks.ignored_by_status() if part == "status" else {}


def _take(new: dict[str, Any], old: dict[str, Any], name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


class CustomStrategy:
    """Custom resources: everything follows from the schema."""

    unconditional_update = False
    create_on_update = False

    def __init__(self, resource: Resource) -> None:
        if resource.custom is None:
            raise ValueError(f"{resource.plural} is no custom resource")
        self.resource = resource
        self.custom = resource.custom
        self.name_rule: NameRule = names.subdomain_problem

    def read(self, value: dict[str, Any], report: Report | None) -> dict[str, Any]:
        """The object pruned, its metadata in canonical form.

        Raises:
            ApiError: 400 when the metadata have the wrong type.
        """
        obj: dict[str, Any] = structural.prune(self.resource.node, value, report)
        read = value.get("metadata") or {}
        inner = Report()
        try:
            obj["metadata"] = canonicalise(type_node("meta.v1.ObjectMeta"), read, inner)
        except DecodeError as error:
            raise bad_request(
                f'{self.resource.kind} in version "{self.resource.version}" cannot be handled: {error}'
            ) from error
        if report is not None:
            report.problems += [problem.replace('"', '"metadata.', 1) for problem in inner.problems]
        obj["apiVersion"], obj["kind"] = self.resource.api_version, self.resource.kind
        return obj

    def default(self, obj: dict[str, Any]) -> None:
        structural.apply_defaults(self.resource.node, obj)

    def for_create(self, obj: dict[str, Any]) -> None:
        if self.custom.status_enabled:
            obj.pop("status", None)
            self.default(obj)
        obj["metadata"]["generation"] = 1

    def for_update(self, new: dict[str, Any], old: dict[str, Any], part: str) -> None:
        if part == "status":
            kept = {name: old[name] for name in old if name not in {"status", "metadata"}}
            status = new.get("status")
            managed = new["metadata"].get("managedFields")
            meta = dict(old["metadata"])
            if managed is not None:
                meta["managedFields"] = managed
            for name in list(new):
                del new[name]
            new.update(kept, metadata=meta)
            if status is not None:
                new["status"] = status
            return
        if self.custom.status_enabled:
            _take(new, old, "status")
        if self._content(new) != self._content(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def _content(self, obj: dict[str, Any]) -> dict[str, Any]:
        aside = {"metadata", "apiVersion", "kind"} | ({"status"} if self.custom.status_enabled else set())
        return {name: value for name, value in obj.items() if name not in aside}

    def check_create(self, obj: dict[str, Any]) -> Verdict:
        found = Verdict(
            metadata.validate(obj["metadata"], self.resource.namespaced, self.name_rule, qualified_finalizers=False)
        )
        found.warnings += metadata.finalizer_warnings(obj["metadata"])
        self._check_content(found, obj, None)
        return found

    def check_update(self, new: dict[str, Any], old: dict[str, Any], part: str) -> Verdict:
        found = Verdict(
            metadata.validate(new["metadata"], self.resource.namespaced, lambda _: "", qualified_finalizers=False)
        )
        found.errors += metadata.validate_update(new["metadata"], old["metadata"])
        if not part:
            found.warnings += metadata.finalizer_warnings(new["metadata"], old["metadata"])
        self._check_content(found, new, old, status=part == "status")
        return found

    def _check_content(
        self, found: Verdict, new: dict[str, Any], old: dict[str, Any] | None, *, status: bool = False
    ) -> None:
        schema = self.custom.schema
        errors = self._status_errors(new, old or {}) if status else validate_value(schema, new, old).errors
        errors += self._scale_errors(new, status=status)
        if not status:
            errors += inner_object_errors(schema, new)
        if old is None or not member_errors(schema, old):
            errors += member_errors(schema, new)
        found.errors += errors
        if not self.custom.rules.any:
            return
        if blocks_rules(errors):
            detail = (
                "some validation rules were not checked because the object was invalid; correct "
                "the existing errors to complete validation"
            )
            found.errors.append(FieldError(INVALID, "<nil>", detail, None))
            return
        checked = self.custom.rules.check(new, old)
        found.errors += checked.errors
        found.warnings += checked.warnings

    def _status_errors(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """A change of the status is asked about the status only, which is also where whole-value errors are told."""
        schema = (self.custom.schema.get("properties") or {}).get("status")
        if schema is None or "status" not in new:
            return []
        errors = validate_value({"properties": {"status": schema}}, {"status": new["status"]}, old).errors
        return [replace(error, field="status") if error.field == "<nil>" else error for error in errors]

    def _scale_errors(self, obj: dict[str, Any], *, status: bool) -> list[FieldError]:
        """What the scale subresource points at has to be a count or a selector, if it is there."""
        scale = self.custom.scale
        if scale is None:
            return []
        errors = [] if status else _count_errors(obj, scale["specReplicasPath"])
        errors += _count_errors(obj, scale["statusReplicasPath"])
        selector = scale.get("labelSelectorPath")
        if selector:
            value = _nested(obj, selector)
            if value is not None and not isinstance(value, str):
                errors.append(FieldError(INVALID, selector, "accessor error: it is not text", ""))
        return errors

    def for_delete(self, old: dict[str, Any]) -> dict[str, Any] | None:
        _ = old
        return None

    def ignored(self, part: str) -> FieldSet:
        if part == "" and self.custom.status_enabled:
            return _STATUS
        if part == "status":
            known = [name for name in self.resource.node.fields if name not in {"status", "apiVersion", "kind"}]
            return {f"f:{name}": fieldsets.leaf() for name in known}
        return {}


def _nested(obj: dict[str, Any], path: str) -> Any:
    """The value at a path, None where it or what is above it is missing."""
    value: Any = obj
    for name in path.lstrip(".").split("."):
        if not isinstance(value, dict):
            return value
        value = value.get(name)
    return value


def _count_errors(obj: dict[str, Any], path: str) -> list[FieldError]:
    value = _nested(obj, path)
    if value is None:
        return []
    if isinstance(value, bool) or not isinstance(value, int):
        return [FieldError(INVALID, path, "accessor error: it is not an integer", 0)]
    if value < 0:
        return [FieldError(INVALID, path, "should be a non-negative integer", value)]
    if value >= 2**31:
        return [FieldError(INVALID, path, f"should be less than or equal to {2**31 - 1}", value)]
    return []
