"""The PATCH verb: JSON patch, merge patch and strategic merge patch on what is stored, and server-side apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway_sandbox.apiserver import codec, config, errors, parsing, patches, ssa, strategic, typed, views
from slipway_sandbox.apiserver.bodies import (
    check_apply_version,
    check_kind,
    check_name,
    collecting,
    refuse_nulls,
    renew_last_applied,
    set_namespace,
    structural_copy,
)
from slipway_sandbox.apiserver.calls import Answer, Call, carrying, media_type, read_patch, warn
from slipway_sandbox.apiserver.codec import Report
from slipway_sandbox.apiserver.options import STRICT, WARN, WriteOptions, write_options
from slipway_sandbox.apiserver.requests import Media, negotiate
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.ssa import Manager
from slipway_sandbox.apiserver.store import Record, object_key

if TYPE_CHECKING:
    from slipway_sandbox.apiserver.handlers import Handlers

APPLY_TYPES = {"application/apply-patch+yaml", "application/apply-patch+cbor"}
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_OPERATION = {"op", "path", "from", "value"}


class Patching:
    """Patches of any stored resource, with the finding, showing and writing of `Handlers`."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def patch(self, resource: Resource, call: Call, allowed: frozenset[tuple[str, str, str]], part: str = "") -> Answer:
        """Carry a patch out; `allowed` are the forms in which the result may be asked for.

        Raises:
            ApiError: it cannot be read, does not fit, or leads to something that is refused.
        """
        kind = media_type(call.content_type)
        self._check_type(resource, kind)
        media = negotiate(call.accept, allowed=allowed)
        options = write_options("PatchOptions", call.query, call.agent, is_apply=kind in APPLY_TYPES)
        if kind in APPLY_TYPES:
            return self._apply(resource, call, part, media, options)
        handlers = self._handlers
        record = handlers.current(resource, handlers.record(resource, call))
        report = collecting(options)
        patched = self._patched(resource, kind, views.shown(resource, record.obj), call, report)
        if not isinstance(patched, dict):
            raise errors.bad_request("the patch does not leave an object")
        strategy = handlers.strategy_of(resource)
        check_kind(resource, patched)
        try:
            new = strategy.read(structural_copy(patched), report)
        except errors.ApiError as error:
            raise _unreadable(error.message, call) from error
        warnings = _problems(report, options, call)
        with carrying(warnings):
            check_name(new, call)
            set_namespace(resource, new, call)
            outcome = handlers.writer.update(strategy, record, new, options, part=part)
        return warn(handlers.answer(resource, outcome, media, call), warnings + outcome.warnings)

    def _check_type(self, resource: Resource, kind: str) -> None:
        accepted = [JSON_PATCH, MERGE_PATCH, *sorted(APPLY_TYPES)]
        if resource.custom is None:
            accepted.insert(2, STRATEGIC_PATCH)
        if kind not in accepted:
            raise errors.unsupported_media_type(", ".join(accepted))

    def _patched(self, resource: Resource, kind: str, base: dict[str, Any], call: Call, report: Report | None) -> Any:
        patch = read_patch(call)
        if report is not None:
            _report_patch(patch, kind, report)
        if kind == JSON_PATCH:
            return patches.json_patch(base, patch)
        if not isinstance(patch, dict):
            raise errors.bad_request(
                "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}"
            )
        if kind == MERGE_PATCH:
            return patches.merge_patch(base, patch)
        return strategic.strategic_merge(resource.node, base, patch)

    def _apply(self, resource: Resource, call: Call, part: str, media: Media, options: WriteOptions) -> Answer:
        handlers, target = self._handlers, call.target
        strategy = handlers.strategy_of(resource)
        stored = handlers.store.get(resource.key, object_key(target.namespace, target.name))
        if stored is None and part:
            raise errors.not_found(resource.group, resource.plural, target.name)
        wanted = read_config(resource, call, options)
        record = handlers.current(resource, stored) if stored is not None else None
        check_apply_version(resource, wanted, record)
        applied = merged(resource, record, wanted, options, part, strategy.ignored(part))
        refuse_nulls(resource, applied.obj)
        new = strategy.read(structural_copy(applied.obj), None)
        set_namespace(resource, new, call)
        renew_last_applied(new, wanted, options)
        if record is not None:
            outcome = handlers.writer.update(strategy, record, new, options, part=part, managers=applied.managers)
        else:
            if new["metadata"].get("uid"):
                why = "uid mismatch: the provided object specified uid {}, and no existing object was found"
                why = why.format(new["metadata"]["uid"])
                raise errors.conflict(resource.group, resource.plural, target.name, why)
            outcome = handlers.writer.create(strategy, new, options, applied.managers)
        return warn(handlers.answer(resource, outcome, media, call), outcome.warnings)


