"""The course of a write: create, update, delete, the same for every kind.

Nothing here awaits, so what was read is still true when it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from slipway_sandbox.apiserver import errors, metadata, names, ssa
from slipway_sandbox.apiserver.allocation import SERVICES, taken
from slipway_sandbox.apiserver.calls import carrying
from slipway_sandbox.apiserver.codec import Report, now
from slipway_sandbox.apiserver.errors import INVALID, FieldError
from slipway_sandbox.apiserver.matching import Write
from slipway_sandbox.apiserver.options import STRICT, WARN, DeleteOptions, WriteOptions, junk_version
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.ssa import Manager, Managers
from slipway_sandbox.apiserver.store import Record, Store, object_key
from slipway_sandbox.apiserver.strategy import Strategy, Verdict

MAX_DEPTH = 250
"""Levels of objects and lists in an object."""

Admission = Callable[[Resource, dict[str, Any], "dict[str, Any] | None", str], None]
"""Looks at an object before it is stored (resource, new, old, part); may change it or raise ApiError."""

Review = Callable[[Write], list[str]]
"""Judges a write whose object is valid in itself: warnings, or ApiError."""


@dataclass
class Outcome:
    """What a write led to. `record` is None after an object is gone and for dry runs; `obj` is what to answer with."""

    obj: dict[str, Any]
    record: Record | None = None
    created: bool = False
    gone: bool = False
    warnings: list[str] = field(default_factory=list)


class Writer:
    """Carries writes out on a store."""

    def __init__(self, store: Store, admit: Admission, review: Review) -> None:
        self._store = store
        self._admit = admit
        self._review = review

    def strict(self, resource: Resource, report: Report, options: WriteOptions) -> list[str]:
        """Unknown and duplicate fields as warnings, or as a refusal, as the request wishes.

        Raises:
            ApiError: 400 under strict validation.
        """
        if not report.problems or options.field_validation not in {WARN, STRICT}:
            return []
        if options.field_validation == STRICT:
            joined = ", ".join(report.problems)
            raise errors.bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                f"strict decoding error: {joined}"
            )
        return list(report.problems)

    def create(
        self, strategy: Strategy, obj: dict[str, Any], options: WriteOptions, managers: Managers | None = None
    ) -> Outcome:
        """Create an object that has been read by its strategy. `managers` come with an apply.

        Raises:
            ApiError: it is invalid, refused, or exists.
        """
        resource = strategy.resource
        _check_depth(obj)
        meta = obj["metadata"]
        if resource.custom is not None and resource.custom.terminating:
            why = "create not allowed while custom resource definition is terminating"
            raise errors.forbidden(resource.group, resource.plural, meta.get("name", ""), why)
        if meta.get("resourceVersion") and meta["resourceVersion"] != "0":
            raise errors.bare_500("resourceVersion should not be set on objects to be created")
        meta.pop("resourceVersion", None)
        metadata.begin(obj)
        repeated = metadata.without_repeated_owners(meta, options.moment)
        if meta.get("generateName") and not meta.get("name"):
            meta["name"] = names.generate(meta["generateName"])
        strategy.default(obj)
        strategy.for_create(obj)
        key = object_key(meta.get("namespace", ""), meta.get("name", ""))
        self._admit(resource, obj, None, "")
        self._record_ownership(strategy, None, obj, options, managers, "")
        verdict = strategy.check_create(obj)
        verdict.warnings = repeated + verdict.warnings
        self._refuse(resource, obj, verdict)
        with carrying(verdict.warnings):
            verdict.warnings += self._review(Write("CREATE", resource, obj, None, "", options.dry_run))
        if self._store.get(resource.key, key) is not None:
            raise errors.already_exists(resource.group, resource.plural, meta["name"])
        if options.dry_run:
            return Outcome(obj, created=True, warnings=verdict.warnings)
        record = self._store.write(resource.key, key, obj)
        return Outcome(record.obj, record, created=True, warnings=verdict.warnings)

    def _record_ownership(  # noqa: PLR0917
        self, strategy: Strategy, old: dict[str, Any] | None, new: dict[str, Any], options: WriteOptions,
        managers: Managers | None, part: str,
    ) -> None:  # fmt: skip
        if managers is not None:
            ssa.finish(new, managers)
            return
        resource = strategy.resource
        api_version = new.get("apiVersion", resource.api_version)
        writer = Manager(options.manager, ssa.UPDATE, api_version, part, {}, "")
        if old is None:
            new["metadata"].pop("managedFields", None)
        ssa.track_update(resource.node, old, new, writer, strategy.ignored(part))

    def _refuse(self, resource: Resource, obj: dict[str, Any], verdict: Verdict) -> None:
        if not verdict.errors and resource.key == SERVICES:
            verdict.errors += taken(self._store, obj)
        if verdict.errors:
            name = obj["metadata"].get("name", "")
            refusal = errors.invalid(resource.key[0], resource.kind, name, verdict.errors)
            refusal.warnings = verdict.warnings
            raise refusal

    def update(
        self, strategy: Strategy, record: Record, new: dict[str, Any], options: WriteOptions, *, part: str = "",
        managers: Managers | None = None,
    ) -> Outcome:  # fmt: skip
        """Replace an object by one that has been read by its strategy.

        Raises:
            ApiError: it is invalid, refused, or was not made from the current version.
        """
        resource, old = strategy.resource, record.obj
        _check_depth(new)
        meta = new["metadata"]
        self._check_version(strategy, meta, old)
        repeated = metadata.without_repeated_owners(meta, options.moment)
        metadata.carry_over(meta, old["metadata"])
        if resource.namespaced:
            meta.setdefault("namespace", old["metadata"].get("namespace", ""))
        strategy.default(new)
        strategy.for_update(new, old, part)
        meta = new["metadata"]
        self._admit(resource, new, old, part)
        self._record_ownership(strategy, old, new, options, managers, part)
        verdict = strategy.check_update(new, old, part)
        verdict.warnings = repeated + verdict.warnings
        self._refuse(resource, new, verdict)
        with carrying(verdict.warnings):
            verdict.warnings += self._review(Write("UPDATE", resource, new, old, part, options.dry_run))
        if self._same(new, old):
            return Outcome(old, record, warnings=verdict.warnings)
        if options.dry_run:
            return Outcome(new, warnings=verdict.warnings)
        key = object_key(meta.get("namespace", ""), meta["name"])
        if meta.get("deletionTimestamp") and not meta.get("finalizers") and not self._waits(new):
            self._store.delete(resource.key, key)
            return Outcome(new, gone=True, warnings=verdict.warnings)
        written = self._store.write(resource.key, key, new)
        return Outcome(written.obj, written, warnings=verdict.warnings)

    def _waits(self, obj: dict[str, Any]) -> bool:
        """Whether something other than finalizers keeps an object that is being deleted."""
        if obj["kind"] == "Namespace" and obj["apiVersion"] == "v1":
            return bool(obj.get("spec", {}).get("finalizers"))
        return bool(obj["metadata"].get("deletionGracePeriodSeconds"))

    def _check_version(self, strategy: Strategy, meta: dict[str, Any], old: dict[str, Any]) -> None:
        resource, name = strategy.resource, old["metadata"]["name"]
        current = old["metadata"]["resourceVersion"]
        wanted = meta.get("resourceVersion", "")
        if wanted and not wanted.isdigit():
            raise junk_version(wanted)
        if wanted in {"", "0"}:
            if not strategy.unconditional_update:
                detail = "must be specified for an update"
                found = [FieldError(INVALID, "metadata.resourceVersion", detail, 0)]
                raise errors.invalid(resource.group, resource.plural, name, found)
        elif wanted != current:
            raise errors.modified(resource.group, resource.plural, name)
        meta["resourceVersion"] = current

    def _same(self, new: dict[str, Any], old: dict[str, Any]) -> bool:
        """Whether a write changes nothing but the times in managedFields."""
        if new == old:
            return True
        if {**new, "metadata": None} != {**old, "metadata": None}:
            return False
        a, b = dict(new["metadata"]), dict(old["metadata"])
        fields_a, fields_b = a.pop("managedFields", None), b.pop("managedFields", None)
        return a == b and _untimed(fields_a) == _untimed(fields_b)

    def delete(self, strategy: Strategy, record: Record, options: DeleteOptions) -> Outcome:
        """Delete an object, or mark it as being deleted when finalizers or a grace period keep it.

        Raises:
            ApiError: a precondition does not hold.
        """
        resource, old = strategy.resource, record.obj
        self._check_preconditions(resource, old, options)
        warnings = self._review(Write("DELETE", resource, None, old, "", options.dry_run))
        marked = strategy.for_delete(old)
        if marked is not None:
            outcome = Outcome(marked) if options.dry_run else self._put(resource, marked)
        else:
            outcome = self.remove(resource, record, options)
        outcome.warnings += warnings
        return outcome

    def _put(self, resource: Resource, obj: dict[str, Any]) -> Outcome:
        meta = obj["metadata"]
        written = self._store.write(resource.key, object_key(meta.get("namespace", ""), meta["name"]), obj)
        return Outcome(written.obj, written)

    def remove(self, resource: Resource, record: Record, options: DeleteOptions) -> Outcome:
        """Delete without asking anybody, as the server itself does."""
        old = record.obj
        meta = dict(old["metadata"])
        finalizers = self._finalizers(resource, meta, options)
        grace = self._grace(resource, old, options)
        key = object_key(meta.get("namespace", ""), meta["name"])
        holds = bool(finalizers) or grace > 0 or (resource.kind == "Namespace" and resource.group == "")
        if not holds:
            if options.dry_run:
                return Outcome(old, gone=True)
            last = self._store.delete(resource.key, key)
            if (resource.group, resource.plural) == ("", "pods"):
                return Outcome(_ended(last.obj), gone=True)
            return Outcome(last.obj, last, gone=True)
        new = self._marked(resource, old, meta, finalizers, grace)
        if new == old:
            return Outcome(old, record)
        if options.dry_run:
            return Outcome(new)
        written = self._store.write(resource.key, key, new)
        return Outcome(written.obj, written)

    def _marked(
        self, resource: Resource, old: dict[str, Any], meta: dict[str, Any], finalizers: list[str], grace: int
    ) -> dict[str, Any]:
        if finalizers:
            meta["finalizers"] = finalizers
        else:
            meta.pop("finalizers", None)
        if not meta.get("deletionTimestamp"):
            meta["deletionTimestamp"] = _later(grace)
            meta["deletionGracePeriodSeconds"] = grace
            if meta.get("generation"):
                meta["generation"] += 1
        elif grace < meta.get("deletionGracePeriodSeconds", 0):
            meta["deletionTimestamp"] = _later(grace)
            meta["deletionGracePeriodSeconds"] = grace
        new = {**old, "metadata": meta}
        if resource.kind == "Namespace" and resource.group == "":
            meta.pop("deletionGracePeriodSeconds", None)
            new["status"] = {**old.get("status", {}), "phase": "Terminating"}
        return new

    def _check_preconditions(self, resource: Resource, old: dict[str, Any], options: DeleteOptions) -> None:
        meta = old["metadata"]
        pairs = (
            ("UID", options.uid, meta["uid"]),
            ("ResourceVersion", options.resource_version, meta["resourceVersion"]),
        )
        for name, wanted, found in pairs:
            if wanted and wanted != found:
                raise errors.conflict(
                    resource.group, resource.kind, meta["name"],
                    f"Precondition failed: {name} in precondition: {wanted}, {name} in object meta: {found}",
                )  # fmt: skip

    def _finalizers(self, resource: Resource, meta: dict[str, Any], options: DeleteOptions) -> list[str]:
        kept = [item for item in meta.get("finalizers") or [] if item not in {metadata.FOREGROUND, metadata.ORPHAN}]
        present = [item for item in meta.get("finalizers") or [] if item not in kept]
        if options.propagation == "Foreground":
            return [*kept, metadata.FOREGROUND]
        if options.propagation == "Orphan":
            return [*kept, metadata.ORPHAN]
        if options.propagation == "Background":
            return kept
        _ = resource
        return [*kept, *present]

    def _grace(self, resource: Resource, obj: dict[str, Any], options: DeleteOptions) -> int:
        """Seconds that the object may go on: only pods that run on a node have them."""
        if (resource.group, resource.plural) != ("", "pods"):
            return 0
        spec = obj.get("spec", {})
        if not spec.get("nodeName") or obj.get("status", {}).get("phase") in {"Succeeded", "Failed"}:
            return 0
        if options.grace_period is not None:
            return max(0, options.grace_period) if options.grace_period >= 0 else 1
        return int(spec.get("terminationGracePeriodSeconds") or 0)


def _check_depth(obj: dict[str, Any]) -> None:
    """Refuse what could be stored but not be shown again, since showing recurses.

    Raises:
        ApiError: 400.
    """
    level: list[Any] = [obj]
    for _ in range(MAX_DEPTH):
        level = [
            below
            for value in level
            for below in (value.values() if isinstance(value, dict) else value)
            if isinstance(below, dict | list)
        ]
        if not level:
            return
    raise errors.bad_request(f"exceeded max depth: objects may be nested {MAX_DEPTH} deep")


def _ended(pod: dict[str, Any]) -> dict[str, Any]:
    """A deleted pod as the answer shows it: as one whose grace period is over."""
    metadata = {**pod["metadata"], "deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
    return {**pod, "metadata": metadata}


def _untimed(entries: Any) -> Any:
    return [{name: value for name, value in entry.items() if name != "time"} for entry in entries or ()]


def _later(seconds: int) -> str:
    from datetime import UTC, datetime, timedelta

    if not seconds:
        return now()
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
