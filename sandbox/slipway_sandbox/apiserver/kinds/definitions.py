"""CustomResourceDefinitions as objects: defaults, and what a definition may say."""

from __future__ import annotations

import re
from typing import Any

from slipway_sandbox.apiserver.codec import now
from slipway_sandbox.apiserver.crds import APPROVAL, FINALIZER, is_protected, terminating
from slipway_sandbox.apiserver.errors import INVALID, REQUIRED, FieldError
from slipway_sandbox.apiserver.formats import is_known
from slipway_sandbox.apiserver.kinds.definition_rules import (
    check_conversion,
    check_group_and_scope,
    check_names,
    check_stored,
    check_versions,
    require_names,
)
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.podspec import fill


class Definitions(Hooks):
    generation = True
    unconditional_update = False

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        fill(spec, conversion={"strategy": "None"})
        found = spec["names"]
        if not found.get("singular"):
            found["singular"] = found.get("kind", "").lower()
        if not found.get("listKind") and found.get("kind"):
            found["listKind"] = found["kind"] + "List"

    def for_create(self, obj: dict[str, Any]) -> None:
        obj["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": None}
        _store_in_first(obj)

    def for_update(self, new: dict[str, Any], old: dict[str, Any]) -> None:  # noqa: ARG002
        new["status"] = dict(new.get("status") or {})
        _store_in_first(new)

    def for_delete(self, old: dict[str, Any]) -> dict[str, Any] | None:
        """A definition goes after its objects: it is marked, and a finalizer keeps it until then."""
        metadata = dict(old["metadata"])
        if metadata.get("deletionTimestamp"):
            return None
        metadata["deletionTimestamp"] = now()
        metadata["finalizers"] = [*(metadata.get("finalizers") or ()), FINALIZER]
        pending = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
        return terminating({**old, "metadata": metadata}, "InstanceDeletionPending", pending)

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        spec, found = obj["spec"], obj["spec"]["names"]
        errors = check_group_and_scope(spec) + check_versions(spec)
        errors += require_names(found) + check_names(found, "spec.names") + check_conversion(spec.get("conversion"))
        if spec.get("preserveUnknownFields"):
            instead = "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            detail = f"cannot set to true, {instead}"
            errors.append(FieldError(INVALID, "spec.preserveUnknownFields", detail, True))
        stored = (obj.get("status") or {}).get("storedVersions") or []
        return errors + check_stored(stored, spec.get("versions") or [])

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        name, wanted = obj["metadata"].get("name", ""), f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
        errors = self._approval(obj)
        if name != wanted:
            errors.append(FieldError(INVALID, "metadata.name", 'must be spec.names.plural+"."+spec.group', name))
        return errors

    def warn(self, obj: dict[str, Any]) -> list[str]:
        return [f'unrecognized format "{name}"' for name in _unknown_formats(obj)]

    def warn_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[str]:
        before = set(_unknown_formats(old))
        return [f'unrecognized format "{name}"' for name in _unknown_formats(new) if name not in before]

    def _approval(self, obj: dict[str, Any]) -> list[FieldError]:
        if not is_protected(obj["spec"].get("group", "")):
            return []
        path, state = f"metadata.annotations[{APPROVAL}]", _approval_state(obj)
        if state == "missing":
            return [FieldError(REQUIRED, path, f'protected groups must have approval annotation "{APPROVAL}"')]
        if state == "invalid":
            value = obj["metadata"]["annotations"][APPROVAL]
            return [FieldError(INVALID, path, "must be a URL or start with unapproved", value)]
        return []

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        established = any(
            condition.get("type") == "Established" and condition.get("status") == "True"
            for condition in (old.get("status") or {}).get("conditions") or ()
        )
        errors = [] if _approval_state(new) == _approval_state(old) else self._approval(new)
        fresh, before = new["spec"], old["spec"]
        fixed = [
            ("spec.group", fresh.get("group"), before.get("group")),
            ("spec.names.plural", fresh["names"].get("plural"), before["names"].get("plural")),
        ]
        if established:
            fixed.append(("spec.scope", fresh.get("scope"), before.get("scope")))
            fixed.append(("spec.names.kind", fresh["names"].get("kind"), before["names"].get("kind")))
        errors += [FieldError(INVALID, path, "field is immutable", value) for path, value, was in fixed if value != was]
        return errors

    def validate_status(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:  # noqa: ARG002
        return check_names((new.get("status") or {}).get("acceptedNames") or {}, "status.acceptedNames")


def _store_in_first(obj: dict[str, Any]) -> None:
    """Objects are going to be stored in the version that is marked for it, which is told from now on."""
    stored = list(obj["status"].get("storedVersions") or ())
    storage = next((version for version in obj["spec"].get("versions") or () if version.get("storage")), None)
    if storage is not None and storage.get("name") not in stored:
        stored.append(storage.get("name", ""))
    obj["status"]["storedVersions"] = stored


def _approval_state(obj: dict[str, Any]) -> str:
    value = (obj["metadata"].get("annotations") or {}).get(APPROVAL)
    if not value:
        return "missing"
    if value.startswith("unapproved"):
        return "bypassed"
    return "approved" if re.match(r"https?://[^/]+", value) else "invalid"


def _unknown_formats(definition: dict[str, Any]) -> list[str]:
    """Formats in the schemas of a definition that the server does not know, and so does not check."""
    found: list[str] = []
    for version in definition["spec"].get("versions") or ():
        _collect_formats((version.get("schema") or {}).get("openAPIV3Schema") or {}, found)
    return list(dict.fromkeys(found))


def _collect_formats(schema: dict[str, Any], found: list[str]) -> None:
    name = schema.get("format")
    if name and not is_known(name, schema.get("type") or ""):
        found.append(name)
    below: list[Any] = [schema.get("items"), schema.get("additionalProperties"), schema.get("not")]
    below += (schema.get("properties") or {}).values()
    for junctor in ("allOf", "anyOf", "oneOf"):
        below += schema.get(junctor) or ()
    for part in below:
        if isinstance(part, dict):
            _collect_formats(part, found)
