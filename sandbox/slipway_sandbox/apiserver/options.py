"""The options of writes, from the query and, for deletions, from the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway_sandbox.apiserver.errors import (
    FORBIDDEN,
    INVALID,
    NOT_SUPPORTED,
    REQUIRED,
    ApiError,
    FieldError,
    bad_request,
    invalid,
)
from slipway_sandbox.apiserver.metadata import manager_errors, manager_from_agent

WARN = "Warn"
STRICT = "Strict"
IGNORE = "Ignore"


@dataclass(frozen=True)
class WriteOptions:
    """How a create, update or patch is to be carried out. `manager` is who owns the fields it sets."""

    dry_run: bool
    field_validation: str
    manager: str
    force: bool = False
    moment: str = ""
    """When repeated owners are noticed, as the warning says it: those of a patch only after it was applied."""


def boolean(text: str | None) -> bool:
    """A query's boolean; an empty value counts as true, as in the real server."""
    if text is None:
        return False
    return text.lower() not in {"false", "0"}


def write_options(kind: str, query: Mapping[str, str], agent: str, *, is_apply: bool = False) -> WriteOptions:
    """Read and check the options. `kind` is CreateOptions, UpdateOptions or PatchOptions.

    Raises:
        ApiError: 422 that names the options' kind.
    """
    errors: list[FieldError] = []
    dry_run = query.get("dryRun")
    if dry_run not in {None, "", "All"}:
        errors.append(FieldError(NOT_SUPPORTED, "dryRun", 'supported values: "All"', [dry_run]))
    validation = query.get("fieldValidation", "")
    if validation not in {"", WARN, STRICT, IGNORE}:
        errors.append(
            FieldError(NOT_SUPPORTED, "fieldValidation", 'supported values: "Ignore", "Strict", "Warn"', validation)
        )
    manager = query.get("fieldManager", "")
    errors += manager_errors(manager, "fieldManager")
    force = query.get("force")
    if kind == "PatchOptions":
        if is_apply and not manager:
            errors.append(FieldError(REQUIRED, "fieldManager", "is required for apply patch"))
        if force is not None and not is_apply:
            errors.append(FieldError(FORBIDDEN, "force", "may not be specified for non-apply patch"))
    if errors:
        raise invalid("meta.k8s.io", kind, "", errors)
    return WriteOptions(
        dry_run=dry_run == "All",
        field_validation=validation or WARN,
        manager=manager or manager_from_agent(agent) or "unknown",
        force=boolean(force),
        moment=" after mutating admission happens" if kind == "PatchOptions" else "",
    )


@dataclass(frozen=True)
class DeleteOptions:
    """How a deletion is to be carried out. `propagation` is "", Background, Foreground or Orphan."""

    dry_run: bool = False
    grace_period: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    cascades: bool = False
    """The old way to ask for a cascade (`orphanDependents: false`): the answer says when it is not over yet."""


def delete_options(query: Mapping[str, str], body: dict[str, Any] | None) -> DeleteOptions:
    """Read and check the options of a deletion; the body, where there is one, is read instead of the query.

    Raises:
        ApiError: 400 for values of the wrong type, 422 for values that are not allowed.
    """
    values: dict[str, Any] = dict(body) if body is not None else _from_query(query)
    errors = []
    dry_run = values.get("dryRun") or []
    if dry_run not in ([], ["All"]):
        errors.append(FieldError(NOT_SUPPORTED, "dryRun", 'supported values: "All"', dry_run))
    propagation = values.get("propagationPolicy")
    orphan = values.get("orphanDependents")
    if propagation is not None and orphan is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(FieldError(INVALID, "propagationPolicy", detail, propagation))
    if propagation not in {None, "Background", "Foreground", "Orphan"}:
        detail = 'supported values: "Background", "Foreground", "Orphan", "nil"'
        errors.append(FieldError(NOT_SUPPORTED, "propagationPolicy", detail, propagation))
    if errors:
        raise invalid("meta.k8s.io", "DeleteOptions", "", errors)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    preconditions = values.get("preconditions") or {}
    return DeleteOptions(
        dry_run=dry_run == ["All"],
        grace_period=values.get("gracePeriodSeconds"),
        propagation=propagation or "",
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        cascades=orphan is False,
    )


def _from_query(query: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "gracePeriodSeconds" in query:
        try:
            found["gracePeriodSeconds"] = int(query["gracePeriodSeconds"])
        except ValueError as error:
            raise bad_request(f'strconv.ParseInt: parsing "{query["gracePeriodSeconds"]}": invalid syntax') from error
    if "propagationPolicy" in query:
        found["propagationPolicy"] = query["propagationPolicy"]
    if "orphanDependents" in query:
        found["orphanDependents"] = boolean(query["orphanDependents"])
    if query.get("dryRun"):
        found["dryRun"] = [query["dryRun"]]
    return found


def junk_version(text: str) -> ApiError:
    """The answer to a resource version that is no number."""
    from slipway_sandbox.apiserver.errors import bare_500

    return bare_500(f'strconv.ParseUint: parsing "{text}": invalid syntax')