def merged(  # noqa: PLR0917
    resource: Resource, record: Record | None, wanted: dict[str, Any], options: WriteOptions, part: str,
    ignored: dict[str, Any],
) -> ssa.Applied:  # fmt: skip
    """A configuration merged into what is stored.

    Raises:
        ApiError: 409 for fields of others, 500 when the configuration does not have the form of its type.
    """
    live = views.shown(resource, record.obj) if record is not None else None
    applier = Manager(options.manager, ssa.APPLY, resource.api_version, part, {}, "")
    try:
        forgiven = last_applied_fields(resource, live, options.manager)
        return ssa.apply(resource.node, live, wanted, applier, ignored, options.force, forgiven)
    except typed.TypedError as error:
        raise _untypable(resource, wanted, error) from error


def last_applied_fields(resource: Resource, live: dict[str, Any] | None, manager: str) -> dict[str, Any]:
    """What kubectl may take over without force: what it applied from the client's side, unchanged since."""
    text = ((live or {}).get("metadata", {}).get("annotations") or {}).get(ssa.LAST_APPLIED)
    if live is None or manager != "kubectl" or not text:
        return {}
    try:
        last = codec.require_object(parsing.parse_json(text.encode()))
        if last.get("apiVersion") != resource.api_version:
            return {}
        return ssa.unchanged_fields(resource.node, last, live)
    except (ValueError, errors.ApiError):  # whoever mangles the annotation has to force
        return {}


def read_config(resource: Resource, call: Call, options: WriteOptions) -> dict[str, Any]:
    """The applied configuration in canonical form.

    Raises:
        ApiError: it is none of this resource, or has fields or values that the resource's type does not have.
    """
    try:
        value = parsing.parse_yaml(call.body)
    except ValueError as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from error
    wanted = codec.require_object(value)
    check_kind(resource, wanted, required=True)
    metadata = wanted.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise errors.bad_request("metadata must be an object")
    wanted = {**wanted, "metadata": dict(metadata or {})}
    if wanted["metadata"].get("managedFields") is not None:
        raise errors.bad_request("metadata.managedFields must be nil")
    check_name(wanted, call)
    if wanted["metadata"].get("namespace"):
        set_namespace(resource, wanted, call)
    try:
        typed.check(resource.node, wanted)
        prepared = config.prepare(resource, wanted)
    except (typed.TypedError, codec.DecodeError) as error:
        raise _untypable(resource, wanted, error) from error
    repeated = Report()
    parsing.duplicates(value, repeated)
    if repeated.problems and options.field_validation == STRICT:
        raise errors.bad_request(f"error strict decoding YAML: {', '.join(repeated.problems)}")
    return prepared


def _untypable(resource: Resource, wanted: dict[str, Any], error: Exception) -> errors.ApiError:
    metadata = wanted["metadata"]
    return errors.bare_500(
        f"failed to create typed patch object ({metadata.get('namespace', '')}/{metadata.get('name', '')}; "
        f"{resource.api_version}, Kind={resource.kind}): {error}"
    )


def _unreadable(message: str, call: Call) -> errors.ApiError:
    shown = call.body.decode("utf-8", "replace")
    return errors.invalid("", "", "", [errors.FieldError(errors.INVALID, "patch", message, shown)])


def _problems(report: Report | None, options: WriteOptions, call: Call) -> list[str]:
    """Unknown and repeated fields as warnings; under strict validation a patch with them counts as invalid."""
    if report is None or not report.problems:
        return []
    if options.field_validation == STRICT:
        raise _unreadable(f"strict decoding error: {', '.join(report.problems)}", call)
    return list(report.problems) if options.field_validation == WARN else []


def _report_patch(patch: Any, kind: str, report: Report) -> None:
    found = Report()
    parsing.duplicates(patch, found)
    if kind == JSON_PATCH and isinstance(patch, list):
        for index, operation in enumerate(patch):
            for name in operation if isinstance(operation, dict) else ():
                if name not in _OPERATION:
                    found.unknown(f"[{index}].{name}")
        found.problems = [f"json patch {problem}" for problem in found.problems]
    report.problems += found.problems
