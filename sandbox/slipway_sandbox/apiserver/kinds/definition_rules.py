"""What the spec of a CustomResourceDefinition may say of its versions, names and conversion.

Where all versions say the same of their schema, columns, subresources or fields to select by, an error names the place
that these had before there were versions: the server still thinks of them as one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from slipway_sandbox.apiserver import names
from slipway_sandbox.apiserver.cel_types import schema_at
from slipway_sandbox.apiserver.definition_schema import check_schema
from slipway_sandbox.apiserver.errors import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    TOO_MANY,
    FieldError,
)

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_REVIEW_VERSIONS = ("v1", "v1beta1")
_SELECTABLE_TYPES = {"string", "boolean", "integer"}
_MOST_SELECTABLE = 8


def check_group_and_scope(spec: dict[str, Any]) -> list[FieldError]:
    errors = []
    group, scope = spec.get("group", ""), spec.get("scope")
    if not group:
        errors.append(FieldError(REQUIRED, "spec.group", ""))
    elif names.subdomain_problem(group):
        errors.append(FieldError(INVALID, "spec.group", names.subdomain_problem(group), group))
    elif "." not in group:
        errors.append(FieldError(INVALID, "spec.group", "should be a domain with at least one dot", group))
    if not scope:
        errors.append(FieldError(REQUIRED, "spec.scope", ""))
    elif scope not in {"Cluster", "Namespaced"}:
        errors.append(FieldError(NOT_SUPPORTED, "spec.scope", 'supported values: "Cluster", "Namespaced"', scope))
    return errors


def check_names(found: dict[str, Any], path: str) -> list[FieldError]:
    """The names of a resource; what is empty is not looked at here."""
    errors = []
    for field in ("plural", "singular", "kind", "listKind"):
        value = found.get(field, "")
        mixed = field in {"kind", "listKind"}
        problem = names.dns1035_problem(value.lower() if mixed else value) if value else ""
        if problem:
            detail = f"may have mixed case, but should otherwise match: {problem}" if mixed else problem
            errors.append(FieldError(INVALID, f"{path}.{field}", detail, value))
    if found.get("kind") and found["kind"] == found.get("listKind"):
        detail = "kind and listKind may not be the same"
        errors.append(FieldError(INVALID, f"{path}.listKind", detail, found["listKind"]))
    for field in ("shortNames", "categories"):
        for index, value in enumerate(found.get(field) or ()):
            problem = names.dns1035_problem(value)
            if problem:
                errors.append(FieldError(INVALID, f"{path}.{field}[{index}]", problem, value))
    return errors


def require_names(found: dict[str, Any]) -> list[FieldError]:
    fields = ("plural", "singular", "kind", "listKind")
    return [FieldError(REQUIRED, f"spec.names.{field}", "") for field in fields if not found.get(field)]


class _Places(NamedTuple):
    """The parts that all versions have alike, which are checked once."""

    schema: bool
    subresources: bool
    columns: bool
    selectable: bool


def _alike(versions: list[dict[str, Any]], name: str) -> bool:
    first = versions[0].get(name)
    return all((version.get(name) or None) == (first or None) for version in versions)


def check_versions(spec: dict[str, Any]) -> list[FieldError]:
    versions = spec.get("versions") or []
    errors = []
    if versions:
        parts = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
        alike = _Places(*(_alike(versions, part) for part in parts))
        errors += [error for index, version in enumerate(versions) for error in _own_errors(version, index)]
        for index, version in enumerate(versions):
            errors += _part_errors(versions, version, f"spec.versions[{index}]", _Places(*(not part for part in alike)))
        errors += _part_errors(versions, versions[0], "spec", alike)
    said = [version.get("name", "") for version in versions]
    if len(set(said)) != len(said):
        errors.append(FieldError(INVALID, "spec.versions", "must contain unique version names", said))
    if len([version for version in versions if version.get("storage")]) != 1:
        detail = "must have exactly one version marked as storage version"
        errors.append(FieldError(INVALID, "spec.versions", detail, said))
    return errors


def _own_errors(version: dict[str, Any], index: int) -> list[FieldError]:
    here, name = f"spec.versions[{index}]", version.get("name", "")
    errors = []
    if (version.get("schema") or {}).get("openAPIV3Schema") is None:
        errors.append(FieldError(REQUIRED, f"{here}.schema.openAPIV3Schema", ""))
    problem = names.dns1035_problem(name)
    if problem:
        errors.append(FieldError(INVALID, f"{here}.name", problem, name))
    warning = version.get("deprecationWarning")
    if warning is not None:
        errors += [
            FieldError(INVALID, f"{here}.deprecationWarning", problem, warning)
            for problem in _warning_problems(warning, deprecated=bool(version.get("deprecated")))
        ]
    return errors


def _warning_problems(warning: str, *, deprecated: bool) -> list[str]:
    if not deprecated:
        return ["can only be set for deprecated versions"]
    problems = []
    if len(warning.encode()) > 256:
        problems.append("must be <= 256 characters long")
    if not warning:
        problems.append("must not be an empty string")
    odd = next((index for index, character in enumerate(warning) if not character.isprintable()), None)
    if odd is not None:
        found = f"non-printable character found at index {odd}"
        problems.append(f"must only contain printable UTF-8 characters; {found}")
    return problems


def _part_errors(
    versions: list[dict[str, Any]], version: dict[str, Any], path: str, parts: _Places
) -> list[FieldError]:
    errors = []
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if parts.schema and schema is not None:
        top = path == "spec"
        where = f"{path}.validation.openAPIV3Schema" if top else f"{path}.schema.openAPIV3Schema"
        asked = versions if top else [version]
        status = any("status" in (one.get("subresources") or {}) for one in asked)
        errors += check_schema(schema, where, status=status)
    if parts.subresources:
        scale = (version.get("subresources") or {}).get("scale")
        errors += _scale_errors(scale, f"{path}.subresources.scale") if scale is not None else []
    if parts.columns:
        for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
            errors += _column_errors(column, f"{path}.additionalPrinterColumns[{index}]")
    if parts.selectable and version.get("selectableFields"):
        errors += _selectable_errors(version["selectableFields"], schema or {}, f"{path}.selectableFields")
    return errors


def _scale_errors(scale: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    for field, homes in (
        ("specReplicasPath", (".spec.",)),
        ("statusReplicasPath", (".status.",)),
        ("labelSelectorPath", (".spec.", ".status.")),
    ):
        value = scale.get(field) or ""
        if not value:
            errors += [FieldError(REQUIRED, f"{path}.{field}", "")] if len(homes) == 1 else []
        elif not value.startswith("."):
            errors.append(FieldError(INVALID, f"{path}.{field}", "must be a simple json path starting with .", value))
        elif not value.startswith(homes):
            place = homes[0][:-1] if len(homes) == 1 else "either .spec or .status"
            errors.append(FieldError(INVALID, f"{path}.{field}", f"should be a json path under {place}", value))
    return errors


def _column_errors(column: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    kind, form, place = column.get("type"), column.get("format"), column.get("jsonPath")
    if not column.get("name"):
        errors.append(FieldError(REQUIRED, f"{path}.name", ""))
    wanted = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not kind:
        errors.append(FieldError(REQUIRED, f"{path}.type", wanted))
    elif kind not in _COLUMN_TYPES:
        errors.append(FieldError(INVALID, f"{path}.type", wanted, kind))
    if form and form not in _COLUMN_FORMATS:
        errors.append(FieldError(INVALID, f"{path}.format", f"must be one of {','.join(_COLUMN_FORMATS)}", form))
    if not place:
        errors.append(FieldError(REQUIRED, f"{path}.JSONPath", ""))
    elif not place.startswith("."):
        errors.append(FieldError(INVALID, f"{path}.JSONPath", "must be a simple json path starting with .", place))
    return errors


def _selectable_errors(fields: list[dict[str, Any]], schema: dict[str, Any], path: str) -> list[FieldError]:
    errors = []
    seen: set[str] = set()
    for index, field in enumerate(fields):
        here, value = f"{path}[{index}].jsonPath", field.get("jsonPath", "")
        if not value:
            errors.append(FieldError(REQUIRED, here, ""))
            continue
        found = schema_at(schema, value) if "[" not in value else None
        if found is None:
            errors.append(FieldError(INVALID, here, "is an invalid path: does not refer to a valid field", value))
            continue
        if value.split(".")[1] == "metadata":
            errors.append(FieldError(INVALID, here, "must not point to fields in metadata", value))
        if found.get("type") not in _SELECTABLE_TYPES:
            detail = (
                "must point to a field of type string, boolean or integer. "
                "Enum string fields and strings with formats are allowed."
            )
            errors.append(FieldError(INVALID, here, detail, value))
        if value in seen:
            errors.append(FieldError(DUPLICATE, here, "", value))
        seen.add(value)
    if len(seen) > _MOST_SELECTABLE:
        errors.append(FieldError(TOO_MANY, path, f"must have at most {_MOST_SELECTABLE} items", len(seen)))
    return errors


def check_conversion(conversion: dict[str, Any] | None) -> list[FieldError]:
    if conversion is None:
        return []
    path, strategy = "spec.conversion", conversion.get("strategy")
    webhook = conversion.get("webhook") or {}
    config, reviews = webhook.get("clientConfig"), webhook.get("conversionReviewVersions")
    errors = []
    if not strategy:
        errors.append(FieldError(REQUIRED, f"{path}.strategy", ""))
    elif strategy not in {"None", "Webhook"}:
        errors.append(FieldError(NOT_SUPPORTED, f"{path}.strategy", 'supported values: "None", "Webhook"', strategy))
    if strategy == "Webhook":
        return errors + _client_errors(config, f"{path}.webhookClientConfig") + _review_errors(reviews or [], path)
    for name, found in (("webhookClientConfig", config), ("conversionReviewVersions", reviews)):
        if found:
            detail = "should not be set when strategy is not set to Webhook"
            errors.append(FieldError(FORBIDDEN, f"{path}.{name}", detail))
    return errors


def _client_errors(config: dict[str, Any] | None, path: str) -> list[FieldError]:
    if config is None:
        return [FieldError(REQUIRED, path, "required when strategy is set to Webhook")]
    url: str | None = config.get("url")
    service: dict[str, Any] = config.get("service") or {}
    if (url is None) == (config.get("service") is None):
        return [FieldError(REQUIRED, path, "exactly one of url or service is required")]
    if url is not None:
        errors: list[FieldError] = []
        if not url.startswith("https://"):
            detail = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
            errors.append(FieldError(INVALID, f"{path}.url", detail, url))
        return errors
    errors = [
        FieldError(REQUIRED, f"{path}.service.{field}", f"service {field} is required")
        for field in ("name", "namespace")
        if not service.get(field)
    ]
    if not 1 <= service.get("port", 443) <= 65535:
        detail = "port is not valid: must be between 1 and 65535, inclusive"
        errors.append(FieldError(INVALID, f"{path}.service.port", detail, service["port"]))
    return errors


def _review_errors(versions: list[str], path: str) -> list[FieldError]:
    here = f"{path}.conversionReviewVersions"
    if not versions:
        return [FieldError(REQUIRED, here, "")]
    errors = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.append(FieldError(INVALID, f"{here}[{index}]", "duplicate version", version))
        elif names.dns1035_problem(version):
            errors.append(FieldError(INVALID, f"{here}[{index}]", names.dns1035_problem(version), version))
    if not set(versions) & set(_REVIEW_VERSIONS):
        detail = f"must include at least one of {', '.join(_REVIEW_VERSIONS)}"
        errors.append(FieldError(INVALID, here, detail, versions))
    return errors


def check_stored(stored: list[str], versions: list[dict[str, Any]]) -> list[FieldError]:
    """The versions that objects may be stored in: the one for storage is of them, and all of them still exist."""
    path = "status.storedVersions"
    if not stored:
        return [FieldError(INVALID, path, "must have at least one stored version", stored)]
    errors = [
        FieldError(INVALID, path, f"must have the storage version {version['name']}", stored)
        for version in versions
        if version.get("storage") and version.get("name") not in stored
    ]
    known = {version.get("name") for version in versions}
    for index, name in enumerate(stored):
        if name not in known:
            detail = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            errors.append(FieldError(INVALID, f"{path}[{index}]", detail, name))
    return errors
