"""The verbs on stored resources: what a request with a method and a target does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slipway_sandbox.apiserver import errors, reads, tables, views, watches
from slipway_sandbox.apiserver.admission import refuse_deletion
from slipway_sandbox.apiserver.bodies import (
    check_kind,
    check_name,
    check_uid,
    checked_delete_options,
    collecting,
    set_namespace,
    unknown_at_that_version,
)
from slipway_sandbox.apiserver.calls import Answer, Call, carrying, json_answer, read_body, warn
from slipway_sandbox.apiserver.codec import Report
from slipway_sandbox.apiserver.options import DeleteOptions, boolean, delete_options, write_options
from slipway_sandbox.apiserver.patching import Patching
from slipway_sandbox.apiserver.requests import Media, negotiate
from slipway_sandbox.apiserver.resources import Resource
from slipway_sandbox.apiserver.store import Record, Store, object_key
from slipway_sandbox.apiserver.strategy import Strategy
from slipway_sandbox.apiserver.writes import Outcome, Writer

_TABLE = {("meta.k8s.io", version, "Table") for version in ("v1", "v1beta1")}
ONE = frozenset(_TABLE | {("meta.k8s.io", version, "PartialObjectMetadata") for version in ("v1", "v1beta1")})
MANY = frozenset(_TABLE | {("meta.k8s.io", version, "PartialObjectMetadataList") for version in ("v1", "v1beta1")})


class Handlers:
    """Reads and writes of any stored resource."""

    def __init__(self, store: Store, writer: Writer, strategy_of: Callable[[Resource], Strategy]) -> None:
        self.store = store
        self.writer = writer
        self.strategy_of = strategy_of

    # -- finding

    def record(self, resource: Resource, call: Call) -> Record:
        """The record that a request names.

        Raises:
            ApiError: 404.
        """
        target = call.target
        found = self.store.get(resource.key, object_key(target.namespace, target.name))
        if found is None:
            raise errors.not_found(resource.group, resource.plural, target.name)
        return found

    # -- reading

    def get(self, resource: Resource, call: Call) -> Answer:
        media = negotiate(call.accept, allowed=ONE)
        if boolean(call.query.get("export")):
            raise errors.bad_request("the export parameter, deprecated since v1.14, is no longer supported")
        version = reads.read_version(call.query)
        if version is not None and version > self.store.revision:
            raise reads.too_new(version, self.store.revision)
        return self.show(resource, self.record(resource, call), media, call)

    def show(self, resource: Resource, record: Record, media: Media, call: Call, status: int = 200) -> Answer:
        """An object as the answer, in the form that was asked for."""
        if media.kind == "Table":
            view = views.shown(resource, record.obj)
            table = tables.table(
                resource,
                [view],
                call.query,
                {"resourceVersion": view["metadata"].get("resourceVersion", "")},
                media.version,
            )
            return json_answer(table, media, status)
        if media.kind == "PartialObjectMetadata":
            return json_answer(views.partial(views.shown(resource, record.obj)), media, status)
        return Answer(views.to_media(views.encoded(resource, record), media), status, media.header)

    def list(self, resource: Resource, call: Call) -> Answer:
        media = negotiate(call.accept, allowed=MANY)
        reads.check_list_options(call.query)
        selected = reads.selection(resource, call.target.namespace, "", call.query)
        found = reads.page(self.store, selected, call.query)
        if media.kind == "":
            return Answer(views.to_media(reads.list_body(resource, found), media), 200, media.header)
        meta: dict[str, Any] = {"resourceVersion": str(found.revision)}
        if found.next:
            meta["continue"] = found.next
        if found.remaining is not None:
            meta["remainingItemCount"] = found.remaining
        objects = [views.shown(resource, record.obj) for record in found.records]
        if media.kind == "Table":
            return json_answer(tables.table(resource, objects, call.query, meta, media.version), media)
        items = [views.partial(obj) for obj in objects]
        body = {"kind": media.kind, "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items}
        return json_answer(body, media)

    def watch(self, resource: Resource, call: Call) -> Answer:
        media = negotiate(call.accept, allowed=ONE | MANY)
        reads.check_list_options(call.query)
        selected = reads.selection(resource, call.target.namespace, call.target.name, call.query)
        reads.read_version(call.query)
        encode, bookmark = self._watch_forms(resource, media, call)
        stream = watches.Watch(self.store, selected, call.query, encode, bookmark).stream()
        content_type = "application/yaml;stream=watch" if media.yaml else media.header
        return Answer(content_type=content_type, stream=stream)

    def _watch_forms(
        self, resource: Resource, media: Media, call: Call
    ) -> tuple[watches.Encode, Callable[[str, bool], dict[str, Any]]]:
        plain = watches.plain_bookmark(resource)
        if media.kind == "Table":
            rows = tables.Stream(resource, call.query, media.version)
            return rows.encode, rows.bookmark
        if media.kind.startswith("Partial"):

            def bookmark(revision: str, ends: bool) -> dict[str, Any]:
                return views.partial(plain(revision, ends))

            return lambda record: views.dump(views.partial(views.shown(resource, record.obj))), bookmark
        return lambda record: views.encoded(resource, record), plain

    # -- writing

    def create(self, resource: Resource, call: Call) -> Answer:
        media = negotiate(call.accept, allowed=ONE)
        options = write_options("CreateOptions", call.query, call.agent)
        report = collecting(options)
        value = read_body(call, report, resource.type_name)
        strategy = self.strategy_of(resource)
        with carrying(unknown_at_that_version(resource, value, report)):
            check_kind(resource, value)
        obj = strategy.read(value, report)
        if call.target.name and not obj["metadata"].get("name"):
            obj["metadata"]["name"] = call.target.name
        set_namespace(resource, obj, call)
        warnings = self.writer.strict(resource, report, options) if report else []
        with carrying(warnings):
            outcome = self.writer.create(strategy, obj, options)
        return warn(self.answer(resource, outcome, media, call), warnings + outcome.warnings)

    def answer(
        self, resource: Resource, outcome: Outcome, media: Media, call: Call, status: int | None = None
    ) -> Answer:
        """What a write led to, as an answer."""
        code = status or (201 if outcome.created else 200)
        record = outcome.record or Record(outcome.obj, 0)
        return self.show(resource, record, media, call, code)

    def update(self, resource: Resource, call: Call, part: str = "") -> Answer:
        media = negotiate(call.accept, allowed=ONE)
        options = write_options("UpdateOptions", call.query, call.agent)
        report = collecting(options)
        value = read_body(call, report, resource.type_name)
        strategy = self.strategy_of(resource)
        with carrying(unknown_at_that_version(resource, value, report)):
            check_kind(resource, value)
        new = strategy.read(value, report)
        check_name(new, call)
        set_namespace(resource, new, call)
        warnings = self.writer.strict(resource, report, options) if report else []
        target = call.target
        record = self.store.get(resource.key, object_key(target.namespace, target.name))
        with carrying(warnings):
            if record is not None:
                check_uid(resource, new, record)
                outcome = self.writer.update(strategy, self.current(resource, record), new, options, part=part)
            elif strategy.create_on_update and not part:
                outcome = self.writer.create(strategy, new, options)
            else:
                raise errors.not_found(resource.group, resource.plural, target.name)
        return warn(self.answer(resource, outcome, media, call), warnings + outcome.warnings)

    def current(self, resource: Resource, record: Record) -> Record:
        """The record a write starts from: today's defaults and the request's version apply to what was stored long ago."""  # noqa: E501
        if resource.custom is None:
            return record
        view = views.shown(resource, record.obj)
        return record if view == record.obj else Record(view, record.revision)

    def patch(self, resource: Resource, call: Call, part: str = "") -> Answer:
        return Patching(self).patch(resource, call, ONE, part)

    # -- deleting

    def delete(self, resource: Resource, call: Call) -> Answer:
        media = negotiate(call.accept, allowed=ONE)
        options = self.read_delete_options(call)
        record = self.record(resource, call)
        refuse_deletion(resource, call.target.name)
        outcome = self.writer.delete(self.strategy_of(resource), record, options)
        answer = self._deleted(resource, outcome, media, call)
        if options.cascades and not outcome.gone:
            answer.status = 202
        return warn(answer, outcome.warnings)

    def read_delete_options(self, call: Call) -> DeleteOptions:
        """The options of a deletion.

        Raises:
            ApiError: they cannot be read.
        """
        body = None
        if call.body:
            report = Report()
            body = read_body(call, report, "meta.v1.DeleteOptions")
            if body.get("kind") not in (None, "", "DeleteOptions"):
                raise errors.bad_request(
                    f"decode type mismatch: no kind {body['kind']!r} is registered as delete options"
                )
            body = checked_delete_options(body)
        return delete_options(call.query, body)

    def _deleted(self, resource: Resource, outcome: Outcome, media: Media, call: Call) -> Answer:
        returns_object = resource.key in _RETURNED or not outcome.gone
        if returns_object:
            return self.show(resource, outcome.record or Record(outcome.obj, 0), media, call)
        meta = outcome.obj["metadata"]
        details = {
            "name": meta["name"],
            **({"group": resource.group} if resource.group else {}),
            "kind": resource.plural,
            "uid": meta["uid"],
        }
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return json_answer(body, media)

    def delete_collection(self, resource: Resource, call: Call) -> Answer:
        media = negotiate(call.accept, allowed=MANY)
        reads.check_list_options(call.query)
        options = self.read_delete_options(call)
        selected = reads.selection(resource, call.target.namespace, "", call.query)
        found = reads.page(self.store, selected, call.query)
        strategy = self.strategy_of(resource)
        done = []
        for record in found.records:
            current = self.store.get(
                resource.key, object_key(record.obj["metadata"].get("namespace", ""), record.obj["metadata"]["name"])
            )
            if current is not None:
                outcome = self.writer.delete(strategy, current, options)
                done.append(outcome.record or Record(outcome.obj, 0))
        page = reads.Page(done, self.store.revision, found.next, found.remaining)
        return Answer(views.to_media(reads.list_body(resource, page), media), 200, media.header)


_RETURNED = {("", "services"), ("", "serviceaccounts"), ("", "pods"), ("", "persistentvolumeclaims"), ("", "persistentvolumes"),  # noqa: E501
             ("", "podtemplates"), ("", "resourcequotas"), ("policy", "podsecuritypolicies"), ("", "nodes_")}  # fmt: skip  # noqa: E501
