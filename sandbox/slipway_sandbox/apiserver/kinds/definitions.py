"""CustomResourceDefinitions as objects: defaults, and what a definition may say."""

from __future__ import annotations

import re
from typing import Any

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.codec import now
from slipway_sandbox.apiserver.crds import APPROVAL, FINALIZER, is_protected, terminating
from slipway_sandbox.apiserver.definition_schema import check_schema
from slipway_sandbox.apiserver.errors import DUPLICATE, INVALID, NOT_SUPPORTED, REQUIRED, FieldError
from slipway_sandbox.apiserver.kinds.hooks import Hooks
from slipway_sandbox.apiserver.kinds.podspec import fill

_COLUMN_TYPES = ("integer", "number", "string", "boolean", "date")


class Definitions(Hooks):
    generation = True
    unconditional_update = False

    def default(self, obj: dict[str, Any]) -> None:
        spec = obj["spec"]
        fill(spec, conversion={"strategy": "None"})
        found = spec["names"]
        if not found.get("singular"):
            found["singular"] = found.get("kind", "").lower()
        if not found.get("listKind"):
            found["listKind"] = found.get("kind", "") + "List"

    def for_create(self, obj: dict[str, Any]) -> None:
        stored = [version["name"] for version in obj["spec"].get("versions") or () if version.get("storage")]
        obj["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}

    def for_update(self, new: dict[str, Any], old: dict[str, Any]) -> None:  # noqa: ARG002
        status = dict(new.get("status") or {})
        stored = list(status.get("storedVersions") or ())
        for version in new["spec"].get("versions") or ():
            if version.get("storage") and version["name"] not in stored:
                stored.append(version["name"])
        new["status"] = {**status, "storedVersions": stored}

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
        errors: list[FieldError] = []
        if is_protected(spec.get("group", "")):
            errors += self._approval(obj)
        errors += self._names(found)
        group = spec.get("group", "")
        if not group:
            errors.append(FieldError(REQUIRED, "spec.group", ""))
        elif names.subdomain_problem(group):
            errors.append(FieldError(INVALID, "spec.group", names.subdomain_problem(group), group))
        elif "." not in group:
            errors.append(FieldError(INVALID, "spec.group", "should be a domain with at least one dot", group))
        if spec.get("scope") not in {"Cluster", "Namespaced"}:
            if not spec.get("scope"):
                errors.append(FieldError(REQUIRED, "spec.scope", ""))
            else:
                errors.append(
                    FieldError(NOT_SUPPORTED, "spec.scope", 'supported values: "Cluster", "Namespaced"', spec["scope"])
                )
        return errors + self._versions(spec)

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        spec = obj["spec"]
        name, wanted = obj["metadata"].get("name", ""), f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
        if name == wanted:
            return []
        return [FieldError(INVALID, "metadata.name", 'must be spec.names.plural+"."+spec.group', name)]

    def _approval(self, obj: dict[str, Any]) -> list[FieldError]:
        value = (obj["metadata"].get("annotations") or {}).get(APPROVAL)
        path = f"metadata.annotations[{APPROVAL}]"
        if value is None:
            return [FieldError(REQUIRED, path, f'protected groups must have approval annotation "{APPROVAL}"')]
        if value.startswith("unapproved") or re.match(r"https?://[^/]+", value):
            return []
        return [FieldError(INVALID, path, "must be a URL or start with unapproved", value)]

    def _names(self, found: dict[str, Any]) -> list[FieldError]:
        errors = []
        for field in ("plural", "singular", "kind", "listKind"):
            value = found.get(field, "")
            if not value:
                errors.append(FieldError(REQUIRED, f"spec.names.{field}", ""))
            elif names.dns1035_problem(value.lower() if field in {"kind", "listKind"} else value):
                errors.append(FieldError(INVALID, f"spec.names.{field}", names.dns1035_problem(value), value))
        for index, short in enumerate(found.get("shortNames") or ()):
            if names.dns1035_problem(short):
                errors.append(
                    FieldError(INVALID, f"spec.names.shortNames[{index}]", names.dns1035_problem(short), short)
                )
        if found.get("kind") and found.get("kind") == found.get("listKind"):
            errors.append(
                FieldError(INVALID, "spec.names.listKind", "kind and listKind may not be the same", found["listKind"])
            )
        return errors

    def _versions(self, spec: dict[str, Any]) -> list[FieldError]:
        versions = spec.get("versions") or []
        errors: list[FieldError] = []
        if not versions:
            errors.append(FieldError(REQUIRED, "spec.versions", ""))
        seen: set[str] = set()
        shared = _one_schema(versions)
        for index, version in enumerate(versions):
            here = f"spec.versions[{index}]"
            name = version.get("name", "")
            if names.dns1035_problem(name):
                errors.append(FieldError(INVALID, f"{here}.name", names.dns1035_problem(name), name))
            elif name in seen:
                errors.append(FieldError(INVALID, f"{here}.name", "must contain unique version names", name))
            seen.add(name)
            schema = (version.get("schema") or {}).get("openAPIV3Schema")
            if schema is None:
                errors.append(FieldError(REQUIRED, f"{here}.schema.openAPIV3Schema", "schemas are required"))
            elif not shared or index == 0:
                where = "spec.validation.openAPIV3Schema" if shared else f"{here}.schema.openAPIV3Schema"
                errors += check_schema(schema, where, status="status" in (version.get("subresources") or {}))
            errors += self._columns(version.get("additionalPrinterColumns") or [], f"{here}.additionalPrinterColumns")
            errors += self._selectable(version.get("selectableFields") or [], f"{here}.selectableFields")
        storage = [version for version in versions if version.get("storage")]
        if versions and len(storage) != 1:
            errors.append(
                FieldError(
                    INVALID,
                    "spec.versions",
                    "must have exactly one version marked as storage version",
                    [v.get("name") for v in versions],
                )
            )
        return errors

    def _columns(self, columns: list[dict[str, Any]], path: str) -> list[FieldError]:
        errors: list[FieldError] = []
        for index, column in enumerate(columns):
            here = f"{path}[{index}]"
            errors.extend(
                FieldError(REQUIRED, f"{here}.{field}", "")
                for field in ("name", "type", "jsonPath")
                if not column.get(field)
            )
            if column.get("type") and column["type"] not in _COLUMN_TYPES:
                errors.append(
                    FieldError(
                        INVALID, f"{here}.type", f"must be one of {','.join(sorted(_COLUMN_TYPES))}", column["type"]
                    )
                )
            if column.get("jsonPath") and not column["jsonPath"].startswith((".", "[")):
                errors.append(
                    FieldError(
                        INVALID, f"{here}.jsonPath", "must be a simple json path starting with .", column["jsonPath"]
                    )
                )
        return errors

    def _selectable(self, fields: list[dict[str, Any]], path: str) -> list[FieldError]:
        errors = []
        seen: set[str] = set()
        for index, field in enumerate(fields):
            text = field.get("jsonPath", "")
            if not text:
                errors.append(FieldError(REQUIRED, f"{path}[{index}].jsonPath", ""))
            elif text in seen:
                errors.append(FieldError(DUPLICATE, f"{path}[{index}].jsonPath", "", text))
            seen.add(text)
        return errors

    def validate_update(self, new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        established = any(
            condition.get("type") == "Established" and condition.get("status") == "True"
            for condition in (old.get("status") or {}).get("conditions") or ()
        )
        errors = []
        if established:
            for path, fresh, before in (
                ("spec.scope", new["spec"].get("scope"), old["spec"].get("scope")),
                ("spec.names.kind", new["spec"]["names"].get("kind"), old["spec"]["names"].get("kind")),
            ):
                if fresh != before:
                    errors.append(FieldError(INVALID, path, "field is immutable", fresh))
        for path, fresh, before in (
            ("spec.group", new["spec"].get("group"), old["spec"].get("group")),
            ("spec.names.plural", new["spec"]["names"].get("plural"), old["spec"]["names"].get("plural")),
        ):
            if fresh != before:
                errors.append(FieldError(INVALID, path, "field is immutable", fresh))
        known = {version.get("name") for version in new["spec"].get("versions") or ()}
        for index, stored in enumerate((new.get("status") or {}).get("storedVersions") or ()):
            if stored not in known:
                detail = "missing from spec.versions; " + stored
                errors.append(FieldError(INVALID, f"status.storedVersions[{index}]", detail, stored))
        return errors


def _one_schema(versions: list[dict[str, Any]]) -> bool:
    """When all versions have the same schema, the server speaks of it as of a single one."""
    schemas = [version.get("schema") for version in versions]
    return bool(schemas) and all(schema == schemas[0] for schema in schemas) and schemas[0] is not None
